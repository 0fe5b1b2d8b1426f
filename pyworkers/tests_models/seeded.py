"""A program that runs one request of each engine on tiny checkpoints and prints the hashes of what they made, as JSON.

    python -m tests_models.seeded FOLDER CHECKPOINTS SEEDS THREADS first|last

CHECKPOINTS holds the folders flux, sd35, upscale and chatterbox of tiny_checkpoints; SEEDS are separated by commas.
"last" runs the kinds from the last to the first, so that another job comes before each.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from apibr_worker.engines.chatterbox.engine import Engine as Chatterbox
from apibr_worker.engines.flux.engine import Engine as Flux
from apibr_worker.engines.sd35.engine import Engine as SD35
from apibr_worker.engines.upscale.engine import Engine as Upscale
from apibr_worker.runtime.api import Engine, InputFile, LoadRequest
from tests.harness import context

PICTURE = {"prompt": "a praia", "width": 64, "height": 48, "num_inference_steps": 2}
KINDS: dict[str, tuple[Callable[[], Engine], str, str, str, dict[str, Any]]] = {
    "flux": (Flux, "flux/flux-dev", "bf16", "image.generate", PICTURE),
    "sd35": (SD35, "sd35/sd3.5-large", "bf16", "image.generate", PICTURE),
    "upscale": (Upscale, "upscale/realesrgan-x4", "fp32", "image.upscale", {"scale": 4}),
    "chatterbox": (Chatterbox, "chatterbox/chatterbox-pt-br", "fp32", "audio.speech", {"text": "Sim."}),
}
"""Engine, folder of the model, variant, task and parameters of each request."""
SEEDLESS = {"upscale"}
"""Kinds that have nothing to choose: every seed gives the same."""


def picture(path: Path) -> InputFile:
    """A small picture to enlarge."""
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(path)
    return InputFile("image", path, "image/png")


def made(kind: str, engine: Engine, folder: Path, seed: int) -> dict[str, str]:
    """Runs a kind's request and hashes its outputs."""
    _, _, _, task, params = KINDS[kind]
    folder.mkdir(parents=True)
    inputs = [picture(folder / "in.png")] if task == "image.upscale" else []
    result = engine.run(context(folder / "out", task, {**params, "seed": seed}, inputs))
    paths = {output.name: folder / "out" / output.path for output in result.outputs}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}


def loaded(kind: str, checkpoints: Path) -> Engine:
    """A kind's engine with its tiny model."""
    make, model, variant, _, _ = KINDS[kind]
    described = yaml.safe_load((checkpoints / model / "model.yaml").read_text(encoding="utf-8"))
    parts = {part: str(checkpoints / model / path) for part, path in described["variants"][variant].items()}
    engine = make()
    engine.load(LoadRequest("x", Path(model).name, variant, parts, {"device": "cpu"}))
    return engine


def hashes(folder: Path, checkpoints: Path, seeds: list[str], kinds: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    """Runs the kinds in that order: {seed: {kind: {output: hash}}}."""
    found: dict[str, dict[str, dict[str, str]]] = {seed: {} for seed in seeds}
    for kind in kinds:
        engine = loaded(kind, checkpoints)
        for seed, of_seed in found.items():
            of_seed[kind] = made(kind, engine, folder / seed / kind, int(seed))
    return found


def main() -> None:
    """Prints the hashes as JSON."""
    folder, checkpoints, order = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[5]
    torch.set_num_threads(int(sys.argv[4]))
    kinds = list(KINDS) if order == "first" else list(reversed(KINDS))
    print(json.dumps(hashes(folder, checkpoints, sys.argv[3].split(","), kinds)))


if __name__ == "__main__":
    main()
