"""FLUX.1 Kontext at its maker's API: nothing is computed here, and the pictures sent leave this machine."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from PIL import Image, ImageOps

from apibr_worker.engines.bfl.client import Client, Patience, Settings, Submitted, settings, takes_key
from apibr_worker.engines.bfl.journal import Journal
from apibr_worker.image.pictures import MAX_PIXELS, needed, preview, read, save
from apibr_worker.runtime.api import Context, EngineError, InvalidInputError, LoadRequest, Output, RunResult, Warning
from apibr_worker.runtime.sentences import say

_SENT_PIXELS = 4 << 20
"""Pixels of a picture that is sent; the model looks at one megapixel."""
_SENT_BYTES = 8 << 20
"""Bytes of a PNG that is sent; a larger one goes as JPEG."""
_WIDEST = Fraction(21, 9)
_SEEDS = 1 << 31
"""The API's seeds are taken to be 31 bits wide, ours are 53."""
_SAFETY = 2
"""The API's own middle of 0 (strict) to 6."""


class Engine:
    """Text to picture, picture and text to picture, edit by instruction."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._settings: Settings | None = None

    def load(self, request: LoadRequest) -> None:
        """Reads the settings; nothing is sent."""
        del request
        self._settings = settings(os.environ)

    def unload(self) -> None:
        """Forgets the key."""
        self._settings = None

    def run(self, context: Context) -> RunResult:
        """Makes the pictures one after another, each with the next seed."""
        known = self._settings
        if known is None:
            raise EngineError("model_missing", say("no model is loaded: try again"))
        params, edit = context.params, context.task == "image.edit"
        field = "instruction" if edit else "prompt"
        count = int(params.get("num_images") or 1)
        with context.phase("read"):
            image = needed(context, "image") if edit else read(context, "image")
            size = _size(params, image)
            task = _task(str(params[field]), image, size)
        client = Client(context, known, field=field, patience=self._patience)
        made: list[Image.Image] = []
        journal = Journal(context)
        warnings: list[Warning] = []
        with context.phase("sample"):
            for index in range(count):

                def report(share: float, index: int = index) -> None:
                    context.progress(index * 100 + round(99 * share), count * 100)

                if index == len(journal.pictures):
                    seeded = {**task, "seed": (context.seed + index) % _SEEDS}
                    warnings += _delivered(client, journal, known, index, seeded, report)
                made.append(_fitted(_picture(journal.pictures[index]), size))
                context.progress(
                    (index + 1) * 100, count * 100, preview=preview(context, made[-1], f"preview-{index}.jpg")
                )
        outputs: list[Output] = []
        with context.phase("encode"):
            for index, picture in enumerate(made):
                outputs.append(save(context, picture, index))
                context.progress(index + 1, count)
        cost = {} if journal.cost is None else {"cost": journal.cost}
        return RunResult(outputs, {"model": known.model, "remote": True, **cost}, warnings)


def _delivered(
    client: Client,
    journal: Journal,
    known: Settings,
    index: int,
    task: dict[str, Any],
    report: Callable[[float], None],
) -> list[Warning]:
    """Brings the next picture into the journal: of the task that an earlier run submitted, else of a new one."""
    earlier = journal.task(index)
    if earlier is not None and takes_key(earlier.polling_url, known):
        try:
            _fetched(client, journal, index, earlier, report)
            return []
        except EngineError:
            if not client.gone:
                raise
    submitted = client.submit(task)
    journal.submitted(index, submitted)
    _fetched(client, journal, index, submitted, report)
    if earlier is None:
        return []
    return [
        Warning(
            "submitted_again",
            say(
                "Black Forest Labs no longer has the picture that the interrupted run ordered; "
                "it was ordered again, and perhaps paid twice"
            ),
        )
    ]


def _fetched(client: Client, journal: Journal, index: int, task: Submitted, report: Callable[[float], None]) -> None:
    try:
        body = client.fetch(task, report)
    except EngineError:
        if client.over:
            journal.over(index)
        raise
    try:
        mime = _mime(body)
    except EngineError:
        journal.over(index)
        raise
    journal.delivered(body, mime)


def _mime(body: bytes) -> str:
    """The type of what was delivered. Raises EngineError when it is not a picture."""
    _picture(body)
    return Image.MIME[Image.open(io.BytesIO(body)).format or "PNG"]


def _task(prompt: str, image: Image.Image | None, size: tuple[int, int] | None) -> dict[str, Any]:
    task: dict[str, Any] = {"prompt": prompt, "output_format": "png", "safety_tolerance": _SAFETY}
    if size is not None:
        ratio = Fraction(*size).limit_denominator(21)
        task["aspect_ratio"] = f"{ratio.numerator}:{ratio.denominator}"
    if image is not None:
        task["input_image"] = _encoded(image)
    return task


def _size(params: dict[str, Any], image: Image.Image | None) -> tuple[int, int] | None:
    """Pixels asked for; None leaves the size to the API, which takes the picture's shape, or a square.

    One edge alone keeps that shape. Raises InvalidInputError for a shape that the API does not make.
    """
    width, height = params.get("width"), params.get("height")
    if not width and not height:
        return None
    shape = Fraction(image.width, image.height) if image else Fraction(1)
    size = max(1, int(width or round(int(height or 0) * shape))), max(1, int(height or round(int(width or 0) / shape)))
    if not 1 / _WIDEST <= Fraction(*size) <= _WIDEST:
        raise InvalidInputError(
            say(
                "%d x %d is too long for this model: the longer side may be at most 21/9 of the shorter one",
                size[0],
                size[1],
            ),
            field="width" if width else "height",
        )
    return size


def _encoded(image: Image.Image) -> str:
    """The picture as base64 of PNG or JPEG, no larger than the model can use, transparency on white."""
    if image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground.convert("RGB")
    if image.width * image.height > _SENT_PIXELS:
        scale = (_SENT_PIXELS / (image.width * image.height)) ** 0.5
        size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    if buffer.tell() > _SENT_BYTES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=95, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode()


def _picture(body: bytes) -> Image.Image:
    """What was delivered, decoded. Raises EngineError when it is not a picture, or too large a one."""
    try:
        with Image.open(io.BytesIO(body), formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height <= MAX_PIXELS:
                return opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass
    raise EngineError("internal", say("Black Forest Labs did not send a usable picture: try again"))


def _fitted(picture: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """The API makes about one megapixel in the shape asked for; the exact size is made here."""
    if size is None or picture.size == size:
        return picture
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
