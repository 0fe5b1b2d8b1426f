"""A picture through a network in tiles: each tile sees more than it delivers, and neighbours fade into each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""(height, width, 3), sRGB."""
Network = Callable[[torch.Tensor], torch.Tensor]
"""(1, 3, h, w), 0..1 -> (1, 3, h * scale, w * scale), 0..1."""

ALIGN = 4
"""Tiles begin and end at multiples of it: networks that fold pixels into channels see the same folding in each tile."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """tile: edge of the network's input; margin: the part of it, on each inner side, that is not delivered; band: where
    neighbours fade into each other. All are pixels of the small picture and multiples of ALIGN;
    tile > 2 * margin + band.
    """

    tile: int
    margin: int = 16
    band: int = 16

    def __post_init__(self) -> None:
        if any(value % ALIGN for value in (self.tile, self.margin, self.band)) or self.step <= 0:
            raise ValueError(f"tile {self.tile} does not go with margin {self.margin} and band {self.band}")

    @property
    def step(self) -> int:
        """Pixels from one tile's beginning to the next one's."""
        return self.tile - 2 * self.margin - self.band

    def halved(self, floor: int) -> Tiling | None:
        """The next smaller tiling, or None when its tile would be smaller than floor."""
        tile = self.tile // 2 // ALIGN * ALIGN
        if tile < max(floor, 2 * self.margin + self.band + ALIGN):
            return None
        return Tiling(tile, self.margin, self.band)

    def spans(self, length: int) -> list[tuple[int, int]]:
        """Begins and ends of the tiles along an edge; all have the same length, the last one is moved back to fit."""
        if length <= self.tile:
            return [(0, length)]
        last = length - self.tile
        begins = [*range(0, last, self.step), last]
        return [(begin, begin + self.tile) for begin in begins]

    def count(self, height: int, width: int) -> int:
        """How many tiles a picture of that size has."""
        height, width = _aligned(height), _aligned(width)
        return len(self.spans(height)) * len(self.spans(width))


def run(
    network: Network, picture: Pixels, scale: int, tiling: Tiling, *, shrink: int, done: Callable[[], None]
) -> Pixels:
    """The picture `scale / shrink` times larger. shrink: how often each tile is made smaller again, by Lanczos, so that
    the larger picture never exists; it divides scale. done is called after each tile and may raise.

    Where the network sees no farther than the margin, the result is that of the whole picture at once, to the rounding.
    Raises torch.OutOfMemoryError.
    """
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((0, _aligned(height) - height), (0, _aligned(width) - width), (0, 0)), "edge")
    factor = scale // shrink
    made = np.zeros((padded.shape[0] * factor, padded.shape[1] * factor, 3), np.uint8)
    for rows, columns in _grid(tiling, padded.shape[0], padded.shape[1]):
        small = padded[rows[0] : rows[1], columns[0] : columns[1]]
        large = _shrunk(_through(network, small), shrink)
        top, left = (tiling.margin if begin else 0 for begin in (rows[0], columns[0]))
        bottom = tiling.margin if rows[1] < padded.shape[0] else 0
        right = tiling.margin if columns[1] < padded.shape[1] else 0
        kept = large[top * factor : large.shape[0] - bottom * factor, left * factor : large.shape[1] - right * factor]
        target = made[(rows[0] + top) * factor : (rows[1] - bottom) * factor]
        target = target[:, (columns[0] + left) * factor : (columns[1] - right) * factor]
        _fade(target, kept, tiling.band * factor if rows[0] else 0, tiling.band * factor if columns[0] else 0)
        done()
    return made[: height * factor, : width * factor]


def _grid(tiling: Tiling, height: int, width: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for rows in tiling.spans(height):
        for columns in tiling.spans(width):
            yield rows, columns


def _aligned(length: int) -> int:
    return -(-length // ALIGN) * ALIGN


def _through(network: Network, small: Pixels) -> Pixels:
    tensor = torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].float().div_(255)
    with torch.inference_mode():
        large = network(tensor)[0].float().clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    return large.permute(1, 2, 0).contiguous().cpu().numpy()


def _shrunk(large: Pixels, shrink: int) -> Pixels:
    if shrink == 1:
        return large
    size = (large.shape[1] // shrink, large.shape[0] // shrink)
    return np.asarray(Image.fromarray(large).resize(size, Image.Resampling.LANCZOS))


def _fade(target: Pixels, tile: Pixels, above: int, beside: int) -> None:
    """Lays the tile over what is there, rising from nothing within the first `above` rows and `beside` columns."""
    if not above and not beside:
        target[:] = tile
        return
    weight = _ramp(tile.shape[0], above)[:, None] * _ramp(tile.shape[1], beside)[None, :]
    # Only the bands need the sum; the rest of a tile is copied.
    if above:
        head = weight[:above, :, None]
        target[:above] = np.rint(target[:above] * (1 - head) + tile[:above] * head)
    if beside:
        side = weight[above:, :beside, None]
        target[above:, :beside] = np.rint(target[above:, :beside] * (1 - side) + tile[above:, :beside] * side)
    target[above:, beside:] = tile[above:, beside:]


def _ramp(length: int, rise: int) -> NDArray[np.float32]:
    """1 everywhere but in the first `rise` places, where it climbs from near 0 to near 1."""
    ramp = np.ones(length, np.float32)
    ramp[:rise] = (np.arange(rise, dtype=np.float32) + 0.5) / max(rise, 1)
    return ramp
