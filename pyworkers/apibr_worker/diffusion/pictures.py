"""Pictures in and out of the image engines."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from apibr_worker import pictures
from apibr_worker.api import Context, Output


def read(context: Context, name: str) -> Image.Image | None:
    """The RGB picture of an input, upright; None when there is none. Transparency lies on white."""
    picture = pictures.read(context, name)
    return None if picture is None else pictures.grounded(picture, "white").convert("RGB")


def fit(picture: Image.Image, multiple: int, most: int) -> Image.Image:
    """The picture in a size whose edges are multiples and whose pixels are at most `most`, its shape kept as well as
    that goes.
    """
    width, height = picture.size
    scale = min(1.0, (most / (width * height)) ** 0.5)
    size = (_multiple(width * scale, multiple), _multiple(height * scale, multiple))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _multiple(edge: float, of: int) -> int:
    return max(of, round(edge / of) * of)


def save(context: Context, made: list[Image.Image], seed: int) -> list[Output]:
    """Writes image_0.png and so on; each output tells its own seed, with which it alone can be made again."""
    outputs: list[Output] = []
    for index, picture in enumerate(made):
        path = Path(f"image_{index}.png")
        picture.save(context.out_dir / path)
        outputs.append(Output(f"image_{index}", path.as_posix(), "image/png", {"seed": seed + index}))
    return outputs
