"""Who speaks a draft: natural voices, mapped to cloned ones, and espeak-ng where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apibr_worker.audio.files import read_audio
from apibr_worker.audio.measure import VoiceMeasures
from apibr_worker.engines.draft_speech.engine import Engine
from apibr_worker.listening import Listener, word_errors
from apibr_worker.runtime.api import Canceled, InputFile, LoadRequest, RunResult
from apibr_worker.speech.convert import measures_of, to_voice
from apibr_worker.speech.mapped import pace
from apibr_worker.speech.natural import catalogue
from apibr_worker.speech.natural.voice import NaturalVoice, default_voice
from tests.harness import NATURAL, ROOT, SAMPLES, context

WHISPER = ROOT / ".weights/whisper-base/variants/int8/model"
CLONES = {"deep": VoiceMeasures(98.5, 3.4, 4.3, -24.0, 2596.0), "high": VoiceMeasures(235.0, 2.4, 5.6, -30.0, 2790.0)}
SAID = {
    "deep": "O relatório do mês passado ficou pronto antes da reunião de ontem.",
    "high": "Vamos ao mercado comprar arroz, feijão e café.",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    made = Engine()
    made.load(LoadRequest("draft-speech", "draft-speech", "default", NATURAL, {}))
    return made


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener(WHISPER)


def lines(engine: Engine, out: Path, *said: tuple[str, dict[str, Any]], **params: Any) -> RunResult:
    """Speaks lines, each in a voice of its own."""
    out.mkdir()
    inputs: list[InputFile] = []
    for index, (_, voice) in enumerate(said):
        path = out / f"voice_{index}.json"
        path.write_text(json.dumps(voice), encoding="utf-8")
        inputs.append(InputFile(f"voice_{index}", path, "application/json", {"language": "pt-BR"}))
    texts = [{"text": text} for text, _ in said]
    return engine.run(context(out / "out", "audio.speech", {"seed": 1, "lines": texts, **params}, inputs))


@pytest.fixture(scope="module")
def dialogue(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """The two cloned voices, a sentence each."""
    folder = tmp_path_factory.mktemp("drafts") / "dialogue"
    made = lines(engine, folder, *((SAID[name], CLONES[name].to_json()) for name in CLONES))
    return folder / "out", made


def own_part(folder: Path, name: str) -> tuple[np.ndarray, int]:
    rate = 24000
    samples = read_audio(folder / "speech.wav", rate, field="audio")
    timed = json.loads((folder / "timings.json").read_text(encoding="utf-8"))["sentences"]
    one = next(item for item in timed if item["text"] == SAID[name])
    return samples[int(one["start"] * rate) : int(one["end"] * rate)], rate


@pytest.mark.parametrize("name", CLONES)
def test_a_cloned_voice_is_understood_and_has_its_pitch(
    dialogue: tuple[Path, RunResult], listener: Listener, name: str
) -> None:
    samples, rate = own_part(dialogue[0], name)
    heard = measures_of(samples, rate)
    assert heard is not None
    assert heard.f0_median_hz == pytest.approx(CLONES[name].f0_median_hz, rel=0.05)
    understood = listener.hear(samples, rate, language="pt-BR").text
    assert word_errors(SAID[name], understood, "pt-BR").errors <= 1, understood


def test_a_cloned_voice_has_its_times_and_subtitles(dialogue: tuple[Path, RunResult]) -> None:
    folder, result = dialogue
    names = {output.name for output in result.outputs}
    assert names == {"speech", "timings", "subtitles_srt", "subtitles_vtt"}
    timings = json.loads((folder / "timings.json").read_text(encoding="utf-8"))
    assert [word["text"] for word in timings["words"]] == " ".join(SAID.values()).split()
    assert result.warnings == []


def test_the_nearest_natural_voice_has_the_same_sex_and_language() -> None:
    for name, sex in (("deep", "male"), ("high", "female")):
        for spoken in ("pt-br", "en-us", "en-gb", "es", "it", "hi"):
            entry = catalogue.nearest(spoken, CLONES[name])
            assert (entry.sex, entry.dialect) == (sex, spoken)
    assert catalogue.nearest("fr", CLONES["deep"]).dialect == "fr", "French has one voice, whoever asks"
    assert catalogue.default("pt-br").name == "pf_dora"


def test_the_pace_of_a_sample_is_the_speed_within_bounds() -> None:
    own = VoiceMeasures(200.0, 3.0, 5.0, -24.0, 2650.0)

    def speed(nuclei: float, asked: float = 1.0) -> float:
        return pace(own, VoiceMeasures(200.0, 3.0, nuclei, -24.0, 2650.0), asked)

    assert speed(5.5) == pytest.approx(1.1)
    assert (speed(1.0), speed(12.0), speed(0.0)) == pytest.approx((0.7, 1.4, 1.0))
    assert (speed(1.0, 0.5), speed(12.0, 2.0)) == pytest.approx((0.5, 2.0))


@pytest.mark.parametrize(
    ("files", "language", "told"),
    [
        ({}, "pt-BR", "apibr models install kokoro"),
        (NATURAL, "fi", "no natural voice speaks “fi”"),
        ({**NATURAL, "kokoro/onnx": "/nothing/there.onnx"}, "pt-BR", "there.onnx is missing or damaged"),
        ({**NATURAL, "kokoro/voices": "/nothing"}, "pt-BR", ".bin is missing or damaged"),
    ],
    ids=["not installed", "no such language", "no model", "no voice"],
)
def test_a_robot_speaks_where_no_natural_voice_does(
    tmp_path: Path, files: dict[str, str], language: str, told: str
) -> None:
    made = Engine()
    made.load(LoadRequest("draft-speech", "draft-speech", "default", files, {}))
    result = lines(made, tmp_path / "a", ("Oi.", CLONES["deep"].to_json()), language=language)
    assert [warning.code for warning in result.warnings] == ["natural_voice_missing"]
    assert told in str(result.warnings[0].message)
    assert "/nothing" not in str(result.warnings[0].message), "no path is told"


def test_a_built_in_voice_is_the_natural_one(engine: Engine, tmp_path: Path) -> None:
    dora = {"version": 1, "voice": "pf_dora", "variant": "f2", "rate": 160, "pitch": 50, "range": 75}
    result = lines(engine, tmp_path / "a", ("Bom dia.", dora))
    assert result.warnings == []
    heard = measures_of(read_audio(tmp_path / "a/out/speech.wav", 24000, field="audio"), 24000)
    assert heard is not None
    assert 150 < heard.f0_median_hz < 260


def test_a_voice_file_that_names_a_path_is_the_default_voice(engine: Engine, tmp_path: Path) -> None:
    result = lines(engine, tmp_path / "a", ("Oi.", {"voice": "../../etc/passwd"}))
    assert [warning.code for warning in result.warnings] == ["voice_not_measured"]


def test_the_default_voice_of_each_language_is_one_of_its_own() -> None:
    for spoken in ("pt-br", "en-us", "en-gb", "es", "fr", "it", "hi"):
        entry = catalogue.default(spoken)
        assert (entry.dialect, entry.default) == (spoken, True)
        assert default_voice(spoken) == NaturalVoice(entry.name, entry.measures.loudness_lufs)


def test_a_cancel_is_seen_several_times_a_second_of_sound() -> None:
    samples = read_audio(SAMPLES / "voice.wav", 24000, field="audio", longest_seconds=6.0)
    seen: list[None] = []
    to_voice(samples, 24000, None, CLONES["high"], check_cancel=lambda: seen.append(None))
    assert len(seen) >= 4 * samples.size / 24000

    def cancel() -> None:
        raise Canceled

    with pytest.raises(Canceled):
        to_voice(samples, 24000, None, CLONES["high"], check_cancel=cancel)


def test_a_mapped_sentence_has_no_clicks_where_its_pieces_meet() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(24000 * 6) / 24000)
    tone += 0.1 * np.sin(2 * np.pi * 300 * np.arange(24000 * 6) / 24000)
    made = to_voice(tone.astype(np.float32), 24000, None, VoiceMeasures(150.0, 0.0, 5.0, -20.0, 2650.0))
    steps = np.abs(np.diff(made, 2))[2400:-2400]
    assert steps.max() < 4 * np.percentile(steps, 99), "no corner that the voice itself does not have"
