"""Tiny checkpoints, written once for all tests."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """tiny("flux") -> the folder that tiny_checkpoints.flux has written, the same one each time."""
    folders: dict[tuple[str, str], Path] = {}

    def make(writer: str, **options: str) -> Path:
        key = (writer, repr(sorted(options.items())))
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp(writer)
            importlib.import_module(f"tiny_checkpoints.{writer}").write(folders[key], **options)
        return folders[key]

    return make
