"""The models of Chatterbox's tests, loaded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from apibr_worker.engines.chatterbox.engine import Engine
from tests_models.chatterbox.calls import PT, SAMPLE, Tiny, clone, engine_of


@pytest.fixture(scope="session")
def folder(tiny: Tiny) -> Path:
    torch.set_num_threads(1)
    return tiny("chatterbox")


@pytest.fixture(scope="session")
def brazilian(folder: Path) -> Engine:
    return engine_of(folder, PT)


@pytest.fixture(scope="session")
def general(folder: Path) -> Engine:
    return engine_of(folder, "chatterbox")


@pytest.fixture(scope="session")
def speech() -> tuple[np.ndarray, int]:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    return samples if samples.ndim == 1 else samples.mean(axis=1), rate


@pytest.fixture(scope="session")
def cloned(brazilian: Engine, speech: tuple[np.ndarray, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cloned voice's file."""
    out = tmp_path_factory.mktemp("cloned")
    clone(brazilian, out, *speech)
    return out / "voice.json"
