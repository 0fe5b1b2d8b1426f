"""The moving parts of a drawn character: a mouth and an eyelid, as shapes over the picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_avatar.fields import Picture, Points, fill, smoothstep

Colour = NDArray[Any]
"""BGR, shape (3,), float32."""

_CAVITY, _TONGUE = np.array([38, 24, 70], np.float32), np.array([110, 96, 208], np.float32)
_TEETH, _LASHES = np.array([246, 250, 252], np.float32), np.array([29, 33, 42], np.float32)
_FINE_PIXELS = 130.0
"""A mouth narrower than this is drawn larger and shrunk, so that its lips have smooth edges."""


class Mouth:
    """A mouth of a width in pixels about a center. At rest the picture's own smile is seen, which it grows out of."""

    def __init__(self, center: tuple[float, float], width: float, skin: Colour, lip: Colour) -> None:
        self._center, self._width, self._skin, self._lip = center, width, skin, lip
        self._scale = int(np.clip(np.ceil(_FINE_PIXELS / max(width, 1.0)), 1, 3))

    def draw(self, image: Picture, opening: float, wide: float, rounding: float) -> None:
        """Draws the mouth, in place: opening 0..1, wide -1 pursed to 1 spread, rounding 0..1."""
        if opening < 0.01:
            return
        x, y = self._center
        left, top = max(0, int(x - 0.72 * self._width)), max(0, int(y - 0.36 * self._width))
        window = image[top : int(y + 0.72 * self._width), left : int(x + 0.72 * self._width)]
        if window.size == 0:
            return
        scale, size = self._scale, (window.shape[1], window.shape[0])
        big = window if scale == 1 else cv2.resize(window, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        drawn = big.astype(np.float32)
        center = (np.array([x - left, y - top]) * scale).astype(np.float32)
        self._shapes(drawn, center, self._width * scale, opening, wide, rounding)
        # The smile dissolves while the lips part: no frame jumps.
        shown = float(smoothstep(np.array(opening), 0.0, 0.14))
        mixed = (big * (1 - shown) + drawn * shown + 0.5).astype(np.uint8)
        window[:] = mixed if scale == 1 else cv2.resize(mixed, size, interpolation=cv2.INTER_AREA)

    def _shapes(
        self, image: NDArray[np.float32], center: Points, width: float, opening: float, wide: float, rounding: float
    ) -> None:
        shape, rest = image.shape[:2], 0.5 * width
        half = rest * (1 + 0.12 * wide - 0.36 * rounding)
        tall = 0.46 * width * opening * (1 + 0.30 * rounding)
        upper, parted = tall * (0.10 + 0.36 * rounding), float(smoothstep(np.array(opening), 0.0, 0.25))
        corners = center + np.array([0, (0.10 - 0.04 * rounding) * rest], np.float32)
        blend(image, fill(shape, ellipse(center, 0.64 * width, 0.34 * width), feather=0.02 * width), self._skin)
        above, below = upper + 0.13 * rest * parted, tall - upper + (0.30 - 0.10 * parted) * rest
        blend(image, fill(shape, lens(corners, half + 0.10 * rest * parted, above, below)), self._lip)
        inside = fill(shape, lens(corners, half, upper, tall - upper))
        blend(image, inside, _CAVITY)
        tongue = ellipse(corners + np.array([0, 1.02 * tall - upper], np.float32), 0.60 * half, 0.44 * tall)
        blend(image, fill(shape, tongue) * inside, _TONGUE)
        # Round lips stand forward and cover the teeth.
        band = min(0.28 * tall, 0.095 * width) * (1 - float(smoothstep(np.array(rounding), 0.2, 0.7)))
        hidden = lens(corners + np.array([0, band], np.float32), 1.2 * half, upper, 2 * width)
        teeth = inside * (1 - fill(shape, hidden))
        if band > 0.2:
            blend(image, teeth, _TEETH)


class Lid:
    """The lid of one eye, an oval of radii rx and ry about a center, in pixels."""

    def __init__(self, center: tuple[float, float], rx: float, ry: float, skin: Colour, shade: Colour) -> None:
        self._center, self._rx, self._ry = center, rx, ry
        self._colour = 0.72 * skin + 0.28 * shade
        self._skin = skin

    def draw(self, image: Picture, shut: float) -> None:
        """Closes the eye by `shut`, 0..1, in place."""
        if shut < 0.04:
            return
        x, y = self._center
        reach = 1.4 * max(self._rx, self._ry) + 2
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        window = image[top : int(y + reach) + 1, left : int(x + reach) + 1]
        if window.size == 0:
            return
        ys, xs = np.mgrid[0 : window.shape[0], 0 : window.shape[1]].astype(np.float32)
        center = np.array([x - left, y - top], np.float32)
        across = np.sqrt(np.clip(1 - ((xs - center[0]) / (1.06 * self._rx)) ** 2, 0, 1))
        # The lid's edge bends upward over the open eye and downward over the shut one.
        edge = center[1] + self._ry * (-1.08 + 1.62 * shut) * across + 0.16 * self._ry * shut
        mixed = window.astype(np.float32)
        oval = fill(window.shape[:2], ellipse(center, 1.18 * self._rx, 1.20 * self._ry))
        lid = oval * (1 - smoothstep(ys - edge, -0.8, 0.8))
        blend(mixed, lid, self._colour * (1 - shut) + self._skin * shut)
        # Below the lid of a shut eye lies the cheek, not the rest of the eye.
        blend(mixed, oval * float(smoothstep(np.array(shut), 0.75, 1.0)), self._skin)
        thick = 0.15 * self._rx
        line = (1 - smoothstep(np.abs(ys - edge), thick - 0.7, thick + 0.7)) * (across > 0.12)
        blend(mixed, line.astype(np.float32), _LASHES)
        window[:] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def blend(image: NDArray[np.float32], mask: NDArray[Any], colour: Colour) -> None:
    """Lays a colour over a picture where the mask is 1, in place."""
    weight = mask[..., None]
    image *= 1 - weight
    image += weight * colour


def ellipse(center: NDArray[np.float32], rx: float, ry: float) -> Points:
    """An oval's outline."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([center[0] + rx * np.cos(angle), center[1] + ry * np.sin(angle)], axis=1).astype(np.float32)


def lens(corners: NDArray[np.float32], half: float, above: float, below: float) -> Points:
    """A mouth's outline: its corners lie `half` to each side, its edges reach so far above and below them."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    y = np.where(y < 0, y * above, np.abs(y) ** 0.85 * below)
    return np.stack([corners[0] + half * x, corners[1] + y], axis=1).astype(np.float32)
