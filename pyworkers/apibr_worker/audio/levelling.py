"""Brings speech to -16 LUFS (ITU-R BS.1770-4) with true peaks below -1 dBTP, in one pass over blocks after another.

A recording is a function that gives its blocks anew: it may be longer than what memory should hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apibr_worker.audio.files import Samples
from apibr_worker.audio.loudness import gated, k_weighting

TARGET_LUFS, CEILING_DBTP = -16.0, -1.0
QUIETEST_LUFS = -60.0
"""Below it there is nothing to bring up but noise."""

Blocks = Callable[[], Iterable[Samples]]
Array = NDArray[np.float64]

_SIZE, _MARGIN = 1 << 16, 1 << 13
"""Samples worked on at once, and beside them on each side: longer than the filters' and the limiter's reach."""
_OVERSAMPLED = 4
_LOOK_SECONDS = 0.005
_AIM_DB = 0.2
"""Below the ceiling: the limiter works on samples, the peak lies between them."""
_CLOSE_DB = 0.1
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Level:
    """How loud a recording is: mean squares of each tenth of a second (K-weighted), and the true peak as a factor."""

    powers: Array
    peak: float

    @property
    def lufs(self) -> float:
        """Integrated loudness; -70 for silence. Less than 0.4 s counts as one block."""
        return lufs(self.powers)


def lufs(powers: Array) -> float:
    """Integrated loudness of the mean squares of tenths of a second."""
    if powers.size < 4:
        powers = np.pad(powers, (0, 4 - powers.size))
    return gated(np.convolve(powers, np.ones(4) / 4.0, mode="valid"))


def measured(blocks: Iterable[Samples], rate: int) -> Level:
    """Measures a recording at `rate` Hz."""
    weights = k_weighting(np.asarray(np.fft.rfftfreq(_SIZE + 2 * _MARGIN, 1.0 / rate), np.float64))
    hop, rest, powers, peak = rate // 10, np.zeros(0), list[Array](), 0.0
    for window, size in _windows(blocks):
        peak = max(peak, float(_peaks(window)[_MARGIN : _MARGIN + size].max(initial=0.0)))
        weighted = np.fft.irfft(np.fft.rfft(window) * weights, window.size)[_MARGIN : _MARGIN + size]
        rest = np.concatenate([rest, weighted])
        whole = rest.size // hop * hop
        powers.append((rest[:whole].reshape(-1, hop) ** 2).mean(axis=1))
        rest = rest[whole:]
    if rest.size:
        powers.append(np.array([(rest**2).sum() / hop]))
    return Level(np.concatenate([np.zeros(0), *powers]), peak)


def levelled(blocks: Blocks, rate: int) -> Iterator[Samples]:
    """The blocks at -16 LUFS with true peaks below -1 dBTP. Silence stays as it is."""
    level = measured(blocks(), rate)
    ceiling = 10.0 ** (CEILING_DBTP / 20.0)
    if level.lufs < QUIETEST_LUFS:
        yield from blocks()
        return
    gain = TARGET_LUFS - level.lufs
    if level.peak * _factor(gain) < ceiling:
        yield from _scaled(blocks(), _factor(gain))
        return
    made = level
    for _ in range(_ROUNDS):
        made = measured(limited(_scaled(blocks(), _factor(gain)), rate), rate)
        error = TARGET_LUFS - made.lufs  # what the limiter took away
        if abs(error) < _CLOSE_DB:
            break
        gain += error
    after = min(1.0, ceiling * _factor(-0.01) / max(made.peak, 1e-9))
    yield from _scaled(limited(_scaled(blocks(), _factor(gain)), rate), after)


def limited(blocks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Peaks brought under the ceiling by a gain that falls and rises within 5 ms around them."""
    ceiling = _factor(CEILING_DBTP - _AIM_DB)
    reach = 2 * int(_LOOK_SECONDS * rate) + 1
    for window, size in _windows(blocks):
        peaks = _peaks(window)
        own = slice(_MARGIN, _MARGIN + size)
        if float(peaks.max(initial=0.0)) <= ceiling:
            yield window[own]
            continue
        needed = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
        needed = np.pad(needed, reach // 2, mode="edge")
        lowest = np.lib.stride_tricks.sliding_window_view(needed, reach).min(axis=1)
        # The smallest gain around each sample, then its mean over the same reach: nowhere more than is needed there.
        sums = np.cumsum(np.pad(lowest, (reach // 2 + 1, reach // 2), mode="edge"))
        gain = (sums[reach:] - sums[:-reach]) / reach
        yield (window * gain).astype(np.float32)[own]


def _factor(decibels: float) -> float:
    return 10.0 ** (decibels / 20.0)


def _scaled(blocks: Iterable[Samples], factor: float) -> Iterator[Samples]:
    return (block * np.float32(factor) for block in blocks)


def _peaks(window: Samples) -> Samples:
    """For each sample the largest size within the step that it begins, four times oversampled where that can matter."""
    size = np.abs(window)
    if float(size.max(initial=0.0)) < 0.5 * _factor(CEILING_DBTP - _AIM_DB):
        return size
    spectrum = np.fft.rfft(window)
    fine = np.fft.irfft(np.pad(spectrum, (0, _OVERSAMPLED * window.size // 2 + 1 - spectrum.size)), 4 * window.size)
    return np.abs(fine * _OVERSAMPLED).reshape(-1, _OVERSAMPLED).max(axis=1).astype(np.float32)


def _windows(blocks: Iterable[Samples]) -> Iterator[tuple[Samples, int]]:
    """Windows of the same size with a margin on both sides (silence at the ends), and how many samples are between."""
    held, whole = np.zeros(_MARGIN, np.float32), _SIZE + 2 * _MARGIN
    for block in blocks:
        held = np.concatenate([held, block])
        while held.size >= whole:
            yield held[:whole], _SIZE
            held = held[_SIZE:]
    while held.size > _MARGIN:
        size = min(held.size - _MARGIN, _SIZE)
        yield np.pad(held[:whole], (0, max(0, whole - held.size))), size
        held = held[size:]
