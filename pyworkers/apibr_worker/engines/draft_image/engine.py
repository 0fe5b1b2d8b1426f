"""Draft pictures: a storyboard card, or a character when the prompt is about a person; simple edits; enlarging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from apibr_worker.engines.draft_image import alter, card, person, scene
from apibr_worker.engines.draft_image.words import read, title
from apibr_worker.image.pictures import preview, save
from apibr_worker.runtime.api import Context, LoadRequest, Output, RunResult


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
                shown = preview(context, pictures[-1][0], f"preview-{index}.jpg")
                context.progress(index + 1, count, preview=shown)
        outputs: list[Output] = []
        with context.phase("encode"):
            for index, (picture, metadata) in enumerate(pictures):
                outputs.append(save(context, picture, index, **metadata))
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
