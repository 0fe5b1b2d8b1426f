"""From a text and a voice to samples with timings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from apibr_worker.api import Context
from apibr_worker.media import Samples
from apibr_worker.speech.convert import measures_of, to_loudness, to_voice
from apibr_worker.speech.espeak import DEFAULT_RATE, Espeak, Mark, Utterance
from apibr_worker.speech.measure import VoiceMeasures
from apibr_worker.speech.text import pause_after, sentences, speakable

DEFAULT_LANGUAGE = "pt-BR"
DEFAULT_LUFS = -18.0
_CALIBRATION_ROUNDS = 3
_HIGH_VOICE_HZ = 165.0
"""Above it espeak-ng's second female variant is nearer to begin with."""
_VOWELS = frozenset("aeiouyɐɑɒæɔəɘɛɜɞɤɨɪɯɵøœɶʉʊʌʏɚɝ")


@dataclass(frozen=True, slots=True)
class Phoneme:
    """An IPA symbol with its time in seconds."""

    ipa: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text with its time in seconds."""

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
        return self.samples.size / self.sample_rate


def synthesize(
    text: str, *, language: str | None, voice: dict[str, Any] | None, speed: float, context: Context
) -> Speech:
    """Speaks a text.

    voice is what draft-voice measured, or a built-in voice's settings ({"variant", "pitch"}), or None for the default
    voice; language is a BCP 47 tag (default pt-BR); speed multiplies the voice's own pace. Reports a step a sentence
    and looks at the cancel flag between them. The same arguments give the same samples.
    """
    pieces = sentences(text)
    spoken: list[Speech] = []
    target = VoiceMeasures.from_json(voice or {})
    with Espeak(context) as espeak:
        speaker = _Speaker(espeak, language or DEFAULT_LANGUAGE, voice or {}, target, speed)
        speaker.calibrate(" ".join(pieces)[:600])
        for index, piece in enumerate(pieces):
            spoken.append(speaker.say(piece))
            context.progress(index + 1, len(pieces))
    speech = join(spoken)
    lufs = target.loudness_lufs if target else DEFAULT_LUFS
    return Speech(
        to_loudness(speech.samples, speech.sample_rate, lufs), speech.sample_rate, speech.phonemes, speech.words
    )


class _Speaker:
    """espeak-ng tuned to one voice."""

    def __init__(
        self, espeak: Espeak, language: str, voice: dict[str, Any], target: VoiceMeasures | None, speed: float
    ) -> None:
        self._espeak, self._language, self._target, self._speed = espeak, language, target, speed
        self._variant = str(voice.get("variant", "f2" if target and target.f0_median_hz > _HIGH_VOICE_HZ else ""))
        self._pitch = int(voice.get("pitch", 50))
        self._rate = round(float(voice.get("rate", DEFAULT_RATE)) * speed)
        self._own: VoiceMeasures | None = None

    def calibrate(self, text: str) -> None:
        """Finds the rate at which espeak-ng's own syllables come as fast as the measured voice's, times speed."""
        if self._target is None:
            return
        wanted = self._target.nuclei_per_second * self._speed
        for _ in range(_CALIBRATION_ROUNDS if wanted > 0 else 0):
            have = syllables_per_second(self._utter(text))
            if have <= 0:
                break
            self._rate = round(min(max(self._rate * wanted / have, 80), 450))
        utterance = self._utter(text)
        self._own = measures_of(utterance.samples, utterance.sample_rate)
        # The sample was counted by its intensity peaks, not by phonemes: one correction with the same yardstick.
        if self._own and self._own.nuclei_per_second > 0 and wanted > 0:
            correction = min(max(wanted / self._own.nuclei_per_second, 0.8), 1.25)
            self._rate = round(min(max(self._rate * correction, 80), 450))

    def say(self, sentence: str) -> Speech:
        """One sentence, followed by its pause."""
        utterance = self._utter(sentence)
        samples, rate = utterance.samples, utterance.sample_rate
        if self._target is not None and samples.size:
            samples = to_voice(samples, rate, self._own, self._target)
        end = _speech_end(samples, rate)
        pause = np.zeros(int(pause_after(sentence) / self._speed * rate), dtype=np.float32)
        samples = np.concatenate([samples[: int(end * rate)], pause])
        phonemes = _spans([m for m in utterance.marks if m.kind == "phoneme"], end)
        words = [(m, start, stop) for m, start, stop in _spans([m for m in utterance.marks if m.kind == "word"], end)]
        return Speech(
            samples,
            rate,
            [Phoneme(mark.name, start, stop) for mark, start, stop in phonemes if mark.name],
            [Word(_word(sentence, self._language, mark), start, stop) for mark, start, stop in words],
        )

    def _utter(self, text: str) -> Utterance:
        return self._espeak.say(
            speakable(text, self._language), self._language, variant=self._variant, rate=self._rate, pitch=self._pitch
        )


def _word(sentence: str, language: str, mark: Mark) -> str:
    spoken = speakable(sentence, language)
    return spoken[max(0, mark.position) : max(0, mark.position) + mark.length]


def _spans(marks: list[Mark], end: float) -> list[tuple[Mark, float, float]]:
    """Each mark lasts until the next one begins."""
    stops = [mark.start for mark in marks[1:]] + [end]
    return [(mark, mark.start, max(mark.start, min(stop, end))) for mark, stop in zip(marks, stops, strict=True)]


def _speech_end(samples: Samples, rate: int) -> float:
    """Where the sound ends, in seconds: espeak-ng adds a silence of its own after each sentence."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    return min(samples.size, int(loud[-1]) + rate // 50) / rate if loud.size else samples.size / rate


def syllables_per_second(utterance: Utterance) -> float:
    """Vowels per second of speaking; a run of vowel symbols (a diphthong) counts once."""
    phonemes = [mark for mark in utterance.marks if mark.kind == "phoneme"]
    vowels = sum(1 for mark in phonemes if any(sign in _VOWELS for sign in mark.name))
    level = np.abs(utterance.samples)
    window = utterance.sample_rate // 100
    frames = level[: level.size // window * window].reshape(-1, window).max(axis=1) if level.size >= window else level
    speaking = float(np.sum(frames > 0.01)) / 100.0
    return vowels / speaking if speaking > 0.1 else 0.0


def join(parts: list[Speech], pauses: list[float] | None = None) -> Speech:
    """Strings speeches together; pauses are seconds of silence after each part."""
    rate = parts[0].sample_rate if parts else 22050
    samples: list[Samples] = []
    phonemes: list[Phoneme] = []
    words: list[Word] = []
    offset = 0.0
    for index, part in enumerate(parts):
        phonemes += [Phoneme(p.ipa, p.start + offset, p.end + offset) for p in part.phonemes]
        words += [Word(w.text, w.start + offset, w.end + offset) for w in part.words]
        gap = np.zeros(int((pauses[index] if pauses else 0.0) * rate), dtype=np.float32)
        samples += [part.samples, gap]
        offset += (part.samples.size + gap.size) / rate
    return Speech(np.concatenate(samples) if samples else np.zeros(0, np.float32), rate, phonemes, words)
