"""From texts and voices to samples with timings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.audio.loudness import gated
from apibr_worker.runtime.api import Context, InvalidInputError
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.convert import limited
from apibr_worker.speech.espeak import Espeak, Mark
from apibr_worker.speech.speaker import Sentence, Speaker
from apibr_worker.textnorm.reader import sentences

DEFAULT_LANGUAGE = "pt-BR"
LONGEST_TEXT = 20_000
"""Characters of one request, all lines together: half an hour of speech, which is held in memory."""
_LONGEST_PAUSE = 600.0
LOUDNESS_LUFS = -18.0
"""Loudness of every speaker. How loud a sample was tells of the microphone, not of the person."""
_SAMPLE_BYTES = 4
_EARLY = 0.005


@dataclass(frozen=True, slots=True)
class Phoneme:
    """An IPA symbol with its time in seconds."""

    ipa: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text, as it was written and with its punctuation, with its time in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Speech:
    """Mono samples with the times of what is said in them."""

    samples: Samples
    sample_rate: int
    phonemes: list[Phoneme]
    words: list[Word]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.sample_rate


@dataclass(frozen=True, slots=True)
class Line:
    """A text in one voice, and the silence in seconds after it. voice is the content of a voice file."""

    text: str
    language: str | None = None
    voice: dict[str, Any] | None = None
    pause_seconds: float = 0.0
    field: str = "text"
    """The request field that an error about this line names."""


def synthesize(
    text: str,
    *,
    language: str | None,
    voice: dict[str, Any] | None,
    speed: float,
    context: Context,
    seed: int | None = None,
    field: str = "text",
) -> Speech:
    """Speaks a text.

    voice is what draft-voice measured, or a built-in voice's settings, or None for the default voice; language is a
    BCP 47 tag (default pt-BR); speed 0.5..2 multiplies the voice's own pace; seed (default: the run's) chooses among
    takes that differ a little in melody, pace and pauses. Reports a step a sentence in the current phase and checks
    the cancel flag. The same arguments give the same samples. Raises InvalidInputError, naming `field` or "language".
    """
    return speak([Line(text, language, voice, field=field)], speed=speed, seed=seed, context=context)


def speak(lines: list[Line], *, speed: float, context: Context, seed: int | None = None) -> Speech:
    """Speaks lines one after the other; like synthesize otherwise."""
    _check_length(lines)
    pieces = [sentences(line.text) for line in lines]
    for line, of_line in zip(lines, pieces, strict=True):
        if not of_line:
            raise InvalidInputError(
                say("there is nothing in the text that can be spoken: write words"), field=line.field
            )
    total = sum(len(of_line) for of_line in pieces)
    tape = bytearray()
    placed: list[_Placed] = []
    with Espeak(context) as espeak:
        cast = _Cast(espeak, lines, pieces, speed, context)
        for index, (line, of_line) in enumerate(zip(lines, pieces, strict=True)):
            speaker = cast.speaker(line)
            for number, piece in enumerate(of_line):
                take = np.random.default_rng([context.seed if seed is None else seed, index, number])
                sentence, samples = speaker.say(piece, take)
                placed.append(_Placed(speaker, sentence, len(tape) // _SAMPLE_BYTES, samples.size))
                tape += samples.data
                context.progress(len(placed), total)
            tape += bytes(round(line.pause_seconds * placed[-1].sentence.sample_rate) * _SAMPLE_BYTES)
    return _assemble(placed, tape, lines)


def _check_length(lines: list[Line]) -> None:
    size = sum(len(line.text) for line in lines)
    if size > LONGEST_TEXT:
        raise InvalidInputError(
            say("the text has %d characters; the longest is %d: divide it into several requests", size, LONGEST_TEXT),
            field=lines[0].field.split("/")[0],
        )
    pauses = sum(line.pause_seconds for line in lines)
    if pauses > _LONGEST_PAUSE:
        raise InvalidInputError(
            say("the pauses take %g s together; the longest is %g s: shorten pause_ms", pauses, _LONGEST_PAUSE),
            field=lines[0].field.split("/")[0],
        )


@dataclass(frozen=True, slots=True)
class _Placed:
    """A sentence and its place on the tape, in samples."""

    speaker: Speaker
    sentence: Sentence
    begin: int
    size: int


class _Cast:
    """One speaker for each voice and language, tuned on all its lines."""

    def __init__(
        self, espeak: Espeak, lines: list[Line], pieces: list[list[str]], speed: float, context: Context
    ) -> None:
        self._espeak, self._speed, self._context = espeak, speed, context
        self._texts: dict[str, str] = {}
        self._speakers: dict[str, Speaker] = {}
        for line, of_line in zip(lines, pieces, strict=True):
            key = self._key(line)
            self._texts[key] = f"{self._texts.get(key, '')} {' '.join(of_line)}".strip()

    def speaker(self, line: Line) -> Speaker:
        key = self._key(line)
        if key not in self._speakers:
            speaker = Speaker(
                self._espeak, line.language or DEFAULT_LANGUAGE, line.voice or {}, self._speed, self._context
            )
            speaker.calibrate(self._texts[key])
            self._speakers[key] = speaker
        return self._speakers[key]

    @staticmethod
    def _key(line: Line) -> str:
        return json.dumps([line.language, line.voice], sort_keys=True)


def _assemble(placed: list[_Placed], tape: bytearray, lines: list[Line]) -> Speech:
    """Brings every speaker to the same loudness, in place: half an hour of samples is held once."""
    samples = np.frombuffer(tape, dtype=np.float32)
    rate = placed[0].sentence.sample_rate
    gains = _gains(placed)
    phonemes: list[Phoneme] = []
    words: list[Word] = []
    for item in placed:
        own = samples[item.begin : item.begin + item.size]
        own[:] = limited(own * gains[id(item.speaker)], rate)
        begin = item.begin / rate
        timed = [mark for mark in _spans(item.sentence.phonemes, item.sentence.speech_end) if mark[0].name]
        phonemes += [Phoneme(mark.name, begin + start, begin + stop) for mark, start, stop in timed]
        words += [Word(w.text, begin + w.start, begin + w.end) for w in _words(item.sentence, timed)]
    if not phonemes:
        raise InvalidInputError(
            say("there is nothing in the text that can be spoken: write words"), field=lines[0].field
        )
    return Speech(samples, rate, phonemes, words)


def _gains(placed: list[_Placed]) -> dict[int, np.float32]:
    """The factor that brings each speaker to LOUDNESS_LUFS."""
    gains: dict[int, np.float32] = {}
    for speaker in {id(item.speaker): item.speaker for item in placed}.values():
        now = gated(np.concatenate([item.sentence.powers for item in placed if item.speaker is speaker]))
        gains[id(speaker)] = np.float32(10.0 ** ((LOUDNESS_LUFS - now) / 20.0) if now > -69.0 else 1.0)
    return gains


def _spans(marks: list[Mark], end: float) -> list[tuple[Mark, float, float]]:
    """Each mark lasts until the next one begins."""
    stops = [mark.start for mark in marks[1:]] + [end]
    return [
        (mark, min(mark.start, end), max(min(mark.start, end), min(stop, end)))
        for mark, stop in zip(marks, stops, strict=True)
    ]


def _words(sentence: Sentence, phonemes: list[tuple[Mark, float, float]]) -> list[Word]:
    """The sentence's words as they were written: "14,5" is one word, although espeak-ng reads four."""
    begun: list[tuple[int, str, float]] = []
    for mark in sentence.words:
        place, text = sentence.reading.token_at(mark.position)
        if text and (not begun or place > begun[-1][0]):
            begun.append((place, text, mark.start))
    words: list[Word] = []
    for index, (_, text, start) in enumerate(begun):
        # espeak-ng reports a word up to 40 ms before its first phoneme; the phonemes tell when it is heard.
        until = begun[index + 1][2] if index + 1 < len(begun) else sentence.speech_end
        own = [(first, last) for _, first, last in phonemes if start - _EARLY <= first < until - _EARLY]
        words.append(Word(text, own[0][0], own[-1][1]) if own else Word(text, start, until))
    return words
