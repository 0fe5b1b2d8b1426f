"""A listener understands the voices: the short form of `make ears`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apibr_worker.listening import Listener, WordErrors, word_errors
from benchmarks.ears import cast
from benchmarks.ears.cast import Voice
from benchmarks.ears.process import Process, borrowed_files, own_files
from tests.harness import SAMPLES

SAID = {
    "pt-BR": "Quando foi a última vez que você viajou de trem?",
    "en": "When was the last time you took a train?",
}
PROMISED = "Reunião às 14h30, R$ 1.234,56"
LIMIT, WORST = 0.05, 0.2
"""The highest word error rate of all voices together, and of one of them in these ten words."""


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener(own_files("whisper-base")["model"], threads=2)


@pytest.fixture(scope="module")
def kokoro() -> Iterator[Process]:
    with Process("kokoro", own_files("kokoro")) as process:
        yield process


def errors(listener: Listener, process: Process, voice: Voice, text: str) -> WordErrors:
    made = process.speak(voice.conditionals, voice.language, text)
    heard = listener.hear(made.samples, made.sample_rate, language=voice.language)
    return word_errors(text, heard.text, voice.language)


def test_a_listener_understands_the_natural_voices(listener: Listener, kokoro: Process) -> None:
    brazilian = [voice for voice in cast.builtin() if voice.language == "pt-BR"]
    assert len(brazilian) == 3
    voices = [*brazilian, cast.named("af_heart"), cast.named("am_michael")]
    found = {voice.name: errors(listener, kokoro, voice, SAID[voice.language]) for voice in voices}
    assert {name: one for name, one in found.items() if one.rate > WORST} == {}
    together = WordErrors(sum(one.errors for one in found.values()), sum(one.words for one in found.values()))
    assert together.rate <= LIMIT, found


def test_hours_and_money_are_heard_as_people_say_them(listener: Listener, kokoro: Process) -> None:
    assert errors(listener, kokoro, cast.named("pf_dora"), PROMISED).errors == 0


def test_a_cloned_voice_in_draft_is_understood_and_espeak_ng_is_not(listener: Listener) -> None:
    with Process("draft-voice", {}) as process:
        conditionals = process.clone(SAMPLES / "voice.wav")
    rates: list[float] = []
    for files in (borrowed_files("kokoro"), {}):
        voice = Voice("clone", "pt-BR", "", "draft-speech", conditionals, files)
        with voice.process() as process:
            rates.append(errors(listener, process, voice, SAID["pt-BR"]).rate)
    natural, synthetic = rates
    assert natural <= WORST
    assert synthetic > 2 * WORST, "a listener that understands everything proves nothing"
