"""espeak-ng tuned to one voice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.audio.loudness import block_powers
from apibr_worker.audio.measure import Array, VoiceMeasures
from apibr_worker.runtime.api import Context
from apibr_worker.speech.convert import measures_of, to_voice
from apibr_worker.speech.espeak import FASTEST, SLOWEST, Espeak, Manner, Mark, Utterance
from apibr_worker.speech.voice import Voice
from apibr_worker.textnorm.reader import Reading, pause_after, reading

_CALIBRATION_ROUNDS = 3
_CALIBRATION_TEXT = 400
"""Characters to tune on: half a minute of speech. More changes the rate by less than a word a minute."""
_VOWELS = frozenset("aeiouyɐɑɒæɔəɘɛɜɞɤɨɪɯɵøœɶʉʊʌʏɚɝ")

_TAKE_RATE, _TAKE_PAUSE, _TAKE_PITCH, _TAKE_DRIFT = 0.02, 0.12, 2, 0.35
"""How far takes of one text differ: shares of pace and pauses, espeak-ng's pitch units, semitones of melody."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it was said. powers: of its samples before any gain (loudness.block_powers)."""

    sample_rate: int
    speech_end: float
    """Where the speech ends and the pause begins, in seconds."""
    phonemes: list[Mark]
    words: list[Mark]
    reading: Reading
    powers: Array


class Speaker:
    """Speaks sentences in one voice and language. A measured voice is calibrated first."""

    def __init__(self, espeak: Espeak, language: str, voice: dict[str, Any], speed: float, context: Context) -> None:
        self._espeak, self._language, self._speed, self._context = espeak, language, speed, context
        self._voice = Voice.from_json(voice)
        self._rate = self._voice.manner.rate * speed
        self._own: VoiceMeasures | None = None

    def calibrate(self, text: str) -> None:
        """Finds the rate at which espeak-ng's own syllables come as fast as the measured voice's, times speed."""
        target = self._voice.target
        if target is None:
            return
        text = _beginning(reading(text, self._language).said, _CALIBRATION_TEXT)
        wanted = target.nuclei_per_second * self._speed
        for _ in range(_CALIBRATION_ROUNDS if wanted > 0 else 0):
            self._context.check_cancel()
            have = syllables_per_second(self._utter(text))
            if have <= 0:
                break
            self._rate = _within(self._rate * wanted / have)
        utterance = self._utter(text)
        self._own = measures_of(utterance.samples, utterance.sample_rate)
        # The sample's pace was counted by intensity peaks, not by phonemes: correct once by the same measure.
        if self._own and self._own.nuclei_per_second > 0 and wanted > 0:
            correction = min(max(wanted / self._own.nuclei_per_second, 0.8), 1.25)
            self._rate = _within(self._rate * correction)

    def say(self, sentence: str, take: np.random.Generator) -> tuple[Sentence, Samples]:
        """One sentence, followed by its pause. take chooses among ways to say it."""
        pace, rest, pitch = (float(take.uniform(-1.0, 1.0)) for _ in range(3))
        drift, noise = _drift(take), int(take.integers(1 << 31))
        read = reading(sentence, self._language)
        utterance = self._utter(read.said, pace=1.0 + _TAKE_RATE * pace, pitch=round(_TAKE_PITCH * pitch), seed=noise)
        samples, rate = utterance.samples, utterance.sample_rate
        end = _speech_end(samples, rate)
        samples = samples[: int(end * rate)]
        if self._voice.target is not None and samples.size:
            samples = to_voice(
                samples, rate, self._own, self._voice.target, drift=drift, check_cancel=self._context.check_cancel
            )
        pause = pause_after(sentence) * (1.0 + _TAKE_PAUSE * rest) / self._speed
        samples = np.pad(samples, (0, int(pause * rate)))
        made = Sentence(
            sample_rate=rate,
            speech_end=end,
            phonemes=utterance.phonemes,
            words=utterance.words,
            reading=read,
            powers=block_powers(samples, rate),
        )
        return made, samples

    def _utter(self, text: str, *, pace: float = 1.0, pitch: int = 0, seed: int = 0) -> Utterance:
        own = self._voice.manner
        manner = Manner(own.variant, self._rate * pace, own.pitch + pitch, own.span)
        return self._espeak.say(text, self._language, manner, seed=seed)


def _within(rate: float) -> float:
    return min(max(rate, SLOWEST), FASTEST)


def _beginning(text: str, longest: int) -> str:
    """The first words of a text."""
    return text if len(text) <= longest else text[: longest + 1].rsplit(" ", 1)[0][:longest]


def _drift(take: np.random.Generator) -> Callable[[float], float]:
    """A slow wander of the melody in semitones over seconds, zero in the mean."""
    waves = [(float(take.uniform(0.15, 0.45)), float(take.uniform(0.0, 2.0 * math.pi))) for _ in range(2)]
    return lambda t: _TAKE_DRIFT / 2.0 * sum(math.sin(2.0 * math.pi * f * t + phase) for f, phase in waves)


def _speech_end(samples: Samples, rate: int) -> float:
    """Where the sound ends, in seconds: espeak-ng adds a silence of its own after each sentence."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    return min(samples.size, int(loud[-1]) + rate // 50) / rate if loud.size else samples.size / rate


def syllables_per_second(utterance: Utterance) -> float:
    """Vowels per second of speaking; a run of vowel symbols (a diphthong) counts once."""
    vowels = sum(1 for mark in utterance.phonemes if any(sign in _VOWELS for sign in mark.name))
    level = np.abs(utterance.samples)
    window = utterance.sample_rate // 100
    frames = level[: level.size // window * window].reshape(-1, window).max(axis=1) if level.size >= window else level
    speaking = float(np.sum(frames > 0.01)) / 100.0
    return vowels / speaking if speaking > 0.1 else 0.0
