"""A photograph that speaks: the mouth opens along the lip line, the eyes blink, the head sways.

The face is warped backward (each output pixel says where it comes from) by fields solved once. Above and below the lip
line two different fields hold, which is what lets a mouth open; the gap between them is painted with the inside of the
mouth. Recipe and weights were found by trial on the sample portrait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_avatar.drive import Motion
from apibr_worker.engines.draft_avatar.eyes import Eye
from apibr_worker.engines.draft_avatar.fields import Field, Picture, Points, contour, fill, smoothstep, spread
from apibr_worker.engines.draft_avatar.sway import Sway
from apibr_worker.image.face import Landmarks

# Indices of MediaPipe's face mesh, from the person's right to left.
INNER_UPPER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
INNER_LOWER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]
OUTER_UPPER = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291]
OUTER_LOWER = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291]
_CHIN = [152, 148, 377, 176, 400]
_JAW = [149, 150, 136, 172, 378, 379, 365, 397]
_JAW_SIDES = [58, 132, 93, 288, 361, 323]
_PINNED = [1, 2, 4, 5, 6, 98, 327, 168, 33, 133, 362, 263, 234, 454, 127, 356, 10, 67, 297, 117, 346, 50, 280]

_WIDEST = 0.24
"""Largest opening as a share of the mouth's width: more looks like a hole in a face that was photographed shut."""
_CORNER = 0.14
"""How soft the seam is at the corners of the mouth, as a share of its width."""
_SPREAD, _PURSE = 0.06, 0.15
"""How far a corner moves outward in a wide vowel and inward in a round one, as a share of the mouth's width."""
_TEETH_SEEN = 0.06
"""A rest opening above this share of the width can show the person's own teeth."""
_SHUT = 0.10
"""A mouth that shows no teeth and opens less than this is taken for shut: landmarks lie a little inside the lips."""


@dataclass(frozen=True, slots=True)
class _Mouth:
    upper: Points
    lower: Points
    width: float
    rest: float
    """Opening in pixels as photographed."""
    teeth: bool
    """Whether the photograph shows the person's own teeth."""


