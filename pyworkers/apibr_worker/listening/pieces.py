"""A recording in pieces that fit Whisper's window of half a minute."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHORTEST_SECONDS, _LONGEST_SECONDS = 20.0, 29.5
"""A piece is cut at the quietest place between these, so that no word is cut and Whisper hears it at once."""
_FRAMES_A_SECOND = 50
_QUIET_FRAMES = 10


def pieces(samples: NDArray[Any], rate: int) -> list[tuple[int, int]]:
    """A mono recording, shape (samples,), in pieces as (begin, end) in samples. None is empty, unless all of it is."""
    frame, longest = rate // _FRAMES_A_SECOND, round(_LONGEST_SECONDS * rate)
    cuts = [0]
    while samples.size - cuts[-1] > longest:
        first = cuts[-1] + round(_SHORTEST_SECONDS * rate)
        frames = samples[first : cuts[-1] + longest]
        frames = frames[: frames.size - frames.size % frame].astype(np.float64).reshape(-1, frame)
        energy = np.convolve((frames**2).sum(axis=1), np.ones(_QUIET_FRAMES), "valid")
        cuts.append(first + (int(energy.argmin()) + _QUIET_FRAMES // 2) * frame)
    return [*zip(cuts, [*cuts[1:], samples.size], strict=True)]
