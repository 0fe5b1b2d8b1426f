"""Blinking: the skin between brow and lid is drawn down over the eye."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_avatar.fields import contour, smoothstep
from apibr_worker.image.face import Landmarks

_UPPER = {"right": [33, 246, 161, 160, 159, 158, 157, 173, 133], "left": [362, 398, 384, 385, 386, 387, 388, 466, 263]}
_LOWER = {"right": [33, 7, 163, 144, 145, 153, 154, 155, 133], "left": [362, 382, 381, 380, 374, 373, 390, 249, 263]}


class Eye:
    """One eye of a photograph."""

    def __init__(self, picture: NDArray[np.uint8], landmarks: Landmarks, side: str) -> None:
        upper, lower = contour(landmarks[_UPPER[side]]), contour(landmarks[_LOWER[side]])
        opening = float(np.mean(lower[:, 1] - upper[:, 1]))
        self._width = float(upper[:, 0].max() - upper[:, 0].min())
        self._open = opening > 0.06 * self._width
        margin = 0.12 * self._width
        left = int(max(0, upper[:, 0].min() - margin))
        right = int(min(picture.shape[1], upper[:, 0].max() + margin))
        top = int(max(0, upper[:, 1].min() - 1.1 * self._width * 0.5))
        bottom = int(min(picture.shape[0], lower[:, 1].max() + 0.15 * self._width))
        self._window = np.s_[top:bottom, left:right]
        xs = np.arange(left, right, dtype=np.float32)
        self._upper = np.interp(xs, upper[:, 0], upper[:, 1]).astype(np.float32)
        self._lower = np.interp(xs, lower[:, 0], lower[:, 1]).astype(np.float32)
        # Above this line nothing moves; outside the corners nothing does either.
        self._still = self._upper - 0.42 * self._width
        inside = np.minimum(xs - upper[:, 0].min(), upper[:, 0].max() - xs) / max(margin, 1)
        self._strength = smoothstep(inside.astype(np.float32), -0.6, 0.7)
        self._ys = np.arange(top, bottom, dtype=np.float32)[:, None]
        self._xs = np.repeat((xs - left)[None, :], bottom - top, axis=0)
        self._top = top

    def blink(self, image: NDArray[np.uint8], shut: float) -> None:
        """Closes the eye by `shut` (0..1), in place."""
        if shut < 0.02 or not self._open:
            return
        moved = self._upper + shut * self._strength * (self._lower - self._upper) * 0.96
        stretch = (self._upper - self._still) / np.maximum(moved - self._still, 1e-3)
        source = np.where(self._ys <= moved, self._still + (self._ys - self._still) * stretch, self._ys)
        source = np.where(self._ys < self._still, self._ys, source)
        window = image[self._window]
        map_y = (source - self._top).astype(np.float32)
        closed = cv2.remap(window, self._xs, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
            np.float32
        )
        # The lashes: a dark line along the lid, as thick as the eye is large.
        thick = max(0.8, 0.035 * self._width)
        line = np.exp(-(((self._ys - moved) / thick) ** 2)) * self._strength * min(1.0, shut * 1.5)
        closed *= 1 - 0.55 * line[..., None]
        window[:] = np.clip(closed, 0, 255).astype(np.uint8)
