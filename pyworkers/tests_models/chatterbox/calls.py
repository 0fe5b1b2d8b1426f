"""Chatterbox on tiny checkpoints: loading it, speaking and cloning."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

from apibr_worker.engines.chatterbox import loader
from apibr_worker.engines.chatterbox.engine import Engine
from apibr_worker.runtime.api import Context, InputFile, LoadRequest, Resume, RunResult
from tests import harness
from tests.harness import Recorder

Tiny = Callable[..., Path]
SAMPLE = harness.SAMPLES / "voice.wav"
SHORT = "Olá, tudo bem com você?"
LONG = "Esta frase é bem mais comprida do que dois segundos de fala podem dizer, e por isso será dita de novo."
THREE = (
    "Hoje o dia amanheceu claro e muito tranquilo. A cidade inteira ainda dormia naquela hora. "
    "Ninguém sabia o que estava por acontecer."
)
"""Sentences that are long enough to be said one by one, and short enough for the tiny model's two seconds."""
PT = "chatterbox-pt-br"


def parts(folder: Path, model: str) -> dict[str, str]:
    described = yaml.safe_load((folder / model / "model.yaml").read_text())
    assert described["engine"] == "chatterbox"
    [variant] = described["variants"].values()
    return {part: str(folder / model / path) for part, path in variant.items()}


def engine_of(folder: Path, model: str) -> Engine:
    engine = Engine()
    engine.load(LoadRequest("chatterbox", model, "fp32", parts(folder, model), {"device": "cpu"}))
    return engine


def model_of(engine: Engine) -> loader.Model:
    assert engine._model is not None
    return engine._model


def context(
    out: Path,
    task: str = "audio.speech",
    *,
    inputs: list[InputFile] | None = None,
    resume: Resume | None = None,
    recorder: Recorder | None = None,
    canceled: threading.Event | None = None,
    **params: Any,
) -> Context:
    return harness.context(
        out, task, {"seed": 7, **params}, inputs, resume=resume, reporter=recorder, canceled=canceled
    )


def say(engine: Engine, out: Path, **arguments: Any) -> tuple[np.ndarray, RunResult]:
    result = engine.run(context(out, **arguments))
    return soundfile.read(out / "speech.wav", dtype="float32")[0], result


def clone(engine: Engine, out: Path, samples: np.ndarray, rate: int, **params: Any) -> tuple[dict[str, Any], RunResult]:
    out.mkdir(exist_ok=True)
    soundfile.write(out / "sample.wav", samples, rate)
    file = InputFile("sample", out / "sample.wav", "audio/wav")
    result = engine.run(context(out, "audio.clone_voice", inputs=[file], **params))
    return json.loads((out / "voice.json").read_text()), result


def codes(result: RunResult) -> set[str]:
    return {warning.code for warning in result.warnings}
