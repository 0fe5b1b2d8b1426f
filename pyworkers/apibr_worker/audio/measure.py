"""What a voice is like, in numbers: pitch, pace, loudness, the third formant, and how good the recording is.

Sources: pace counts syllable nuclei as N. de Jong and T. Wempe, "Praat script to detect syllable nuclei and measure
speech rate automatically", Behavior Research Methods 41 (2009); pitch is WORLD's DIO with StoneMask (M. Morise,
H. Kawahara and H. Katayose, AES 35th International Conference 2009), which takes a twentieth of Harvest's time and is
within 3 % of it on speech.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyworld
from numpy.typing import NDArray

from apibr_worker.audio.files import Samples
from apibr_worker.audio.loudness import loudness

RATE = 16000
"""Sample rate in Hz that measuring works at."""

_FRAME_SECONDS = 0.01
_LOWEST_F0, _HIGHEST_F0 = 60.0, 500.0
_LONGEST_SECONDS = 40.0
"""More of a recording tells nothing new and costs time."""

_DIGITAL_SILENCE_DB = -96.0

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VoiceMeasures:
    """A voice as the draft engines know it. It says nothing of timbre: a draft is not a likeness."""

    f0_median_hz: float
    f0_spread_semitones: float
    nuclei_per_second: float
    """Syllable nuclei in a second of speaking, pauses left out."""
    loudness_lufs: float
    formant_hz: float
    """Median of the third formant: how long the vocal tract is."""

    def to_json(self) -> dict[str, Any]:
        return {"version": 1, **{name: round(value, 4) for name, value in asdict(self).items()}}

    @staticmethod
    def from_json(data: dict[str, Any]) -> VoiceMeasures:
        """Reads measures. Raises ValueError when one is missing or outside the range of a voice."""
        values: dict[str, float] = {}
        for name, (least, most) in _PLAUSIBLE.items():
            value = data.get(name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise ValueError(f"{name} is {value!r}; a voice has {least:g} to {most:g}")
            values[name] = float(value)
        return VoiceMeasures(**values)


_PLAUSIBLE = {
    "f0_median_hz": (40.0, 600.0),
    "f0_spread_semitones": (0.0, 12.0),
    "nuclei_per_second": (0.0, 20.0),
    "loudness_lufs": (-70.0, 6.0),
    "formant_hz": (1500.0, 4500.0),
}


@dataclass(frozen=True, slots=True)
class RecordingQuality:
    """How good a recording is for cloning."""

    seconds: float
    speech_seconds: float
    signal_to_noise_db: float
    """Loud frames over quiet ones; digital silence, which an editor or a noise gate leaves, is not a quiet place."""


def measure_voice(samples: Samples) -> VoiceMeasures | None:
    """Measures mono samples at RATE; None when nobody speaks in them."""
    part = samples[: int(_LONGEST_SECONDS * RATE)].astype(np.float64)
    f0 = voiced_f0(part)
    voiced = f0[f0 > 0]
    if voiced.size < 20:
        return None
    semitones = 12.0 * np.log2(voiced / np.median(voiced))
    # Octave errors of the tracker lie far out; a speaker's own range does not reach an octave from the median.
    steady = semitones[np.abs(semitones) < 12.0]
    return VoiceMeasures(
        f0_median_hz=float(np.median(voiced)),
        f0_spread_semitones=float(np.std(steady)),
        nuclei_per_second=pace(part, f0),
        loudness_lufs=loudness(part, RATE),
        formant_hz=third_formant(part, f0, RATE),
    )


def measure_recording(samples: Samples) -> RecordingQuality:
    """Judges a recording at RATE by its levels."""
    levels = frame_levels(samples.astype(np.float64))
    heard = levels[levels > _DIGITAL_SILENCE_DB]
    loud, quiet = (float(np.percentile(heard, share)) for share in (95, 5)) if heard.size else (-120.0, -120.0)
    speech = float(np.mean(levels > loud - 30.0)) * samples.size / RATE
    return RecordingQuality(
        seconds=samples.size / RATE,
        speech_seconds=speech if loud > -60.0 else 0.0,
        signal_to_noise_db=loud - quiet,
    )


def voiced_f0(samples: Array) -> Array:
    """Pitch in Hz every 10 ms, 0 where unvoiced. samples: mono at RATE."""
    period = _FRAME_SECONDS * 1000
    rough, times = pyworld.dio(samples, RATE, f0_floor=_LOWEST_F0, f0_ceil=_HIGHEST_F0, frame_period=period)
    return pyworld.stonemask(samples, rough, times, RATE)


def frame_levels(samples: Array, rate: int = RATE) -> Array:
    """Level in dB of full scale of each 10 ms frame."""
    size = int(rate * _FRAME_SECONDS)
    count = max(1, samples.size // size)
    padded = np.resize(samples, count * size) if samples.size < size else samples[: count * size]
    power = np.mean(padded.reshape(count, size) ** 2, axis=1)
    return 10.0 * np.log10(power + 1e-12)


def pace(samples: Array, f0: Array) -> float:
    """Syllable nuclei per second of speaking: voiced peaks of intensity with a dip of 2 dB before them."""
    levels = frame_levels(samples)
    smooth = np.convolve(levels, np.hanning(9) / np.hanning(9).sum(), mode="same")
    threshold = np.percentile(smooth, 99) - 25.0
    count = min(smooth.size, f0.size)
    nuclei, valley = 0, np.inf
    for index in range(1, count - 1):
        valley = min(valley, smooth[index])
        peak = smooth[index] >= smooth[index - 1] and smooth[index] > smooth[index + 1]
        if peak and smooth[index] > threshold and smooth[index] - valley >= 2.0 and f0[index] > 0:
            nuclei, valley = nuclei + 1, smooth[index]
    speaking = float(np.sum(smooth[:count] > threshold)) * _FRAME_SECONDS
    return nuclei / speaking if speaking > 0.2 else 0.0


def third_formant(samples: Array, f0: Array, rate: int) -> float:
    """Median of the third formant in Hz over voiced frames, from linear prediction; 2600 when none is found."""
    size, order = int(0.03 * rate), 2 + rate // 1000
    emphasised = np.append(samples[0], samples[1:] - 0.95 * samples[:-1])
    window = np.hamming(size)
    voiced = np.flatnonzero(f0 > 0)
    found: list[float] = []
    for index in voiced[:: max(1, voiced.size // 200)]:
        start = int(index * _FRAME_SECONDS * rate)
        frame = emphasised[start : start + size]
        if frame.size == size:
            found += [f for f in _formants(frame * window, order, rate) if 2000.0 < f < 3500.0][:1]
    return float(np.median(found)) if found else 2600.0


def _formants(frame: Array, order: int, rate: int) -> list[float]:
    """Resonances of a frame in Hz, lowest first."""
    correlation = np.correlate(frame, frame, mode="full")[frame.size - 1 : frame.size + order]
    if correlation[0] <= 1e-9:
        return []
    roots = np.roots(_levinson(correlation, order))
    roots = roots[np.imag(roots) > 0.01]
    frequencies = np.angle(roots) * rate / (2 * np.pi)
    bandwidths = -np.log(np.abs(roots)) * rate / np.pi
    return sorted(float(f) for f, b in zip(frequencies, bandwidths, strict=True) if f > 90.0 and b < 600.0)


def _levinson(correlation: Array, order: int) -> Array:
    """Levinson-Durbin recursion: the prediction polynomial, leading 1."""
    polynomial = np.zeros(order + 1)
    polynomial[0], error = 1.0, correlation[0]
    for step in range(1, order + 1):
        reflection = -(correlation[step] + polynomial[1:step] @ correlation[step - 1 : 0 : -1]) / error
        polynomial[1 : step + 1] += reflection * np.append(polynomial[step - 1 : 0 : -1], 1.0)
        error *= 1.0 - reflection**2
    return polynomial
