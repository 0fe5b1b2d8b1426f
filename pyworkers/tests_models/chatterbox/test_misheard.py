"""Takes that a listener does not understand are made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from apibr_worker.engines.chatterbox import engine as module
from apibr_worker.engines.chatterbox.engine import Engine
from apibr_worker.runtime.api import LoadRequest, Resume
from tests.harness import ROOT, Recorder
from tests_models.chatterbox.calls import PT, codes, context, parts, say

MODEL = ROOT / ".weights/whisper-base/variants/int8/model"
TEXT = "Hoje o dia amanheceu claro e muito tranquilo."


@pytest.fixture(scope="module")
def listening(folder: Path) -> Engine:
    """An engine that has borrowed a listener. Its tiny model speaks noise, which nobody understands."""
    made, files = Engine(), {**parts(folder, PT), "whisper-base/model": str(MODEL)}
    made.load(LoadRequest("chatterbox", PT, "fp32", files, {"device": "cpu"}))
    return made


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """The seed of each take that is made."""
    made, speak = list[tuple[int, ...]](), module.takes.speak

    def counted(*arguments):
        made.append(arguments[4])
        return speak(*arguments)

    monkeypatch.setattr(module.takes, "speak", counted)
    yield made


def test_a_misheard_sentence_is_made_three_times_and_told(
    listening: Engine, seeds: list[tuple[int, ...]], tmp_path: Path
) -> None:
    recorder = Recorder()
    first, result = say(listening, tmp_path / "a", text=TEXT, recorder=recorder)
    assert len(seeds) == len(set(seeds)) == 3
    [warning] = [warning for warning in result.warnings if warning.code == "misheard"]
    assert TEXT in str(warning.message)
    again, _ = say(listening, tmp_path / "b", text=TEXT)
    assert np.array_equal(first, again), "the same seed chooses the same take"

    made = len(seeds)
    resume = Resume(1, recorder.segments)
    resumed = listening.run(context(tmp_path / "c", text=TEXT, resume=resume))
    assert len(seeds) == made
    assert "misheard" in codes(resumed), "a resumed run tells it too"


def test_one_take_is_enough_where_nobody_listens_or_it_cannot_be_told(
    listening: Engine, brazilian: Engine, seeds: list[tuple[int, ...]], tmp_path: Path
) -> None:
    for number, (engine, params) in enumerate(
        [
            (brazilian, {"text": TEXT}),
            (listening, {"text": TEXT, "listen": False}),
            (listening, {"text": TEXT, "most_errors": 1.0}),
            (listening, {"text": "Bom dia."}),
        ]
    ):
        _, result = say(engine, tmp_path / str(number), **params)
        assert len(seeds) == number + 1
        assert "misheard" not in codes(result)
