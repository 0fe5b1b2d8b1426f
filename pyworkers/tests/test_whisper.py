"""The engine that writes down what recordings and videos say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from apibr_worker.audio.captions import TimedWord
from apibr_worker.audio.files import read_audio
from apibr_worker.engines.whisper.engine import Engine
from apibr_worker.listening import word_errors
from apibr_worker.listening.pieces import pieces
from apibr_worker.listening.transcript import paragraphs, sentences_of, without_loops
from apibr_worker.runtime import child
from apibr_worker.runtime.api import Canceled, EngineError, InputFile, InvalidInputError, LoadRequest, Resume
from apibr_worker.runtime.ffmpeg import ffmpeg
from tests.harness import ROOT, SAMPLES, Recorder, context

RATE = 16000
MODEL = ROOT / ".weights/whisper-base/variants/int8/model"
FIRST = (
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them."
)
TASK = "audio.transcribe"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    made.load(LoadRequest("whisper", "whisper-base", "int8", {"model": str(MODEL)}, {}))
    yield made
    made.unload()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(SAMPLES / "voice.wav", RATE, field="audio", longest_seconds=7.2)


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, RATE)
    return path


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("t*.*"))}


def test_a_resumed_run_writes_the_same_and_hears_only_what_is_left(
    engine: Engine, speech: np.ndarray, tmp_path: Path
) -> None:
    samples = np.concatenate([speech, np.zeros(19 * RATE, np.float32), speech[: 4 * RATE]])
    inputs = [InputFile("audio", write(tmp_path / "long.flac", samples), "audio/flac")]
    first, second = Recorder(), Recorder()
    made = engine.run(context(tmp_path / "a", TASK, {}, inputs, reporter=first))
    assert len(first.segments) == 2
    assert first.segment_mimes == {"application/json"}
    assert first.steps[-2] == ("listen", 30, 30), "progress is seconds of the recording"
    written = texts(tmp_path / "a")
    assert word_errors(FIRST, written["transcript.txt"].split("\n")[0], "en").rate <= 0.05
    assert written["transcript.txt"].count("\n") == 2, "the pause begins a paragraph"
    timings = json.loads(written["timings.json"])
    assert timings["language"] == "en"
    assert timings["words"][-1]["start"] > 26, "times count from the beginning of the recording"
    assert timings["sentences"][0]["end"] < 7.3
    assert made.outputs[0].metadata["transcript"] == timings["text"] == written["transcript.txt"].rstrip("\n")
    assert written["transcript.srt"].startswith("1\n00:00:00,")
    assert written["transcript.vtt"].startswith("WEBVTT\n\n00:00:00.")

    second.segments.append(first.segments[0])
    engine.run(context(tmp_path / "b", TASK, {}, inputs, reporter=second, resume=Resume(1, first.segments[:1])))
    assert len(second.segments) == 2, "only the second piece was heard"
    assert texts(tmp_path / "b") == written


def test_a_video_is_heard_in_the_language_that_is_told(engine: Engine, speech: np.ndarray, tmp_path: Path) -> None:
    wav, video = write(tmp_path / "speech.wav", speech), tmp_path / "video.mp4"
    picture = ["-f", "lavfi", "-i", "color=black:s=64x64:r=5"]
    child.run([ffmpeg(), "-v", "error", *picture, "-i", str(wav), "-shortest", "-c:a", "aac", str(video)])
    inputs = [InputFile("video", video, "video/mp4")]
    made = engine.run(context(tmp_path / "out", TASK, {"language": "en-US"}, inputs))
    assert word_errors(FIRST, (tmp_path / "out/transcript.txt").read_text(encoding="utf-8"), "en").rate <= 0.05
    assert made.metadata["language"] == "en-US"
    assert "language_probability" not in made.metadata
    with pytest.raises(InvalidInputError, match="klingon") as refused:
        engine.run(context(tmp_path / "unknown", TASK, {"language": "klingon"}, inputs))
    assert refused.value.field == "language"


def test_a_video_without_sound_is_refused(engine: Engine, tmp_path: Path) -> None:
    video = tmp_path / "mute.mp4"
    child.run([ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "color=black:s=64x64:r=5", "-t", "1", str(video)])
    with pytest.raises(InvalidInputError, match="no sound") as refused:
        engine.run(context(tmp_path / "out", TASK, {}, [InputFile("video", video, "video/mp4")]))
    assert refused.value.field == "video"


@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_nothing_is_invented_where_nobody_speaks(engine: Engine, tmp_path: Path, kind: str) -> None:
    times = np.arange(8 * RATE) / RATE
    samples = {
        "silence": np.zeros(8 * RATE),
        "noise": np.random.default_rng(1).normal(0, 0.1, 8 * RATE),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * times),
    }[kind]
    inputs = [InputFile("audio", write(tmp_path / "x.wav", samples), "audio/wav")]
    made = engine.run(context(tmp_path / "out", TASK, {}, inputs))
    assert [warning.code for warning in made.warnings] == ["nothing_heard"]
    assert made.outputs[0].metadata["transcript"] == ""
    assert made.metadata["words"] == 0


def test_a_canceled_run_ends_with_the_piece_that_is_heard(engine: Engine, speech: np.ndarray, tmp_path: Path) -> None:
    canceled, reporter = threading.Event(), Recorder()
    reporter.when = lambda phase, _: canceled.set() if phase == "listen" else None
    inputs = [InputFile("audio", write(tmp_path / "x.wav", speech), "audio/wav")]
    with pytest.raises(Canceled):
        engine.run(context(tmp_path / "out", TASK, {}, inputs, canceled=canceled, reporter=reporter))
    assert reporter.segments == []


@pytest.mark.parametrize("damaged", ["model.bin", "config.json", "tokenizer.json"])
def test_a_damaged_model_is_named_with_what_to_type(tmp_path: Path, damaged: str) -> None:
    for file in MODEL.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / damaged).unlink()
    (tmp_path / damaged).write_bytes(b"\0" * 1000)
    with pytest.raises(EngineError, match="apibr models verify whisper-base") as refused:
        Engine().load(LoadRequest("whisper", "whisper-base", "int8", {"model": str(tmp_path)}, {}))
    assert refused.value.code == "model_missing"


def test_pieces_fit_the_window_and_are_cut_where_it_is_quiet() -> None:
    chance = np.random.default_rng(2)
    samples = chance.normal(0, 3000, 95 * RATE).astype(np.int16)
    for second in (24, 50, 75):
        samples[second * RATE : second * RATE + RATE // 2] = 3
    found = pieces(samples, RATE)
    assert [begin for begin, _ in found] == [0, *(end for _, end in found[:-1])]
    assert found[-1][1] == samples.size
    assert all(0 < end - begin <= 29.5 * RATE for begin, end in found)
    assert all(abs(samples[end - 160 : end + 160]).max() <= 3 for _, end in found[:-1])


def test_what_is_said_over_and_over_is_written_once() -> None:
    def words(text: str) -> list[TimedWord]:
        return [TimedWord(word, float(index), index + 0.5) for index, word in enumerate(text.split())]

    looped = "é isso. " + "Obrigado por assistir. " * 30 + "Até logo."
    assert " ".join(word.text for word in without_loops(words(looped))) == "é isso. Obrigado por assistir. Até logo."
    usual = "não, não, não, não quero. Muito, muito, muito bom. de novo e de novo e de novo"
    assert " ".join(word.text for word in without_loops(words(usual))) == usual


def test_sentences_end_at_marks_and_long_pauses() -> None:
    words = [
        TimedWord("O", 0, 0.1),
        TimedWord("Sr.", 0.1, 0.3),
        TimedWord("Silva", 0.3, 0.8),
        TimedWord("saiu.", 0.8, 1),
    ]
    words += [TimedWord("Voltou", 1.1, 1.5), TimedWord("tarde", 5, 5.5)]
    found = sentences_of(words, "pt")
    assert [sentence.text for sentence in found] == ["O Sr. Silva saiu.", "Voltou", "tarde"]
    assert paragraphs(found, "pt") == "O Sr. Silva saiu. Voltou\ntarde"
    chinese = [TimedWord("你", 0, 0.1), TimedWord("好。", 0.1, 0.3), TimedWord("再", 0.4, 0.5)]
    assert paragraphs(sentences_of(chinese, "zh"), "zh") == "你好。再"