class PhotoFace:
    """A photograph prepared for speaking. Pictures are BGR, uint8."""

    def __init__(self, picture: Picture, landmarks: Landmarks) -> None:
        self._picture = picture
        self._points = landmarks
        self._height, self._width = picture.shape[:2]
        self._face = float(np.linalg.norm(landmarks[10] - landmarks[152]))
        self._mouth = self._measure_mouth()
        self._eyes = [Eye(picture, landmarks, side) for side in ("right", "left")]
        self._build_fields()
        self._sway = self._build_head()

    def _measure_mouth(self) -> _Mouth:
        upper, lower = contour(self._points[INNER_UPPER]), contour(self._points[INNER_LOWER])
        width = float(np.linalg.norm(self._points[61] - self._points[291]))
        rest = float(np.mean(np.linalg.norm(upper - lower, axis=1)[16:32]))
        teeth = rest > _TEETH_SEEN * width and self._sees_teeth(upper, lower)
        if not teeth and rest < _SHUT * width:  # shut: the two lines are one, and what lies between them is lip
            upper = lower = ((upper + lower) / 2).astype(np.float32)
            rest = 0.0
        return _Mouth(upper, lower, width, rest, teeth)

    def _build_fields(self) -> None:
        """Fields for one pixel of opening, and for one pixel of widening."""
        p, face = self._points, self._face
        sigma = 0.085 * face
        groups: list[tuple[list[int], float]] = [
            (INNER_LOWER[2:-2], 1.0),
            (OUTER_LOWER[2:-2], 1.0),
            ([INNER_LOWER[1], INNER_LOWER[-2], OUTER_LOWER[1], OUTER_LOWER[-2]], 0.62),
            ([61, 291, 78, 308], 0.22),
            (_CHIN, 0.92),
            (_JAW, 0.70),
            (_JAW_SIDES, 0.18),
            (_PINNED, 0.0),
        ]
        lower = self._field(groups, sigma)
        upper_groups: list[tuple[list[int], float]] = [
            (INNER_UPPER[2:-2], 1.0),
            (OUTER_UPPER[2:-2], 0.85),
            ([INNER_UPPER[1], INNER_UPPER[-2], OUTER_UPPER[1], OUTER_UPPER[-2]], 0.5),
            ([61, 291, 78, 308], 0.1),
            (_PINNED, 0.0),
            (_CHIN, 0.0),
        ]
        upper = self._field(upper_groups, sigma)
        side = self._seam()
        # What the contours move by: the fields before the seam parts them.
        self._free = {"lower": lower, "upper": upper}
        self._lower = lower * side
        self._upper = upper * (1 - side)
        outward: list[tuple[list[int], float]] = [([61, 78], -1.0), ([291, 308], 1.0), (_PINNED + _CHIN, 0.0)]
        outward += [([40, 91], -0.6), ([270, 321], 0.6), ([13, 14, 0, 17], 0.0)]
        self._outward = self._field(outward, sigma)
        margin = 0.28 * face
        low, high = p.min(axis=0) - margin, p.max(axis=0) + margin
        self._left, self._top = (int(max(0, v)) for v in low)
        self._right, self._bottom = int(min(self._width, high[0])), int(min(self._height, high[1]))
        window = np.s_[self._top : self._bottom, self._left : self._right]
        self._lower, self._upper, self._outward = self._lower[window], self._upper[window], self._outward[window]
        ys, xs = np.mgrid[self._top : self._bottom, self._left : self._right].astype(np.float32)
        self._xs, self._ys = xs, ys

    def _field(self, groups: list[tuple[list[int], float]], sigma: float) -> Field:
        points = np.concatenate([self._points[indices] for indices, _ in groups])
        values = np.concatenate([np.full(len(indices), value, np.float32) for indices, value in groups])
        return spread(points, values, self._height, self._width, sigma)

    def _seam(self) -> Field:
        """1 below the lip line, 0 above: sharp where the mouth opens, soft at its corners, where nothing may tear."""
        middle = (self._mouth.upper + self._mouth.lower) / 2
        xs = np.arange(self._width, dtype=np.float32)
        line = np.interp(xs, middle[:, 0], middle[:, 1]).astype(np.float32)
        outside = np.maximum(np.maximum(middle[0, 0] - xs, xs - middle[-1, 0]), 0)
        softness = 0.6 + _CORNER * self._mouth.width * (1 - self._apart(xs)) + 0.9 * outside
        below = np.arange(self._height, dtype=np.float32)[:, None] - line[None, :]
        return smoothstep(below / softness[None, :], -1.0, 1.0)

    def _apart(self, xs: NDArray[np.float32]) -> NDArray[np.float32]:
        """How much the lips part at some columns: 0 at the corners and beyond, 1 between them."""
        low, high = self._mouth.upper[0, 0], self._mouth.upper[-1, 0]
        return smoothstep(np.minimum(xs - low, high - xs) / (0.5 * self._mouth.width), 0.0, 0.32)

    def _build_head(self) -> Sway:
        """A soft mask of the head, which sways, and of the body, which breathes."""
        p, face = self._points, self._face
        middle = (p[10] + p[152]) / 2
        ys, xs = np.mgrid[0 : self._height, 0 : self._width].astype(np.float32)
        oval = np.sqrt(((xs - middle[0]) / (0.95 * face)) ** 2 + ((ys - middle[1] + 0.12 * face) / (1.05 * face)) ** 2)
        head = 1 - smoothstep(oval, 0.75, 1.55)
        body = smoothstep(ys - p[152][1], 0.0, 0.8 * face)
        return Sway(head, body, (float(p[152][0]), float(p[152][1]) + 0.25 * face), face)

    def _sees_teeth(self, upper: Points, lower: Points) -> bool:
        """Whether what lies between the lips is whiter than the lower lip: teeth, neither lip nor a dark mouth."""
        outer = contour(self._points[OUTER_LOWER])

        def whiteness(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
            between: NDArray[Any] = np.concatenate([first + share * (second - first) for share in (0.3, 0.5, 0.7)])
            colours = _at(self._picture, between.astype(np.float32)).astype(np.float32)
            return np.array([np.median(colours[:, 0] / (colours[:, 2] + 1)), np.median(colours.max(axis=1))])

        inside, lip = whiteness(upper[14:34], lower[14:34]), whiteness(lower[14:34], outer[14:34])
        return bool(inside[0] > lip[0] * 1.12 and inside[1] > 0.55 * lip[1])

    def frame(self, motion: Motion, index: int) -> Picture:
        """The picture of one frame."""
        opening = float(motion.opening[index])
        width, rounding = float(motion.width[index]), float(motion.rounding[index])
        pixels = _WIDEST * self._mouth.width * opening * (1 - 0.1 * rounding)
        # A smile photographed with teeth closes beyond its rest in silences, else a slit of teeth stays.
        close = 0.55 * self._mouth.rest * (1 - min(1.0, opening * 3))
        # Round lips draw together what a smile holds apart.
        gap = pixels - close - 0.35 * self._mouth.rest * rounding * min(1.0, opening * 4)
        wide = (_SPREAD if width > 0 else _PURSE) * self._mouth.width * width
        image = self._picture.copy()
        for eye in self._eyes:
            eye.blink(image, float(motion.blink[index]))
        face = self._warp(image, gap, wide)
        self._paint_mouth(face, gap, wide, opening, rounding)
        image[self._top : self._bottom, self._left : self._right] = face
        return self._sway.apply(image, motion, index)

    def _warp(self, image: Picture, gap: float, wide: float) -> Picture:
        down, up = 0.84 * gap, 0.16 * gap
        map_x = self._xs - wide * self._outward
        map_y = self._ys - down * self._lower + up * self._upper
        return cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _moved(self, line: Points, gap: float, wide: float, *, lower: bool) -> Points:
        """Where a contour of the mouth is in this frame, in the coordinates of the face window."""
        field, share = (self._free["lower"], 0.84 * gap) if lower else (self._free["upper"], -0.16 * gap)
        down = share * self._apart(line[:, 0]) ** 0.35
        moved = line.copy()
        for _ in range(3):  # the warp is known backward: what arrives here came from the line
            moved[:, 1] = line[:, 1] + down * _at(field, moved)
        moved -= np.array([self._left, self._top], dtype=np.float32)
        moved[:, 0] += wide * _at(self._outward, moved)
        return moved

    def _paint_mouth(self, face: Picture, gap: float, wide: float, opening: float, rounding: float) -> None:
        if self._mouth.rest + gap < 0.012 * self._mouth.width:
            return
        upper = self._moved(self._mouth.upper, gap, wide, lower=False)
        lower = self._moved(self._mouth.lower, gap, wide, lower=True)
        polygon = np.concatenate([upper, lower[::-1]])
        low = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - 4, 0)
        high = np.ceil(polygon.max(axis=0)).astype(int) + 5
        window = face[low[1] : high[1], low[0] : high[0]]
        shape = window.shape[:2]
        offset = low.astype(np.float32)
        mask = fill(shape, polygon - offset, feather=max(0.6, 0.012 * self._mouth.width))
        inside = self._inside(shape, upper - offset, lower - offset, low, gap, wide, opening, rounding)
        blended = window * (1 - mask[..., None]) + inside * mask[..., None]
        window[:] = np.clip(blended, 0, 255).astype(np.uint8)

    def _inside(
        self,
        shape: tuple[int, int],
        upper: Points,
        lower: Points,
        low: NDArray[np.int_],
        gap: float,
        wide: float,
        opening: float,
        rounding: float,
    ) -> NDArray[Any]:
        """Cavity, tongue and teeth, float BGR."""
        ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        top = np.interp(xs[0], upper[:, 0], upper[:, 1]).astype(np.float32)
        bottom = np.interp(xs[0], lower[:, 0], lower[:, 1]).astype(np.float32)
        height = np.maximum(bottom - top, 1.0)
        depth = np.clip((ys - top) / height, 0, 1)
        side = np.clip(np.abs(xs - upper[:, 0].mean()) / (0.5 * self._mouth.width), 0, 1)
        inside = np.empty((*shape, 3), dtype=np.float32)
        inside[:] = np.array([34, 26, 62], np.float32)
        tongue = smoothstep(depth, 0.55, 0.9) * (1 - smoothstep(side, 0.45, 0.8)) * min(1.0, opening * 1.4)
        inside += tongue[..., None] * (np.array([92, 82, 168], np.float32) - inside)
        # Round lips stand forward and cover the teeth.
        covered = float(smoothstep(np.array(rounding), 0.2, 0.9))
        self._paint_teeth(inside, ys, top, side, low, gap, wide, min(1.0, 4 * opening), covered)
        # The lips cast a shadow into the mouth; its corners are dark.
        shade = 0.72 + 0.28 * smoothstep(depth, 0.0, 0.22)
        return inside * (shade * (1 - 0.35 * smoothstep(side, 0.6, 1.0)))[..., None]

    def _paint_teeth(
        self,
        inside: NDArray[np.float32],
        ys: Field,
        top: NDArray[np.float32],
        side: Field,
        low: NDArray[np.int_],
        gap: float,
        wide: float,
        seen: float,
        covered: float,
    ) -> None:
        """The photograph's own teeth where it shows them, else a bright band under the upper lip."""
        if self._mouth.teeth:
            lift = 0.16 * gap + 0.65 * covered * self._mouth.rest
            xs = np.arange(inside.shape[1], dtype=np.float32)[None, :] + low[0] + self._left
            map_x = np.repeat(
                xs - wide * np.clip((xs - self._points[13][0]) / (0.5 * self._mouth.width), -1, 1), inside.shape[0], 0
            )
            map_y = ys + low[1] + self._top + lift
            own = cv2.remap(self._picture, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR).astype(
                np.float32
            )
            rest_bottom = np.interp(map_x[0], self._mouth.lower[:, 0], self._mouth.lower[:, 1]).astype(np.float32)
            shown = 1 - smoothstep(map_y - rest_bottom[None, :], -2.2, 0.4)
            inside += shown[..., None] * (own - inside)
            return
        tall = 0.085 * self._mouth.width * (1 - 0.45 * side) * (1 - 0.9 * covered)
        band = 1 - smoothstep((ys - top) / np.maximum(tall, 1), 0.75, 1.1)
        band *= 1 - smoothstep(side, 0.62, 0.86)
        columns = 0.94 + 0.06 * np.cos(side * 26)
        inside += seen * band[..., None] * (np.array([205, 219, 226], np.float32) * columns[..., None] - inside)


def _at(field: NDArray[Any], points: Points) -> NDArray[Any]:
    """The field's values at points, those outside it taken from its border."""
    columns = np.clip(points[:, 0].round().astype(int), 0, field.shape[1] - 1)
    rows = np.clip(points[:, 1].round().astype(int), 0, field.shape[0] - 1)
    return field[rows, columns]
