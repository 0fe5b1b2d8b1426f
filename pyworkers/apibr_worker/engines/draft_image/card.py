"""What makes a picture a storyboard card: its title, and the mark that it is a draft."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_FONTS = Path(__file__).parent / "fonts"
MARK = "DRAFT · RASCUNHO"
_SMALLEST_TITLED = 192
"""A smaller card has no space for legible words; it keeps its frame."""


@cache
def font(weight: int, size: int) -> ImageFont.FreeTypeFont:
    """Inter, 400 or 700, at a size in pixels."""
    return ImageFont.truetype(_FONTS / f"inter-latin-{weight}-normal.woff2", size)


def finish(picture: Image.Image, title: str) -> Image.Image:
    """Adds frame marks, the draft mark and the title."""
    width, height = picture.size
    small = min(width, height)
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    if small >= _SMALLEST_TITLED:
        _title(layer, pen, title, small)
        _mark(pen, width, small)
    _corners(pen, width, height, small)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _corners(pen: ImageDraw.ImageDraw, width: int, height: int, small: int) -> None:
    inset, arm, thick = 0.035 * small, 0.05 * small, max(1, round(0.003 * small))
    for x, dx in ((inset, arm), (width - inset, -arm)):
        for y, dy in ((inset, arm), (height - inset, -arm)):
            pen.line((x, y, x + dx, y), fill=(255, 255, 255, 190), width=thick)
            pen.line((x, y, x, y + dy), fill=(255, 255, 255, 190), width=thick)


def _mark(pen: ImageDraw.ImageDraw, width: int, small: int) -> None:
    letters = font(700, max(9, round(0.020 * small)))
    wide = pen.textlength(MARK, font=letters)
    pad = max(4.0, 0.010 * small)
    # Clear of the corner's frame mark.
    x, y = width - 0.055 * small - 2.2 * pad - wide, 0.055 * small + 1.6 * pad
    box = (x - 1.6 * pad, y - pad, x + wide + 1.6 * pad, y + letters.size + pad)
    pen.rounded_rectangle(box, 1.2 * pad, fill=(20, 24, 30, 150))
    pen.text((x, y), MARK, font=letters, fill=(255, 255, 255, 230))


def _title(layer: Image.Image, pen: ImageDraw.ImageDraw, title: str, small: int) -> None:
    width, height = layer.size
    size = max(12, round(0.036 * small))
    letters = font(700, size)
    lines = wrap(pen, title, letters, width - 0.16 * small)[:2]
    tall = len(lines) * 1.25 * size + 0.09 * small
    for row in range(round(tall)):
        shade = round(170 * (row / tall) ** 0.8)
        pen.line((0, height - tall + row, width, height - tall + row), fill=(10, 12, 16, shade))
    y = height - 0.065 * small - len(lines) * 1.25 * size
    for line in lines:
        pen.text((0.08 * small, y), line, font=letters, fill=(255, 255, 255, 245))
        y += 1.25 * size


def wrap(pen: ImageDraw.ImageDraw, text: str, letters: ImageFont.FreeTypeFont, longest: float) -> list[str]:
    """The text in lines of at most `longest` pixels; a word longer than a line stands alone."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and pen.textlength(joined, font=letters) <= longest:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
