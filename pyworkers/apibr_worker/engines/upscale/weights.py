"""Reads an upscaler's file. It may come from anywhere: nothing in it is executed, its size bounds what it may take."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from spandrel import (
    ArchRegistry,
    ArchSupport,
    ImageModelDescriptor,
    ModelLoader,
    canonicalize_state_dict,
)
from spandrel.architectures.Compact import CompactArch
from spandrel.architectures.ESRGAN import ESRGANArch

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import say

MAX_BYTES = 512 << 20
"""The released files hold 67 MB."""
MAX_TENSORS = 4096
MAX_INDEX = 512
"""Of a numbered layer. spandrel builds as many layers as the highest number says, before it looks for their weights."""
SCALES = (2, 4)
_SUFFIXES = (".pth", ".pt", ".safetensors")

Upscaler = ImageModelDescriptor[Any]


def load_upscaler(path: Path) -> Upscaler:
    """The network in the file (or in the only such file of the folder), on the CPU, float32, for inference.

    Raises EngineError(model_missing) for a file that is not an upscaler, is damaged, or holds more than weights.
    """
    file = _file(path)
    try:
        state = _checked(_state(file))
        # Built once without memory: names and shapes are seen to be those of a network before anything is allocated.
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            _families().load(dict(state))
        model = ModelLoader("cpu", _families()).load_from_state_dict(dict(state))
    except (EngineError, MemoryError):
        raise
    except Exception as error:
        logging.getLogger(__name__).warning("%s: %s: %s", file.name, type(error).__name__, error)
        raise EngineError(
            "model_missing",
            say(
                "the upscaler's file cannot be used, since it is damaged, holds more than "
                "weights, or is not a Real-ESRGAN network: install the model again"
            ),
        ) from None
    if not isinstance(model, ImageModelDescriptor) or (model.input_channels, model.output_channels) != (3, 3):
        raise EngineError(
            "model_missing", say("the upscaler's file is not a network for colour pictures: install the model again")
        )
    if model.scale not in SCALES:
        raise EngineError(
            "model_missing",
            say(
                "the upscaler's file enlarges %d times; only 2 and 4 are supported: install another model", model.scale
            ),
        )
    model.model.requires_grad_(False)
    return model.eval()


def _families() -> ArchRegistry:
    """Only the two families that Real-ESRGAN has released: less code for a hostile file to reach."""
    registry = ArchRegistry()
    registry.add(ArchSupport.from_architecture(CompactArch()), ArchSupport.from_architecture(ESRGANArch()))
    return registry


def _file(path: Path) -> Path:
    files = [path] if path.is_file() else sorted(item for item in path.glob("*") if item.suffix in _SUFFIXES)
    if len(files) != 1 or files[0].suffix not in _SUFFIXES:
        raise EngineError(
            "model_missing",
            say("the upscaler's file is missing, or is neither .pth nor .safetensors: install the model again"),
        )
    if files[0].stat().st_size > MAX_BYTES:
        raise EngineError(
            "model_missing", say("the upscaler's file is larger than %d MB: install the model again", MAX_BYTES >> 20)
        )
    return files[0]


def _state(file: Path) -> dict[str, Any]:
    if file.suffix == ".safetensors":
        return dict(load_file(file, "cpu"))
    # spandrel's own reader unpickles with a list of allowed classes; torch's unpickler of weights allows less.
    return torch.load(file, map_location="cpu", weights_only=True)


def _checked(state: Any) -> dict[str, torch.Tensor]:
    if not isinstance(state, dict):
        raise ValueError("no dictionary of weights")
    found: dict[Any, Any] = canonicalize_state_dict(state)
    if not found or len(found) > MAX_TENSORS:
        raise ValueError("too many tensors, or none")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            raise ValueError("something that is not a weight")
        if any(int(number) > MAX_INDEX for number in re.findall(r"\d{1,18}", name)):
            raise ValueError("a layer's number is too high")
        # A view with strides of zero pretends to be larger than the file.
        if tensor.layout != torch.strided or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError("a tensor larger than its data")
    return {name: tensor.float() for name, tensor in found.items()}
