"""Pictures in and out of the image engines."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from apibr_worker.api import Context, InvalidInputError, Output


def read(context: Context, name: str, *, field: str | None = None) -> Image.Image | None:
    """The RGB picture of an input, upright; None when there is none. Transparency lies on white."""
    given = context.input(name)
    if given is None:
        return None
    try:
        with Image.open(given.path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        raise InvalidInputError("the picture cannot be read: send PNG, JPEG or WebP", field=field or name) from None
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A"))
    return flat


def read_mask(context: Context, size: tuple[int, int]) -> Image.Image | None:
    """The mask, white where the picture is to change: mode L, of the picture's size. Raises InvalidInputError else."""
    mask = read(context, "mask")
    if mask is None:
        return None
    if mask.size != size:
        raise InvalidInputError(
            f"the mask is {mask.width} x {mask.height} pixels and the image {size[0]} x {size[1]}: send a mask of the "
            "image's size, white where it shall change",
            field="mask",
        )
    return mask.convert("L")


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


def save(context: Context, pictures: list[Image.Image], seed: int) -> list[Output]:
    """Writes image_0.png and so on; each output tells its own seed, with which it alone can be made again."""
    outputs: list[Output] = []
    for index, picture in enumerate(pictures):
        path = Path(f"image_{index}.png")
        picture.save(context.out_dir / path)
        outputs.append(Output(f"image_{index}", path.as_posix(), "image/png", {"seed": seed + index}))
    return outputs
