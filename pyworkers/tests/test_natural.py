"""Natural speech with the real model: times, loudness, takes, resuming, cancel, damaged files."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from apibr_worker.audio.files import Samples
from apibr_worker.audio.levelling import measured
from apibr_worker.engines.kokoro.engine import Engine
from apibr_worker.listening import Heard, Listener, word_errors
from apibr_worker.runtime.api import Canceled, EngineError, InputFile, InvalidInputError, LoadRequest, RunResult
from apibr_worker.speech import segments
from apibr_worker.speech.natural.model import Model
from apibr_worker.speech.natural.speaker import LONGEST_IDS
from tests.harness import ROOT, Recorder, SidecarProcess, context

KOKORO = ROOT / "pyworkers/apibr_worker/engines/kokoro"
TEXT = "Reunião às 14h30, na sala da tia."
LINES = [{"text": "Bom dia!", "voice_id": "a", "pause_ms": 200}, {"text": "Boa tarde.", "voice_id": "b"}]


def load_request(files: dict[str, str]) -> LoadRequest:
    return LoadRequest("kokoro", "kokoro", "int8", files, {})


@pytest.fixture(scope="module")
def engine(kokoro_files: dict[str, str]) -> Engine:
    made = Engine()
    made.load(load_request(kokoro_files))
    return made


def voice_file(folder: Path, voice: str, name: str = "voice", **others: Any) -> InputFile:
    """A built-in voice's file, as the server puts it into the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    entries = yaml.safe_load((KOKORO / "voices.yaml").read_text(encoding="utf-8"))
    known = {entry["conditionals"]["voice"]: entry["conditionals"] for entry in entries}
    path.write_text(json.dumps({**known.get(voice, {"voice": voice}), **others}), encoding="utf-8")
    return InputFile(name, path, "application/json", {"language": known.get(voice, {}).get("language", "pt-BR")})


def cast_of_lines(folder: Path) -> list[InputFile]:
    """The second file tells a wrong loudness: only the measure of what was said makes both equal."""
    return [voice_file(folder, "pf_dora", "voice_0"), voice_file(folder, "pm_alex", "voice_1", loudness_lufs=-21.0)]


@dataclass
class Made:
    """What a run left."""

    result: RunResult
    folder: Path
    recorder: Recorder

    @property
    def samples(self) -> Samples:
        return np.asarray(soundfile.read(self.folder / "speech.wav", dtype="float32")[0], np.float32)

    @property
    def timings(self) -> dict[str, list[dict[str, Any]]]:
        return json.loads((self.folder / "timings.json").read_text(encoding="utf-8"))


def speak(engine: Engine, folder: Path, inputs: Sequence[InputFile] | None = None, **params: Any) -> Made:
    recorder = Recorder()
    voices = [voice_file(folder / "in", "pf_dora")] if inputs is None else list(inputs)
    run = context(folder, "audio.speech", {"seed": 1, **params}, voices, reporter=recorder)
    return Made(engine.run(run), folder, recorder)


