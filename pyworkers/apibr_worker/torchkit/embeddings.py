"""The output of text encoders, kept on disk: the same prompt again does not load an encoder of ten gigabytes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

SUFFIX = ".safetensors"


class EmbeddingCache:
    """A folder of tensors by the hash of their inputs. A cache without a folder keeps nothing.

    limit: bytes; the entry that was used longest ago goes first. The prompt itself is not stored.
    """

    def __init__(self, folder: Path | None, *, limit: int = 512 << 20) -> None:
        self._folder = folder
        self._limit = limit

    def key(self, **facts: Any) -> str:
        """The name of tensors that depend on exactly these facts (JSON values): model files, prompt, lengths, dtype."""
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def load(self, key: str) -> dict[str, torch.Tensor] | None:
        """The tensors, or None when they are not there or cannot be read."""
        if self._folder is None:
            return None
        path = self._folder / (key + SUFFIX)
        try:
            found = load_file(path)
            path.touch()
        except (OSError, SafetensorError):
            return None
        return found

    def save(self, key: str, tensors: dict[str, torch.Tensor]) -> None:
        """Keeps the tensors. A disk that is full costs the cache, not the job."""
        if self._folder is None:
            return
        part = self._folder / f"{key}.{os.getpid()}.partial"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, part)
            part.rename(self._folder / (key + SUFFIX))
            self._trim()
        except (OSError, SafetensorError):
            part.unlink(missing_ok=True)

    def _trim(self) -> None:
        if self._folder is None:
            return
        files = sorted(((path.stat().st_mtime, path) for path in self._folder.glob("*" + SUFFIX)), reverse=True)
        total = 0
        for _, path in files:
            total += path.stat().st_size
            if total > self._limit:
                path.unlink(missing_ok=True)
