"""What a recording of a voice must be, and the hints about it that every cloning engine gives."""

from __future__ import annotations

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.runtime.api import InvalidInputError, Warning
from apibr_worker.runtime.sentences import say

CLIPPED = 0.001
"""Share of samples at the peak above which clipping is heard."""
NOISY_DB = 25.0
"""Loud frames over quiet ones, in dB; below it the noise is heard."""
QUIET_LUFS = -36.0
"""Below it the noise of the recording is heard with the voice."""
LONGEST_SECONDS = 600.0
"""Seconds of a recording that are listened to."""
CLIPPING_SECONDS = 60.0
"""Seconds from the beginning that are examined for clipping."""


def clipped_fraction(samples: Samples) -> float:
    """Share of samples within 3 % of the peak: about 1 in 100,000 in clean speech, above 1 in 1,000 when its tops are
    cut off, also if the recording was turned down afterwards. samples: at the rate that they were recorded at."""
    size = np.abs(samples)
    peak = float(size.max(initial=0.0))
    return float(np.mean(size >= 0.97 * peak)) if peak > 0.05 else 0.0


def nobody_heard() -> InvalidInputError:
    """The error of a recording without a voice."""
    return InvalidInputError(
        say("nobody is heard speaking in the sample: check the microphone and record again"), field="audio"
    )


def length_hints(seconds: float, recommended: float) -> list[Warning]:
    """Hints about a recording that is short, or longer than what is listened to."""
    hints: list[Warning] = []
    if seconds < recommended:
        hints.append(
            Warning(
                "short_sample", say("the sample is %.1f s long; %g s or more make a better voice", seconds, recommended)
            )
        )
    if seconds >= LONGEST_SECONDS:
        hints.append(
            Warning("long_sample", say("only the first %g minutes of the sample were used", LONGEST_SECONDS / 60))
        )
    return hints


def quiet_hints(lufs: float) -> list[Warning]:
    """The hint about a recording whose loudness is below QUIET_LUFS."""
    if lufs >= QUIET_LUFS:
        return []
    return [
        Warning(
            "quiet_sample",
            say(
                "the sample is quiet (%.0f LUFS): speak closer to the microphone or raise its "
                "gain; the cloned voice will still be as loud as any other",
                lufs,
            ),
        )
    ]


def level_hints(clipped: float, noise_db: float) -> list[Warning]:
    """Hints about clipping (a share of samples at the peak) and noise (loud frames over quiet ones, in dB)."""
    hints: list[Warning] = []
    if clipped > CLIPPED:
        hints.append(Warning("clipped_sample", say("the recording is too loud and clips: lower the microphone's gain")))
    if noise_db < NOISY_DB:
        hints.append(
            Warning("noisy_sample", say("there is a lot of noise behind the voice: record in a quieter place"))
        )
    return hints