@pytest.fixture(scope="module")
def one(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return speak(engine, tmp_path_factory.mktemp("one"), text=TEXT)


@pytest.fixture(scope="module")
def dialogue(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("dialogue")
    return speak(engine, folder, cast_of_lines(folder / "in"), lines=LINES)


# --- What is heard -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def heard(one: Made, whisper_folder: Path) -> Heard:
    """What a listener heard of it."""
    return Listener(whisper_folder).hear(one.samples, 24000, language="pt-BR")


def test_a_listener_understands_what_was_said(heard: Heard) -> None:
    assert word_errors(TEXT, heard.text, "pt-BR").rate == 0.0, heard.text


def test_written_words_have_the_times_of_their_sounds(one: Made, heard: Heard) -> None:
    words, phonemes = one.timings["words"], one.timings["phonemes"]
    assert [word["text"] for word in words] == TEXT.split()
    seconds = one.samples.size / 24000
    for entries in (words, phonemes):
        assert all(0 <= entry["start"] < entry["end"] <= seconds + 0.001 for entry in entries)
        assert all(a["end"] <= b["start"] + 0.001 for a, b in pairwise(entries))
    assert {"ɐ̃", "ʒ", "t"} & {phoneme["ipa"] for phoneme in phonemes}
    assert not any(sign in phoneme["ipa"] for phoneme in phonemes for sign in "ˈˌ ,.")
    last = next(word for word in heard.words if word.text.strip(".").lower() == "tia")
    assert abs(words[-1]["start"] - last.start) < 0.3


def test_the_recording_is_at_minus_16_lufs_and_below_minus_1_dbtp(one: Made) -> None:
    level = measured([one.samples], 24000)
    assert level.lufs == pytest.approx(-16.0, abs=0.2)
    assert 20 * np.log10(level.peak) < -1.0
    assert float(np.abs(one.samples[:24]).max()) < 0.01
    assert float(np.abs(one.samples[-24:]).max()) < 0.01


def test_subtitles_show_what_was_written(one: Made) -> None:
    for name in ("speech.srt", "speech.vtt"):
        assert " ".join((one.folder / name).read_text(encoding="utf-8").split()).endswith(TEXT)
    assert one.timings["sentences"][0]["text"] == TEXT


def test_each_sentence_is_a_segment_that_can_be_played_at_about_its_final_loudness(dialogue: Made) -> None:
    assert len(dialogue.recorder.segments) == 2
    assert dialogue.recorder.segment_mimes == {"audio/wav"}
    assert [step for step in dialogue.recorder.steps if step[0] == "speak"][-1] == ("speak", 2, 2)
    joined = 0
    for path in dialogue.recorder.segments:
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == 24000
        level = measured([np.asarray(samples, np.float32)], rate)
        assert level.lufs == pytest.approx(-16.0, abs=3.0)
        assert level.peak < 10 ** (-1 / 20)
        joined += samples.size
    assert joined == dialogue.samples.size


def test_two_speakers_are_equally_loud_and_keep_their_pause(dialogue: Made) -> None:
    first, second = dialogue.timings["sentences"]
    assert (first["line"], second["line"]) == (0, 1)
    assert second["start"] - first["end"] > 0.2 + 0.2
    quiet = dialogue.samples[int((first["end"] + 0.01) * 24000) : int(second["start"] * 24000) - 100]
    assert not quiet.any()
    loud = [
        measured([dialogue.samples[int(s["start"] * 24000) : int(s["end"] * 24000)]], 24000).lufs
        for s in (first, second)
    ]
    assert abs(loud[0] - loud[1]) < 0.7


# --- Takes ---------------------------------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_take_on_one_thread_and_after_other_jobs(
    engine: Engine, dialogue: Made, kokoro_files: dict[str, str], tmp_path: Path
) -> None:
    single = Engine()
    single._model = Model(Path(kokoro_files["onnx"]), Path(kokoro_files["voices"]), threads=1)
    speak(single, tmp_path / "before", text="Não.", seed=9)
    again = speak(single, tmp_path / "again", cast_of_lines(tmp_path / "in"), lines=LINES)
    assert again.samples.tobytes() == dialogue.samples.tobytes()
    assert again.timings == dialogue.timings


def test_another_seed_is_another_take_of_about_the_same_length(engine: Engine, tmp_path: Path) -> None:
    """One sentence: the pauses, which differ too, have no part in it."""
    one, other = (speak(engine, tmp_path / str(seed), text="Boa tarde.", seed=seed) for seed in (1, 2))
    assert other.samples.tobytes() != one.samples.tobytes()
    assert other.samples.size == pytest.approx(one.samples.size, rel=0.12)


# --- Resuming and cancel -------------------------------------------------------------------------------------------


def test_a_run_killed_after_a_segment_goes_on_in_another_process_with_the_same_samples(
    dialogue: Made, kokoro_files: dict[str, str], tmp_path: Path
) -> None:
    def run(sidecar: SidecarProcess, out: Path, resume: dict[str, Any] | None) -> None:
        loaded = {"engine": "kokoro", "model": "kokoro", "variant": "int8", "files": kokoro_files, "plan": {}}
        assert "result" in sidecar.call("load", loaded)
        inputs = [
            {"name": one.name, "path": str(one.path), "mime": one.mime, "metadata": one.metadata}
            for one in cast_of_lines(out / "in")
        ]
        params = {"lines": LINES, "seed": 1}
        request = {"job": "j", "fence": 1, "task": "audio.speech", "params": params, "inputs": inputs}
        sidecar.send("run", {**request, "out_dir": str(out), "resume_from": resume})

    with SidecarProcess("kokoro") as first:
        run(first, tmp_path / "a", None)
        segment = first.await_frame("segment")["params"]
        first.process.send_signal(signal.SIGKILL)
        assert first.process.wait() == -signal.SIGKILL
    out = tmp_path / "b"
    (out / "in" / "segments").mkdir(parents=True)
    kept = out / "in" / "segments" / "0000.wav"
    shutil.copy(tmp_path / "a" / segment["file"]["path"], kept)
    with SidecarProcess("kokoro") as second:
        run(second, out, {"index": 1, "segments": [{"index": 0, "path": str(kept)}]})
        assert second.await_frame("segment")["params"]["index"] == 1
        assert "result" in second.await_frame("answer")
        status = Path(f"/proc/{second.process.pid}/status").read_text(encoding="utf-8")
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    assert (out / "speech.wav").read_bytes() == (dialogue.folder / "speech.wav").read_bytes()
    assert (out / "timings.json").read_bytes() == (dialogue.folder / "timings.json").read_bytes()
    assert peak < 600e6


def test_a_cancel_ends_the_model_in_the_middle_of_a_piece(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of events: the model begins, the cancel comes, the model ends with Canceled and gives no sound."""
    canceled, order = threading.Event(), list[str]()
    model = engine._model
    assert model
    say = model.say

    def watched(*args: Any) -> Any:
        order.append("begun")
        threading.Thread(target=lambda: (order.append("cancel"), canceled.set())).start()
        try:
            made = say(*args)
        except Canceled:
            order.append("ended")
            raise
        order.append("spoken")
        return made

    monkeypatch.setattr(model, "say", watched)
    recorder = Recorder()
    text = "A fila guarda cada trabalho e nada se perde quando o computador reinicia e o vídeo continua de onde parou"
    inputs = [voice_file(tmp_path / "in", "pf_dora")]
    run = context(tmp_path, "audio.speech", {"text": text}, inputs, canceled=canceled, reporter=recorder)
    with pytest.raises(Canceled):
        engine.run(run)
    assert order == ["begun", "cancel", "ended"]
    assert recorder.segments == []
    monkeypatch.undo()
    assert speak(engine, tmp_path / "after", text="Não.").samples.size > 0


def test_slow_speech_is_divided_into_shorter_pieces(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound at half the speed is twice as long: what one call of the model takes of memory would double."""
    sizes: list[int] = []
    assert engine._model

    def counted(ids: Sequence[int], *_: Any) -> Any:
        sizes.append(len(ids))
        raise Canceled

    monkeypatch.setattr(engine._model, "say", counted)
    for speed in (0.5, 1.0, 2.0):
        with pytest.raises(Canceled):
            speak(engine, tmp_path / str(speed), text="palavra " * 35, speed=speed)
    assert sizes[0] <= LONGEST_IDS / 2 < sizes[1] == sizes[2] <= LONGEST_IDS


# --- Bad input and damaged files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "7", "Oi,\tmy\x07 friend"], ids=["a letter", "a number", "control characters"])
def test_an_odd_text_is_spoken(engine: Engine, tmp_path: Path, text: str) -> None:
    words = text.replace("\x07", "").split()
    assert [word["text"] for word in speak(engine, tmp_path, text=text).timings["words"]] == words


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"text": "🙂🙂"}, "text"),
        ({"text": "Oi", "language": "de"}, "language"),
        ({"text": "Oi", "language": "Portuguese"}, "language"),
        ({"lines": [{"text": "x" * 15_000}, {"text": "y" * 6_000}]}, "lines"),
        ({}, "text"),
    ],
)
def test_what_cannot_be_spoken_is_refused_with_its_field(
    engine: Engine, tmp_path: Path, params: dict[str, Any], field: str
) -> None:
    recorder = Recorder()
    inputs = [voice_file(tmp_path / "in", "pf_dora")]
    with pytest.raises(InvalidInputError) as caught:
        engine.run(context(tmp_path, "audio.speech", params, inputs, reporter=recorder))
    assert caught.value.field == field
    assert recorder.segments == []


