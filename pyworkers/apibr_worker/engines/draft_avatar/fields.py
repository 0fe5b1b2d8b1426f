"""Smooth displacement fields over a picture, built from how landmarks move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]
"""BGR picture, uint8, shape (height, width, 3). OpenCV's stubs do not say what they return."""
Field = NDArray[Any]
"""One value per pixel, shape (height, width)."""
Points = NDArray[np.float32]
"""Positions in pixels, shape (n, 2)."""


def spread(points: Points, values: NDArray[np.float32], height: int, width: int, sigma: float, step: int = 4) -> Field:
    """Interpolates values at points by normalised Gaussians of `sigma` pixels, on a grid of every `step`th pixel.

    Far from all points the field falls to 0.
    """
    import cv2  # noqa: PLC0415 - the rest of the module needs only numpy

    ys, xs = np.mgrid[0 : height + step : step, 0 : width + step : step].astype(np.float32)
    squared = (xs[..., None] - points[:, 0]) ** 2 + (ys[..., None] - points[:, 1]) ** 2
    weights = np.exp(-squared / (2 * sigma**2))
    total = weights.sum(axis=-1)
    field = (weights * values).sum(axis=-1) / (total + 0.15)
    full = cv2.resize(
        field.astype(np.float32), (xs.shape[1] * step, xs.shape[0] * step), interpolation=cv2.INTER_LINEAR
    )
    return full[:height, :width]


def smoothstep(value: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def contour(points: Points, count: int = 48) -> Points:
    """A smooth open curve through points (Catmull-Rom), resampled to count points."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    position = np.linspace(0, len(points) - 1, count)
    index = np.minimum(position.astype(int), len(points) - 2)
    t = (position - index)[:, None]
    p0, p1, p2, p3 = (padded[index + k] for k in range(4))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return curve.astype(np.float32)


def fill(shape: tuple[int, int], polygon: Points, *, feather: float = 0.0) -> Field:
    """An anti-aliased mask 0..1 of a polygon; feather blurs its edge by that many pixels."""
    import cv2  # noqa: PLC0415

    mask = np.zeros(shape, dtype=np.uint8)
    fraction = 4
    fixed = np.round(polygon * (1 << fraction)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, lineType=cv2.LINE_AA, shift=fraction)
    soft = mask.astype(np.float32) / 255.0
    return cv2.GaussianBlur(soft, (0, 0), feather) if feather > 0 else soft
