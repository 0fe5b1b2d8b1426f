"""`python -m apibr_worker.tiny DIR`: tiny checkpoints of random weights in the real formats, for tests and for trying
the studio without a download. They make noise, not pictures.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

WRITERS = ["flux", "sd35", "chatterbox", "upscale"]


def main(arguments: list[str]) -> int:
    """Writes them all into the folder of the command line."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m apibr_worker.tiny DIR\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.stderr.write(f"{folder} is not empty: name a new folder\n")
        return 1
    for name in WRITERS:
        importlib.import_module(f"apibr_worker.tiny.{name}").write(folder)
        sys.stdout.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
