"""The edits of a draft, done with Pillow on 8-bit RGB. Nothing is invented: each edit works on the given pixels."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from apibr_worker.engines.draft_image.card import font, wrap
from apibr_worker.engines.draft_image.edit_words import OF_THE_WHOLE
from apibr_worker.engines.draft_image.instructions import WHOLE, Edit

_Effect = Callable[[Image.Image, Edit], Image.Image]
_FEATHER = 0.012
"""Width of a mask's soft edge, as a share of the picture's smaller side. It lies inside the mask."""
_SEPIA = (0.393, 0.769, 0.189, 0, 0.349, 0.686, 0.168, 0, 0.272, 0.534, 0.131, 0)


def apply(picture: Image.Image, edits: list[Edit], mask: Image.Image | None, check: Callable[[], None]) -> Image.Image:
    """The picture (RGB or RGBA) with the edits, within the mask (mode L, white = edit) when there is one.

    What the mask leaves black stays as it is to the bit. check is called between edits and may raise.
    """
    original, alpha = picture.convert("RGB"), picture.getchannel("A") if picture.mode == "RGBA" else None
    edited = original
    for edit in edits:
        check()
        if edit.name in _COLOURINGS:
            edited = _in_region(edited, _COLOURINGS[edit.name](edited, edit), edit.region)
    for edit in edits:
        check()
        if edit.name == "caption":
            box = mask.getbbox() if mask else None
            edited = caption(edited, edit.value, box or (0, 0, *edited.size))
    if mask is not None:
        edited = Image.composite(edited, original, feathered(mask))
    if alpha is not None:
        edited.putalpha(alpha)
    for edit in edits:
        check()
        if edit.name in OF_THE_WHOLE:
            edited = _GEOMETRY[edit.name](edited, edit)
    return edited


def feathered(mask: Image.Image) -> Image.Image:
    """The mask with a soft edge inside it: black stays black."""
    radius = max(1.0, _FEATHER / 2 * min(mask.size))
    shrunk = mask.filter(ImageFilter.GaussianBlur(radius))
    # 0.5 at the edge and 1 well inside -> 0 at the edge.
    soft = shrunk.point([max(0, 2 * value - 255) for value in range(256)])
    # A mask too thin for a soft edge keeps its hard one.
    return ImageChops.darker(mask, soft) if ImageChops.darker(mask, soft).getbbox() else mask


def _in_region(before: Image.Image, after: Image.Image, region: str) -> Image.Image:
    if region == WHOLE:
        return after
    return Image.composite(after, before, region_mask(region, before.size))


def region_mask(region: str, size: tuple[int, int]) -> Image.Image:
    """Where a draft supposes the sky, the ground or the background to be: it cannot see. Mode L, soft edges."""
    if region == "background":
        # The subject is taken to stand in an upright ellipse.
        gradient = Image.radial_gradient("L").resize((256, 320)).crop((32, 32, 224, 288))
        mask = gradient.point([max(0, min(255, (value - 84) * 4)) for value in range(256)])
    else:
        edge = {"sky": 0.45, "top": 0.5, "ground": 0.6, "bottom": 0.5}[region]
        column = Image.linear_gradient("L").point(
            [max(0, min(255, round((edge * 255 - value) * 8 + 128))) for value in range(256)]
        )
        mask = column if region in ("sky", "top") else ImageOps.invert(column)
    return mask.resize(size, Image.Resampling.BICUBIC)


# ---- colours


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance], change: float) -> _Effect:
    return lambda picture, edit: kind(picture).enhance(max(0.0, 1 + change * edit.amount))


def _matrix(*rows: float) -> _Effect:
    return lambda picture, _: picture.convert("RGB", rows)


def _temperature(direction: float) -> _Effect:
    def change(picture: Image.Image, edit: Edit) -> Image.Image:
        strength = 0.14 * direction * edit.amount
        return picture.convert("RGB", (1 + strength, 0, 0, 0, 0, 1 + strength / 5, 0, 0, 0, 0, 1 - strength, 0))

    return change


def _tint(picture: Image.Image, edit: Edit) -> Image.Image:
    black = "black" if edit.value != "#16181c" else "#050506"
    white = "white" if edit.value != "#16181c" else "#6a6c70"
    coloured = ImageOps.colorize(ImageOps.grayscale(picture), black, white, mid=edit.value)
    return Image.blend(picture, coloured, min(1.0, 0.8 * edit.amount))


def _blur(picture: Image.Image, edit: Edit) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(1.0, 0.015 * min(picture.size) * edit.amount)))


def _sharpen(picture: Image.Image, edit: Edit) -> Image.Image:
    return picture.filter(ImageFilter.UnsharpMask(max(1.0, 0.002 * min(picture.size)), round(130 * edit.amount), 2))


def _pixelate(picture: Image.Image, edit: Edit) -> Image.Image:
    side = max(2, round(0.03 * min(picture.size) * edit.amount))
    small = picture.resize((max(1, picture.width // side), max(1, picture.height // side)), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


def _vignette(picture: Image.Image, edit: Edit) -> Image.Image:
    dark = ImageEnhance.Brightness(picture).enhance(max(0.0, 1 - 0.65 * edit.amount))
    mask = Image.radial_gradient("L").point([max(0, min(255, round((value - 110) * 1.8))) for value in range(256)])
    return Image.composite(dark, picture, mask.resize(picture.size, Image.Resampling.BICUBIC))


_COLOURINGS: dict[str, _Effect] = {
    "black_and_white": lambda picture, _: ImageOps.grayscale(picture).convert("RGB"),
    "sepia": _matrix(*_SEPIA),
    "invert": lambda picture, _: ImageOps.invert(picture),
    "brighten": _enhanced(ImageEnhance.Brightness, 0.3),
    "darken": _enhanced(ImageEnhance.Brightness, -0.3),
    "contrast": _enhanced(ImageEnhance.Contrast, 0.35),
    "lower_contrast": _enhanced(ImageEnhance.Contrast, -0.35),
    "saturate": _enhanced(ImageEnhance.Color, 0.5),
    "desaturate": _enhanced(ImageEnhance.Color, -0.5),
    "warmer": _temperature(1.0),
    "colder": _temperature(-1.0),
    "tint": _tint,
    "blur": _blur,
    "sharpen": _sharpen,
    "pixelate": _pixelate,
    "vignette": _vignette,
}


# ---- the whole picture


def _rotate(picture: Image.Image, edit: Edit) -> Image.Image:
    degrees = int(edit.value)
    quarter = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
    if degrees % 90 == 0:
        return picture.transpose(quarter[degrees]) if degrees in quarter else picture
    return picture.convert("RGBA").rotate(-degrees, Image.Resampling.BICUBIC, expand=True)


def _flip(picture: Image.Image, edit: Edit) -> Image.Image:
    return ImageOps.mirror(picture) if edit.value == "horizontal" else ImageOps.flip(picture)


def _crop(picture: Image.Image, edit: Edit) -> Image.Image:
    across, down = (int(part) for part in edit.value.split(":"))
    scale = min(picture.width / across, picture.height / down)
    width, height = max(1, round(across * scale)), max(1, round(down * scale))
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _border(picture: Image.Image, edit: Edit) -> Image.Image:
    return ImageOps.expand(picture, max(2, round(0.04 * min(picture.size))), edit.value or "#f4f4f2")


_GEOMETRY: dict[str, _Effect] = {
    "rotate": _rotate,
    "flip": _flip,
    "crop": _crop,
    "border": _border,
}


# ---- words


def caption(picture: Image.Image, text: str, box: tuple[int, int, int, int]) -> Image.Image:
    """The text at the lower edge of the box, white with a dark outline."""
    width, height = box[2] - box[0], box[3] - box[1]
    size = max(9, round(0.07 * min(width, height * 1.5)))
    letters = font(700, size)
    written = picture.copy()
    pen = ImageDraw.Draw(written)
    lines = wrap(pen, text, letters, 0.9 * width)[:4]
    y = box[3] - 0.05 * height - 1.25 * size * len(lines)
    for line in lines:
        x = box[0] + (width - pen.textlength(line, font=letters)) / 2
        pen.text((x, y), line, font=letters, fill="white", stroke_width=max(1, size // 14), stroke_fill="#14181e")
        y += 1.25 * size
    return written


def note(picture: Image.Image, text: str) -> Image.Image:
    """A strip at the lower edge that says what a final engine would be asked to do, as on a storyboard."""
    width, height = picture.size
    size = max(10, round(0.032 * min(width, height)))
    heading, letters = font(700, max(8, round(0.62 * size))), font(400, size)
    pad = round(0.8 * size)
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    lines = wrap(pen, text, letters, width - 2 * pad - 0.4 * size)
    most = max(1, round(0.4 * height / (1.3 * size)))
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1].rstrip(" .,;") + " …"]
    top = height - 2 * pad - round(1.3 * size * len(lines) + 1.1 * size)
    pen.rectangle((0, top, width, height), fill=(18, 22, 28, 232))
    pen.rectangle((0, top, max(2, round(0.25 * size)), height), fill=(242, 180, 70, 255))
    pen.text((pad, top + pad * 0.9), "DRAFT · RASCUNHO", font=heading, fill=(242, 180, 70, 255))
    y = top + pad * 0.9 + 1.1 * size
    for line in lines:
        pen.text((pad, y), line, font=letters, fill=(255, 255, 255, 240))
        y += 1.3 * size
    noted = Image.alpha_composite(picture.convert("RGBA"), layer)
    return noted if picture.mode == "RGBA" else noted.convert("RGB")
