"""The head sways and the body breathes: a slow warp of the whole picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from apibr_worker.engines.draft_avatar.drive import Motion
from apibr_worker.engines.draft_avatar.fields import Field

_BREATH = 0.006
"""Movement of the body as a share of the head's height."""
_STEP = 2
"""Fine pixels to a coarse one: the fields are smooth, and a frame is made of them in a quarter of the time."""


class Sway:
    """The warp of one picture. head and body are masks 0..1; the head turns about pivot (x, y); tall is its height."""

    def __init__(self, head: Field, body: Field, pivot: tuple[float, float], tall: float) -> None:
        height, width = head.shape
        self._size, self._tall = (width, height), tall
        coarse = (-(-width // _STEP), -(-height // _STEP))
        head, body = (cv2.resize(mask, coarse, interpolation=cv2.INTER_AREA) for mask in (head, body))
        ys, xs = np.mgrid[0 : coarse[1], 0 : coarse[0]].astype(np.float32)
        # A coarse pixel's middle, in fine pixels.
        xs, ys = (xs + 0.5) * width / coarse[0] - 0.5, (ys + 0.5) * height / coarse[1] - 0.5
        self._head, self._body = head, body
        self._ys, self._xs = np.mgrid[0:height, 0:width].astype(np.float32)
        # What a turn of one radian moves, so that a frame only adds weighted fields.
        self._turn_x, self._turn_y = head * (ys - pivot[1]), head * (pivot[0] - xs)

    def apply(self, picture: NDArray[Any], motion: Motion, index: int, turning: float = 1.0) -> NDArray[Any]:
        """The picture as it is in a frame; turning multiplies the rotation."""
        turn = turning * float(motion.turn[index])
        x, y, breath = float(motion.shift_x[index]), float(motion.shift_y[index]), float(motion.breath[index])
        move_x = cv2.addWeighted(self._turn_x, turn, self._head, -x * self._tall, 0.0)
        move_y = cv2.addWeighted(self._turn_y, turn, self._head, -y * self._tall, 0.0)
        move_y = cv2.scaleAdd(self._body, -_BREATH * self._tall * breath, move_y)
        # Moves, not positions, are enlarged: at the border positions would be cut off.
        move_x, move_y = (cv2.resize(move, self._size, interpolation=cv2.INTER_LINEAR) for move in (move_x, move_y))
        map_x, map_y = cv2.add(move_x, self._xs, dst=move_x), cv2.add(move_y, self._ys, dst=move_y)
        return cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
