"""Natural speech that a listener did not understand is said again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from apibr_worker.engines.kokoro.ears import Listening
from apibr_worker.engines.kokoro.engine import Engine
from apibr_worker.listening.takes import Judged
from apibr_worker.runtime.api import LoadRequest, Resume
from apibr_worker.speech import pipeline
from apibr_worker.speech.segments import Segment, kept
from tests.harness import Recorder, context

TEXT = "Zuleica comprou quarenta flonzes em Xique-Xique."
"""Names that nobody knows how to write, so that not a single error is never reached."""


def test_a_misheard_sentence_is_said_three_times_and_the_best_is_kept(
    kokoro_files: dict[str, str], whisper_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes, judged = list[Segment](), list[Judged | None]()
    say, hear = pipeline._take, Listening._heard

    def said(*arguments: Any) -> Segment:
        takes.append(say(*arguments))
        return takes[-1]

    def heard(*arguments: Any) -> Judged | None:
        judged.append(hear(*arguments))
        return judged[-1]

    monkeypatch.setattr(pipeline, "_take", said)
    monkeypatch.setattr(Listening, "_heard", heard)
    engine = Engine()
    files = {**kokoro_files, "whisper-base/model": str(whisper_folder)}
    engine.load(LoadRequest("kokoro", "kokoro", "int8", files, {}))
    params = {"text": TEXT, "language": "pt-BR", "seed": 2, "most_errors": 0.0}

    recorder = Recorder()
    made = engine.run(context(tmp_path / "a", "audio.speech", {**params, "listen": True}, reporter=recorder))
    assert len(takes) == len({take.samples.tobytes() for take in takes}) == 3
    errors = [one.errors for one in judged if one]
    assert np.array_equal(kept(recorder.segments[0]).samples, takes[int(np.argmin(errors))].samples)
    [warning] = made.warnings
    assert warning.code == "misheard"
    assert TEXT in str(warning.message)

    resume = Resume(1, recorder.segments)
    resumed = engine.run(context(tmp_path / "b", "audio.speech", {**params, "listen": True}, resume=resume))
    assert len(takes) == 3, "what an earlier attempt said is not said again"
    assert [str(one.message) for one in resumed.warnings] == [str(warning.message)]
    first, second = (soundfile.read(tmp_path / name / "speech.wav", dtype="float32")[0] for name in "ab")
    assert np.array_equal(first, second)

    judged.clear()
    assert engine.run(context(tmp_path / "c", "audio.speech", params)).warnings == []
    assert (len(takes), judged) == (4, []), "nobody listens unless a request asks for it"
    assert np.array_equal(takes[3].samples, takes[0].samples)
