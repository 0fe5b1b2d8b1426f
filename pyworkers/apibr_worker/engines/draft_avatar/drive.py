"""The motion of the face over time: curves of the whole clip, computed before the first frame.

A frame is then a function of its number alone, so a clip that goes on after a crash has the same pictures as one that
never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apibr_worker.audio.files import Samples
from apibr_worker.speech.spoken import Phoneme

Curve = NDArray[np.float32]

_STEP = 0.01
"""Seconds between two points of the mouth's curves, before they are sampled at the frame rate."""

# Mouth shapes by phoneme: opening, width (-1 pursed to 1 spread), rounding; each 0..1 except the width.
_SHAPES: list[tuple[str, tuple[float, float, float]]] = [
    ("mbpβɸ", (0.0, 0.0, 0.1)),
    ("fvʋɱ", (0.10, 0.15, 0.0)),
    ("aɐɑæʌ", (0.95, 0.15, 0.0)),
    ("ɛe", (0.60, 0.50, 0.0)),
    ("əɜɘɚɝᵊ", (0.50, 0.10, 0.0)),
    ("iɪjɨᵻ", (0.30, 0.80, 0.0)),
    ("yʏɥøœ", (0.32, -0.60, 0.8)),
    ("ɔoɒ", (0.62, -0.45, 0.75)),
    ("uʊwʉ", (0.30, -0.80, 1.0)),
    ("szʃʒʂʐɕʑʧʤʦʣ", (0.18, 0.35, 0.0)),
    ("tdnlɾrɹɲʎθðɫ", (0.24, 0.15, 0.0)),
    ("kgxhɣʁχŋɡçɦ", (0.32, 0.05, 0.0)),
]
_OF_SIGN = {sign: shape for signs, shape in _SHAPES for sign in signs}
_GLIDES = {"I": "aɪ", "A": "eɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "Q": "əʊ"}
"""Single signs that the natural voices' model has for two sounds."""
_OTHER = (0.22, 0.1, 0.0)

_ATTACK, _RELEASE = 0.045, 0.085
"""Time constants of the mouth in seconds: it opens faster than it closes."""
_LOOK_AHEAD = 0.035
_PRESSED = {**dict.fromkeys("mbpβɸ", 0.0), **dict.fromkeys("fvʋɱ", 0.15)}
"""Sounds that the lips make, and how far the mouth may be open while they do. A muscle's lag would leave a short one
half open, which is what a viewer sees first when lips are out of time."""
_PRESS_SECONDS, _PRESS_RAMP = 0.05, 0.07
"""How long the lips stay together at least (a frame of 25 a second is 0.04 s), and how long they take to come there."""
_GATE_DB, _GATE_WIDTH_DB = -34.0, 12.0
"""Below this level, measured from the loud parts, the mouth rests."""


@dataclass(frozen=True, slots=True)
class Motion:
    """One value per frame. Lengths are the clip's number of frames."""

    opening: Curve
    """0 closed .. 1 wide."""
    width: Curve
    """-1 pursed .. 1 spread."""
    rounding: Curve
    """0..1."""
    blink: Curve
    """0 open .. 1 shut."""
    turn: Curve
    """Rotation of the head in radians."""
    shift_x: Curve
    """Movement of the head as a share of its height."""
    shift_y: Curve
    breath: Curve
    """-1..1."""


def motion(samples: Samples, rate: int, phonemes: Sequence[Phoneme] | None, fps: int, frames: int, seed: int) -> Motion:
    """The curves of a clip. phonemes drive the mouth when they are known, else the sound's bands do."""
    seconds = frames / fps
    points = int(np.ceil(seconds / _STEP)) + 2
    level = levels(samples, rate, points)
    if phonemes:
        shapes = _from_phonemes(phonemes, points) * np.clip(0.35 + 0.65 * level, 0, 1)[:, None]
    else:
        shapes = _from_bands(samples, rate, points, level)
    shapes[level <= 0.02] = 0.0
    smooth = np.stack([_follow(shapes[:, index], index == 0) for index in range(3)], axis=1)
    shown = (np.arange(frames) + 0.5) / fps
    times = shown + _LOOK_AHEAD
    sampled = [np.interp(times, np.arange(points) * _STEP, smooth[:, index]).astype(np.float32) for index in range(3)]
    if phonemes:
        sampled[0] = np.minimum(sampled[0], _most_open(phonemes, shown))
    random = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, 0xFACE])
    emphasis = np.interp(times, np.arange(points) * _STEP, _follow(level, attack=False)).astype(np.float32)
    turn, shift_x, shift_y = _sway(frames, fps, random, emphasis)
    return Motion(
        opening=sampled[0],
        width=sampled[1],
        rounding=sampled[2],
        blink=_blinks(frames, fps, random),
        turn=turn,
        shift_x=shift_x,
        shift_y=shift_y,
        breath=np.sin(2 * np.pi * (np.arange(frames) / fps / 3.8 + random.random())).astype(np.float32),
    )


def levels(samples: Samples, rate: int, points: int) -> Curve:
    """Loudness over time, 0 in silence to 1 in the loud parts, one value each 10 ms."""
    size = int(rate * _STEP)
    padded = np.zeros(points * size, dtype=np.float32)
    used = min(samples.size, padded.size)
    padded[:used] = samples[:used]
    decibels = 10 * np.log10(np.mean(padded.reshape(points, size) ** 2, axis=1) + 1e-10)
    loud = float(np.percentile(decibels[decibels > -70], 95)) if (decibels > -70).any() else 0.0
    return np.clip((decibels - loud - _GATE_DB) / _GATE_WIDTH_DB, 0, 1).astype(np.float32)


