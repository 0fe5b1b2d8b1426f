"""Loads the components of a folder in diffusers' layout, each alone, from safetensors only, without the network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import Sentence, say
from apibr_worker.torchkit.conv import keep_convolutions
from apibr_worker.torchkit.names import Piece, Shapes, plain
from apibr_worker.torchkit.weights import GGUFWeights, SafetensorsWeights, Weights, fill, folder_files, read_config

T = TypeVar("T")
Names = Callable[[Shapes], dict[str, Piece]]


def component(what: Sentence, load: Callable[[], T]) -> T:
    """Runs a loader of a library and turns its failures into a sentence. MemoryError and our own errors pass."""
    try:
        return load()
    except (EngineError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        logging.getLogger(__name__).warning("%s: %s: %s", what, type(error).__name__, error)
        raise EngineError(
            "model_missing", say("the model's part %s could not be read: install the model again", what)
        ) from error


def transformer(cls: Any, config: Path, weights: Path, names: Names, marker: str, dtype: torch.dtype) -> nn.Module:
    """A diffusers transformer whose weights are views of a GGUF file or of a folder of safetensors.

    config: the folder of its config.json; names: the map for files with the original project's names, which hold a
    tensor that contains `marker`; dtype: of all that is not a linear layer's weight.
    """
    source = transformer_weights(weights, names, marker)
    # Buffers come from the file as well: to compute the table of positions of Stable Diffusion 3.5 takes 1.4 GB and ten
    # seconds, and the file's is the one that the model was trained with.
    with torch.device("meta"):
        model: nn.Module = component(say("transformer"), lambda: cls.from_config(read_config(config)))
    fill(model, source, dtype)
    return model


def transformer_weights(path: Path, names: Names, marker: str) -> Weights:
    """Weights with the names that the file turns out to have."""

    def choose(shapes: Shapes) -> dict[str, Piece]:
        return names(shapes) if any(marker in name for name in shapes) else plain(shapes)

    if path.is_dir():
        return SafetensorsWeights(folder_files(path), choose)
    if path.suffix == ".gguf":
        return GGUFWeights(path, choose)
    if path.suffix == ".safetensors":
        return SafetensorsWeights([path], choose)
    raise EngineError(
        "model_missing", say("%s is neither GGUF nor safetensors: install a model in one of these formats", path.name)
    )


def text_encoder(cls: type[PreTrainedModel], folder: Path) -> PreTrainedModel:
    """A text encoder on the CPU in the file's own dtype, its weights views of the file: no copy of ten gigabytes is
    made.
    """
    configuration: Any = cls.config_class
    config = component(say("text encoder"), lambda: configuration.from_pretrained(folder, local_files_only=True))
    with init_empty_weights(include_buffers=False):
        model: PreTrainedModel = component(say("text encoder"), lambda: cls(config))
    weights = SafetensorsWeights(folder_files(folder), lambda shapes: _tied(model, plain(shapes)))
    fill(model, weights, None)
    return model


def _tied(model: PreTrainedModel, pieces: dict[str, Piece]) -> dict[str, Piece]:
    """Adds the parameters that the model shares with others and that files hold once, and drops a prefix that is not
    the model's.
    """
    wanted = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    prefix = f"{model.base_model_prefix}."
    for name in wanted:
        for known in (name.removeprefix(prefix), prefix + name):
            if name not in pieces and known in pieces:
                pieces[name] = pieces[known]
    for target, source in (getattr(model, "_tied_weights_keys", None) or {}).items():
        for name, known in ((target, source), (source, target)):
            if name not in pieces and known in pieces:
                pieces[name] = pieces[known]
    return pieces


def tokenizer(cls: Any, folder: Path) -> PreTrainedTokenizerBase:
    """A tokenizer from its files; code of the repository is never run."""
    return component(
        say("tokenizer"), lambda: cls.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    )


def scheduler(folder: Path) -> Any:
    """The flow-matching scheduler of the folder's scheduler_config.json."""
    cls: Any = FlowMatchEulerDiscreteScheduler
    return component(say("scheduler"), lambda: cls.from_pretrained(folder, local_files_only=True))


def vae(folder: Path) -> Any:
    """The VAE on the CPU. It computes in float32, in which its decoder does not overflow; its weights
    are views of the file.
    """
    config = read_config(folder)
    with init_empty_weights(include_buffers=False):
        model: Any = component(say("VAE"), lambda: AutoencoderKL.from_config(config))
    fill(model, SafetensorsWeights(folder_files(folder), plain), None)
    keep_convolutions(model)
    return model
