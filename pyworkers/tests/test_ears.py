"""A listener understands the voices: the short form of `make ears`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apibr_worker.listening import Listener, WordErrors, word_errors
from benchmarks.ears import cast
from benchmarks.ears.cast import Voice
from benchmarks.ears.process import Process, borrowed_files, own_files
from benchmarks.ears.tables import link
from tests.harness import ROOT, SAMPLES

SAID = {
    "pt-BR": "Vamos combinar um almoço na próxima terça-feira?",
    "en": "When was the last time you took a train?",
}
PROMISED = "Reunião às 14h30, R$ 1.234,56"
LIMIT, WORST = 0.05, 0.2
"""The highest word error rate of all voices together, and of one of them in these few words."""


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


def test_a_cloned_voice_is_understood_in_draft(listener: Listener) -> None:
    with Process("draft-voice", {}) as process:
        conditionals = process.clone(SAMPLES / "voice.wav")
    clone = Voice("clone", "pt-BR", "", "draft-speech", conditionals, borrowed_files("kokoro"))
    with clone.process() as process:
        assert errors(listener, process, clone, SAID["pt-BR"]).rate <= WORST


def test_espeak_ng_alone_is_not_understood(listener: Listener) -> None:
    """A listener that understood everything would prove nothing."""
    robot = cast.espeak()[0]
    with robot.process() as process:
        assert errors(listener, process, robot, SAID["pt-BR"]).rate > 2 * WORST


def test_the_page_of_voices_has_every_voice_with_its_preview() -> None:
    page = (ROOT / "docs/voices.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if ".ogg" in line]
    listed = {(row[0].removeprefix("| "), row[1]) for row in rows}
    assert listed == {(voice.name, voice.language) for voice in cast.builtin()}
    for voice in cast.builtin():
        assert voice.preview
        assert link(voice.preview) in page
