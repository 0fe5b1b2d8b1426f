"""Draft speech and draft voices: pitch, pace, loudness, timings, repeatability, refusals."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyworld
import soundfile
import yaml

from apibr_worker.audio.files import DRAFT_LABEL, Samples, read_audio
from apibr_worker.audio.levelling import CEILING_DBTP, TARGET_LUFS
from apibr_worker.audio.loudness import loudness
from apibr_worker.audio.measure import RATE, VoiceMeasures
from apibr_worker.engines.draft_speech.engine import Engine as SpeechEngine
from apibr_worker.engines.draft_voice.engine import Engine as VoiceEngine
from apibr_worker.runtime.api import InputFile, InvalidInputError, LoadRequest, RunResult
from apibr_worker.runtime.ffmpeg import ffmpeg
from apibr_worker.speech.convert import measures_of
from apibr_worker.speech.espeak import Espeak, Manner
from apibr_worker.speech.voice import read_voice
from tests.harness import ROOT, SAMPLES, Recorder, context

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


def harvested(samples: Samples, rate: int) -> float:
    f0, _ = pyworld.harvest(samples.astype(np.float64), rate, f0_floor=60.0, f0_ceil=500.0)
    return float(np.median(f0[f0 > 0]))


@pytest.mark.parametrize(("f0", "pace", "lufs"), [(110.0, 4.5, -20.0), (205.0, 5.5, -19.0)])
def test_speech_has_the_pitch_pace_and_loudness_of_the_voice(
    tmp_path: Path, f0: float, pace: float, lufs: float
) -> None:
    samples, rate, _ = speak(tmp_path / "a", voice(f0, pace, lufs))
    heard = measures_of(samples, rate)
    assert heard is not None
    assert heard.f0_median_hz == pytest.approx(f0, rel=0.03)
    assert harvested(samples, rate) == pytest.approx(f0, rel=0.03), "by another tracker than the one it was made with"
    assert heard.nuclei_per_second == pytest.approx(pace, rel=0.15)
    assert loudness(samples.astype(np.float64), rate) == pytest.approx(TARGET_LUFS, abs=0.5)


def test_the_same_request_gives_the_same_samples(tmp_path: Path) -> None:
    own = voice(120.0, 5.0, -20.0)
    first, _, _ = speak(tmp_path / "a", own)
    second, _, _ = speak(tmp_path / "b", own)
    assert np.array_equal(first, second)
    assert (tmp_path / "a/speech.wav").read_bytes() == (tmp_path / "b/speech.wav").read_bytes()


def test_another_seed_is_another_take_of_the_same_voice(tmp_path: Path) -> None:
    own = voice(120.0, 5.0, -20.0)
    first, rate, _ = speak(tmp_path / "a", own)
    second, _, _ = speak(tmp_path / "b", own, seed=2)
    assert first.size != second.size or not np.array_equal(first, second)
    assert second.size == pytest.approx(first.size, rel=0.05)
    assert harvested(second, rate) == pytest.approx(120.0, rel=0.03)


def test_the_measured_sample_speaks_portuguese(tmp_path: Path) -> None:
    clone(tmp_path / "v", SAMPLES / "voice.wav")
    own = json.loads((tmp_path / "v/voice.json").read_text())
    samples, rate, _ = speak(tmp_path / "a", own)
    assert harvested(samples, rate) == pytest.approx(own["f0_median_hz"], rel=0.03)
    heard = measures_of(samples, rate)
    assert heard is not None
    assert heard.nuclei_per_second == pytest.approx(own["nuclei_per_second"], rel=0.15)


def test_speed_shortens(tmp_path: Path) -> None:
    slow, _, _ = speak(tmp_path / "a", speed=0.7)
    fast, _, _ = speak(tmp_path / "b", speed=1.5)
    assert fast.size < 0.6 * slow.size


def test_timings_follow_the_sound(tmp_path: Path) -> None:
    samples, rate, timings = speak(tmp_path / "a")
    words = [word["text"].strip(".,") for word in timings["words"]]
    assert words == [word.strip(".,") for word in TEXT.split()]
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


def phonemes_of(out: Path, text: str, language: str = "pt-BR") -> str:
    _, _, timings = speak(out, text=text, language=language)
    spoken = timings["phonemes"]
    assert all(a["end"] <= b["start"] + 1e-3 for a, b in itertools.pairwise(spoken))
    return "".join(p["ipa"] for p in spoken).replace("ˌ", "").replace("ˈ", "")


def test_phonemes_come_in_the_order_of_the_text(tmp_path: Path) -> None:
    assert phonemes_of(tmp_path, "Fila de pato.") == "filædʒypatʊ"


@pytest.mark.parametrize(
    ("text", "language", "ipa"),
    [
        ("assistente AI!", "pt-BR", "eɪaɪ"),
        ("a IA fala", "pt-BR", "aiafalæ"),
        ("I.A.", "pt-BR", "ia"),
    ],
)
def test_the_acronym_ai_is_read_by_its_letters(tmp_path: Path, text: str, language: str, ipa: str) -> None:
    assert phonemes_of(tmp_path, text, language).endswith(ipa)


def test_words_are_timed_as_they_are_written(tmp_path: Path) -> None:
    text = "Olá, sou seu assistente AI! Em 2026, subiu 14,5% — sim, o guarda-chuva: “ótimo”."
    samples, rate, timings = speak(tmp_path, text=text)
    words = timings["words"]
    assert [word["text"].removesuffix(" —") for word in words] == [word for word in text.split() if word != "—"]
    assert all(a["end"] <= b["start"] + 1e-3 for a, b in itertools.pairwise(words))
    quiet = np.abs(samples[int((words[-1]["end"] + 0.05) * rate) :])
    assert quiet.max(initial=0.0) < 0.02, "nothing is said behind the last word"


def test_many_lines_are_one_progress(tmp_path: Path) -> None:
    recorder = Recorder()
    lines = [{"text": f"Linha {index}."} for index in range(6)]
    SpeechEngine().run(context(tmp_path, "audio.speech", {"seed": 1, "lines": lines}, reporter=recorder))
    steps = [(step, total) for phase, step, total in recorder.steps if phase == "synthesize" and step]
    assert steps == [(index + 1, 6) for index in range(6)]
    assert len(recorder.segments) == 6


@pytest.mark.parametrize("lufs", [-48.0, -24.0, -14.0])
def test_every_voice_is_as_loud_as_the_others_and_not_clipped(tmp_path: Path, lufs: float) -> None:
    samples, rate, _ = speak(tmp_path, voice(110.0, 5.0, lufs))
    assert np.abs(samples).max() <= 10 ** (CEILING_DBTP / 20) + 1e-4
    assert loudness(samples, rate) == pytest.approx(TARGET_LUFS, abs=0.5)


def test_the_speakers_of_one_file_are_equally_loud(tmp_path: Path) -> None:
    inputs = []
    for index, own in enumerate([voice(110.0, 5.0, -48.0), voice(205.0, 5.5, -16.0)]):
        (tmp_path / f"{index}.json").write_text(json.dumps(own))
        inputs.append(InputFile(f"voice_{index}", tmp_path / f"{index}.json", "application/json"))
    lines = [{"text": "Esta linha é falada por mim, e por mais ninguém.", "pause_ms": 1000}] * 3
    SpeechEngine().run(context(tmp_path / "a", "audio.speech", {"seed": 1, "lines": lines}, inputs))
    samples, rate = read(tmp_path / "a/speech.wav")
    timings = json.loads((tmp_path / "a/timings.json").read_text())
    edges = [round(one["start"] * rate) for one in timings["sentences"]] + [samples.size]
    heard = [loudness(samples[a:b], rate) for a, b in itertools.pairwise(edges)]
    assert len(heard) == 3
    assert max(heard) - min(heard) < 1.0


def test_a_sample_is_written_down_and_another_language_is_told(whisper_folder: Path, tmp_path: Path) -> None:
    inputs = [InputFile("sample", cut(tmp_path / "sample.wav", 4.0), "audio/wav")]
    engine = VoiceEngine()
    engine.load(LoadRequest("draft-voice", "draft-voice", "default", {"whisper-base/model": str(whisper_folder)}, {}))
    told = {language: context(tmp_path / language, "audio.clone_voice", {"language": language}, inputs)
            for language in ("en-GB", "pt-BR")}  # fmt: skip
    english, other = (engine.run(one) for one in told.values())
    assert english.metadata["transcript"].startswith("And Mr. John Dashwood had then leisure to consider")
    assert english.metadata["language_heard"] == "en"
    assert [warning.code for warning in english.warnings] == ["short_sample"]
    assert [warning.code for warning in other.warnings] == ["short_sample", "other_language"]
    assert "the language pt-BR, and its sample sounds like en" in str(other.warnings[1].message)


def test_a_quiet_sample_is_a_warning_and_gives_the_same_voice(tmp_path: Path) -> None:
    normal = clone(tmp_path / "a", SAMPLES / "voice.wav")
    quiet = clone(tmp_path / "b", cut(tmp_path / "quiet.wav", 60.0, gain=10 ** (-23.8 / 20)))
    assert [warning.code for warning in normal.warnings] == []
    assert [warning.code for warning in quiet.warnings] == ["quiet_sample"]
    assert "-48 LUFS" in str(quiet.warnings[0].message)
    for measure in ("f0_median_hz", "nuclei_per_second"):
        assert quiet.metadata["measures"][measure] == pytest.approx(normal.metadata["measures"][measure], rel=0.05)


@pytest.mark.parametrize("text", ["   \n ", "...", "😀😀", "— ! —", "\u0000\ud800"])
def test_nothing_to_say_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInputError, match="nothing in the text") as refused:
        speak(tmp_path, text=text)
    assert refused.value.field == "text"


def test_the_line_that_says_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as refused:
        speak(tmp_path, text="", lines=[{"text": "Olá."}, {"text": "..."}])
    assert refused.value.field == "lines/1/text"


def test_lines_that_are_too_long_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="longest is 20000"):
        speak(tmp_path, lines=[{"text": "palavra " * 2000}] * 2)
    with pytest.raises(InvalidInputError, match="longest is 600 s"):
        speak(tmp_path, lines=[{"text": "Olá.", "pause_ms": 60000}] * 11)


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        '{"f0_median_hz": "high"}',
        '{"f0_median_hz": 120}',
        '{"variant": "../../x"}',
        '{"variant":"f2","rate":[]}',
        '{"variant":"f2","rate":NaN}',
        '{"variant":"f2","pitch":1e999}',
        '{"variant":"f2","range":-Infinity}',
        '{"variant":"f2","rate":1' + "0" * 400 + "}",
        '{"variant":"f2","pitch":1' + "0" * 5000 + "}",
        json.dumps(VoiceMeasures(1e9, 3.0, 5.0, -20.0, 2600.0).to_json()),
    ],
)
def test_a_file_that_is_not_a_voice_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "voice.json").write_text(content)
    inputs = [InputFile("voice", tmp_path / "voice.json", "application/json")]
    with pytest.raises(InvalidInputError, match="clone it again") as refused:
        SpeechEngine().run(context(tmp_path / "a", "audio.speech", {"text": "Olá.", "seed": 1}, inputs))
    assert refused.value.field == "voice_id"


def test_what_other_engines_keep_in_a_voice_file_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "voice.json").write_text(json.dumps({"variant": "f2", "reference": {"flac": "A" * 1000}, "x": "y"}))
    assert read_voice(InputFile("voice", tmp_path / "voice.json", "application/json")) == {"variant": "f2"}


def test_a_voice_of_another_engine_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "voice.json").write_text('{"sha256": "00"}')
    inputs = [InputFile("voice", tmp_path / "voice.json", "application/json", {"name": "Minha Voz"})]
    result = SpeechEngine().run(context(tmp_path / "a", "audio.speech", {"text": "Olá.", "seed": 1}, inputs))
    assert [warning.code for warning in result.warnings] == ["voice_not_measured", "natural_voice_missing"]
    assert "Minha Voz" in str(result.warnings[0].message)


def test_every_language_of_the_manifest_is_spoken(tmp_path: Path) -> None:
    manifest = yaml.safe_load((ROOT / "pyworkers/apibr_worker/engines/draft_speech/manifest.yaml").read_text("utf-8"))
    # Refuses a language that it does not know; Chuvash and Faroese know no digits.
    run = context(tmp_path, "audio.speech", {"seed": 1})
    with Espeak(run) as espeak:
        for language in manifest["languages"]:
            assert espeak.say("12 og та", language, Manner("f2", 300, 50, 50)).samples.size, language


def test_the_file_says_that_it_is_a_draft(tmp_path: Path) -> None:
    speak(tmp_path / "a")
    with soundfile.SoundFile(tmp_path / "a/speech.wav") as file:
        assert file.comment == DRAFT_LABEL


@pytest.mark.parametrize("language", ["pt-BR", "pt", "en", "en-GB", "es", "fr", "de", "ja"])
def test_languages(tmp_path: Path, language: str) -> None:
    samples, rate, _ = speak(tmp_path, language=language)
    assert samples.size > rate


@pytest.mark.parametrize("language", ["xx", "klingon", "../../etc", "pt-BR+f9"])
def test_unknown_languages_are_refused(tmp_path: Path, language: str) -> None:
    with pytest.raises(InvalidInputError, match="language tag") as refused:
        speak(tmp_path, language=language)
    assert refused.value.field == "language"


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
    clone(tmp_path / "d", cut(tmp_path / "just.wav", 2.987))
    with pytest.raises(InvalidInputError, match=r"2\.9 s"):
        clone(tmp_path / "e", cut(tmp_path / "less.wav", 2.94))


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


def test_clipping_is_heard_after_resampling_and_turning_down(tmp_path: Path) -> None:
    samples, _ = soundfile.read(SAMPLES / "voice.wav", dtype="float32")
    flat = np.clip(np.interp(np.arange(0, samples.size, 16000 / 44100), np.arange(samples.size), samples) * 12, -1, 1)
    soundfile.write(tmp_path / "flat.wav", np.stack([flat, flat], axis=1) * 0.4, 44100)
    assert "clipped_sample" in [warning.code for warning in clone(tmp_path / "a", tmp_path / "flat.wav").warnings]


def test_mostly_pauses_is_a_warning(tmp_path: Path) -> None:
    samples, rate = soundfile.read(cut(tmp_path / "five.wav", 5.0), dtype="float32")
    soundfile.write(tmp_path / "pauses.wav", np.concatenate([samples, np.zeros(12 * rate, np.float32)]), rate)
    codes = [warning.code for warning in clone(tmp_path / "a", tmp_path / "pauses.wav").warnings]
    assert codes == ["little_speech"]


@pytest.mark.parametrize("ending", ["mp3", "m4a", "ogg", "flac", "webm", "mp4"])
def test_samples_of_every_usual_format_are_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"sample.{ending}"
    video = ["-f", "lavfi", "-i", "color=size=64x64:duration=20", "-shortest"] if ending == "mp4" else []
    subprocess.run([ffmpeg(), "-v", "error", "-i", SAMPLES / "voice.wav", *video, path], check=True)
    result = clone(tmp_path / "a", path)
    assert result.metadata["measures"]["f0_median_hz"] == pytest.approx(98, rel=0.05)


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile other.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.wav\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_reads_no_other_file(tmp_path: Path, playlist: str) -> None:
    shutil.copy(SAMPLES / "voice.wav", tmp_path / "other.wav")
    (tmp_path / "list.wav").write_text(playlist)
    with pytest.raises(InvalidInputError, match="no readable audio"):
        read_audio(tmp_path / "list.wav", RATE, field="audio")


def test_a_file_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not audio")
    with pytest.raises(InvalidInputError, match="no readable audio"):
        clone(tmp_path / "a", tmp_path / "text.wav")
