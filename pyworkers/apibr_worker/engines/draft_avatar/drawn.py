"""A drawn character that speaks: mouth and eyelids are drawn anew over the picture, by the geometry in its metadata."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_avatar.drive import Motion
from apibr_worker.engines.draft_avatar.fields import Points, fill, smoothstep

Picture = NDArray[Any]
"""BGR picture, uint8, shape (height, width, 3). OpenCV's stubs do not say what they return."""
_SCALE = 3
"""The mouth is drawn this many times larger and shrunk: smooth edges at any size."""

_OVAL = ("x", "y", "rx", "ry")


def is_drawn(face: Any) -> bool:
    """Whether metadata describes one of our characters in full; a picture without it is a photograph."""
    try:
        numbers = [face["mouth"][key] for key in ("x", "y", "width")] + [face["head"][key] for key in _OVAL]
        numbers += [eye[key] for eye in face["eyes"] for key in _OVAL]
        colours = [_bgr(face["colours"][name]) for name in ("skin", "shade", "lip")]
        return face["kind"] == "drawn" and bool(np.isfinite(np.array(numbers, float)).all()) and len(colours) == 3
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def head_box(face: dict[str, Any], width: int, height: int) -> tuple[float, float, float, float]:
    """left, top, right, bottom of the head with its hair, in pixels of a picture of that size."""
    x, y = face["head"]["x"] * width, face["head"]["y"] * height
    rx, ry = 1.3 * face["head"]["rx"] * width, 1.3 * face["head"]["ry"] * width
    return x - rx, y - ry, x + rx, y + ry


