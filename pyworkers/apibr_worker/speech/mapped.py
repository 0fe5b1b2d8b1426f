"""A natural voice that carries the pitch, range and pace of another voice."""

from __future__ import annotations

import numpy as np

from apibr_worker.audio.measure import VoiceMeasures
from apibr_worker.runtime.api import Context
from apibr_worker.speech.convert import drift_of, to_voice
from apibr_worker.speech.spoken import Speaker, Spoken
from apibr_worker.textnorm import Sentence

_PACES = (0.7, 1.4)
"""How much slower or faster than by nature a natural voice may speak: beyond that words are lost."""
_SPEEDS = (0.5, 2.0)


class MappedSpeaker:
    """Says sentences as another speaker does, brought to the target's pitch and range; the times stay."""

    def __init__(
        self, base: Speaker, context: Context, *, name: str, own: VoiceMeasures, target: VoiceMeasures
    ) -> None:
        self._base, self._context, self._name = base, context, name
        self._own, self._target = own, target

    @property
    def name(self) -> str:
        return self._name

    @property
    def loudness_lufs(self) -> float:
        return self._base.loudness_lufs

    def say(self, sentence: Sentence, take: np.random.Generator) -> Spoken:
        """Says a sentence; a take has a melody of its own."""
        drift = drift_of(take)
        spoken = self._base.say(sentence, take)
        if spoken.samples.size == 0:
            return spoken
        samples = to_voice(
            spoken.samples,
            spoken.sample_rate,
            self._own,
            self._target,
            drift=drift,
            check_cancel=self._context.check_cancel,
        )
        return Spoken(samples, spoken.sample_rate, spoken.phonemes, spoken.words)


def pace(own: VoiceMeasures, target: VoiceMeasures, speed: float) -> float:
    """The speed at which a voice with measures `own` comes to the target's syllables per second, times speed."""
    known = own.nuclei_per_second > 0 and target.nuclei_per_second > 0
    ratio = target.nuclei_per_second / own.nuclei_per_second if known else 1.0
    return float(np.clip(np.clip(ratio, *_PACES) * speed, *_SPEEDS))
