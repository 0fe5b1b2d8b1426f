"""The real weights, which `make setup` brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import WEIGHTS


def weights(place: str) -> Path:
    """A file or folder of .weights. The test fails with what to type where it is missing."""
    path = WEIGHTS / place
    if not path.exists():
        pytest.fail(f".weights/{place} is missing: type `make setup`", pytrace=False)
    return path


@pytest.fixture(scope="session")
def kokoro_files() -> dict[str, str]:
    """The parts of the model kokoro, as a load request names them."""
    return {
        "onnx": str(weights("kokoro/variants/int8/onnx/kokoro-v1.0.int8.onnx")),
        "voices": str(weights("kokoro/variants/int8/voices")),
    }


@pytest.fixture(scope="session")
def whisper_folder() -> Path:
    """The listener's model."""
    return weights("whisper-base/variants/int8/model")
