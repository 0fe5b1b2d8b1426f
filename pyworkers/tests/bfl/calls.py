"""Runs of the engine of the Black Forest Labs API, with patience for tests."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apibr_worker.engines.bfl.client import Patience
from apibr_worker.engines.bfl.engine import Engine
from apibr_worker.runtime.api import EngineError, InputFile, LoadRequest, Resume, RunResult
from tests.bfl.service import KEY, Reply
from tests.harness import Recorder, context

AT_ONCE = Patience(first=0, polls=6, tries=3, gap=0, longest_retry_after=0)
PENDING = Reply(body={"id": "t1", "status": "Pending", "progress": 0.4})


def loaded(patience: Patience = AT_ONCE) -> Engine:
    engine = Engine(patience)
    engine.load(LoadRequest("bfl", "flux-kontext", "default", {}, {}))
    return engine


def made(
    out: Path,
    task: str = "image.generate",
    *,
    image: Image.Image | None = None,
    engine: Engine | None = None,
    recorder: Recorder | None = None,
    canceled: threading.Event | None = None,
    resume: Resume | None = None,
    **params: Any,
) -> tuple[list[Image.Image], RunResult]:
    out.mkdir(parents=True, exist_ok=True)
    inputs: list[InputFile] = []
    if image is not None:
        image.save(out / "in.png")
        inputs.append(InputFile("image", out / "in.png", "image/png"))
    words = {"instruction" if task == "image.edit" else "prompt": "um gato azul", "seed": 7}
    running = context(out, task, {**words, **params}, inputs, reporter=recorder, canceled=canceled, resume=resume)
    result = (engine or loaded()).run(running)
    return [Image.open(out / output.path) for output in result.outputs], result


def failed(out: Path, **options: Any) -> EngineError:
    """The error of a run; neither it nor what led to it holds the key."""
    with pytest.raises(EngineError) as raised:
        made(out, **options)
    error: BaseException | None = raised.value
    while error is not None:
        assert KEY not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    return raised.value
