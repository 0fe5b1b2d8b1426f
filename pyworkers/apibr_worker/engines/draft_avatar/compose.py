"""The picture that is animated: upright, of a sane size, in the wanted aspect, with the face well placed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.image.pictures import grounded, read_file
from apibr_worker.runtime.api import InvalidInputError
from apibr_worker.runtime.sentences import say

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels."""

LONGEST_SIDE = 1280
"""Larger pictures are scaled down: a draft shows timing, not pores."""
_ASPECTS = {"1:1": 1.0, "9:16": 9 / 16, "16:9": 16 / 9}
SMALLEST_SIDE = 64
"""The manifest says the same, so that a smaller picture is refused before there is a job."""
TITLE_TOP = 0.81
"""Where the title of one of our cards begins, as a share of its height."""


def read_picture(path: Path) -> Picture:
    """Reads a picture upright as BGR, at most LONGEST_SIDE pixels long. Transparent parts become white."""
    rgb = np.asarray(grounded(read_file(path, "image"), "white").convert("RGB"))
    if min(rgb.shape[:2]) < SMALLEST_SIDE:
        raise InvalidInputError(
            say(
                "the picture is %d x %d; each side must have at least %d pixels: send a larger one",
                rgb.shape[1],
                rgb.shape[0],
                SMALLEST_SIDE,
            ),
            field="image",
        )
    scale = min(1.0, LONGEST_SIDE / max(rgb.shape[:2]))
    picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    if scale < 1:
        size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture, dtype=np.uint8)


def frame_picture(picture: Picture, aspect: str, head: Box) -> tuple[Picture, tuple[float, float, float]]:
    """Brings a picture to an aspect and to even sides.

    It is cropped around the head where the crop holds the head with a margin; else the whole picture stands before a
    blurred copy of itself. Returns the picture and how positions moved: (scale, dx, dy), new = old * scale + (dx, dy).
    """
    height, width = picture.shape[:2]
    if aspect == "source":
        return _even(picture), (1.0, 0.0, 0.0)
    wanted = _ASPECTS[aspect]
    crop_width, crop_height = (
        (width, round(width / wanted)) if width / height < wanted else (round(height * wanted), height)
    )
    left, top, right, bottom = head
    if right - left <= 0.92 * crop_width and bottom - top <= 0.92 * crop_height:
        x = _place(left, right, crop_width, width)
        y = _place(top - 0.15 * (bottom - top), bottom, crop_height, height)
        cropped = picture[y : y + crop_height, x : x + crop_width]
        return _even(np.ascontiguousarray(cropped)), (1.0, -float(x), -float(y))
    return _before_blur(picture, wanted)


def without_title(picture: Picture, aspect: str) -> Picture:
    """One of our cards above its title, when it is to be cropped: half a title is worse than none."""
    height, width = picture.shape[:2]
    if aspect == "source" or abs(width / height / _ASPECTS[aspect] - 1) < 0.01:
        return picture
    return np.ascontiguousarray(picture[: round(TITLE_TOP * height)])


def _place(low: float, high: float, size: int, limit: int) -> int:
    """Start of a window of `size` that has low..high in its middle and stays within limit."""
    return int(np.clip((low + high - size) / 2, 0, max(0, limit - size)))


def _before_blur(picture: Picture, wanted: float) -> tuple[Picture, tuple[float, float, float]]:
    height, width = picture.shape[:2]
    canvas_width, canvas_height = (
        (round(height * wanted), height) if width / height < wanted else (width, round(width / wanted))
    )
    scale = min(1.0, LONGEST_SIDE / max(canvas_width, canvas_height))
    canvas_width, canvas_height = round(canvas_width * scale), round(canvas_height * scale)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    cover = max(canvas_width / small.shape[1], canvas_height / small.shape[0])
    ground = cv2.resize(small, None, fx=cover, fy=cover, interpolation=cv2.INTER_LINEAR)
    y, x = (ground.shape[0] - canvas_height) // 2, (ground.shape[1] - canvas_width) // 2
    ground = ground[y : y + canvas_height, x : x + canvas_width]
    ground = (cv2.GaussianBlur(ground, (0, 0), max(canvas_width, canvas_height) / 45) * 0.72).astype(np.uint8)
    top, left = (canvas_height - small.shape[0]) // 2, (canvas_width - small.shape[1]) // 2
    ground[top : top + small.shape[0], left : left + small.shape[1]] = small
    return _even(np.ascontiguousarray(ground)), (scale, float(left), float(top))


def _even(picture: Picture) -> Picture:
    """H.264 with 4:2:0 colour needs even sides: the last row or column is dropped."""
    height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[: height - height % 2, : width - width % 2])
