"""A drawn character that speaks: mouth and eyelids are drawn anew over the picture, by the geometry in its metadata."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_avatar.compose import TITLE_TOP
from apibr_worker.engines.draft_avatar.drawn_parts import Lid, Mouth
from apibr_worker.engines.draft_avatar.drive import Motion
from apibr_worker.engines.draft_avatar.fields import Picture, smoothstep
from apibr_worker.engines.draft_avatar.sway import Sway

_STILL = (TITLE_TOP - 0.10, TITLE_TOP)
"""Heights of the picture where breathing wanes and ends."""
_TURNING = 1.3
"""A drawn head may turn more than a photographed one."""
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

        skin, shade, lip = (_bgr(face["colours"][name]) for name in ("skin", "shade", "lip"))
        self._mouth = Mouth(point(face["mouth"]), length(face["mouth"]["width"]), skin, lip)
        self._lids = [Lid(point(eye), length(eye["rx"]), length(eye["ry"]), skin, shade) for eye in face["eyes"]]
        self._head = (*point(face["head"]), length(face["head"]["rx"]), length(face["head"]["ry"]))
        self._sway = self._build_sway(dy + _STILL[0] * height * scale, dy + _STILL[1] * height * scale)

    def _build_sway(self, waning: float, still: float) -> Sway:
        """The body's breath wanes between two heights: words stand still."""
        height, width = self._picture.shape[:2]
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        x, y, rx, ry = self._head
        oval = np.sqrt(((xs - x) / (1.35 * rx)) ** 2 + ((ys - y + 0.1 * ry) / (1.45 * ry)) ** 2)
        body = smoothstep(ys - (y + ry), 0.0, ry) * (1 - smoothstep(ys, waning, still))
        return Sway(1 - smoothstep(oval, 0.8, 1.35), body, (x, y + 1.2 * ry), 2 * ry)

    def frame(self, motion: Motion, index: int) -> Picture:
        """The picture of one frame."""
        image = self._picture.copy()
        self._mouth.draw(image, float(motion.opening[index]), float(motion.width[index]), float(motion.rounding[index]))
        for lid in self._lids:
            lid.draw(image, float(motion.blink[index]))
        return self._sway.apply(image, motion, index, _TURNING)


def _bgr(colour: str) -> NDArray[np.float32]:
    """A colour written as #rrggbb."""
    value = int(colour.lstrip("#"), 16)
    return np.array([value & 255, (value >> 8) & 255, value >> 16], dtype=np.float32)