class DrawnFace:
    """A character with its geometry: positions and sizes as fractions of the picture's width and height."""

    def __init__(
        self, picture: Picture, face: dict[str, Any], placed: tuple[float, float, float], source: tuple[int, int]
    ) -> None:
        scale, dx, dy = placed
        width, height = source
        self._picture = picture

        def point(value: dict[str, Any]) -> tuple[float, float]:
            return float(value["x"]) * width * scale + dx, float(value["y"]) * height * scale + dy

        def length(value: Any) -> float:
            return float(value) * width * scale

        self._mouth = point(face["mouth"])
        self._mouth_width = length(face["mouth"]["width"])
        self._eyes = [(*point(eye), length(eye["rx"]), length(eye["ry"])) for eye in face["eyes"]]
        self._head = (*point(face["head"]), length(face["head"]["rx"]), length(face["head"]["ry"]))
        self._skin, self._shade, self._lip = (_bgr(face["colours"][name]) for name in ("skin", "shade", "lip"))
        self._build_masks()

    def _build_masks(self) -> None:
        height, width = self._picture.shape[:2]
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        x, y, rx, ry = self._head
        oval = np.sqrt(((xs - x) / (1.35 * rx)) ** 2 + ((ys - y + 0.1 * ry) / (1.45 * ry)) ** 2)
        self._mask = 1 - smoothstep(oval, 0.8, 1.35)
        self._body = smoothstep(ys - (y + ry), 0.0, ry)
        self._grid = (xs, ys)
        self._pivot = (x, y + 1.2 * ry)

    def frame(self, motion: Motion, index: int) -> Picture:
        """The picture of one frame."""
        image = self._picture.copy()
        self._draw_mouth(image, float(motion.opening[index]), float(motion.width[index]), float(motion.rounding[index]))
        self._draw_lids(image, float(motion.blink[index]))
        return self._sway(image, motion, index)

    def _draw_mouth(self, image: Picture, opening: float, width: float, rounding: float) -> None:
        if opening < 0.03:
            return  # the picture's own smile is the rest
        x, y = self._mouth
        half = 0.5 * self._mouth_width * (1 + 0.12 * width - 0.38 * rounding)
        tall = self._mouth_width * (0.06 + 0.42 * opening * (1 - 0.25 * rounding))
        pad = int(0.75 * self._mouth_width)
        left, top = max(0, int(x) - pad), max(0, int(y) - pad)
        window = image[top : int(y) + pad, left : int(x) + pad]
        big = cv2.resize(window, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        center = (np.array([x - left, y - top]) * _SCALE).astype(np.float32)
        half, tall = half * _SCALE, tall * _SCALE
        cover = _ellipse(center, 0.62 * self._mouth_width * _SCALE, 0.34 * self._mouth_width * _SCALE)
        _blend(big, fill(big.shape[:2], cover, feather=3.0), self._skin)
        lips = _lips(center, half * 1.12, tall * 1.0 + 0.10 * half, rounding)
        _blend(big, fill(big.shape[:2], lips), self._lip)
        hole = _lips(center, half, tall * 0.86, rounding)
        inside = fill(big.shape[:2], hole)
        _blend(big, inside, np.array([38, 24, 70], np.float32))
        tongue = _ellipse(center + np.array([0, 0.55 * tall], np.float32), 0.62 * half, 0.42 * tall)
        _blend(big, fill(big.shape[:2], tongue) * inside, np.array([110, 96, 208], np.float32))
        teeth = (
            np.array(
                [[-half, -tall], [half, -tall], [half * 0.9, -0.30 * tall], [-half * 0.9, -0.30 * tall]], np.float32
            )
            + center
        )
        if rounding < 0.55:
            _blend(big, fill(big.shape[:2], teeth) * inside, np.array([246, 250, 252], np.float32))
        window[:] = cv2.resize(
            np.clip(big, 0, 255).astype(np.uint8), (window.shape[1], window.shape[0]), interpolation=cv2.INTER_AREA
        )

    def _draw_lids(self, image: Picture, shut: float) -> None:
        if shut < 0.05:
            return
        for x, y, rx, ry in self._eyes:
            left, top = max(0, int(x - rx - 4)), max(0, int(y - ry - 4))
            window = image[top : int(y + ry + 5), left : int(x + rx + 5)]
            shape = window.shape[:2]
            center = np.array([x - left, y - top], np.float32)
            eye = fill(shape, _ellipse(center, rx * 1.08, ry * 1.1))
            line = center[1] - ry * 1.15 + shut * 2.2 * ry
            lid = 1 - smoothstep(np.mgrid[0 : shape[0], 0 : shape[1]][0].astype(np.float32) - line, -0.8, 0.8)
            mixed = window.astype(np.float32)
            _blend(mixed, eye * lid, self._shade)
            if shut > 0.6:
                lash = _ellipse(np.array([center[0], line], np.float32), rx, max(1.0, 0.12 * ry))
                _blend(mixed, fill(shape, lash) * eye, np.array([40, 34, 44], np.float32))
            window[:] = np.clip(mixed, 0, 255).astype(np.uint8)

    def _sway(self, image: Picture, motion: Motion, index: int) -> Picture:
        xs, ys = self._grid
        tall = 2 * self._head[3]
        turn = 1.3 * float(motion.turn[index])
        move_x = -turn * (ys - self._pivot[1]) + float(motion.shift_x[index]) * tall
        move_y = turn * (xs - self._pivot[0]) + float(motion.shift_y[index]) * tall
        breath = 0.006 * tall * float(motion.breath[index])
        map_y = ys - self._mask * move_y - self._body * breath
        return cv2.remap(image, xs - self._mask * move_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _bgr(colour: str) -> NDArray[np.float32]:
    """A colour written as #rrggbb."""
    value = int(colour.lstrip("#"), 16)
    return np.array([value & 255, (value >> 8) & 255, value >> 16], dtype=np.float32)


def _blend(image: NDArray[np.float32], mask: NDArray[np.float32], colour: NDArray[np.float32]) -> None:
    image += mask[..., None] * (colour - image)


def _ellipse(center: NDArray[np.float32], rx: float, ry: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([center[0] + rx * np.cos(angle), center[1] + ry * np.sin(angle)], axis=1).astype(np.float32)


def _lips(center: NDArray[np.float32], half: float, tall: float, rounding: float) -> Points:
    """A mouth: flat above and full below when spread, an oval when rounded."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    flat = 0.45 + 0.4 * rounding
    y = np.where(y < 0, y * flat, y)
    return np.stack([center[0] + half * x, center[1] + tall * y], axis=1).astype(np.float32)
