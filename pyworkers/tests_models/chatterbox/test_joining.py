"""Joining sentences: loudness, peaks, pauses, subtitles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from apibr_worker.audio import captions
from apibr_worker.engines.chatterbox import levelling
from apibr_worker.engines.chatterbox.join import Piece, joined


def test_loudness_is_pyloudnorms_also_across_blocks() -> None:
    import pyloudnorm

    random = np.random.default_rng(5)
    for seconds in (0.45, 3.0, 100.0):
        size = int(seconds * 24000)
        swell = 0.05 + 0.2 * np.abs(np.sin(np.arange(size) / 24000 * 0.7))
        samples = (random.normal(0, 1, size) * swell).astype(np.float32)
        samples[size // 2 : size // 2 + size // 5] = 0.0
        expected = pyloudnorm.Meter(24000).integrated_loudness(samples.astype(np.float64))
        assert levelling.loudness(samples, 24000) == pytest.approx(expected, abs=0.05)
    assert levelling.loudness(np.zeros(48000, np.float32), 24000) == -70.0


def test_peaks_are_held_without_losing_loudness() -> None:
    random = np.random.default_rng(6)
    samples = resample_poly(random.normal(0, 0.02, 600_000), 2, 1).astype(np.float32)
    # Speech has peaks 20 dB above its loudness; the last lies where two blocks meet.
    for place in (*random.integers(0, samples.size, 100), (1 << 20) - 1):
        samples[place : place + 120] *= (1 + 10 * np.hanning(120))[: samples.size - place]
    made = levelling.levelled(samples, 24000)
    assert levelling.loudness(made, 24000) == pytest.approx(-16.0, abs=0.2)
    peak = np.abs(resample_poly(made.astype(np.float64), 8, 1)).max()
    assert 20 * np.log10(peak) <= -0.99
    needed = levelling.TARGET_LUFS - levelling.loudness(samples, 24000)
    assert 20 * np.log10(np.abs(samples).max()) + needed > 0, "there is something to hold"
    silent = np.zeros(1000, np.float32)
    assert np.array_equal(levelling.levelled(silent, 24000), silent)


def test_divided_sentences_flow_into_one_another_and_voices_are_equally_loud() -> None:
    random = np.random.default_rng(7)
    loud, quiet = (random.normal(0, size, 48000).astype(np.float32) for size in (0.2, 0.01))
    pieces = [Piece(loud, 0.0, "a"), Piece(loud, 0.5, "a"), Piece(quiet, 0.0, "b")]
    samples, times = joined(pieces, lambda: None)
    lengths = [end - start for start, end in times]
    assert lengths == pytest.approx([2.0] * 3, abs=1e-3)
    assert times[0][1] - times[1][0] == pytest.approx(0.03)
    assert times[2][0] - times[1][1] == pytest.approx(0.5)
    assert samples.size == round(times[2][1] * 24000)
    first, crossed, last = (
        np.std(samples[int(a * 24000) : int(b * 24000)]) for a, b in ((0.5, 1.5), (1.97, 2.0), (5.0, 6.0))
    )
    assert crossed == pytest.approx(first, rel=0.15), "equal power"
    assert last == pytest.approx(first, rel=0.05)


def test_subtitles_break_what_is_longer_than_a_line() -> None:
    timed = [captions.Timed("x" * 100 + " " + "palavra " * 20, 3599.9996, 3700.0)]
    cues = captions.srt(timed).split("\n\n")
    assert cues[0].startswith("1\n01:00:00,000 --> ")
    assert all(len(row) <= 42 for cue in cues for row in cue.split("\n")[2:])
    assert cues[-1].split("\n")[1].endswith("01:01:40,000")
