"""Draft speech and draft voices: pitch, pace, loudness, timings, repeatability, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from apibr_worker.api import InputFile, InvalidInputError, RunResult
from apibr_worker.engines.draft_speech.engine import Engine as SpeechEngine
from apibr_worker.engines.draft_voice.engine import Engine as VoiceEngine
from apibr_worker.media import DRAFT_LABEL, Samples
from apibr_worker.speech.convert import measures_of
from apibr_worker.speech.measure import VoiceMeasures, loudness
from apibr_worker.speech.text import sentences
from tests.harness import SAMPLES, Recorder, context

TEXT = "A fila guarda cada trabalho. Nada se perde quando o computador reinicia, e o vídeo continua de onde parou."


def read(path: Path) -> tuple[Samples, int]:
    samples, rate = soundfile.read(path, dtype="float32")
    return np.asarray(samples, dtype=np.float32), rate


def speak(out: Path, voice: dict[str, Any] | None = None, **params: Any) -> tuple[Samples, int, dict[str, Any]]:
    inputs: list[InputFile] = []
    if voice is not None:
        path = out.with_suffix(".json")
        path.write_text(json.dumps(voice))
        inputs = [InputFile("voice", path, "application/json", {"language": "pt-BR"})]
    SpeechEngine().run(context(out, "audio.speech", {"text": TEXT, "seed": 1, **params}, inputs))
    samples, rate = read(out / "speech.wav")
    return samples, rate, json.loads((out / "timings.json").read_text())


def clone(out: Path, sample: Path, **params: Any) -> RunResult:
    inputs = [InputFile("sample", sample, "audio/wav")]
    return VoiceEngine().run(context(out, "audio.clone_voice", {"seed": 1, **params}, inputs))


def voice(f0: float, pace: float, lufs: float) -> dict[str, Any]:
    return VoiceMeasures(f0, 3.0, pace, lufs, 2650.0).to_json()


@pytest.mark.parametrize(("f0", "pace", "lufs"), [(110.0, 4.5, -20.0), (205.0, 5.5, -19.0)])
def test_the_voice_is_met(tmp_path: Path, f0: float, pace: float, lufs: float) -> None:
    samples, rate, _ = speak(tmp_path / "a", voice(f0, pace, lufs))
    heard = measures_of(samples, rate)
    assert heard is not None
    assert heard.f0_median_hz == pytest.approx(f0, rel=0.03)
    assert heard.nuclei_per_second == pytest.approx(pace, rel=0.15)
    assert loudness(samples.astype(np.float64), rate) == pytest.approx(lufs, abs=0.5)


def test_the_same_request_gives_the_same_samples(tmp_path: Path) -> None:
    own = voice(120.0, 5.0, -20.0)
    first, _, _ = speak(tmp_path / "a", own)
    second, _, _ = speak(tmp_path / "b", own)
    assert np.array_equal(first, second)
    assert (tmp_path / "a/speech.wav").read_bytes() == (tmp_path / "b/speech.wav").read_bytes()


def test_speed_shortens(tmp_path: Path) -> None:
    slow, _, _ = speak(tmp_path / "a", speed=0.7)
    fast, _, _ = speak(tmp_path / "b", speed=1.5)
    assert fast.size < 0.6 * slow.size


def test_timings_follow_the_sound(tmp_path: Path) -> None:
    samples, rate, timings = speak(tmp_path / "a")
    words = [word["text"].strip(".,") for word in timings["words"]]
    assert words[:4] == ["A", "fila", "guarda", "cada"]
    for marks in (timings["words"], timings["phonemes"]):
        starts = [mark["start"] for mark in marks]
        assert starts == sorted(starts)
        assert all(mark["end"] >= mark["start"] for mark in marks)
        assert marks[-1]["end"] <= samples.size / rate
    assert len(timings["phonemes"]) > len(words)


def test_lines_have_voices_and_pauses(tmp_path: Path) -> None:
    paths = []
    for name, f0 in (("voice_0", 100.0), ("voice_1", 210.0)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(voice(f0, 5.0, -18.0)))
        paths.append(InputFile(name, path, "application/json", {"language": "pt-BR"}))
    lines = [{"text": "Primeira linha falada por ele.", "pause_ms": 1500}, {"text": "Segunda linha falada por ela."}]
    SpeechEngine().run(context(tmp_path / "a", "audio.speech", {"lines": lines, "seed": 1}, paths))
    samples, rate = read(tmp_path / "a/speech.wav")
    timings = json.loads((tmp_path / "a/timings.json").read_text())
    second = next(word["start"] for word in timings["words"] if word["text"].startswith("Segunda"))
    low, high = (
        measures_of(samples[: int((second - 1.5) * rate)], rate),
        measures_of(samples[int(second * rate) :], rate),
    )
    assert low is not None
    assert high is not None
    assert low.f0_median_hz == pytest.approx(100.0, rel=0.06)
    assert high.f0_median_hz == pytest.approx(210.0, rel=0.06)
    gap = samples[int((second - 1.2) * rate) : int((second - 0.1) * rate)]
    assert np.abs(gap).max() < 0.003


def test_the_file_says_that_it_is_a_draft(tmp_path: Path) -> None:
    speak(tmp_path / "a")
    with soundfile.SoundFile(tmp_path / "a/speech.wav") as file:
        assert file.comment == DRAFT_LABEL


def test_progress_counts_sentences(tmp_path: Path) -> None:
    recorder = Recorder()
    SpeechEngine().run(context(tmp_path, "audio.speech", {"text": TEXT, "seed": 1}, reporter=recorder))
    assert [step for step in recorder.steps if step[0] == "synthesize" and step[1] > 0] == [
        ("synthesize", 1, 2),
        ("synthesize", 2, 2),
    ]


@pytest.mark.parametrize("language", ["pt-BR", "pt", "en", "en-GB", "es", "fr", "de", "ja"])
def test_languages(tmp_path: Path, language: str) -> None:
    samples, rate, _ = speak(tmp_path, language=language)
    assert samples.size > rate


@pytest.mark.parametrize("language", ["xx", "klingon", "../../etc", "pt-BR+f9"])
def test_unknown_languages_are_refused(tmp_path: Path, language: str) -> None:
    with pytest.raises(InvalidInputError, match="language tag") as refused:
        speak(tmp_path, language=language)
    assert refused.value.field == "language"


def test_long_texts_are_cut_at_sentences_and_commas() -> None:
    text = "Uma frase curta. " + "palavra " * 100 + ", e o fim."
    pieces = sentences(text)
    assert pieces[0] == "Uma frase curta."
    assert all(len(piece) <= 281 for piece in pieces)
    assert " ".join(pieces).split() == text.split()


def test_sample_is_measured(tmp_path: Path) -> None:
    result = clone(tmp_path, SAMPLES / "voice.wav")
    measures = result.metadata["measures"]
    assert measures["f0_median_hz"] == pytest.approx(98, rel=0.05)
    assert measures["loudness_lufs"] == pytest.approx(-24.2, abs=0.6)
    assert json.loads((tmp_path / "voice.json").read_text()) == measures
    assert result.warnings == []


def cut(path: Path, seconds: float, gain: float = 1.0) -> Path:
    samples, rate = soundfile.read(SAMPLES / "voice.wav", dtype="float32")
    soundfile.write(path, np.clip(samples[: int(seconds * rate)] * gain, -1, 1), rate)
    return path


def test_short_sample_is_a_warning_and_shorter_an_error(tmp_path: Path) -> None:
    result = clone(tmp_path / "a", cut(tmp_path / "five.wav", 5.0))
    assert [warning.code for warning in result.warnings] == ["short_sample"]
    with pytest.raises(InvalidInputError, match=r"2\.0 s") as refused:
        clone(tmp_path / "b", cut(tmp_path / "two.wav", 2.0))
    assert refused.value.field == "audio"
    clone(tmp_path / "c", tmp_path / "two.wav", min_seconds=1.0)


def test_clipped_noisy_and_silent_samples(tmp_path: Path) -> None:
    loud = clone(tmp_path / "a", cut(tmp_path / "loud.wav", 16.0, gain=40.0))
    assert "clipped_sample" in [warning.code for warning in loud.warnings]
    samples, rate = soundfile.read(SAMPLES / "voice.wav", dtype="float32")
    noise = np.random.default_rng(1).normal(0, 0.01, samples.size).astype(np.float32)
    soundfile.write(tmp_path / "noisy.wav", samples + noise, rate)
    noisy = clone(tmp_path / "b", tmp_path / "noisy.wav")
    assert "noisy_sample" in [warning.code for warning in noisy.warnings]
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000 * 5, np.float32), 16000)
    with pytest.raises(InvalidInputError, match="nobody is heard"):
        clone(tmp_path / "c", tmp_path / "silent.wav")


def test_a_file_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not audio")
    with pytest.raises(InvalidInputError, match="no readable audio"):
        clone(tmp_path / "a", tmp_path / "text.wav")
