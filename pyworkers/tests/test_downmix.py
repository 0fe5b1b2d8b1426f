"""Sound of several channels becomes one that holds what was said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from apibr_worker.audio.files import read_audio
from apibr_worker.runtime.api import InvalidInputError
from apibr_worker.runtime.child import ChildError

SAMPLES = Path(__file__).parents[2] / "samples"
RATE = 24_000
Frames = NDArray[np.float32]


def _voice() -> Frames:
    return read_audio(SAMPLES / "voice.wav", RATE, field="audio")[: 6 * RATE]


def _other(voice: Frames) -> Frames:
    return np.roll(voice[::-1], RATE).copy()


def _level(samples: Frames) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _half_inverted(v: Frames) -> Frames:
    right = v.copy()
    right[len(v) // 2 :] *= -1
    return np.stack([v, right], axis=1)


def _delayed(v: Frames, seconds: float) -> Frames:
    return np.stack([v, np.roll(v, int(seconds * RATE))], axis=1)


def _of(count: int, **channels: Frames) -> Frames:
    frames = np.zeros((len(next(iter(channels.values()))), count), np.float32)
    for place, samples in channels.items():
        frames[:, int(place[1:])] = samples
    return frames


CASES: dict[str, tuple[Callable[[Frames], Frames], float]] = {
    "mono": (lambda v: v[:, None], 1.0),
    "the same on both sides": (lambda v: np.stack([v, v], axis=1), 1.0),
    "inverted": (lambda v: np.stack([v, -v], axis=1), 1.0),
    "inverted and weaker": (lambda v: np.stack([v, -0.8 * v], axis=1), 1.0),
    "inverted, the right one louder": (lambda v: np.stack([-0.5 * v, v], axis=1), 1.0),
    "inverted for half of the time": (_half_inverted, 1.0),
    "one side silent": (lambda v: np.stack([np.zeros_like(v), v], axis=1), 1.0),
    "one side all but silent": (lambda v: np.stack([v, 0.001 * _other(v)], axis=1), 1.0),
    "only a side signal": (lambda v: np.stack([0.5 * v, -0.5 * v], axis=1), 0.5),
    "a millisecond later on one side": (lambda v: _delayed(v, 0.001), 0.6),
    "20 milliseconds later on one side": (lambda v: _delayed(v, 0.02), 0.6),
    "5.1 with the voice in the centre": (lambda v: _of(6, c2=v), 1.0),
    "5.1 with the voice in front": (lambda v: _of(6, c0=v, c1=v), 1.0),
    "5.1 with an inverted front": (lambda v: _of(6, c0=v, c1=-v), 1.0),
    "7.1 with the voice behind": (lambda v: _of(8, c6=v), 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_no_channels_cancel_the_voice(name: str, tmp_path: Path) -> None:
    voice = _voice()
    make, least = CASES[name]
    soundfile.write(tmp_path / "a.wav", make(voice), RATE, subtype="FLOAT")
    heard = read_audio(tmp_path / "a.wav", RATE, field="audio")
    assert heard.shape == voice.shape
    assert _level(heard) > 0.9 * least * _level(voice)
    if least == 1.0:
        np.testing.assert_allclose(np.abs(heard), np.abs(voice), atol=0.002)


def test_each_of_two_speakers_stays(tmp_path: Path) -> None:
    voice = _voice()
    first, second = voice.copy(), _other(voice)
    first[len(voice) // 2 :] = 0
    second[: len(voice) // 2] = 0
    soundfile.write(tmp_path / "a.wav", np.stack([first, second], axis=1), RATE, subtype="FLOAT")
    heard = read_audio(tmp_path / "a.wav", RATE, field="audio")
    np.testing.assert_allclose(heard, (first + second) / 2, atol=1e-4)


def test_channels_without_relation_are_all_heard(tmp_path: Path) -> None:
    noise = np.random.default_rng(7).normal(0, 0.1, (4 * RATE, 4)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav", RATE, field="audio"), noise.mean(axis=1), atol=1e-4)


def test_many_channels_are_mixed_and_broken_numbers_become_finite(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "many.wav", np.repeat(_voice()[:, None], 12, axis=1), RATE, subtype="FLOAT")
    assert _level(read_audio(tmp_path / "many.wav", RATE, field="audio")) > 0.01
    broken = np.stack([_voice(), _voice()], axis=1)
    broken[100], broken[200] = np.nan, np.inf
    soundfile.write(tmp_path / "broken.wav", broken, RATE, subtype="FLOAT")
    assert np.isfinite(read_audio(tmp_path / "broken.wav", RATE, field="audio")).all()


def test_a_killed_ffmpeg_does_not_blame_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(script: str) -> None:
        program = tmp_path / "ffmpeg"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setattr("apibr_worker.audio.files.ffmpeg", lambda: os.fspath(program))

    for script in ("kill -KILL $$", "exit 255", "exit 127"):
        stand_in(script)
        with pytest.raises(ChildError):
            read_audio(SAMPLES / "voice.wav", RATE, field="audio")
    stand_in("exit 1")
    with pytest.raises(InvalidInputError):
        read_audio(SAMPLES / "voice.wav", RATE, field="audio")
