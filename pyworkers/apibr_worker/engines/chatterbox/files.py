"""Which file of a model's folders is what. Packs name their files as they like, so that the content decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import say

State = Mapping[str, torch.Tensor]
_MAX_JSON = 64 << 20
_FEW = 1024
"""Symbols: the English vocabulary has fewer, the multilingual one more."""
_MARKS = {
    "t3": {"text_emb.weight", "speech_head.weight", "tfmr.norm.weight"},
    "s3gen": {"flow.input_embedding.weight"},
    "ve": {"lstm.weight_ih_l0", "similarity_weight"},
}
"""Names that only this network's weights have; one of them is enough."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the networks' files are. conds and cangjie are not in every checkpoint."""

    t3: Path
    s3gen: Path
    ve: Path
    tokenizer: Path
    conds: Path | None
    cangjie: Path | None


def find(parts: list[Path], *, english: bool) -> Checkpoint:
    """Looks through the parts, files or folders, the first ones first: what a pack has wins over the general model's.

    english: the small vocabulary's files are wanted and not the multilingual ones. Among several, the name that sorts
    last wins: v3 before v2. Raises EngineError(model_missing), naming what is missing.
    """
    found: dict[str, Path] = {}
    for part in parts:
        here: dict[str, Path] = {}
        for path in _files(part):
            role = _role(path, english)
            if role is not None:
                here[role] = path  # sorted by name, so that the last one stays
        found = {**here, **found}
    for role, words in (
        ("t3", say("speech model (T3)")),
        ("s3gen", say("sound model (S3Gen)")),
        ("ve", say("voice encoder")),
        ("tokenizer", say("tokenizer")),
    ):
        if role not in found:
            raise EngineError("model_missing", say("the model's part %s is missing: install the model again", words))
    return Checkpoint(
        found["t3"], found["s3gen"], found["ve"], found["tokenizer"], found.get("conds"), found.get("cangjie")
    )


def _files(part: Path) -> Iterator[Path]:
    paths = sorted(part.rglob("*")) if part.is_dir() else [part]
    return (path for path in paths if path.suffix in (".safetensors", ".pt", ".json") and path.is_file())


def _role(path: Path, english: bool) -> str | None:
    if path.suffix == ".json":
        return _json_role(path, english)
    if path.suffix == ".pt":
        content = unpickled(path)
        if {"t3", "gen"} <= content.keys():
            return "conds"
        state = _flat(content)
        return _weights_role(set(state), lambda name: len(state[name]), english)
    with _Damage(path), safe_open(path, "pt") as file:
        return _weights_role(set(file.keys()), lambda name: int(file.get_slice(name).get_shape()[0]), english)


def _weights_role(names: set[str], rows: Callable[[str], int], english: bool) -> str | None:
    for role, marks in _MARKS.items():
        if marks & names:
            # Both vocabularies lie in one repository.
            if role == "t3" and "text_emb.weight" in names and english != (rows("text_emb.weight") <= _FEW):
                return None
            return role
    return None


def _json_role(path: Path, english: bool) -> str | None:
    if path.stat().st_size > _MAX_JSON:
        return None
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    if isinstance(content, list) and content and isinstance(content[0], str) and "\t" in content[0]:
        return "cangjie"
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        return None
    vocabulary: Any = content["model"].get("vocab")
    if not isinstance(vocabulary, dict) or "[START]" not in vocabulary:
        return None
    return "tokenizer" if english == (len(vocabulary) <= _FEW) else None


def weights(path: Path) -> State:
    """A network's weights, as a map of the file where its format allows it. Nothing in the file is executed."""
    if path.suffix == ".pt":
        state = _flat(unpickled(path))
        if not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise EngineError(
                "model_missing", say("the model's file %s holds no weights: install the model again", path.name)
            )
        return state
    with _Damage(path):
        return load_file(path)


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    """An older form has the weights one level down, in a list of one."""
    inner: Any = content.get("model")
    if isinstance(inner, (list, tuple)) and inner:
        inner = inner[0]
    return inner if isinstance(inner, dict) else content


def unpickled(path: Path) -> dict[str, Any]:
    """The content of a .pt file, tensors and plain containers only.

    Raises EngineError for any other pickle, which is not executed.
    """
    with _Damage(path):
        try:
            content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # an old or small file without a zip directory cannot be mapped
            content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ValueError("no dictionary")
        return content


class _Damage:
    """Turns what a damaged or hostile file raises into an EngineError that names the file."""

    def __init__(self, path: Path) -> None:
        self._name = path.name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, UnpicklingError):
            raise EngineError(
                "model_missing",
                say(
                    "the model's file %s holds more than weights and was not opened: install the model from its maker",
                    self._name,
                ),
            ) from None
        if isinstance(error, (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError)):
            raise EngineError(
                "model_missing", say("the model's file %s is damaged: install the model again", self._name)
            ) from None
