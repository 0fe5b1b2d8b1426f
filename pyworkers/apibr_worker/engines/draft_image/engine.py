"""Draft pictures: a storyboard card, or a character when the prompt is about a person; simple edits; enlarging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from apibr_worker.api import Context, LoadRequest, Output, RunResult
from apibr_worker.engines.draft_image import alter, card, person, scene
from apibr_worker.engines.draft_image.words import read, title

_PREVIEW_SIDE = 320


class Engine:
    """Draws with numpy and Pillow; there is nothing to load."""

    def load(self, request: LoadRequest) -> None:
        del request

    def unload(self) -> None:
        pass

    def run(self, context: Context) -> RunResult:
        if context.task == "image.edit":
            return alter.edit(context)
        if context.task == "image.upscale":
            return alter.upscale(context)
        return self._generate(context)

    def _generate(self, context: Context) -> RunResult:
        params = context.params
        count = int(params.get("num_images", 1))
        size = int(params.get("width", 1024)), int(params.get("height", 1024))
        pictures: list[tuple[Image.Image, dict[str, Any]]] = []
        with context.phase("draw"):
            for index in range(count):
                pictures.append(draw(str(params["prompt"]), *size, context.seed + index, context.check_cancel))
                preview = context.out_dir / f"preview-{index}.jpg"
                small = pictures[-1][0].copy()
                small.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
                small.save(preview, quality=80)
                context.progress(index + 1, count, preview=preview)
        outputs: list[Output] = []
        with context.phase("encode"):
            for index, (picture, metadata) in enumerate(pictures):
                name = f"image-{index}.png"
                picture.save(context.out_dir / name, compress_level=3)
                described = {**metadata, "seed": context.seed + index}
                outputs.append(Output(f"image_{index}", name, "image/png", described))
                context.progress(index + 1, count)
        return RunResult(outputs)


def draw(
    prompt: str, width: int, height: int, seed: int, check_cancel: Callable[[], None] = lambda: None
) -> tuple[Image.Image, dict[str, Any]]:
    """One card and its metadata; the same arguments give the same pixels."""
    random = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32])
    subject = read(prompt)
    if not subject.person:
        picture = _image(scene.draw(width, height, subject, random))
        check_cancel()
        return card.finish(picture, title(prompt)), {}
    background = _image(scene.backdrop(width, height, subject, random))
    check_cancel()
    picture, face = person.draw(background, subject, random)
    check_cancel()
    return card.finish(picture, title(prompt)), {"face": face}


def _image(canvas: scene.Canvas) -> Image.Image:
    return Image.fromarray((canvas * 255 + 0.5).astype(np.uint8))
