"""Gives a module the weights of a file without copying them: large ones stay views of the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gguf import GGML_QUANT_SIZES
from safetensors import SafetensorError, safe_open
from torch import nn

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit.dequantise import dequantise, supported
from apibr_worker.torchkit.gguf_file import DamagedFileError, GGUFFile, Kind
from apibr_worker.torchkit.linear import StoredLinear
from apibr_worker.torchkit.names import Piece, Shapes

KINDS = {torch.float32: Kind.F32, torch.float16: Kind.F16, torch.bfloat16: Kind.BF16}
MAX_INDEX = 64 << 20  # bytes of a shard index


@dataclass(frozen=True, slots=True)
class Stored:
    """A parameter as the file has it. raw: uint8 (rows, row bytes); shape: what it decodes to."""

    raw: torch.Tensor
    kind: Kind
    shape: tuple[int, ...]

    def numbers(self, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Decoded, in its own dtype when none is asked for (float32 for quantised ones); a view of the file if it can
        be.
        """
        own = {kind: plain for plain, kind in KINDS.items()}.get(self.kind, torch.float32)
        return dequantise(self.raw, self.kind, dtype or own).view(self.shape)


class Weights:
    """Parameters by the module's names. Subclasses say where they are."""

    def __init__(self, shapes: Shapes, names: Callable[[Shapes], dict[str, Piece]]) -> None:
        self._shapes = shapes
        self._pieces = names(shapes)

    def names(self) -> Iterator[str]:
        """All names that can be read."""
        return iter(self._pieces)

    def read(self, name: str) -> Stored:
        """One parameter. Raises KeyError when the file lacks it."""
        piece = self._pieces[name]
        raw, kind = self._raw(piece.source)
        shape = self._shapes[piece.source]
        if len(piece.rows) == 1:
            raw = raw[slice(*piece.rows[0])]
        elif piece.rows:
            raw = torch.cat([raw[start:end] for start, end in piece.rows])
        if piece.rows:
            height = sum(end - start for start, end in piece.rows)
            shape = (height, *shape[1:])
        return Stored(raw, kind, shape)

    def _raw(self, source: str) -> tuple[torch.Tensor, Kind]:
        raise NotImplementedError


class GGUFWeights(Weights):
    """The weights of a GGUF file. Raises DamagedFileError, or EngineError for a quantisation that is not known here."""

    def __init__(self, path: Path, names: Callable[[Shapes], dict[str, Piece]]) -> None:
        self.file = GGUFFile(path)
        unknown = {info.kind.name for info in self.file.tensors.values() if not supported(info.kind)}
        if unknown:
            raise EngineError(
                "model_missing",
                say("%s uses %s: choose a variant from Q4_0 to Q8_0", path.name, ", ".join(sorted(unknown))),
            )
        super().__init__({name: info.shape for name, info in self.file.tensors.items()}, names)

    def _raw(self, source: str) -> tuple[torch.Tensor, Kind]:
        info = self.file.tensors[source]
        raw = self.file.raw(source)
        if len(info.shape) == 1:  # a vector: each number is a row, so that ranges of it are ranges of rows
            raw = raw.view(info.shape[0], -1)
        return raw, info.kind


class SafetensorsWeights(Weights):
    """The weights of safetensors files: one, or the shards of a folder. Tensors are views of the mapped files."""

    def __init__(self, paths: list[Path], names: Callable[[Shapes], dict[str, Piece]]) -> None:
        self._tensors: dict[str, torch.Tensor] = {}
        for path in paths:
            try:
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118 (not a dictionary)
                        self._tensors[name] = file.get_tensor(name)
            except (SafetensorError, OSError):
                raise DamagedFileError(path.name, say("it is not a safetensors file")) from None
        super().__init__({name: tuple(tensor.shape) for name, tensor in self._tensors.items()}, names)

    def _raw(self, source: str) -> tuple[torch.Tensor, Kind]:
        tensor = self._tensors[source]
        if tensor.dtype not in KINDS:
            raise EngineError(
                "model_missing",
                say("a weight is stored as %s: choose a variant in float32, float16 or bfloat16", str(tensor.dtype)),
            )
        flat = tensor.reshape(tensor.shape[0] if tensor.ndim else 1, -1)
        return flat.view(torch.uint8), KINDS[tensor.dtype]


