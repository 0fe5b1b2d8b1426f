"""Brings speech to -16 LUFS (ITU-R BS.1770-4) with true peaks of at most -1 dBTP. Works in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyloudnorm import Meter
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import lfilter, resample_poly

from apibr_worker.audio.files import Samples
from apibr_worker.audio.loudness import gated

TARGET_LUFS, CEILING_DBTP = -16.0, -1.0
_BLOCK, _OVERSAMPLED, _MARGIN = 1 << 20, 4, 256
_ROUNDS = 6
_LOOK_SECONDS = 0.005
_AIM_DB = 0.2
"""Below the ceiling: the limiter works on samples, the peak lies between them."""
_QUIETEST = -60.0
"""LUFS below which there is nothing to bring up but noise."""


def loudness(samples: Samples, rate: int) -> float:
    """Integrated loudness in LUFS by ITU-R BS.1770-4; -70 for silence. Less than 0.4 s counts as one block."""
    hop = rate // 10
    if samples.size < 4 * hop:
        samples = np.pad(samples, (0, 4 * hop - samples.size))
    power = np.concatenate(list(_hop_powers(samples, rate, hop)))
    return gated(np.convolve(power, np.ones(4) / 4.0, mode="valid"))


def _hop_powers(samples: Samples, rate: int, hop: int) -> Iterator[NDArray[np.float64]]:
    """Mean square of the K-weighted signal, each tenth of a second."""
    filters: Any = Meter(rate)._filters
    stages = [(f.b, f.a, f.passband_gain) for f in filters.values()]
    states = [np.zeros(max(len(b), len(a)) - 1) for b, a, _ in stages]
    size = (_BLOCK // hop) * hop
    for begin in range(0, samples.size // hop * hop, size):
        part = samples[begin : min(begin + size, samples.size // hop * hop)].astype(np.float64)
        for index, (b, a, gain) in enumerate(stages):
            filtered: Any = lfilter(b, a, part, zi=states[index])
            part, states[index] = filtered[0], filtered[1]
            part = gain * part
        yield (part.reshape(-1, hop) ** 2).mean(axis=1)


def true_peak(samples: Samples) -> float:
    """The peak in dBTP, between the samples too."""
    return 20.0 * float(np.log10(max((float(part.max()) for part in _peaks(samples)), default=0.0) + 1e-12))


def _peaks(samples: Samples) -> Iterator[NDArray[np.float32]]:
    """For each sample the largest size within the step that it begins, four times oversampled; in blocks."""
    for begin in range(0, samples.size, _BLOCK):
        before, after = max(0, begin - _MARGIN), min(samples.size, begin + _BLOCK + _MARGIN)
        fine = np.abs(resample_poly(samples[before:after], _OVERSAMPLED, 1).astype(np.float32))
        fine = fine[(begin - before) * _OVERSAMPLED :][: min(_BLOCK, samples.size - begin) * _OVERSAMPLED]
        yield fine.reshape(-1, _OVERSAMPLED).max(axis=1)


def levelled(samples: Samples, rate: int) -> Samples:
    """At -16 LUFS with true peaks of at most -1 dBTP. Silence stays as it is."""
    now = loudness(samples, rate)
    if now < _QUIETEST:
        return samples
    gain = TARGET_LUFS - now
    made = samples
    for _ in range(_ROUNDS):
        made = _limited(samples * np.float32(10.0 ** (gain / 20.0)), rate)
        error = TARGET_LUFS - loudness(made, rate)  # what the limiter took away
        if abs(error) < 0.1:
            break
        gain += error
    over = true_peak(made) - CEILING_DBTP
    return made * np.float32(10.0 ** (-over / 20.0)) if over > 0 else made


def _limited(samples: Samples, rate: int) -> Samples:
    """Peaks brought under the ceiling by a gain that falls and rises within 5 ms, ahead of them."""
    ceiling = np.float32(10.0 ** ((CEILING_DBTP - _AIM_DB) / 20.0))
    peaks = np.concatenate([np.zeros(0, np.float32), *_peaks(samples)])
    if peaks.size == 0 or float(peaks.max()) <= ceiling:
        return samples
    needed = np.minimum(np.float32(1.0), ceiling / np.maximum(peaks, np.float32(1e-9)))
    reach = 2 * int(_LOOK_SECONDS * rate) + 1
    # The smallest gain around each sample, then its mean over the same reach: nowhere more than is needed there.
    gain: Samples = uniform_filter1d(minimum_filter1d(needed, reach), reach).astype(np.float32)
    return samples * gain
