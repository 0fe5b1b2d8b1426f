"""espeak-ng tuned to one voice, for languages that no natural voice speaks and where natural voices are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.audio.loudness import loudness
from apibr_worker.audio.measure import VoiceMeasures
from apibr_worker.runtime.api import Context
from apibr_worker.speech.convert import drift_of, measures_of, to_voice
from apibr_worker.speech.espeak import FASTEST, SLOWEST, Espeak, Manner, Mark, Utterance
from apibr_worker.speech.spoken import Phoneme, Spoken, written
from apibr_worker.speech.voice import Voice
from apibr_worker.textnorm import Sentence

_CALIBRATION_ROUNDS = 3
_CALIBRATION_TEXT = 400
"""Characters to tune on: half a minute of speech. More changes the rate by less than a word a minute."""
_VOWELS = frozenset("aeiouyɐɑɒæɔəɘɛɜɞɤɨɪɯɵøœɶʉʊʌʏɚɝ")
_TAKE_RATE, _TAKE_PITCH = 0.02, 2
"""How far takes of one text differ: the share of pace, and espeak-ng's pitch units."""
_EARLY = 0.005
_USUAL_LUFS = -20.0


class RobotSpeaker:
    """Says sentences with espeak-ng. A measured voice is tuned on `text` first, which is some of what it will say."""

    def __init__(
        self, espeak: Espeak, context: Context, voice: Voice, *, name: str, language: str, speed: float, text: str
    ) -> None:
        """Raises InvalidInputError naming "language" for one that espeak-ng does not speak."""
        self._espeak, self._context, self._voice = espeak, context, voice
        self._name, self._language = name, language
        self._rate = _within(voice.manner.rate * speed)
        self._own: VoiceMeasures | None = None
        utterance = self._tuned(_beginning(text, _CALIBRATION_TEXT), speed)
        heard = loudness(utterance.samples, utterance.sample_rate)
        self._loudness = heard if heard > -50.0 else _USUAL_LUFS

    @property
    def name(self) -> str:
        return self._name

    @property
    def loudness_lufs(self) -> float:
        return self._loudness

    def say(self, sentence: Sentence, take: np.random.Generator) -> Spoken:
        """Says a sentence; a take has its own pace, pitch and melody, and its own noise."""
        pace, pitch = (float(take.uniform(-1.0, 1.0)) for _ in range(2))
        drift, noise = drift_of(take), int(take.integers(1 << 31))
        utterance = self._utter(
            sentence.text, pace=1.0 + _TAKE_RATE * pace, pitch=round(_TAKE_PITCH * pitch), seed=noise
        )
        samples, rate = utterance.samples, utterance.sample_rate
        end = _speech_end(samples, rate)
        samples = samples[: int(end * rate)]
        if self._voice.target is not None and samples.size:
            samples = to_voice(
                samples, rate, self._own, self._voice.target, drift=drift, check_cancel=self._context.check_cancel
            )
        sounds = [Phoneme(mark.name, start, stop) for mark, start, stop in _spans(utterance.phonemes, end) if mark.name]
        return Spoken(samples, rate, sounds, written(sentence, _heard(utterance.words, sounds, end)))

    def _tuned(self, text: str, speed: float) -> Utterance:
        """Finds the rate at which espeak-ng's own syllables come as fast as the measured voice's, times speed."""
        utterance, target = self._utter(text), self._voice.target
        if target is None:
            return utterance
        wanted = target.nuclei_per_second * speed
        for _ in range(_CALIBRATION_ROUNDS if wanted > 0 else 0):
            self._context.check_cancel()
            have = syllables_per_second(utterance)
            if have <= 0:
                break
            self._rate = _within(self._rate * wanted / have)
            utterance = self._utter(text)
        self._own = measures_of(utterance.samples, utterance.sample_rate)
        # The sample's pace was counted by intensity peaks, not by phonemes: correct once by the same measure.
        if self._own and self._own.nuclei_per_second > 0 and wanted > 0:
            correction = min(max(wanted / self._own.nuclei_per_second, 0.8), 1.25)
            self._rate = _within(self._rate * correction)
        return utterance

    def _utter(self, text: str, *, pace: float = 1.0, pitch: int = 0, seed: int = 0) -> Utterance:
        own = self._voice.manner
        manner = Manner(own.variant, self._rate * pace, own.pitch + pitch, own.span)
        return self._espeak.say(text, self._language, manner, seed=seed)


def _within(rate: float) -> float:
    return min(max(rate, SLOWEST), FASTEST)


def _beginning(text: str, longest: int) -> str:
    """The first words of a text."""
    return text if len(text) <= longest else text[: longest + 1].rsplit(" ", 1)[0][:longest]


def _speech_end(samples: Samples, rate: int) -> float:
    """Where the sound ends, in seconds: espeak-ng adds a silence of its own after each sentence."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    return min(samples.size, int(loud[-1]) + rate // 50) / rate if loud.size else samples.size / rate


def _spans(marks: Sequence[Mark], end: float) -> list[tuple[Mark, float, float]]:
    """Each mark lasts until the next one begins."""
    stops = [*(mark.start for mark in marks[1:]), end]
    return [
        (mark, min(mark.start, end), max(min(mark.start, end), min(stop, end)))
        for mark, stop in zip(marks, stops, strict=False)
    ]


def _heard(words: Sequence[Mark], sounds: Sequence[Phoneme], end: float) -> list[tuple[int, int, float, float]]:
    """Where each word stands in the text and when it is heard.

    espeak-ng reports a word up to 40 ms before its first phoneme; the phonemes tell when it is heard.
    """
    made: list[tuple[int, int, float, float]] = []
    for mark, start, until in _spans(words, end):
        own = [sound for sound in sounds if start - _EARLY <= sound.start < until - _EARLY]
        begin, stop = (own[0].start, own[-1].end) if own else (start, until)
        made.append((mark.position, mark.position + max(1, mark.length), begin, stop))
    return made


def syllables_per_second(utterance: Utterance) -> float:
    """Vowels per second of speaking; a run of vowel symbols (a diphthong) counts once."""
    vowels = sum(1 for mark in utterance.phonemes if any(sign in _VOWELS for sign in mark.name))
    level = np.abs(utterance.samples)
    window = utterance.sample_rate // 100
    frames = level[: level.size // window * window].reshape(-1, window).max(axis=1) if level.size >= window else level
    speaking = float(np.sum(frames > 0.01)) / 100.0
    return vowels / speaking if speaking > 0.1 else 0.0
