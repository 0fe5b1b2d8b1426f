"""The draft's tasks that start from a picture: edit by instruction, and enlarge."""

from __future__ import annotations

from PIL import Image, ImageFilter

from apibr_worker.engines.draft_image import effects, instructions
from apibr_worker.image.pictures import enlarged, needed, preview, read_mask, save
from apibr_worker.runtime.api import Context, RunResult, Warning
from apibr_worker.runtime.sentences import say


def edit(context: Context) -> RunResult:
    """Makes the edits that it understands; the others are written on the picture and told in a warning."""
    instruction = str(context.params["instruction"])
    with context.phase("read"):
        picture = needed(context, "image")
        mask = read_mask(context, picture.size)
        reading = instructions.read(instruction, masked=mask is not None)
    with context.phase("draw"):
        made = effects.apply(picture, reading.edits, mask, context.check_cancel)
        understood = [found.described() for found in reading.edits]
        # An instruction of signs alone has no clause.
        unread = reading.unread or ([] if reading.edits else [" ".join(instruction.split())])
        if unread:
            made = effects.note(made, "; ".join(unread))
        context.progress(1, 1, preview=preview(context, made))
    with context.phase("encode"):
        output = save(context, made)
        context.progress(1, 1)
    warnings = []
    if unread:
        warnings.append(
            Warning(
                "instruction_not_understood",
                say(
                    "the draft editor makes only simple edits and wrote on the picture what it did "
                    "not understand: ask for quality final to have it done"
                ),
            )
        )
    return RunResult([output], {"edits": understood, "not_understood": unread, "masked": mask is not None}, warnings)


def upscale(context: Context) -> RunResult:
    """Enlarges by Lanczos and sharpens a little; transparency is enlarged with the picture."""
    scale = int(context.params["scale"])
    with context.phase("read"):
        picture = needed(context, "image")
        size = enlarged(picture.size, scale)
    with context.phase("draw"):
        made = lanczos(picture, size, scale)
        context.progress(1, 1, preview=preview(context, made))
    with context.phase("encode"):
        output = save(context, made)
        context.progress(1, 1)
    return RunResult([output], {"method": "lanczos", "scale": scale, "width": size[0], "height": size[1]})


def lanczos(picture: Image.Image, size: tuple[int, int], scale: int) -> Image.Image:
    """The picture in that size, in its own mode. Pillow weighs colours by their alpha, so that edges stay clean."""
    large = picture.resize(size, Image.Resampling.LANCZOS)
    alpha = large.getchannel("A") if large.mode == "RGBA" else None
    sharp = large.convert("RGB").filter(ImageFilter.UnsharpMask(radius=0.5 * scale, percent=40, threshold=2))
    if alpha is not None:
        sharp.putalpha(alpha)
    return sharp
