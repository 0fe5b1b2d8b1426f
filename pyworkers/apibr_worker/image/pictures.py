"""Pictures in and out of every engine: upright, in sRGB, without profile or metadata. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from apibr_worker.image.colour import to_srgb
from apibr_worker.runtime.api import Context, InvalidInputError, Output
from apibr_worker.runtime.sentences import say

MAX_PIXELS = 50_000_000
"""Pixels of a picture that comes in or goes out: what the studio itself takes (media.max_image_pixels)."""
MAX_SIDE = 16384
"""Pixels of the longest side (media.max_image_side)."""
_FORMATS = ("PNG", "JPEG", "WEBP")
_PREVIEW_SIDE = 320
_MARKED = 128
"""A part of a mask counts as marked when its grey is at least this; the diffusion engines know only black and white."""


def read(context: Context, name: str) -> Image.Image | None:
    """The picture of an input as read_file gives it; None when there is no input."""
    given = context.input(name)
    return None if given is None else read_file(given.path, name)


def read_opaque(context: Context, name: str) -> Image.Image | None:
    """As read, in mode RGB: transparent parts lie on white."""
    picture = read(context, name)
    return None if picture is None else grounded(picture, "white").convert("RGB")


def read_file(path: Path, name: str) -> Image.Image:
    """A picture, upright, in sRGB, in mode RGB, or RGBA when it has transparency, without profile and metadata.

    Raises InvalidInputError naming the input when it is not a picture or has more pixels than MAX_PIXELS.
    """
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            _check_size(opened.size, name)
            return _plain(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError:
        raise InvalidInputError(say("the picture has too many pixels: send a smaller one"), field=name) from None
    except (OSError, ValueError, SyntaxError):
        raise InvalidInputError(say("the picture cannot be read: send PNG, JPEG or WebP"), field=name) from None


def needed(context: Context, name: str) -> Image.Image:
    """As read; a missing input is an InvalidInputError too."""
    picture = read(context, name)
    if picture is None:
        raise InvalidInputError(say("a picture is needed: send %s", name), field=name)
    return picture


def read_mask(context: Context, size: tuple[int, int]) -> Image.Image | None:
    """The mask, white where the picture is to change: mode L, of the picture's size. None when there is none.

    White and transparent parts mark what changes, in every engine. Raises InvalidInputError, naming both sizes, for a
    mask of another size, and for one that marks nothing.
    """
    mask = read(context, "mask")
    if mask is None:
        return None
    if mask.size != size:
        raise InvalidInputError(
            say(
                "the mask is %d x %d pixels and the image %d x %d: send a mask of the image's "
                "size, white where it should change",
                mask.width,
                mask.height,
                size[0],
                size[1],
            ),
            field="mask",
        )
    grey = grounded(mask, "white").convert("L")
    if int(np.asarray(grey).max()) < _MARKED:
        raise InvalidInputError(
            say("the mask marks nothing: make white or transparent what should change, and black what should stay"),
            field="mask",
        )
    return grey


def grounded(picture: Image.Image, colour: str) -> Image.Image:
    """The picture on a ground of that colour where it is transparent; one without transparency is returned as it is."""
    if picture.mode != "RGBA":
        return picture
    ground = Image.new("RGBA", picture.size, colour)
    ground.alpha_composite(picture)
    return ground


def fit(picture: Image.Image, multiple: int, most: int) -> Image.Image:
    """The picture in a size whose edges are multiples of `multiple` and whose pixels are at most `most`.

    The aspect ratio is kept as closely as that allows.
    """
    width, height = picture.size
    scale = min(1.0, (most / (width * height)) ** 0.5)
    size = (_multiple(width * scale, multiple), _multiple(height * scale, multiple))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def enlarged(size: tuple[int, int], scale: int) -> tuple[int, int]:
    """The size `scale` times larger. Raises InvalidInputError, naming the limit, when that is too large."""
    width, height = size[0] * scale, size[1] * scale
    way_out = say("send a smaller picture or scale 2") if scale > 2 else say("send a smaller picture")
    if width * height > MAX_PIXELS:
        raise InvalidInputError(
            say(
                "%d x %d enlarged %d times is %d x %d (%.1f megapixels); the limit is %g megapixels: %s",
                size[0],
                size[1],
                scale,
                width,
                height,
                width * height / 1e6,
                MAX_PIXELS / 1e6,
                way_out,
            ),
            field="image",
        )
    if max(width, height) > MAX_SIDE:
        raise InvalidInputError(
            say(
                "%d x %d enlarged %d times is %d x %d; the longest side is limited to %d pixels: %s",
                size[0],
                size[1],
                scale,
                width,
                height,
                MAX_SIDE,
                way_out,
            ),
            field="image",
        )
    return width, height


def preview(context: Context, picture: Image.Image, name: str = "preview-0.jpg") -> Path:
    """A small JPEG of the picture in the run's folder."""
    small = picture.copy()
    small.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    path = context.out_dir / name
    grounded(small, "white").convert("RGB").save(path, quality=80)
    return path


def save(context: Context, picture: Image.Image, index: int = 0, **metadata: Any) -> Output:
    """Writes image-<index>.png. The output tells its own seed, with which it alone can be made again, and metadata."""
    name = f"image-{index}.png"
    picture.save(context.out_dir / name, compress_level=3)
    return Output(f"image_{index}", name, "image/png", {**metadata, "seed": context.seed + index})


def _multiple(edge: float, of: int) -> int:
    return max(of, round(edge / of) * of)


def _check_size(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise InvalidInputError(
            say(
                "the picture is %d x %d (%.1f megapixels); the limit is %g megapixels: send a smaller one",
                size[0],
                size[1],
                size[0] * size[1] / 1e6,
                MAX_PIXELS / 1e6,
            ),
            field=name,
        )


def _plain(picture: Image.Image) -> Image.Image:
    alpha = _alpha(picture)
    made = to_srgb(_eight_bits(picture))
    if alpha is not None:
        made.putalpha(alpha)
    made.info.clear()
    return made


def _alpha(picture: Image.Image) -> Image.Image | None:
    """The picture's alpha channel, mode L; None when it has no transparency."""
    if not picture.has_transparency_data:
        return None
    if picture.mode.startswith("I"):
        clear = int(picture.info["transparency"])
        return Image.fromarray(np.where(np.asarray(picture) == clear, 0, 255).astype(np.uint8))
    return picture.convert("RGBA").getchannel("A")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Pillow cuts 16-bit greys off at 255 instead of scaling them."""
    if not picture.mode.startswith("I"):
        return picture
    grey = Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    grey.info = {key: value for key, value in picture.info.items() if key == "icc_profile"}
    return grey
