"""Loudness and true peak of what is written block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from apibr_worker.audio.files import Samples
from apibr_worker.audio.levelling import CEILING_DBTP, TARGET_LUFS, levelled, measured
from apibr_worker.audio.loudness import loudness

RATE = 24000


def bursts(seconds: float, loud: float, peak: float) -> Samples:
    """Noise in syllables, with a spike of the given size each second; a fast sine whose peaks lie between samples."""
    random = np.random.default_rng(3)
    at = np.arange(int(seconds * RATE)) / RATE
    noise = loud * random.standard_normal(at.size) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * at))
    noise += 0.5 * peak * np.sin(2 * np.pi * RATE / 4 * at + np.pi / 4) * (np.mod(at, 1.0) < 0.01)
    noise[::RATE] += peak
    return noise.astype(np.float32)


def in_blocks(samples: Samples, size: int) -> Iterator[Samples]:
    return (samples[begin : begin + size] for begin in range(0, samples.size, size))


def peak_between_samples(samples: Samples) -> float:
    """In dBTP, four times oversampled as a whole, not in windows."""
    spectrum = np.fft.rfft(samples)
    fine = np.fft.irfft(np.pad(spectrum, (0, 3 * samples.size // 2)), 4 * samples.size) * 4
    return 20.0 * float(np.log10(np.abs(fine).max()))


@pytest.mark.parametrize(("loud", "peak"), [(0.02, 0.1), (0.02, 0.9), (0.3, 1.0), (0.004, 0.01)])
def test_a_recording_comes_out_at_minus_16_lufs_with_peaks_below_minus_1(loud: float, peak: float) -> None:
    samples = bursts(6.5, loud, peak)
    made = np.concatenate(list(levelled(lambda: in_blocks(samples, 5000), RATE)))
    assert made.size == samples.size
    assert loudness(made, RATE) == pytest.approx(TARGET_LUFS, abs=0.2)
    assert peak_between_samples(made) < CEILING_DBTP


def test_the_size_of_the_blocks_changes_nothing() -> None:
    samples = bursts(8.0, 0.05, 0.9)
    made = [np.concatenate(list(levelled(lambda size=size: in_blocks(samples, size), RATE))) for size in (997, 200_000)]
    assert np.array_equal(made[0], made[1])


def test_silence_stays_silent() -> None:
    samples = np.zeros(RATE, np.float32)
    assert not np.concatenate(list(levelled(lambda: in_blocks(samples, 4096), RATE))).any()


def test_a_short_sound_is_measured_as_one_block() -> None:
    samples = bursts(0.2, 0.1, 0.2)
    assert measured([samples], RATE).lufs == pytest.approx(
        measured([np.pad(samples, (0, RATE // 5))], RATE).lufs, abs=0.1
    )
