"""A photographed head that leans: it is animated upright, and the moving parts are turned back into the picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_avatar.drive import Motion
from apibr_worker.engines.draft_avatar.fields import Picture, smoothstep
from apibr_worker.engines.draft_avatar.photo import PhotoFace
from apibr_worker.image.face import Landmarks, roll

LEAST = math.radians(8)
"""A head that leans less is animated as it stands; a person leans as much when speaking."""
_QUARTER = math.pi / 2
_MOVED = (0.5, 4.0)
"""Steps of 8 bits, after smoothing, between which a difference from the still picture begins to count as motion."""


class TurnedFace:
    """A photograph whose head leans. Quarters are turned without loss; only what moves is interpolated."""

    def __init__(self, picture: Picture, landmarks: Landmarks) -> None:
        angle = roll(landmarks)
        self._quarters = round(angle / _QUARTER)
        upright = np.ascontiguousarray(np.rot90(picture, self._quarters))
        self._size = (upright.shape[1], upright.shape[0])
        points = _quarter_turned(landmarks, self._quarters, picture)
        rest = angle - self._quarters * _QUARTER
        self._level = _levelling(rest, self._size) if abs(rest) > LEAST else None
        if self._level is None:
            self._face = PhotoFace(upright, points)
            return
        matrix, size = self._level
        levelled = cv2.warpAffine(upright, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        self._picture = upright.astype(np.float32)
        self._still = self._lean(levelled)
        self._face = PhotoFace(levelled, (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))

    def frame(self, motion: Motion, index: int) -> Picture:
        """The picture of one frame."""
        made = self._face.frame(motion, index)
        if self._level is not None:
            made = self._blended(self._lean(made))
        return np.ascontiguousarray(np.rot90(made, -self._quarters))

    def _lean(self, picture: Picture) -> Picture:
        """A levelled picture as the photograph stands."""
        assert self._level is not None  # noqa: S101 (asked only then)
        return cv2.warpAffine(picture, self._level[0], self._size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)

    def _blended(self, made: Picture) -> Picture:
        """What moved, over the photograph: the rest keeps its own pixels, which no turning has softened."""
        moved = cv2.absdiff(made, self._still).max(axis=2).astype(np.float32)
        weight = smoothstep(cv2.GaussianBlur(moved, (0, 0), 2.0), *_MOVED)[..., None]
        return np.clip(self._picture * (1 - weight) + made * weight + 0.5, 0, 255).astype(np.uint8)


def _levelling(angle: float, size: tuple[int, int]) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The turn of a picture against an angle about its middle, and the size of a canvas that holds all of it."""
    width, height = size
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    wide, tall = math.ceil(width * cosine + height * sine), math.ceil(width * sine + height * cosine)
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(angle), 1.0), dtype=np.float64)
    matrix[:, 2] += ((wide - width) / 2, (tall - height) / 2)
    return matrix, (wide, tall)


def _quarter_turned(points: Landmarks, quarters: int, picture: Picture) -> Landmarks:
    """Where points of a picture lie after np.rot90."""
    height, width = picture.shape[:2]
    x, y = points[:, 0], points[:, 1]
    turned = {0: (x, y), 1: (y, width - 1 - x), 2: (width - 1 - x, height - 1 - y), 3: (height - 1 - y, x)}
    return np.stack(turned[quarters % 4], axis=1).astype(np.float32)
