"""Backgrounds: a sky, a light, and ridges or water or houses before it."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_image.words import Subject

Canvas = NDArray[np.float32]
"""RGB 0..1, shape (height, width, 3)."""
Colour = NDArray[np.float32]


def colour(hue: float, saturation: float, value: float) -> Colour:
    """RGB 0..1 from hue, saturation, value 0..1."""
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), dtype=np.float32)


def mix(a: Colour, b: Colour, share: NDArray[Any] | float) -> NDArray[np.float32]:
    """a where share is 0, b where it is 1."""
    weight = np.asarray(share, dtype=np.float32)[..., None]
    return (a * (1 - weight) + b * weight).astype(np.float32)


def palette(subject: Subject, random: np.random.Generator) -> tuple[Colour, Colour, Colour]:
    """Sky above, sky at the horizon, and ground."""
    hue = subject.hue if subject.hue is not None else float(random.choice([0.57, 0.60, 0.52, 0.07, 0.75, 0.93, 0.40]))
    if subject.light == "night" or subject.scene == "space":
        return colour(0.65, 0.65, 0.10), colour(0.62, 0.55, 0.32), colour(0.63, 0.5, 0.10)
    if subject.light == "sunset":
        return colour(0.72, 0.45, 0.42), colour(0.06, 0.62, 0.97), colour(0.85, 0.45, 0.20)
    if subject.hue is None and (subject.scene == "forest" or subject.light == "day"):
        hue = 0.40 if subject.scene == "forest" else 0.57
    return colour(hue, 0.42, 0.80), colour(hue + 0.06, 0.14, 0.97), colour(hue - 0.04, 0.55, 0.30)


def draw(width: int, height: int, subject: Subject, random: np.random.Generator) -> Canvas:
    """The whole background of a card without a person."""
    top, low, ground = palette(subject, random)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    ys, xs = ys / height, xs / width
    canvas = mix(top, low, np.clip(ys / 0.68, 0, 1) ** 1.2)
    canvas = _sun(canvas, xs, ys, width / height, subject, random)
    if subject.scene == "space" or subject.light == "night":
        _stars(canvas, random)
    if subject.scene == "sea":
        _water(canvas, ys, low, ground, random)
    elif subject.scene == "city":
        _city(canvas, ground, low, random)
    elif subject.scene != "space":
        _ridges(canvas, ys, low, ground, random, trees=subject.scene == "forest")
    grain = random.normal(0, 0.008, (height, width, 1)).astype(np.float32)
    return np.clip(canvas + grain, 0, 1)


def backdrop(width: int, height: int, subject: Subject, random: np.random.Generator) -> Canvas:
    """A soft studio backdrop behind a person."""
    hue = subject.hue if subject.hue is not None else float(random.choice([0.56, 0.48, 0.08, 0.72, 0.95, 0.60]))
    inner, outer = colour(hue, 0.16, 0.96), colour(hue + 0.03, 0.42, 0.66)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot(
        (xs / width - 0.5) * width / max(width, height), (ys / height - 0.42) * height / max(width, height)
    )
    canvas = mix(inner, outer, np.clip(distance * 1.7, 0, 1) ** 1.3)
    return np.clip(canvas + random.normal(0, 0.004, (height, width, 1)).astype(np.float32), 0, 1)


def _sun(canvas: Canvas, xs: Canvas, ys: Canvas, ratio: float, subject: Subject, random: np.random.Generator) -> Canvas:
    x, y = random.uniform(0.2, 0.8), random.uniform(0.22, 0.42) if subject.light != "sunset" else 0.55
    distance = np.hypot((xs - x) * ratio, ys - y)
    light = np.array([1.0, 0.97, 0.88], dtype=np.float32)
    disc = np.clip((0.075 - distance) / 0.003, 0, 1)
    glow = np.exp(-((distance / 0.30) ** 2)) * 0.35
    return mix(mix(canvas, light, glow), light, disc).astype(np.float32)


def _stars(canvas: Canvas, random: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    count = width * height // 2500
    rows = (random.random(count) ** 1.4 * height * 0.75).astype(int)
    columns = (random.random(count) * width).astype(int)
    canvas[rows, columns] += random.uniform(0.2, 0.8, (count, 1)).astype(np.float32)


def _ridge(width: int, random: np.random.Generator, roughness: float) -> NDArray[np.float32]:
    """A mountain line as fractional noise, -1..1."""
    line, amplitude = np.zeros(width), 1.0
    for octave in range(7):
        knots = 3 * 2**octave + 1
        line += amplitude * np.interp(np.linspace(0, 1, width), np.linspace(0, 1, knots), random.uniform(-1, 1, knots))
        amplitude *= roughness
    return (line / np.abs(line).max()).astype(np.float32)


def _ridges(
    canvas: Canvas, ys: Canvas, low: Colour, ground: Colour, random: np.random.Generator, *, trees: bool
) -> None:
    layers = 5
    for layer in range(layers):
        share = (layer + 1) / layers
        base = 0.50 + 0.40 * share
        line = base + 0.10 * (1.15 - share) * _ridge(canvas.shape[1], random, 0.55)
        if trees and layer >= 2:
            line -= _firs(canvas.shape[1], canvas.shape[1] / canvas.shape[0], random) * (0.5 + 0.5 * share)
        below = np.clip((ys - line[None, :]) * canvas.shape[0] / 1.5, 0, 1)
        mist = 0.25 * np.clip((ys - line[None, :]) * 5, 0, 1) * (1 - share)
        shade = mix(mix(low, ground, 0.25 + 0.75 * share), low, mist)
        canvas[:] = mix(canvas, shade, below)


def _firs(width: int, ratio: float, random: np.random.Generator) -> NDArray[np.float32]:
    """A line of treetops, as heights in fractions of the picture's height."""
    count = int(random.uniform(26, 38) * ratio) + 2
    place = np.linspace(0, count - 1.001, width) + random.random()
    heights = random.uniform(0.35, 1.0, count + 1)
    tree, across = np.minimum(place.astype(int), count), place % 1.0
    slope = 1 - np.abs(2 * across - 1)
    # Boughs: small steps down a fir's side.
    return (0.055 * heights[tree] * (slope - 0.10 * ((slope * 4) % 1.0))).astype(np.float32)


