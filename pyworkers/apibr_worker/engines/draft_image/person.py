"""A friendly character, drawn in shapes, whose geometry is known: what the draft avatar animates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from apibr_worker.engines.draft_image.words import Subject

_SKINS = [
    ("#f3cfb3", "#dba98a", "#c4766b"),
    ("#e8b995", "#c98f6b", "#b5655c"),
    ("#c98f63", "#a5704a", "#9c524a"),
    ("#8d5a3a", "#6d432a", "#7d3f3a"),
]
_HAIRS = ["#2b211c", "#4a2f22", "#6f4a2d", "#1d1a1b", "#8a5a34", "#a4492c"]
_CLOTHES = ["#2f4b6e", "#7a3e48", "#2f6b5c", "#5b4a7d", "#374151", "#a25a34"]


@dataclass(frozen=True, slots=True)
class _Look:
    skin: str
    shade: str
    lip: str
    hair: str
    clothes: str
    style: str
    """short, long, bun, curly or bald."""
    beard: bool
    glasses: bool
    formal: bool


def draw(background: Image.Image, subject: Subject, random: np.random.Generator) -> tuple[Image.Image, dict[str, Any]]:
    """Draws the character over the background; returns the picture and its face's geometry.

    Positions are fractions of width and height, sizes are fractions of the width. The picture is drawn larger and
    shrunk, so that its edges are smooth.
    """
    width, height = background.size
    scale = 3 if max(width, height) <= 800 else 2
    look = _choose(subject, random)
    canvas = background.resize((width * scale, height * scale), Image.Resampling.BICUBIC)
    unit = min(width, height * 0.92) * scale
    face = _Face(canvas, look, width * scale / 2, height * scale * 0.43, unit)
    face.draw(random)
    return canvas.resize((width, height), Image.Resampling.LANCZOS), face.geometry()


def _choose(subject: Subject, random: np.random.Generator) -> _Look:
    skin, shade, lip = _SKINS[int(random.integers(len(_SKINS)))]
    gender = subject.gender or str(random.choice(["woman", "man"]))
    styles = ["long", "bun", "curly"] if gender == "woman" else ["short", "short", "curly"]
    beard = subject.beard or (gender == "man" and bool(random.random() < 0.35))
    # Drawn in any case: a word in the prompt changes what it names, not the rest of the character.
    hair, clothes, drawn = str(random.choice(_HAIRS)), str(random.choice(_CLOTHES)), str(random.choice(styles))
    return _Look(
        skin=skin,
        shade=shade,
        lip=lip,
        hair=subject.hair or hair,
        clothes=clothes,
        style="bald" if subject.bald else subject.style or drawn,
        beard=beard,
        glasses=subject.glasses or bool(random.random() < 0.2),
        formal=subject.formal,
    )


class _Face:
    """The character on its canvas; all sizes follow from `unit`, the canvas's smaller side."""

    def __init__(self, canvas: Image.Image, look: _Look, x: float, y: float, unit: float) -> None:
        self._canvas, self._pen, self._look = canvas, ImageDraw.Draw(canvas), look
        self._x, self._y = x, y
        self._rx, self._ry = 0.175 * unit, 0.225 * unit

    def geometry(self) -> dict[str, Any]:
        width, height = self._canvas.size
        eyes = [
            {"x": x / width, "y": y / height, "rx": self._eye_rx / width, "ry": self._eye_ry / width}
            for x, y in self._eyes
        ]
        brows = [
            {"x": x / width, "y": (y - 1.95 * self._eye_ry) / height, "rx": 1.45 * self._eye_rx / width}
            for x, y in self._eyes
        ]
        return {
            "kind": "drawn",
            "head": {"x": self._x / width, "y": self._y / height, "rx": self._rx / width, "ry": self._ry / width},
            "eyes": eyes,
            "brows": brows,
            "jaw": {"x": self._x / width, "y": (self._y + self._ry) / height, "rx": 0.87 * self._rx / width},
            "mouth": {
                "x": self._x / width,
                "y": self._mouth_y / height,
                "width": self._mouth_width / width,
                "height": 0.36 * self._mouth_width / width,
            },
            "colours": {"skin": self._mouth_skin, "shade": self._look.shade, "lip": self._look.lip},
        }

    @property
    def _eyes(self) -> list[tuple[float, float]]:
        return [
            (self._x - 0.40 * self._rx, self._y - 0.02 * self._ry),
            (self._x + 0.40 * self._rx, self._y - 0.02 * self._ry),
        ]

    @property
    def _eye_rx(self) -> float:
        return 0.165 * self._rx

    @property
    def _eye_ry(self) -> float:
        return 0.155 * self._ry

    @property
    def _mouth_y(self) -> float:
        return self._y + 0.56 * self._ry

    @property
    def _mouth_width(self) -> float:
        return 0.62 * self._rx

    @property
    def _mouth_skin(self) -> str:
        """What lies around the mouth: a beard covers the chin, not the lips' surroundings."""
        return self._look.skin

    def draw(self, random: np.random.Generator) -> None:
        self._shadow()
        self._hair_behind()
        self._body()
        self._neck()
        self._head()
        if self._look.beard:
            self._beard()
        self._features(random)
        self._hair_before()
        if self._look.glasses:
            self._glasses()

    def _ellipse(self, x: float, y: float, rx: float, ry: float, fill: str) -> None:
        self._pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    def _shadow(self) -> None:
        layer = Image.new("L", self._canvas.size, 0)
        pen = ImageDraw.Draw(layer)
        x, y, rx, ry = self._x + 0.06 * self._rx, self._y + 0.10 * self._ry, 1.18 * self._rx, 1.15 * self._ry
        pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=60)
        soft = layer.filter(ImageFilter.GaussianBlur(0.16 * self._rx))
        self._canvas.paste(Image.new("RGB", self._canvas.size, "#1c2430"), (0, 0), soft)

    def _hair_behind(self) -> None:
        hair, rx, ry = self._look.hair, self._rx, self._ry
        if self._look.style == "long":
            self._ellipse(self._x, self._y - 0.10 * ry, 1.22 * rx, 1.12 * ry, hair)
            self._pen.rounded_rectangle(
                (self._x - 1.22 * rx, self._y - 0.1 * ry, self._x + 1.22 * rx, self._y + 1.35 * ry),
                0.45 * rx,
                fill=hair,
            )
        elif self._look.style == "bun":
            self._ellipse(self._x, self._y - 1.18 * ry, 0.42 * rx, 0.34 * ry, hair)
            self._ellipse(self._x, self._y - 0.20 * ry, 1.10 * rx, 0.98 * ry, hair)
        elif self._look.style == "curly":
            for angle in np.linspace(-0.25 * np.pi, 1.25 * np.pi, 15):
                self._ellipse(
                    self._x + 1.02 * rx * np.cos(angle),
                    self._y - 0.22 * ry - 0.86 * ry * np.sin(angle),
                    0.36 * rx,
                    0.30 * ry,
                    hair,
                )

    def _body(self) -> None:
        rx, ry, bottom = self._rx, self._ry, self._canvas.size[1]
        top = self._y + 1.28 * ry
        left, right = self._x - 2.15 * rx, self._x + 2.15 * rx
        self._pen.rounded_rectangle((left, top, right, bottom + 2 * rx), 1.15 * rx, fill=self._look.clothes)
        collar = (self._x, top + 0.72 * ry)
        if self._look.formal:
            self._pen.polygon(
                [
                    (self._x - 0.62 * rx, top - 0.06 * ry),
                    (self._x + 0.62 * rx, top - 0.06 * ry),
                    (self._x, top + 1.3 * ry),
                ],
                fill="#f4f4f2",
            )
            for side in (-1, 1):
                lapel = [
                    (self._x + side * 0.66 * rx, top - 0.08 * ry),
                    (self._x + side * 1.0 * rx, top + 0.35 * ry),
                    (self._x + side * 0.04 * rx, top + 1.35 * ry),
                ]
                self._pen.polygon(lapel, fill=_darker(self._look.clothes, 0.82))
        else:
            self._pen.polygon(
                [(self._x - 0.52 * rx, top - 0.02 * ry), (self._x + 0.52 * rx, top - 0.02 * ry), collar],
                fill=self._look.skin,
            )

    def _neck(self) -> None:
        rx, ry = self._rx, self._ry
        self._pen.rounded_rectangle(
            (self._x - 0.42 * rx, self._y + 0.55 * ry, self._x + 0.42 * rx, self._y + 1.52 * ry),
            0.36 * rx,
            fill=self._look.skin,
        )
        layer = Image.new("L", self._canvas.size, 0)
        ImageDraw.Draw(layer).ellipse(
            (self._x - 0.42 * rx, self._y + 0.85 * ry, self._x + 0.42 * rx, self._y + 1.18 * ry), fill=150
        )
        self._canvas.paste(
            Image.new("RGB", self._canvas.size, self._look.shade),
            (0, 0),
            layer.filter(ImageFilter.GaussianBlur(0.07 * rx)),
        )

    def _head(self) -> None:
        rx, ry, look = self._rx, self._ry, self._look
        for side in (-1, 1):
            self._ellipse(self._x + side * 0.99 * rx, self._y + 0.06 * ry, 0.15 * rx, 0.19 * ry, look.skin)
            self._ellipse(self._x + side * 1.0 * rx, self._y + 0.07 * ry, 0.07 * rx, 0.10 * ry, look.shade)
        angle = np.linspace(0, 2 * np.pi, 160)
        # An egg: the jaw is narrower than the brow.
        narrow = 1 - 0.13 * np.clip(np.sin(angle), 0, 1) ** 1.5
        outline = np.stack([self._x + rx * np.cos(angle) * narrow, self._y + ry * np.sin(angle)], axis=1)
        self._pen.polygon([(float(x), float(y)) for x, y in outline], fill=look.skin)
        blush = Image.new("L", self._canvas.size, 0)
        pen = ImageDraw.Draw(blush)
        for side in (-1, 1):
            x, y = self._x + side * 0.60 * rx, self._y + 0.30 * ry
            pen.ellipse((x - 0.2 * rx, y - 0.12 * ry, x + 0.2 * rx, y + 0.12 * ry), fill=70)
        self._canvas.paste(
            Image.new("RGB", self._canvas.size, "#d9705f"), (0, 0), blush.filter(ImageFilter.GaussianBlur(0.09 * rx))
        )

    def _beard(self) -> None:
        rx, ry = self._rx, self._ry
        angle = np.linspace(0.04 * np.pi, 0.96 * np.pi, 90)
        outer = [
            (self._x + 0.97 * rx * np.cos(a) * (1 - 0.11 * np.sin(a) ** 1.5), self._y + 1.03 * ry * np.sin(a))
            for a in angle
        ]
        inner = [(self._x + 0.72 * rx * np.cos(a), self._y + 0.12 * ry + 0.74 * ry * np.sin(a)) for a in angle[::-1]]
        self._pen.polygon([(float(x), float(y)) for x, y in outer + inner], fill=self._look.hair)

    def _features(self, random: np.random.Generator) -> None:
        rx, ry, look = self._rx, self._ry, self._look
        iris = str(random.choice(["#4b3621", "#3b5d4a", "#3a5a7d", "#5a4632"]))
        for x, y in self._eyes:
            self._ellipse(x, y, self._eye_rx, self._eye_ry, "#fbfaf7")
            self._ellipse(x, y + 0.02 * ry, 0.72 * self._eye_ry * 0.95, 0.72 * self._eye_ry, iris)
            self._ellipse(x, y + 0.02 * ry, 0.38 * self._eye_ry, 0.38 * self._eye_ry, "#17120f")
            self._ellipse(
                x - 0.25 * self._eye_ry, y - 0.22 * self._eye_ry, 0.17 * self._eye_ry, 0.17 * self._eye_ry, "#ffffff"
            )
            box = (x - self._eye_rx * 1.05, y - self._eye_ry * 1.08, x + self._eye_rx * 1.05, y + self._eye_ry * 1.0)
            self._pen.arc(box, 195, 345, fill="#2a211d", width=max(2, int(0.055 * rx)))
            brow = (x - 1.45 * self._eye_rx, y - 2.35 * self._eye_ry, x + 1.45 * self._eye_rx, y - 0.55 * self._eye_ry)
            self._pen.arc(brow, 205, 335, fill=_darker(look.hair, 0.85), width=max(2, int(0.085 * rx)))
        self._pen.arc(
            (self._x - 0.13 * rx, self._y + 0.02 * ry, self._x + 0.13 * rx, self._y + 0.32 * ry),
            20,
            160,
            fill=look.shade,
            width=max(2, int(0.06 * rx)),
        )
        half, y = 0.5 * self._mouth_width, self._mouth_y
        self._pen.chord((self._x - half, y - 0.30 * half, self._x + half, y + 0.42 * half), 8, 172, fill=look.lip)
        self._pen.arc(
            (self._x - half, y - 0.5 * half, self._x + half, y + 0.42 * half),
            10,
            170,
            fill=_darker(look.lip, 0.8),
            width=max(2, int(0.045 * rx)),
        )

    def _hair_before(self) -> None:
        rx, ry, hair = self._rx, self._ry, self._look.hair
        if self._look.style == "bald":
            return
        angle = np.linspace(np.pi, 2 * np.pi, 80)
        crown = [(self._x + 1.07 * rx * np.cos(a), self._y - 0.10 * ry + 1.0 * ry * np.sin(a)) for a in angle]
        dip = 0.52 if self._look.style in ("short", "curly") else 0.46
        sides = np.linspace(1, -1, 60)
        fringe = [
            (self._x + 1.0 * rx * s, self._y - dip * ry - 0.16 * ry * np.cos(s * 2.4 + 0.7) + 0.34 * ry * abs(s) ** 3)
            for s in sides
        ]
        self._pen.polygon([(float(x), float(y)) for x, y in crown + fringe], fill=hair)
        if self._look.style == "curly":
            for s in np.linspace(-0.85, 0.85, 8):
                self._ellipse(self._x + 0.98 * rx * s, self._y - (0.92 - 0.42 * s * s) * ry, 0.24 * rx, 0.19 * ry, hair)

    def _glasses(self) -> None:
        width = max(2, int(0.045 * self._rx))
        for x, y in self._eyes:
            self._pen.rounded_rectangle(
                (x - 0.30 * self._rx, y - 0.21 * self._ry, x + 0.30 * self._rx, y + 0.23 * self._ry),
                0.12 * self._rx,
                outline="#2b2b30",
                width=width,
            )
        (x0, y0), (x1, _) = self._eyes
        self._pen.line((x0 + 0.30 * self._rx, y0, x1 - 0.30 * self._rx, y0), fill="#2b2b30", width=width)


def _darker(value: str, factor: float) -> str:
    number = int(value.lstrip("#"), 16)
    parts = [int(((number >> shift) & 255) * factor) for shift in (16, 8, 0)]
    return "#" + "".join(f"{part:02x}" for part in parts)
