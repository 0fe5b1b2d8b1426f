"""A program that runs one request of each kind in this one process and prints the hashes of what they made.

    python -m tests.seeded FOLDER SEEDS first|last

SEEDS are separated by commas. "last" runs the kinds from the last to the first, so that another job comes before each.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from apibr_worker.engines.draft_avatar.engine import Engine as AvatarEngine
from apibr_worker.engines.draft_image.engine import Engine as ImageEngine
from apibr_worker.engines.draft_speech.engine import Engine as SpeechEngine
from apibr_worker.runtime.api import Engine, InputFile, LoadRequest
from tests.harness import SAMPLES, context

CLONED = {
    "version": 1,
    "f0_median_hz": 130.0,
    "f0_spread_semitones": 2.5,
    "nuclei_per_second": 5.0,
    "loudness_lufs": -23.0,
    "formant_hz": 2500.0,
}
TEXT = "Seis sacos de sal."


def portrait(folder: Path) -> InputFile:
    """The sample's portrait, small."""
    path = folder / "portrait.png"
    picture = np.asarray(cv2.imread(str(SAMPLES / "portrait.png")))
    cv2.imwrite(str(path), cv2.resize(picture, (192, 192), interpolation=cv2.INTER_AREA))
    return InputFile("image", path, "image/png")


def voice(folder: Path) -> InputFile:
    """A cloned voice."""
    path = folder / "voice.json"
    path.write_text(json.dumps(CLONED), encoding="utf-8")
    return InputFile("voice", path, "application/json")


KINDS: dict[str, tuple[Callable[[], Engine], str, dict[str, Any], list[Callable[[Path], InputFile]]]] = {
    "speech": (SpeechEngine, "audio.speech", {"text": TEXT}, []),
    "cloned speech": (SpeechEngine, "audio.speech", {"text": TEXT}, [voice]),
    "picture": (ImageEngine, "image.generate", {"prompt": "um barco", "width": 256, "height": 256}, []),
    "person": (ImageEngine, "image.generate", {"prompt": "uma mulher", "width": 256, "height": 256}, []),
    "avatar": (AvatarEngine, "video.avatar", {"script": "Oi, mamãe!", "fps": 12}, [portrait, voice]),
}
"""Engine, task, parameters and inputs of each request."""


def made(kind: str, folder: Path, seed: int) -> dict[str, str]:
    """Runs a kind's request and hashes its outputs."""
    make, task, params, inputs = KINDS[kind]
    folder.mkdir(parents=True)
    engine = make()
    engine.load(LoadRequest("", "", "default", {}, {}))
    run = context(folder / "out", task, {**params, "seed": seed}, [write(folder) for write in inputs])
    result = engine.run(run)
    paths = {output.name: folder / "out" / output.path for output in result.outputs}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}


def main() -> None:
    """Prints {seed: {kind: {output: hash}}} as JSON."""
    folder, seeds, order = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]
    kinds = list(KINDS) if order == "first" else list(reversed(KINDS))
    hashes = {seed: {kind: made(kind, folder / seed / kind, int(seed)) for kind in kinds} for seed in seeds}
    print(json.dumps(hashes))


if __name__ == "__main__":
    main()
