"""Speaking: seeds, cancel, progress and resume, takes, lines, languages."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from apibr_worker.engines.chatterbox import conditionals, sampling, script, takes
from apibr_worker.engines.chatterbox.engine import Engine
from apibr_worker.runtime.api import Canceled, EngineError, InputFile, InvalidInputError, Resume
from apibr_worker.runtime.sidecar import find_manifest
from tests.harness import Recorder
from tests_models.chatterbox.calls import LONG, SHORT, THREE, codes, context, engine_of, model_of, say


def test_a_seed_repeats_and_another_differs(brazilian: Engine, tmp_path: Path) -> None:
    first, result = say(brazilian, tmp_path / "a", text=SHORT)
    again, _ = say(brazilian, tmp_path / "b", text=SHORT)
    other, _ = say(brazilian, tmp_path / "c", text=SHORT, seed=8)
    assert np.array_equal(first, again)
    assert first.size != other.size or not np.array_equal(first, other)
    assert result.warnings == []
    assert result.metadata["duration_seconds"] == pytest.approx(first.size / 24000, abs=1e-3)
    declared = {port["name"]: port["mime"] for port in find_manifest("chatterbox")["tasks"]["audio.speech"]["outputs"]}
    assert {output.name: output.mime for output in result.outputs} == declared
    assert all((tmp_path / "a" / output.path).stat().st_size > 0 for output in result.outputs)


def test_random_numbers_of_others_stay_as_they_were(brazilian: Engine, tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    say(brazilian, tmp_path / "a", text="Sim.")
    assert torch.equal(torch.rand(3), expected)


def test_loudness_and_watermark(brazilian: Engine, tmp_path: Path) -> None:
    import pyloudnorm

    samples, _ = say(brazilian, tmp_path / "a", text=THREE)
    assert pyloudnorm.Meter(24000).integrated_loudness(samples.astype(np.float64)) == pytest.approx(-16.0, abs=0.5)
    assert 20 * np.log10(np.abs(resample_poly(samples, 8, 1)).max()) <= -0.95
    watermarker = model_of(brazilian).watermarker
    assert np.mean(watermarker.get_watermark(samples, sample_rate=24000)) > 0.9
    noise = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    assert np.mean(watermarker.get_watermark(noise, sample_rate=24000)) < 0.5


def test_cancel_is_seen_at_the_next_token(brazilian: Engine, tmp_path: Path) -> None:
    canceled, recorder, seen = threading.Event(), Recorder(), []

    def press(phase: str, step: int) -> None:
        if phase == "sample" and step == 9:
            canceled.set()
        if canceled.is_set():
            seen.append(step)

    recorder.when = press
    with pytest.raises(Canceled):
        say(brazilian, tmp_path / "a", text=SHORT, recorder=recorder, canceled=canceled)
    assert len(seen) == 1


def test_cancel_is_seen_in_the_sound_and_leaves_the_network_whole(brazilian: Engine, tmp_path: Path) -> None:
    model = model_of(brazilian)
    assert model.conds is not None
    voice = conditionals.builtin(model.conds)
    seen: list[int] = []

    def step(index: int) -> None:
        seen.append(index)
        if index == 2:
            raise Canceled

    with pytest.raises(Canceled):
        sampling.sound(model, torch.arange(20), voice, step)
    assert seen == [0, 1, 2]
    assert "forward" not in vars(model.s3gen.flow.decoder.estimator)


def test_progress_counts_tokens_and_a_resumed_run_gives_the_same_samples(brazilian: Engine, tmp_path: Path) -> None:
    recorder = Recorder()
    whole, _ = say(brazilian, tmp_path / "a", text=THREE, recorder=recorder, speed=1.3)
    steps = [(step, total) for phase, step, total in recorder.steps if phase == "sample" and total]
    assert [step for step, _ in steps] == sorted(step for step, _ in steps)
    assert steps[-1][0] == steps[-1][1]
    assert len({step for step, _ in steps}) > 60
    assert len(recorder.segments) == 3 and recorder.segment_mimes == {"audio/wav"}
    (tmp_path / "b").mkdir()
    finished = []
    for path in recorder.segments[:2]:
        finished.append(tmp_path / "b" / f"in-{path.name}")
        shutil.copy(path, finished[-1])
    later = Recorder()
    later.segment = lambda index, path, mime: later.segments.append((index, path))  # type: ignore[method-assign]
    resumed, _ = say(
        brazilian, tmp_path / "b", text=THREE, recorder=later, speed=1.3, resume=Resume(len(finished), finished)
    )
    assert [index for index, _ in later.segments] == [2]
    assert np.array_equal(whole, resumed)


def test_an_implausible_take_is_said_again(brazilian: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    plain = takes.speech_tokens

    def counted(*arguments: Any) -> Any:
        tokens, stopped = plain(*arguments)
        made.append(tokens.numel())
        return tokens, stopped

    monkeypatch.setattr(takes, "speech_tokens", counted)
    _, result = say(brazilian, tmp_path / "a", text=LONG)
    assert len(made) == takes.TAKES
    assert codes(result) == {"implausible_length"}
    assert "Esta frase" in str(result.warnings[0].message)
    # The longest of takes that are all too short is the best.
    spoken = soundfile.info(tmp_path / "a" / "segments" / "0000.wav").frames
    assert spoken == (max(made) - 1) * sampling.SAMPLES_PER_TOKEN
    made.clear()
    say(brazilian, tmp_path / "b", text=SHORT)
    assert len(made) == 1


def test_a_take_that_never_stops_is_ended(brazilian: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head: Any = model_of(brazilian).t3.speech_head
    before = head.weight.data.clone()
    try:
        head.weight.data[6562] = 0.0
        recorder = Recorder()
        _, result = say(brazilian, tmp_path / "a", text="Sim.", recorder=recorder)
    finally:
        head.weight.data.copy_(before)
    assert codes(result) == {"implausible_length"}
    sentence = script.Sentence("Sim.", "Sim.", "pt", 0, 0.0, None)
    assert soundfile.info(tmp_path / "a" / "segments" / "0000.wav").frames <= sentence.most_tokens * 960


def test_speed_keeps_the_pitch_and_changes_the_length(brazilian: Engine, tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(48000) / 24000).astype(np.float32)
    for speed in (0.5, 1.5, 2.0):
        made = takes.stretched(context(tmp_path / "a"), tone, speed)
        assert made.size == pytest.approx(48000 / speed, rel=0.05)
        spectrum = np.abs(np.fft.rfft(made * np.hanning(made.size)))
        assert np.argmax(spectrum) * 24000 / made.size == pytest.approx(220, abs=5)
    usual, _ = say(brazilian, tmp_path / "b", text=SHORT)
    fast, _ = say(brazilian, tmp_path / "c", text=SHORT, speed=2.0)
    assert fast.size < 0.75 * usual.size


def test_lines_with_voices_and_pauses(brazilian: Engine, cloned: Path, tmp_path: Path) -> None:
    lines = [{"text": SHORT, "pause_ms": 1500}, {"text": "Tudo, e você?", "voice_id": "x"}, {"text": "Que bom!"}]
    voice = InputFile("voice_1", cloned, "application/json", {"name": "Ana", "language": "pt-BR"})
    samples, result = say(brazilian, tmp_path / "a", lines=lines, inputs=[voice])
    assert result.warnings == []
    timed = json.loads((tmp_path / "a" / "timings.json").read_text())["sentences"]
    assert [entry["line"] for entry in timed] == [0, 1, 2]
    assert timed[1]["start"] - timed[0]["end"] == pytest.approx(1.5, abs=0.01)
    assert timed[2]["end"] == pytest.approx(samples.size / 24000, abs=0.01)
    pause = samples[int((timed[0]["end"] + 0.05) * 24000) : int((timed[1]["start"] - 0.05) * 24000)]
    assert np.abs(pause).max() == 0.0
    say(brazilian, tmp_path / "b", lines=lines[:2])
    ana, own = (takes.kept(tmp_path / run / "segments" / "0001.wav") for run in "ab")
    assert not np.array_equal(ana, own), "said by another voice"


def test_subtitles_hold_the_text_as_it_was_written(brazilian: Engine, tmp_path: Path) -> None:
    text = "Custa R$ 10 <agora> & sempre. " + LONG
    say(brazilian, tmp_path / "a", text=text)
    srt = (tmp_path / "a" / "speech.srt").read_text()
    cues = [cue.split("\n") for cue in srt.strip().split("\n\n")]
    assert [int(cue[0]) for cue in cues] == list(range(1, len(cues) + 1))
    assert all(len(cue) <= 4 and max(map(len, cue[2:])) <= 42 for cue in cues)
    assert " ".join(" ".join(cue[2:]) for cue in cues) == text
    times = [moment for cue in cues for moment in cue[1].split(" --> ")]
    assert times == sorted(times)
    assert times[0].startswith("00:00:00,")
    vtt = (tmp_path / "a" / "speech.vtt").read_text()
    assert vtt.startswith("WEBVTT\n\n00:00:00.")
    assert "&lt;agora&gt; &amp; sempre" in vtt


@pytest.mark.parametrize(
    ("params", "field", "message"),
    [
        ({"text": "😀🎉 ..."}, "text", "nothing in the text that can be spoken: write words"),
        ({"lines": [{"text": "Oi."}, {"text": "—"}]}, "lines/1/text", "nothing in the text"),
        ({"text": "Oi.", "language": "xx"}, "language", "xx is not spoken by this model; it speaks pt-BR"),
        ({"text": "Hello.", "language": "en"}, "language", "it speaks pt-BR"),
        ({"text": "a" * 20_001}, "text", "20001 characters"),
        ({"lines": [{"text": "a", "pause_ms": 60_000}] * 11}, "lines", "660 s"),
    ],
)
def test_a_text_that_cannot_be_said_is_refused(
    brazilian: Engine, tmp_path: Path, params: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as raised:
        say(brazilian, tmp_path / "a", **params)
    assert raised.value.field == field


def test_one_letter_is_spoken(brazilian: Engine, tmp_path: Path) -> None:
    samples, _ = say(brazilian, tmp_path / "a", text="é")
    assert 0.1 < samples.size / 24000 < 4.0


def test_letters_that_the_model_does_not_know_are_named(brazilian: Engine, tmp_path: Path) -> None:
    mixed = script.read(context(tmp_path / "a", text="Oi, 你好 你. \U0001f600 Tchau, ação!"), model_of(brazilian))
    assert [warning.code for warning in mixed.warnings] == ["unknown_letters"]
    assert "does not know 你 好: " in str(mixed.warnings[0].message)
    plain = script.read(context(tmp_path / "b", text="Oi. Tchau, ação! Hello."), model_of(brazilian))
    assert plain.warnings == []


def test_words_of_the_dictionary_are_said_their_own_way_and_shown_as_written(brazilian: Engine, tmp_path: Path) -> None:
    said = [{"word": "APIBR", "say": "banana da terra"}]
    lines = [{"text": "O Apibr fala."}, {"text": "APIBRASIL."}]
    made = script.read(context(tmp_path / "a", lines=lines, pronunciations=said), model_of(brazilian)).sentences
    assert [sentence.source for sentence in made] == ["O Apibr fala.", "APIBRASIL."]
    assert "banana da terra" in made[0].text
    assert "banana" not in made[1].text


def test_the_pauses_of_all_lines_together_are_bounded(brazilian: Engine, tmp_path: Path) -> None:
    lines = [{"text": 'Oi.<break time="55s"/>', "pause_ms": 5000}] * 11
    with pytest.raises(InvalidInputError, match="take 660 s together") as refused:
        script.read(context(tmp_path / "a", lines=lines), model_of(brazilian))
    assert refused.value.field == "lines"


def test_twenty_thousand_characters_are_divided(brazilian: Engine, tmp_path: Path) -> None:
    text = (LONG + " ") * (20_000 // (len(LONG) + 1))
    text += "b" * (20_000 - len(text))
    made = script.read(context(tmp_path / "a", text=text), model_of(brazilian)).sentences
    assert all(0 < len(sentence.text) <= 280 for sentence in made)
    spoken, written = (
        "".join("".join(getattr(sentence, name).split()) for sentence in made) for name in ("text", "source")
    )
    assert written == "".join(text.split())
    assert len(spoken) == len(written)


def test_the_general_model_speaks_portuguese_with_a_warning(general: Engine, tmp_path: Path) -> None:
    model = model_of(general)
    for language, expected in (("pt", {"language_variant"}), ("pt-BR", {"language_variant"}), ("pt-PT", set())):
        read = script.read(context(tmp_path / "a", text="Oi.", language=language), model)
        assert {warning.code for warning in read.warnings} == expected
        assert read.sentences[0].language == "pt"
    for language, code in (("en-GB", "en"), ("es-419", "es"), ("nb", "no")):
        read = script.read(context(tmp_path / "a", text="Oi.", language=language), model)
        assert (read.sentences[0].language, read.warnings) == (code, [])
    with pytest.raises(InvalidInputError, match="kana") as raised:
        script.read(context(tmp_path / "a", text="日本語です。", language="ja"), model)
    assert raised.value.field == "text"
    with pytest.raises(InvalidInputError, match=r"la is not spoken by this model; it speaks ar, .*pt.*zh"):
        script.read(context(tmp_path / "a", text="Salve.", language="la"), model)


def test_the_english_model_speaks(folder: Path, tmp_path: Path) -> None:
    english = engine_of(folder, "chatterbox-en")
    samples, result = say(english, tmp_path / "a", text="Hello, how are you?", cfg_weight=0.0)
    assert samples.size > 24000
    assert result.warnings == []
    with pytest.raises(InvalidInputError, match="it speaks en"):
        say(english, tmp_path / "b", text="Oi.", language="pt-BR")
    english.unload()
    with pytest.raises(EngineError, match="no model is loaded"):
        say(english, tmp_path / "c", text="Hello.")


def test_a_letter_that_is_many_symbols(brazilian: Engine, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="more than 2000 symbols") as raised:
        say(brazilian, tmp_path / "a", text="\ufdfa" * 250)
    assert raised.value.field == "text"
