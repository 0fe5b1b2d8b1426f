"""Bringing a synthetic voice to measured pitch and vocal tract, with WORLD (M. Morise et al., IEICE 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pyworld
from numpy.typing import NDArray

from apibr_worker.audio.files import Samples
from apibr_worker.audio.measure import RATE, VoiceMeasures, measure_voice
from apibr_worker.speech.pipeline import resampled

_FRAME_MS = 5.0
_PIECE_SECONDS = (1.2, 2.4)
"""A sentence is worked on in pieces, cut where it is quietest. No call of WORLD then takes more than a tenth of a
second of one core, and a cancel is seen between any two."""
_SLICE_FRAMES = 160
"""Frames (0.8 s) analysed between two checks of the cancel flag: about 0.07 s of work on one slow core."""
_BLEND_SECONDS = 0.01
_WARP_LIMITS = (0.85, 1.2)
_STRETCH_LIMITS = (0.4, 1.8)
"""A flat machine voice stretched threefold sounds drunk, not lively."""
_DRIFT_SEMITONES = 0.35
"""How far the melodies of takes differ."""

Array = NDArray[np.float64]
Drift = Callable[[float], float]
"""Semitones that are added to the melody at a time in seconds."""


def drift_of(take: np.random.Generator) -> Drift:
    """A slow wander of the melody, zero in the mean."""
    waves = [(float(take.uniform(0.15, 0.45)), float(take.uniform(0.0, 2.0 * math.pi))) for _ in range(2)]
    return lambda t: _DRIFT_SEMITONES / 2.0 * sum(math.sin(2.0 * math.pi * f * t + phase) for f, phase in waves)


def to_voice(
    samples: Samples,
    rate: int,
    own: VoiceMeasures | None,
    target: VoiceMeasures,
    *,
    drift: Drift | None = None,
    check_cancel: Callable[[], None] = lambda: None,
) -> Samples:
    """Maps samples (mono, `rate` Hz) spoken by a voice with measures `own` to `target`. Length and timing stay.

    check_cancel is called between slices of the work. WORLD seeds its noise anew at each call: the same arguments give
    the same samples.
    """
    x = samples.astype(np.float64)
    blend = int(_BLEND_SECONDS * rate)
    spans = [(max(0, a - blend), min(x.size, b + blend)) for a, b in pairwise(_quiet_places(x, rate))]
    tunes: list[tuple[Array, Array]] = []
    for begin, end in spans:
        # DIO with StoneMask finds the pitch of clean synthetic speech as well as Harvest does, in a tenth of the time.
        rough, times = pyworld.dio(x[begin:end], rate, f0_floor=60.0, f0_ceil=500.0, frame_period=_FRAME_MS)
        check_cancel()
        tunes.append((pyworld.stonemask(x[begin:end], rough, times, rate), times))
        check_cancel()
    f0 = np.concatenate([tune for tune, _ in tunes])
    when = np.concatenate([times + begin / rate for (_, times), (begin, _) in zip(tunes, spans, strict=True)])
    melody = _map_pitch(f0, target, [drift(float(t)) for t in when] if drift else None)
    warp = float(np.clip(target.formant_hz / own.formant_hz, *_WARP_LIMITS)) if own else 1.0
    made, done = np.zeros(x.size), 0
    for number, ((begin, end), (tune, times)) in enumerate(zip(spans, tunes, strict=True)):
        piece = _spoken(x[begin:end], rate, tune, times, melody[done : done + tune.size], warp, check_cancel)
        done += tune.size
        if number > 0:
            piece[: 2 * blend] *= np.linspace(0.0, 1.0, 2 * blend)
        if number < len(spans) - 1:
            piece[piece.size - 2 * blend :] *= np.linspace(1.0, 0.0, 2 * blend)
        made[begin:end] += piece
    return made.astype(np.float32)


def _quiet_places(x: Array, rate: int) -> list[int]:
    """Where to cut: 0, the quietest places between pieces, and the end."""
    hop = rate // 100
    energy = np.convolve(np.add.reduceat(x**2, np.arange(0, x.size, hop)), np.ones(3), mode="same")
    least, most = (round(seconds * 100) for seconds in _PIECE_SECONDS)
    places, at = [0], 0
    while energy.size - at > most + least // 2:
        at += least + int(np.argmin(energy[at + least : at + most]))
        places.append(at * hop + hop // 2)
    return [*places, x.size]


def _spoken(
    x: Array, rate: int, f0: Array, times: Array, melody: Array, warp: float, check_cancel: Callable[[], None]
) -> Array:
    """A piece with the pitch f0 (Hz, one a frame at `times`) at the pitch `melody`; the same length."""
    envelopes: list[Array] = []
    noises: list[Array] = []
    for begin in range(0, f0.size, _SLICE_FRAMES):
        part, when = f0[begin : begin + _SLICE_FRAMES], times[begin : begin + _SLICE_FRAMES]
        envelopes.append(_warp(pyworld.cheaptrick(x, part, when, rate), warp))
        check_cancel()
        noises.append(pyworld.d4c(x, part, when, rate))
        check_cancel()
    y = pyworld.synthesize(melody, np.concatenate(envelopes), np.concatenate(noises), rate, _FRAME_MS)
    check_cancel()
    return np.pad(y[: x.size], (0, max(0, x.size - y.size)))


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


def measures_of(samples: Samples, rate: int) -> VoiceMeasures | None:
    """Measures mono samples at `rate` Hz, resampled to RATE; None when nobody speaks in them."""
    return measure_voice(resampled(samples, rate, RATE))
