"""Reads LoRA files, whatever their writer calls the layers, and adds them to a model at run time.

A LoRA is two thin matrices for each layer that it changes. Files name the layers after diffusers' modules or after the
original project's, with dots or with underscores in their place, below one of several prefixes; so names are compared
without all of that. Where the original project keeps several of diffusers' layers in one matrix, the rows of the LoRA's
output matrix are those of the layers, and views of them are enough. Nothing is merged into a weight: it is quantised.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from apibr_worker.runtime.api import EngineError, InvalidInputError
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit.gguf_file import DamagedFileError
from apibr_worker.torchkit.linear import LowRank, StoredLinear
from apibr_worker.torchkit.names import Piece, Shapes

MAX_FILE = 4 << 30  # bytes; a LoRA of rank 128 for all layers of FLUX takes 1.2 GB
MAX_TENSORS = 20_000
MAX_RANK = 1024  # what is called a LoRA beyond it is a fine-tune that should be installed as a model
MAX_METADATA = 16 << 20  # characters
MAX_STRENGTH = 10.0

_DTYPES = {"F32", "F16", "BF16"}
_NUMBERS = _DTYPES | {"F64", "I32", "I64"}
_ENDS = {
    ".lora_A.weight": "down",
    ".lora_A.default.weight": "down",
    ".lora.down.weight": "down",
    ".lora_down.weight": "down",
    ".lora_B.weight": "up",
    ".lora_B.default.weight": "up",
    ".lora.up.weight": "up",
    ".lora_up.weight": "up",
    ".alpha": "alpha",
}
_PREFIXES = (
    "base_model.model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "unet.",
    "lora_unet_",
    "lora_transformer_",
)
# Adapters that are called LoRA but compute something else, by a part of their tensors' names.
_OTHER_KINDS = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "lokr_w": "LoKr",
    "hada_w": "LoHa",
    "oft_blocks": "OFT",
}


@dataclass(slots=True)
class Pair:
    """One layer's part of a file. down: (rank, in_features); up: (out_features, rank); alpha: the writer's scale."""

    down: torch.Tensor | None = None
    up: torch.Tensor | None = None
    alpha: float | None = None
    tensors: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a layer of a file goes: rows of its output, by the module that has them. No range means all rows."""

    height: int
    modules: dict[str, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome for a file: how many layers of the model it changes, and how many of its tensors fit none."""

    layers: int
    unused: int
    tensors: int


def apply(
    model: nn.Module, path: Path, strength: float, names: Callable[[Shapes], dict[str, Piece]], originals: Shapes
) -> Applied:
    """Adds the LoRA of a safetensors file to the model's layers; its tensors are views of the file.

    names: the map from the original project's names; originals: shapes of that project's linear layers for this model.
    strength: -10..10, by which the LoRA's part is multiplied. All is checked before the model is changed. Raises
    InvalidInputError for a LoRA of another model or kind, EngineError(model_missing) for a file that cannot be read.
    """
    if not math.isfinite(strength) or abs(strength) > MAX_STRENGTH:
        raise InvalidInputError(
            say("lora_strength must be between -%g and %g", MAX_STRENGTH, MAX_STRENGTH), field="lora_strength"
        )
    pairs, unused = read(path)
    places = targets(model, names, originals)
    found: list[tuple[StoredLinear, LowRank]] = []
    in_blocks = False
    total = unused + sum(pair.tensors for pair in pairs.values())
    for name, pair in pairs.items():
        target = places.get(flat(name))
        if target is None or pair.down is None or pair.up is None:
            unused += pair.tensors
            continue
        found += _parts(model, name, pair, target, strength)
        in_blocks = in_blocks or any("blocks." in module for module in target.modules)
    if not in_blocks:  # FLUX and Stable Diffusion 3 share the names of their first and last layers
        raise InvalidInputError(
            say("the LoRA is for another model: choose one that was made for this model"), field="lora"
        )
    for layer, part in found:
        layer.low_rank.append(part)
    return Applied(len({id(layer) for layer, _ in found}), unused, total)


def targets(model: nn.Module, names: Callable[[Shapes], dict[str, Piece]], originals: Shapes) -> dict[str, Target]:
    """The model's linear layers by their flat names, diffusers' and the original project's."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, StoredLinear)}
    found = {flat(name): Target(layer.out_features, {name: ()}) for name, layer in layers.items()}
    for parameter, piece in names(originals).items():
        name = parameter.removesuffix(".weight")
        if name not in layers:
            continue
        height = originals[piece.source][0] if piece.rows else layers[name].out_features
        source = flat(piece.source.removesuffix(".weight"))
        if source != flat(name):
            found.setdefault(source, Target(height, {})).modules[name] = piece.rows
    return found


def flat(name: str) -> str:
    """A layer's name without the prefixes of its file and with underscores alone."""
    stripped = True
    while stripped:
        stripped = False
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                name, stripped = name.removeprefix(prefix), True
    return name.replace(".", "_")


def read(path: Path) -> tuple[dict[str, Pair], int]:
    """A file's pairs by the file's names of the layers, and how many of its tensors belong to no pair.

    Raises EngineError(model_missing) for a missing or damaged file, InvalidInputError for another kind of adapter.
    """
    if path.suffix != ".safetensors":
        raise InvalidInputError(say("only safetensors files are loaded as LoRA: convert the file"), field="lora")
    if not path.is_file():
        raise EngineError("model_missing", say("the LoRA's file %s is missing: install it again", path.name))
    if path.stat().st_size > MAX_FILE:
        raise InvalidInputError(
            say("the LoRA has more than %d GiB: install it as a model", MAX_FILE >> 30), field="lora"
        )
    pairs: dict[str, Pair] = {}
    unused = 0
    try:
        with safe_open(path, framework="pt") as file:
            keys = list(file.keys())
            if len(keys) > MAX_TENSORS:
                raise DamagedFileError(path.name, say("it claims too many parts"))
            for key in keys:
                unused += not _take(path, file, key, pairs)
            _metadata_alphas(file.metadata() or {}, pairs)
    except (SafetensorError, OSError):
        raise DamagedFileError(path.name, say("it is not a safetensors file")) from None
    return pairs, unused


def _take(path: Path, file: Any, key: str, pairs: dict[str, Pair]) -> bool:
    """Puts a tensor into its pair. False when it belongs to no pair."""
    for part, kind in _OTHER_KINDS.items():
        if part in key:
            raise InvalidInputError(say("the file is a %s adapter: choose a plain LoRA", kind), field="lora")
    end = next((end for end in _ENDS if key.endswith(end)), None)
    if end is None:
        return False
    described = file.get_slice(key)
    shape, dtype = list(described.get_shape()), str(described.get_dtype())
    role = _ENDS[end]
    if dtype not in (_NUMBERS if role == "alpha" else _DTYPES):
        raise InvalidInputError(say("the LoRA is stored as %s: choose one in F32, F16 or BF16", dtype), field="lora")
    pair = pairs.setdefault(key.removesuffix(end), Pair())
    if role == "alpha":
        if math.prod(shape) != 1:
            raise DamagedFileError(path.name, say("an alpha is not a number"))
        pair.alpha = float(file.get_tensor(key).reshape(()))
    else:
        while len(shape) > 2 and shape[-1] == 1:  # linear layers that were trained as convolutions of one pixel
            shape.pop()
        if len(shape) != 2 or 0 in shape:
            raise DamagedFileError(path.name, say("a matrix has an impossible shape"))
        setattr(pair, role, file.get_tensor(key).reshape(shape))
    pair.tensors += 1
    return True


def _metadata_alphas(metadata: Mapping[str, str], pairs: dict[str, Pair]) -> None:
    """The scale that diffusers writes as PEFT's configuration, for layers without a tensor of their own for it."""
    text = metadata.get("lora_adapter_metadata", "")
    try:
        facts = json.loads(text) if 0 < len(text) <= MAX_METADATA else {}
    except ValueError:
        facts = {}
    if not isinstance(facts, dict):
        return
    own = {
        key.removeprefix("transformer."): value for key, value in facts.items() if str(key).startswith("transformer.")
    }
    default, pattern = own.get("lora_alpha"), own.get("alpha_pattern")
    for name, pair in pairs.items():
        if pair.alpha is not None or not name.startswith("transformer.") or pair.down is None:
            continue
        short = name.removeprefix("transformer.")
        special = [
            value
            for key, value in (pattern if isinstance(pattern, dict) else {}).items()
            if short == key or short.endswith(f".{key}")
        ]
        alpha = special[0] if special else default
        if isinstance(alpha, (int, float)):
            rank = pair.down.shape[0]
            pair.alpha = float(alpha) * math.sqrt(rank) if own.get("use_rslora") else float(alpha)


def _parts(
    model: nn.Module, name: str, pair: Pair, target: Target, strength: float
) -> list[tuple[StoredLinear, LowRank]]:
    """A pair as parts of the layers that it changes. Raises InvalidInputError when a shape or number does not fit."""
    assert pair.down is not None and pair.up is not None  # noqa: S101 (the caller has looked)
    rank = pair.down.shape[0]
    scale = strength * (1.0 if pair.alpha is None else pair.alpha / rank)
    if rank > MAX_RANK:
        raise InvalidInputError(
            say("the LoRA has the rank %d: choose one with %d at most", rank, MAX_RANK), field="lora"
        )
    if not math.isfinite(scale) or not all(bool(torch.isfinite(part).all()) for part in (pair.down, pair.up)):
        raise InvalidInputError(say("the LoRA holds numbers that are not finite: choose another file"), field="lora")
    found: list[tuple[StoredLinear, LowRank]] = []
    for module, rows in target.modules.items():
        layer = model.get_submodule(module)
        assert isinstance(layer, StoredLinear)  # noqa: S101 (targets has looked)
        if tuple(pair.down.shape) != (rank, layer.in_features) or tuple(pair.up.shape) != (target.height, rank):
            raise InvalidInputError(
                say(
                    "the LoRA is for another model, since its layer %s has %d inputs and %d "
                    "outputs where %d and %d are needed: choose one that was made for this model",
                    _short(name),
                    pair.down.shape[1],
                    pair.up.shape[0],
                    layer.in_features,
                    target.height,
                ),
                field="lora",
            )
        up = pair.up if not rows else _rows(pair.up, rows)
        found.append((layer, LowRank(pair.down, up, scale)))
    return found


def _rows(up: torch.Tensor, rows: tuple[tuple[int, int], ...]) -> torch.Tensor:
    """Ranges of rows that follow one another: a view when there is one range."""
    pieces = [up[start:end] for start, end in rows]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _short(name: str) -> str:
    """A name from a file, short enough and plain enough for a message."""
    return "".join(letter for letter in name[:80] if letter.isalnum() or letter in "._-")