@pytest.mark.parametrize(
    "content",
    ['{"voice": "../../etc/passwd"}', '{"voice": ["pf_dora"]}', '{"variant": "f2"}', "[]", "{", "[" * 100_000, "\x00"],
)
def test_a_hostile_voice_file_is_refused(engine: Engine, tmp_path: Path, content: str) -> None:
    path = tmp_path / "voice.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        engine.run(context(tmp_path, "audio.speech", {"text": "Oi"}, [InputFile("voice", path, "application/json")]))
    assert caught.value.field == "voice_id"


def test_a_hostile_number_in_a_voice_file_changes_nothing_but_the_preview(engine: Engine, tmp_path: Path) -> None:
    inputs = [voice_file(tmp_path / "in", "pf_dora", loudness_lufs=1e308)]
    made = speak(engine, tmp_path, inputs, text="Não.")
    assert measured([made.samples], 24000).lufs == pytest.approx(-16.0, abs=0.3)


def test_a_missing_or_damaged_voice_is_named_and_the_others_go_on(kokoro_files: dict[str, str], tmp_path: Path) -> None:
    voices = tmp_path / "voices"
    voices.mkdir()
    good = Path(kokoro_files["voices"]) / "pf_dora.bin"
    shutil.copy(good, voices)
    (voices / "pm_alex.bin").write_bytes(good.read_bytes()[:-4])
    (voices / "pm_santa.bin").write_bytes(np.full(130_560, np.nan, "<f4").tobytes())
    model = Model(Path(kokoro_files["onnx"]), voices)
    for voice in ("pm_alex", "pm_santa", "af_heart"):
        with pytest.raises(EngineError) as caught:
            model.styles(voice)
        assert caught.value.code == "model_missing"
        assert f"{voice}.bin" in str(caught.value.message)
        assert "apibr models verify kokoro" in str(caught.value.message)
        assert "make setup" in str(caught.value.message)
        assert str(tmp_path) not in str(caught.value.message)
    assert model.styles("pf_dora").shape == (510, 256)