def _from_phonemes(phonemes: Sequence[Phoneme], points: int) -> NDArray[np.float32]:
    shapes = np.zeros((points, 3), dtype=np.float32)
    for phoneme in phonemes:
        own = _shapes_of(phoneme.ipa)
        edges = np.linspace(phoneme.start, phoneme.end, len(own) + 1)
        for shape, start, end in zip(own, edges, edges[1:], strict=False):
            shapes[int(start / _STEP) : min(points, int(np.ceil(end / _STEP)))] = shape
    return shapes


def _shapes_of(ipa: str) -> list[tuple[float, float, float]]:
    """The shapes of a phoneme one after the other: two of a diphthong, one of most others."""
    signs = "".join(_GLIDES.get(sign, sign) for sign in ipa)
    shapes = [_OF_SIGN[sign] for sign in signs if sign in _OF_SIGN]
    return shapes or [_OTHER if ipa.strip("_: ˈˌː") else (0.0, 0.0, 0.0)]


def _most_open(phonemes: Sequence[Phoneme], times: NDArray[np.float64]) -> Curve:
    """How far the mouth may be open at each time, 0..1: the lips are together while they make a sound."""
    most = np.ones(times.size, dtype=np.float32)
    for phoneme in phonemes:
        least = next((_PRESSED[sign] for sign in phoneme.ipa if sign in _PRESSED), None)
        if least is None:
            continue
        middle, half = (phoneme.start + phoneme.end) / 2, max(phoneme.end - phoneme.start, _PRESS_SECONDS) / 2
        near = slice(*np.searchsorted(times, [middle - half - _PRESS_RAMP, middle + half + _PRESS_RAMP]))
        away = np.clip((np.abs(times[near] - middle) - half) / _PRESS_RAMP, 0, 1)
        most[near] = np.minimum(most[near], least + (1 - least) * away)
    return most


def _from_bands(samples: Samples, rate: int, points: int, level: Curve) -> NDArray[np.float32]:
    """Guesses shapes from where the energy lies: low for rounded vowels, middle for open ones, high for spread ones."""
    size, window = int(rate * _STEP), int(rate * 0.025)
    padded = np.zeros(points * size + window, dtype=np.float32)
    used = min(samples.size, padded.size)
    padded[:used] = samples[:used]
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::size][:points] * np.hanning(window)
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    frequencies = np.fft.rfftfreq(window, 1 / rate)
    bands = [(250, 700), (700, 1300), (1500, 3000), (4000, 8000)]
    energy = np.stack(
        [spectrum[:, (frequencies >= low) & (frequencies < high)].sum(axis=1) for low, high in bands], axis=1
    )
    share = energy / (energy.sum(axis=1, keepdims=True) + 1e-9)
    low, middle, high, hiss = share.T
    opening = np.clip(0.25 + 1.6 * middle + 0.5 * high, 0, 1) * level * (1 - 0.75 * np.clip(hiss * 2, 0, 1))
    width = np.clip(2.2 * high - 1.1 * low, -0.7, 0.8) * level
    rounding = np.clip(1.5 * low - 1.8 * middle - high, 0, 0.8) * level
    return np.stack([opening, width, rounding], axis=1).astype(np.float32)


def _follow(curve: NDArray[Any], attack: bool) -> Curve:
    """A muscle's lag: exponential, faster up than down when attack is set."""
    out = np.empty(curve.shape, dtype=np.float32)
    up = 1 - np.exp(-_STEP / (_ATTACK if attack else _RELEASE))
    down = 1 - np.exp(-_STEP / _RELEASE)
    value = 0.0
    for index, target in enumerate(curve):
        value += (up if target > value else down) * (target - value)
        out[index] = value
    return out


def _blinks(frames: int, fps: int, random: np.random.Generator) -> Curve:
    """A blink every 2.2 to 4.6 s: 80 ms down, 160 ms up."""
    times = np.arange(frames) / fps
    curve = np.zeros(frames, dtype=np.float32)
    at = random.uniform(0.8, 2.0)
    while at < frames / fps:
        since = times - at
        falling, rising = since / 0.08, 1 - (since - 0.10) / 0.16
        shut = np.where(since < 0.08, falling, np.where(since < 0.10, 1.0, rising))
        curve = np.maximum(curve, np.clip(np.where(since < 0, 0, shut), 0, 1)).astype(np.float32)
        at += random.uniform(2.2, 4.6)
    return curve


def _sway(frames: int, fps: int, random: np.random.Generator, emphasis: Curve) -> tuple[Curve, Curve, Curve]:
    """Slow wandering of the head, and a small nod with the voice."""
    times = np.arange(frames) / fps

    def wander(amplitude: float) -> NDArray[np.float64]:
        phases, speeds = random.uniform(0, 2 * np.pi, 3), np.array([0.11, 0.23, 0.41])
        waves = np.sin(2 * np.pi * speeds[:, None] * times[None, :] + phases[:, None])
        return amplitude * (waves * np.array([0.55, 0.3, 0.15])[:, None]).sum(axis=0)

    turn = wander(np.deg2rad(1.5))
    shift_x, shift_y = wander(0.012), wander(0.008) + 0.010 * emphasis
    return turn.astype(np.float32), shift_x.astype(np.float32), shift_y.astype(np.float32)
