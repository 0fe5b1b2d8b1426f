"""An engine that a test adds: one colour, taken from its settings."""

import os

from PIL import Image

from apibr_worker.runtime.api import Context, LoadRequest, Output, RunResult, Warning
from apibr_worker.runtime.sentences import say


class Engine:
    def load(self, request: LoadRequest) -> None:
        assert request.model == "sketch-1"

    def unload(self) -> None:
        pass

    def run(self, context: Context) -> RunResult:
        pen = os.environ["SKETCH_PEN"]
        with context.phase("draw"):
            Image.new("RGB", (64, 64), pen).save(context.out_dir / "image.png")
            context.progress(1, 1)
        firmness = float(context.params["guidance_scale"])
        return RunResult(
            outputs=[Output("image", "image.png", "image/png")],
            warnings=[Warning("one_colour", say("drawn in %s with a firmness of %.1f", pen, firmness))],
        )
