"""`python -m tiny_checkpoints DIR`: tiny checkpoints of random weights in the real formats, for tests and for trying
the studio without a download. They make noise, not pictures.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from diffusers.utils import logging

WRITERS: list[tuple[str, dict[str, str]]] = [
    ("flux", {}),
    ("flux", {"model": "flux-kontext"}),
    ("sd35", {}),
    ("upscale", {}),
    ("chatterbox", {}),
]
"""Modules of this package, with the arguments of their write."""


def main(arguments: list[str]) -> int:
    """Writes them all into the folder of the command line."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tiny_checkpoints DIR\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.stderr.write(f"{folder} is not empty: name a new folder\n")
        return 1
    logging.disable_progress_bar()
    for name, arguments_of in WRITERS:
        importlib.import_module(f"tiny_checkpoints.{name}").write(folder, **arguments_of)
        sys.stdout.write(f"{arguments_of.get('model', name)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
