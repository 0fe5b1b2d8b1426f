"""Loudness of ITU-R BS.1770-4 from the powers of blocks; how the blocks are weighted is the callers' own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gated(powers: NDArray[np.float64]) -> float:
    """Integrated loudness in LUFS of blocks' K-weighted powers, by BS.1770's two gates; -70 for silence."""
    values = -0.691 + 10.0 * np.log10(powers + 1e-12)
    kept = powers[values > -70.0]
    if kept.size == 0:
        return -70.0
    relative = -0.691 + 10.0 * np.log10(kept.mean()) - 10.0
    louder = powers[(values > -70.0) & (values > relative)]
    return float(-0.691 + 10.0 * np.log10(louder.mean()))
