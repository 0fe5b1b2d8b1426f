"""Bringing a synthetic voice to measured pitch and vocal tract, with WORLD (M. Morise et al., IEICE 2016), and keeping
its peaks below full scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyworld
from numpy.typing import NDArray

from apibr_worker.audio.files import Samples
from apibr_worker.audio.measure import RATE, VoiceMeasures, measure_voice

_FRAME_MS = 5.0
_SLICE_FRAMES = 1000
"""Frames (5 s) analysed between two checks of the cancel flag: about 0.3 s of work on one slow core."""
_WARP_LIMITS = (0.85, 1.2)
_STRETCH_LIMITS = (0.4, 1.8)
"""A flat machine voice stretched threefold sounds drunk, not lively."""

CEILING = 0.97
"""The highest peak that limited() leaves."""
_LIMITER_BLOCK_SECONDS = 0.001
_LIMITER_REACH = 5
"""Blocks before and after a peak over which the gain falls and rises."""

Array = NDArray[np.float64]


def to_voice(
    samples: Samples,
    rate: int,
    own: VoiceMeasures | None,
    target: VoiceMeasures,
    *,
    drift: Callable[[float], float] | None = None,
    check_cancel: Callable[[], None] = lambda: None,
) -> Samples:
    """Maps samples (mono, `rate` Hz) spoken by a voice with measures `own` to `target`. Length and timing stay.

    drift adds semitones to the melody at a time in seconds. check_cancel is called between slices of the work.
    """
    x = samples.astype(np.float64)
    # DIO with StoneMask finds the pitch of clean synthetic speech as well as Harvest does, in a tenth of the time.
    rough, times = pyworld.dio(x, rate, f0_floor=60.0, f0_ceil=500.0, frame_period=_FRAME_MS)
    check_cancel()
    f0 = pyworld.stonemask(x, rough, times, rate)
    warp = float(np.clip(target.formant_hz / own.formant_hz, *_WARP_LIMITS)) if own else 1.0
    envelopes: list[Array] = []
    noises: list[Array] = []
    # Frames do not depend on each other; slices differ from one call only by WORLD's dither, far below a 16-bit step in
    # speech, and the same request is always sliced the same way.
    for begin in range(0, f0.size, _SLICE_FRAMES):
        check_cancel()
        part, when = f0[begin : begin + _SLICE_FRAMES], times[begin : begin + _SLICE_FRAMES]
        envelopes.append(_warp(pyworld.cheaptrick(x, part, when, rate), warp))
        noises.append(pyworld.d4c(x, part, when, rate))
    check_cancel()
    melody = _map_pitch(f0, target, [drift(float(t)) for t in times] if drift else None)
    y = pyworld.synthesize(melody, np.concatenate(envelopes), np.concatenate(noises), rate, _FRAME_MS)
    return np.pad(y[: x.size], (0, max(0, x.size - y.size))).astype(np.float32)


def _map_pitch(f0: Array, target: VoiceMeasures, drift: list[float] | None) -> Array:
    """Maps log-pitch to the target's median and spread; unvoiced frames stay 0."""
    voiced = f0 > 0
    if not voiced.any():
        return f0
    semitones = 12.0 * np.log2(f0[voiced] / np.median(f0[voiced]))
    spread = float(np.std(semitones))
    if spread > 0.1:
        semitones *= float(np.clip(target.f0_spread_semitones / spread, *_STRETCH_LIMITS))
    if drift is not None:
        semitones += np.asarray(drift)[voiced]
        semitones -= np.median(semitones)
    mapped = f0.copy()
    mapped[voiced] = target.f0_median_hz * 2.0 ** (semitones / 12.0)
    return np.clip(mapped, 0.0, 800.0)


def _warp(envelope: Array, factor: float) -> Array:
    """Stretches the spectral envelope along frequency: a shorter vocal tract has higher formants."""
    if abs(factor - 1.0) < 0.01:
        return envelope
    bins = np.arange(envelope.shape[1], dtype=np.float64)
    source = np.clip(bins / factor, 0, bins[-1])
    low = np.floor(source).astype(int)
    high = np.minimum(low + 1, envelope.shape[1] - 1)
    share = source - low
    return np.ascontiguousarray(envelope[:, low] * (1 - share) + envelope[:, high] * share)


def limited(samples: Samples, rate: int) -> Samples:
    """Turns peaks above CEILING down for a few milliseconds around them; quieter samples stay as they are."""
    size = round(rate * _LIMITER_BLOCK_SECONDS)
    count = -(-samples.size // size)
    peaks = np.abs(np.pad(samples, (0, count * size - samples.size))).reshape(count, size).max(axis=1, initial=0.0)
    if peaks.max(initial=0.0) <= CEILING:
        return samples
    gains = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9))
    reach = _LIMITER_REACH
    lowest = np.lib.stride_tricks.sliding_window_view(np.pad(gains, reach, mode="edge"), 2 * reach + 1).min(axis=1)
    # Narrower than the minimum's reach by a block on each side, so that between two blocks the ceiling holds too.
    window = np.hanning(2 * reach + 1)[1:-1]
    smooth = np.convolve(np.pad(lowest, reach - 1, mode="edge"), window / window.sum(), mode="valid")
    centres = (np.arange(count) + 0.5) * size
    gain = np.interp(np.arange(samples.size), centres, smooth)
    return np.clip(samples * gain, -CEILING, CEILING).astype(np.float32)


def measures_of(samples: Samples, rate: int) -> VoiceMeasures | None:
    """Measures mono samples at `rate` Hz, resampled to RATE; None when nobody speaks in them."""
    return measure_voice(resampled(samples, rate, RATE))


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Mono samples at `rate` Hz as samples at `wanted` Hz, by linear interpolation: enough for drafts."""
    if rate == wanted:
        return samples
    positions = np.arange(0, samples.size, rate / wanted)
    return np.interp(positions, np.arange(samples.size), samples).astype(np.float32)