def _water(canvas: Canvas, ys: Canvas, low: Colour, ground: Colour, random: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    horizon = int(0.62 * height)
    reflection = canvas[2 * horizon - height : horizon][::-1] if 2 * horizon >= height else canvas[:horizon][::-1]
    reflection = reflection[: height - horizon]
    rows = np.arange(reflection.shape[0])
    wobble = (np.sin(rows * 0.6) * 2 + random.normal(0, 1.5, rows.size)) * (1 + rows / 40)
    for row, shift in enumerate(wobble.astype(int)):
        canvas[horizon + row] = np.roll(reflection[row], shift, axis=0)
    depth = np.clip((ys[horizon:] - horizon / height) * 2.2, 0, 0.75)
    canvas[horizon:] = mix(canvas[horizon:], mix(low, ground, 0.7), depth)
    glint = random.random((height - horizon, width)) > 0.996
    canvas[horizon:][glint] = np.minimum(canvas[horizon:][glint] + 0.25, 1)


def _city(canvas: Canvas, ground: Colour, low: Colour, random: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    for layer in range(3):
        shade, x = mix(low, ground, 0.35 + 0.3 * layer), 0
        while x < width:
            wide = int(random.uniform(0.05, 0.12) * width) + 2
            top = int(height * random.uniform(0.40 + 0.12 * layer, 0.68 + 0.08 * layer))
            canvas[top:, x : x + wide] = shade
            if layer > 0:
                _windows(canvas, x, x + wide, top, random)
            x += wide
    canvas[int(0.93 * height) :] = ground * 0.6


def _windows(canvas: Canvas, left: int, right: int, top: int, random: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    step = max(6, width // 90)
    warm = np.array([1.0, 0.87, 0.58], dtype=np.float32)
    for y in range(top + step, int(0.92 * height), step * 2):
        for x in range(left + step, min(right, width) - step, step * 2):
            if random.random() < 0.45:
                window = canvas[y : y + step, x : x + step]
                window[:] = mix(window, warm, 0.75)