@pytest.mark.parametrize("size", [None, 0, 1000, 5_000_000], ids=["missing", "empty", "short", "cut"])
def test_a_missing_or_damaged_model_is_named(kokoro_files: dict[str, str], tmp_path: Path, size: int | None) -> None:
    onnx = tmp_path / "kokoro-v1.0.int8.onnx"
    if size is not None:
        with Path(kokoro_files["onnx"]).open("rb") as file:
            onnx.write_bytes(file.read(size))
    with pytest.raises(EngineError) as caught:
        Engine().load(load_request({**kokoro_files, "onnx": str(onnx)}))
    assert caught.value.code == "model_missing"
    assert "kokoro-v1.0.int8.onnx" in str(caught.value.message)
    assert "make setup" in str(caught.value.message)


def test_every_built_in_voice_has_its_file_its_preview_and_plausible_measures(kokoro_files: dict[str, str]) -> None:
    entries = yaml.safe_load((KOKORO / "voices.yaml").read_text(encoding="utf-8"))
    assert len({entry["id"] for entry in entries}) == len(entries) == 16
    assert sum((KOKORO / entry["preview"]).stat().st_size for entry in entries) <= 400_000
    for entry in entries:
        voice = entry["conditionals"]
        assert (Path(kokoro_files["voices"]) / f"{voice['voice']}.bin").stat().st_size == 522_240
        assert (voice["sex"], voice["language"]) == (entry["sex"], entry["language"])
        assert (entry["sex"] == "female") == (voice["voice"][1] == "f")
        assert -35 < voice["loudness_lufs"] < -10
    defaults = [entry["language"] for entry in entries if entry.get("default")]
    assert sorted(defaults) == sorted({entry["language"] for entry in entries})


def test_a_segment_keeps_its_samples_and_times(dialogue: Made) -> None:
    path = dialogue.recorder.segments[0]
    first = segments.kept(path)
    copy = path.with_name("copy.wav")
    segments.keep(copy, first)
    assert copy.read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="not a segment"):
        segments.kept(dialogue.folder / "timings.json")
