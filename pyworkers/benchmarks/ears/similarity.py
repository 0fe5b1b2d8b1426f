"""Whether two recordings sound like one person, by Resemblyzer: `python -m benchmarks.ears.similarity A.wav B.wav...`.

Prints a JSON list: the cosine of A's voice and that of each other recording. Runs in the models venv, with the folder
of requirements-ears.txt on its path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.ears import CACHE, ROOT

LIBRARY = CACHE / "library"
"""Where scripts/ears.sh puts Resemblyzer."""


def cosines(sample: Path, recordings: list[Path]) -> list[float]:
    """The similarity of each recording's voice and the sample's, -1..1; recordings of one person are above 0.75."""
    command = [
        ROOT / ".venv-models/bin/python",
        "-W",
        "ignore",
        "-m",
        "benchmarks.ears.similarity",
        sample,
        *recordings,
    ]
    path = f"{ROOT / 'pyworkers'}{os.pathsep}{LIBRARY}"
    ended = subprocess.run(
        command, cwd=ROOT / "pyworkers", env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=True
    )
    return json.loads(ended.stdout.splitlines()[-1])


def main(arguments: list[str]) -> int:
    """The other end of cosines."""
    from resemblyzer import VoiceEncoder, preprocess_wav  # pyright: ignore[reportMissingImports]

    encoder = VoiceEncoder("cpu", verbose=False)
    voices = [encoder.embed_utterance(preprocess_wav(Path(name))) for name in arguments]
    print(json.dumps([float(voices[0] @ voice) for voice in voices[1:]]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
