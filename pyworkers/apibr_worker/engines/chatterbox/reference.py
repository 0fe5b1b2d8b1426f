"""A recording of somebody's voice: what is wrong with it, and its best ten seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apibr_worker.audio import recording
from apibr_worker.audio.files import Samples
from apibr_worker.engines.chatterbox.levelling import loudness
from apibr_worker.runtime.api import InvalidInputError, Warning
from apibr_worker.runtime.sentences import say

BEST_SECONDS = 10.0
_FRAME = 0.01
_SPEECH_DB = 30.0
"""Frames within this of the loud ones are speech."""
_SILENT_DB = -55.0
_STEADY_DB = 2.0
"""Speech rises and falls by more than this; hum and tones do not."""
_VOICED = 0.05
"""Share of the loud frames that have a pitch, even in whispery speech."""
_RUINED = 0.05
"""Share of samples at the peak from which nothing is left to learn from."""
_NARROW_HZ = 5500.0
_HEARD_LUFS = -24.0
"""A quiet recording is brought up to this for the model, which has heard no whispers."""
_LEAD = 0.1
"""Seconds kept before the first and after the last sound."""

Levels = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recording:
    """What was found. clip: the best part, at most 10 s, from sound to sound."""

    seconds: float
    speech_seconds: float
    clip: Samples
    warnings: list[Warning]


def judge(samples: Samples, rate: int, own_rate: Samples, *, least: float, recommended: float) -> Recording:
    """Finds the best part of mono samples at rate Hz.

    own_rate: the recording's beginning at the rate that it was made at, in which clipping is still flat. least and
    recommended: seconds of speech. Raises InvalidInputError (field audio) for what no voice can be learnt from.
    """
    seconds = samples.size / rate
    if _flat(own_rate) > _RUINED:
        raise InvalidInputError(
            say("the recording is clipped from end to end: lower the microphone's gain and record again"), field="audio"
        )
    levels = _levels(samples, rate)
    loud = _loud(levels)
    active = levels > max(loud - _SPEECH_DB, _SILENT_DB - 10.0)
    if loud < _SILENT_DB or not active.any():
        raise recording.nobody_heard()
    speech = float(active.sum()) * _FRAME
    if speech < least and round(speech, 1) < least:  # compared as it is told
        raise InvalidInputError(
            say(
                "the sample has %.1f s of speech; the least is %g s: record %g s or more of clear speech",
                speech,
                least,
                recommended,
            ),
            field="audio",
        )
    clip = _best(samples, rate, levels, active)
    if float(np.std(levels[active])) < _STEADY_DB or _voiced_share(clip, rate) < _VOICED:
        raise InvalidInputError(
            say("the sample is noise or a tone and not speech: record somebody speaking"), field="audio"
        )
    lufs = loudness(clip, rate)
    hints = _hints(seconds, recording.clipped_fraction(own_rate), levels, clip, rate, recommended)
    quiet = recording.quiet_hints(lufs)
    if quiet:
        gain = min(10.0 ** ((_HEARD_LUFS - lufs) / 20.0), 0.9 / max(float(np.abs(clip).max()), 1e-6))
        clip = clip * np.float32(gain)
    return Recording(seconds, speech, clip, [*hints, *quiet])


def _levels(samples: Samples, rate: int) -> Levels:
    """dB of full scale, every 10 ms."""
    size = int(rate * _FRAME)
    count = samples.size // size
    frames = samples[: count * size].reshape(count, size)
    return 10.0 * np.log10(np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / size + 1e-12)


def _flat(samples: Samples) -> float:
    """Share of samples that lie at the peak beside another: cut off tops. A tone's are round."""
    size = np.abs(samples)
    peak = float(size.max(initial=0.0))
    level = np.abs(np.diff(samples)) < 1e-3 * peak
    return float(np.mean((size[1:] >= 0.97 * peak) & level)) if peak > 0.05 and samples.size > 1 else 0.0


def _loud(levels: Levels) -> float:
    """The level that the loudest second keeps, however long the silence around it; -120 where there is nothing."""
    count = min(100, levels.size // 2)
    return float(np.partition(levels, -count)[-count]) if count else -120.0


def _best(samples: Samples, rate: int, levels: Levels, active: NDArray[np.bool_]) -> Samples:
    """The ten seconds with the most speech, begun at a sound and ended at one; the earliest of equals."""
    length = round(BEST_SECONDS / _FRAME)
    sums = np.concatenate([[0], np.cumsum(active)])
    starts = np.flatnonzero(active)
    # A window that begins between two sounds is never better than one that begins at the second.
    ends = np.minimum(starts + length, levels.size)
    start = int(starts[np.argmax(sums[ends] - sums[starts])])
    within = np.flatnonzero(active[start : start + length])
    first, last = start * _FRAME, (start + int(within[-1]) + 1) * _FRAME
    begin = max(0.0, first - _LEAD)
    end = min(last + _LEAD, begin + BEST_SECONDS)
    return samples[int(begin * rate) : int(end * rate)]


def _voiced_share(samples: Samples, rate: int) -> float:
    """Share of the louder frames that repeat at a voice's pitch, by their autocorrelation."""
    size, hop = int(0.04 * rate), int(0.02 * rate)
    if samples.size < size:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop].astype(np.float64)
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = (frames**2).sum(axis=1)
    frames = frames[power >= np.median(power)]
    spectrum = np.abs(np.fft.rfft(frames, 2 * size)) ** 2
    correlation = np.fft.irfft(spectrum)[:, :size]
    # A shorter overlap weighs less: undo it.
    correlation = correlation / (correlation[:, :1] + 1e-12) * (size / (size - np.arange(size)))
    lags = correlation[:, rate // 400 : rate // 60]
    return float(np.mean(lags.max(axis=1) > 0.6))


def _bandwidth(samples: Samples, rate: int) -> float:
    """Hz below which all but a thousandth of the loudness lies."""
    size = 2048
    count = max(1, samples.size // size)
    frames = np.resize(samples, count * size).reshape(count, size) * np.hanning(size)
    power = np.cumsum((np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0))
    return float(np.searchsorted(power, 0.9999 * power[-1])) * rate / size


def _hints(
    seconds: float, clipped: float, levels: Levels, clip: Samples, rate: int, recommended: float
) -> list[Warning]:
    """What would make the sample better."""
    heard = levels[levels > -96.0]  # digital silence, which an editor leaves, is not a quiet place
    noise = _loud(levels) - float(np.percentile(heard, 5)) if heard.size else 0.0
    hints = recording.length_hints(seconds, recommended)
    if seconds > BEST_SECONDS + 1:
        hints.append(
            Warning("part_used", say("the model uses %g s of the sample: those with the most speech", BEST_SECONDS))
        )
    hints += recording.level_hints(clipped, noise)
    if _bandwidth(clip, rate) < _NARROW_HZ:
        hints.append(
            Warning(
                "narrow_sample",
                say("the recording sounds like a phone call: one at 24 kHz or more makes a clearer voice"),
            )
        )
    return hints