def folder_files(folder: Path) -> list[Path]:
    """The safetensors files of a component's folder: those of its shard index if there is one, else all. Never a
    pickle.
    """
    for index in folder.glob("*.safetensors.index.json"):
        if index.stat().st_size > MAX_INDEX:
            raise DamagedFileError(index.name, say("it is too long"))
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if any(Path(name).name != name for name in names):
            raise DamagedFileError(index.name, say("it names files outside its folder"))
        return [present(folder / name) for name in names]
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise EngineError(
            "model_missing", say("the model has no safetensors file in %s: install the model again", folder.name)
        )
    return found


def present(path: Path) -> Path:
    """The path, if the file exists. Raises EngineError(model_missing) otherwise."""
    if not path.is_file():
        raise EngineError("model_missing", say("the model's file %s is missing: install the model again", path.name))
    return path


def fill(module: nn.Module, weights: Weights, dtype: torch.dtype | None) -> None:
    """Gives every parameter of a module that was built without memory (on the meta device) its weight.

    Linear layers become StoredLinear and compute in the dtype of their input. Other parameters are small and are cast
    to dtype; tables (buffers; that of Stable Diffusion 3.5 holds 90 million numbers) only when that makes them smaller.
    None keeps the file's dtype, so that linear layers stay nn.Linear on a view of the file. Raises
    EngineError(model_missing) when the file lacks a parameter or has another shape for it.
    """
    for name, child in list(module.named_modules()):
        if dtype is not None and isinstance(child, nn.Linear):
            _replace(module, name, _stored_linear(name, child, weights, dtype))
    for name, parameter in [*module.named_parameters(), *module.named_buffers()]:
        if parameter.is_meta:
            owner, _, last = name.rpartition(".")
            stored = _checked(name, parameter, weights)
            target = module.get_submodule(owner)
            if last in target._parameters:
                target._parameters[last] = nn.Parameter(stored.numbers(dtype), requires_grad=False)
            else:
                own = stored.numbers()
                target._buffers[last] = own if dtype is None or own.itemsize <= dtype.itemsize else own.to(dtype)
    module.eval()


def _stored_linear(name: str, layer: nn.Linear, weights: Weights, dtype: torch.dtype) -> StoredLinear:
    stored = _checked(f"{name}.weight", layer.weight, weights)
    has_bias = layer._parameters["bias"] is not None
    bias = None if not has_bias else _checked(f"{name}.bias", layer.bias, weights).numbers(dtype)
    return StoredLinear(stored.raw, stored.kind, layer.in_features, bias)


def _checked(name: str, parameter: torch.Tensor, weights: Weights) -> Stored:
    try:
        stored = weights.read(name)
    except KeyError:
        raise EngineError(
            "model_missing", say("the model's file lacks the weight %s: install the model again", name)
        ) from None
    if stored.shape != tuple(parameter.shape):
        wanted, found = list(parameter.shape), list(stored.shape)
        raise EngineError(
            "model_missing",
            say(
                "the weight %s has the shape %s where %s is needed, so it is another model's "
                "file: install the model again",
                name,
                str(found),
                str(wanted),
            ),
        )
    return stored


def _replace(module: nn.Module, name: str, child: nn.Module) -> None:
    owner, _, last = name.rpartition(".")
    setattr(module.get_submodule(owner), last, child)


def row_bytes(kind: Kind, columns: int) -> int:
    """Bytes of a row of so many numbers."""
    block, size = GGML_QUANT_SIZES[kind]
    return columns // block * size


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a component. Raises EngineError(model_missing) when it is missing or not a JSON object."""
    path = present(folder / "config.json")
    try:
        config = json.loads(path.read_bytes()) if path.stat().st_size <= MAX_INDEX else None
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise DamagedFileError(f"{folder.name}/config.json", say("it is not a JSON object"))
    return config
