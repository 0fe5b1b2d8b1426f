"""From lines to one recording: resuming, cancel, bounds and odd texts. espeak-ng speaks, as it is fast."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from apibr_worker.audio.files import Samples
from apibr_worker.engines.draft_speech.engine import Engine
from apibr_worker.runtime.api import Canceled, InvalidInputError, Resume
from apibr_worker.speech import pipeline, segments
from apibr_worker.speech.script import Line, language_of, scripts_of
from apibr_worker.speech.segments import Said, Segment
from apibr_worker.speech.spoken import Phoneme
from tests.harness import Recorder, context

LINES = [{"text": "Um."}, {"text": "Dois."}, {"text": "Três."}]


def recorded(folder: Path, samples: Samples, phonemes: int = 1) -> Path:
    """A segment of a recording as it is."""
    path = folder / "segments" / "0000.wav"
    seconds = samples.size / pipeline.RATE
    heard = [Phoneme("a", 0.0, seconds)] * phonemes
    segments.keep(path, Segment(samples, pipeline.RATE, "x", Said("A.", 0.0, seconds, 0), heard, []))
    return path


def test_a_segment_that_says_something_else_is_said_again(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    Engine().run(context(tmp_path / "a", "audio.speech", {"seed": 1, "lines": LINES}, reporter=first))
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(first.segments[1].read_bytes()[:-30])
    second.segments += first.segments
    resume = Resume(3, [first.segments[0], damaged, first.segments[0]])
    run = context(tmp_path / "b", "audio.speech", {"seed": 1, "lines": LINES}, resume=resume, reporter=second)
    Engine().run(run)
    assert sorted(path.name for path in (tmp_path / "b/segments").iterdir()) == ["0001.wav", "0002.wav"]
    assert second.segments == first.segments, "a segment is handed over once"
    for name in ("speech.wav", "timings.json", "speech.srt"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


@pytest.mark.parametrize("cut", [0, 11, 40, -30, -1])
def test_a_damaged_segment_is_told_from_a_whole_one(tmp_path: Path, cut: int) -> None:
    path = recorded(tmp_path, np.ones(100, np.float32))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"segment|JSON|Expecting|Unterminated|buffer"):
        segments.kept(path)


def test_a_cancel_is_seen_several_times_a_second_of_what_is_joined(tmp_path: Path) -> None:
    """The segment is one sentence with a long pause: counting by segments would see it once."""

    class Counted(threading.Event):
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 8

    path = recorded(tmp_path, np.random.default_rng(1).normal(0, 0.1, 60 * pipeline.RATE).astype(np.float32))
    canceled = Counted()
    with pytest.raises(Canceled):
        pipeline.join(context(tmp_path, "audio.speech", {}, canceled=canceled), [path])
    assert canceled.asked == 9


def test_nothing_heard_is_an_error_that_names_the_field(tmp_path: Path) -> None:
    path = recorded(tmp_path, np.zeros(2400, np.float32), phonemes=0)
    with pytest.raises(InvalidInputError, match="write words") as refused:
        pipeline.join(context(tmp_path, "video.avatar", {}), [path], field="script")
    assert refused.value.field == "script"


def test_the_pauses_of_all_lines_together_are_bounded() -> None:
    lines = [Line('Oi.<break time="55s"/>', pause_seconds=5.0, field=f"lines/{index}/text") for index in range(11)]
    assert len(scripts_of(lines[:10])) == 10
    with pytest.raises(InvalidInputError, match="take 660 s together") as refused:
        scripts_of(lines)
    assert refused.value.field == "lines"


def test_lines_in_several_languages_have_none_in_common() -> None:
    lines = [Line("Oi.", "pt-BR"), Line("Hi.", "en"), Line("Bye.", "en")]
    assert (language_of(scripts_of(lines)), language_of(scripts_of(lines[1:]))) == ("", "en")


@pytest.mark.parametrize(
    "text",
    ["a", "7", "b" * 300, "Bom dia, my friend, ¿qué tal? どうも", "Olá,\t\x00mundo\x07 \x1b[31mcru\u202e.\r\n\x0bFim."],
    ids=["one letter", "one number", "a long word", "several languages", "control characters"],
)
@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_an_odd_text_is_spoken_with_times_in_order(tmp_path: Path, text: str, speed: float) -> None:
    Engine().run(context(tmp_path, "audio.speech", {"seed": 1, "text": text, "speed": speed}))
    duration = soundfile.info(tmp_path / "speech.wav").duration
    words = json.loads((tmp_path / "timings.json").read_text(encoding="utf-8"))["words"]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0.05 < times[-1] <= duration + 0.001
    subtitles = (tmp_path / "speech.srt").read_text(encoding="utf-8")
    assert "00:00:00," in subtitles
    assert not {"\x00", "\x07", "\x1b", "\t"} & set(subtitles)
    assert max(map(len, subtitles.splitlines())) <= 42
