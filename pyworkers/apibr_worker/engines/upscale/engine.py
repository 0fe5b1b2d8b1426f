"""Real-ESRGAN: pictures two or four times larger, in tiles that fit into the free memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from apibr_worker.engines.upscale import tiles
from apibr_worker.engines.upscale.tiles import Pixels, Tiling
from apibr_worker.engines.upscale.weights import Upscaler, load_upscaler
from apibr_worker.image.pictures import enlarged, needed, save
from apibr_worker.runtime.api import Context, EngineError, LoadRequest, RunResult
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit.placement import Placement, free, placement

_GPU_TILE, _CPU_TILE = 512, 192
"""Edges whose activations take under 2 GB: the last layers hold 64 channels of the enlarged tile."""
SMALLEST_TILE = 64


@dataclass(frozen=True, slots=True)
class Pass:
    """One way through the network: scale times larger, then shrink times smaller."""

    scale: int
    shrink: int = 1


class Engine:
    """The network stays loaded between runs: it is small. Its tiles are not."""

    def __init__(self) -> None:
        self.model: Upscaler | None = None
        self.model_id = ""
        self.place = Placement(torch.device("cpu"), torch.float32)
        self.tiling = Tiling(_CPU_TILE)

    def load(self, request: LoadRequest) -> None:
        """Reads the file and puts the network on the plan's device: float16 on a card, float32 on the CPU."""
        try:
            path = Path(request.files["weights"])
        except KeyError as part:
            raise EngineError(
                "model_missing", say("the model's part %s is missing: install the model again", part.args[0])
            ) from None
        self.unload()
        place = placement(request.plan)
        gpu = place.device.type != "cpu"
        model = load_upscaler(path)
        self.model = model.to(place.device, torch.float16 if gpu and model.supports_half else torch.float32)
        self.model_id, self.place = request.model, place
        self.tiling = Tiling(_edge(request.plan.get("tile"), _GPU_TILE if gpu else _CPU_TILE))

    def unload(self) -> None:
        """Lets go of the network."""
        self.model = None
        free(self.place.device)

    def run(self, context: Context) -> RunResult:
        """Enlarges one picture. Transparency is enlarged apart, by Lanczos: the network knows colours only."""
        model = self.model
        if model is None:
            raise EngineError("model_missing", say("no model is loaded: try again"))
        scale = int(context.params["scale"])
        with context.phase("read"):
            picture = needed(context, "image")
            size = enlarged(picture.size, scale)
            alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
            pixels = np.asarray(_spread(picture) if alpha else picture)
        plan = passes(model.scale, scale)
        with context.phase("sample"):
            tiling = self.tiling
            for index, one in enumerate(plan):
                pixels, tiling = self._pass(context, model, pixels, one, tiling, (index, len(plan)))
        with context.phase("encode"):
            made = Image.fromarray(pixels)
            if alpha is not None:
                made.putalpha(alpha.resize(size, Image.Resampling.LANCZOS))
            output = save(context, made)
            context.progress(1, 1)
        metadata = {
            "method": self.model_id,
            "scale": scale,
            "width": size[0],
            "height": size[1],
            "tile": tiling.tile,
            "passes": len(plan),
        }
        return RunResult([output], metadata)

    def _pass(
        self, context: Context, model: Upscaler, pixels: Pixels, one: Pass, tiling: Tiling, place: tuple[int, int]
    ) -> tuple[Pixels, Tiling]:
        """One pass and the tiling with which it came through: halved each time that memory runs out."""
        while True:
            smaller = None
            try:
                done = _counter(context, tiling.count(*pixels.shape[:2]), *place)
                return tiles.run(self._network(model), pixels, one.scale, tiling, shrink=one.shrink, done=done), tiling
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                smaller = _smaller(tiling, max(pixels.shape[:2]))
            # Outside of the handler: the traceback holds the tensors of the failed tile.
            free(self.place.device)
            if smaller is None:
                raise EngineError(
                    "out_of_memory",
                    say(
                        "there is not enough memory to enlarge the picture, not even in tiles of %d "
                        "pixels: close other programs, or send a smaller picture",
                        tiling.tile,
                    ),
                )
            logging.getLogger(__name__).warning("out of memory: tile %d halved to %d", tiling.tile, smaller.tile)
            tiling = smaller

    def _network(self, model: Upscaler) -> tiles.Network:
        return lambda tensor: model(tensor.to(self.place.device, model.dtype))


def passes(has: int, wanted: int) -> list[Pass]:
    """How a network of scale `has` makes a picture `wanted` times larger, both 2 or 4."""
    if has > wanted:
        return [Pass(has, has // wanted)]
    return [Pass(has)] * (2 if has < wanted else 1)


def _smaller(tiling: Tiling, longest: int) -> Tiling | None:
    """The next tiling whose tiles are really smaller: one larger than the picture changes nothing."""
    smaller = tiling.halved(SMALLEST_TILE)
    while smaller is not None and smaller.tile >= longest:
        smaller = smaller.halved(SMALLEST_TILE)
    return smaller


def _counter(context: Context, total: int, index: int, of: int) -> Callable[[], None]:
    """Counts the tiles of all passes as if each had as many as this one; checks the cancel flag."""
    step = index * total

    def done() -> None:
        nonlocal step
        step += 1
        context.progress(step, total * of)

    context.check_cancel()
    return done


def _spread(picture: Image.Image) -> Image.Image:
    """RGB of an RGBA picture whose invisible pixels take the nearest visible colours: their own, mostly black, would
    come out as a dark rim.
    """
    alpha = picture.getchannel("A")
    colours = picture.convert("RGB")
    black = Image.new("RGB", picture.size)
    blur = ImageFilter.GaussianBlur(4)
    weighed = np.asarray(Image.composite(colours, black, alpha).filter(blur)).astype(np.float32)
    weight = np.asarray(alpha.filter(blur)).astype(np.float32)[..., None]
    near = np.clip(weighed * 255 / np.maximum(weight, 1), 0, 255).astype(np.uint8)
    return Image.composite(colours, Image.fromarray(near), alpha.point([0] + [255] * 255))


def _edge(asked: object, usual: int) -> int:
    edge = int(asked) if isinstance(asked, (int, float)) and asked > 0 else usual
    return max(SMALLEST_TILE, edge // tiles.ALIGN * tiles.ALIGN)


def _out_of_memory(error: BaseException) -> bool:
    """The CPU's allocator fails with a plain RuntimeError."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
