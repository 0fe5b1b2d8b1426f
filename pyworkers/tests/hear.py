"""`python -m tests.hear FILE LANGUAGE TEXT`: the word error rate, 0..1, of TEXT as a listener hears it in a recording.

For tests that are not written in Python.
"""

from __future__ import annotations

import sys
from pathlib import Path

from apibr_worker.audio.files import read_audio
from apibr_worker.listening import Listener, word_errors
from apibr_worker.listening.listener import SAMPLE_RATE
from tests.harness import ROOT


def main(file: str, language: str, text: str) -> None:
    """Prints the rate, and on standard error what was heard."""
    listener = Listener(ROOT / ".weights/whisper-base/variants/int8/model", threads=2)
    samples = read_audio(Path(file), SAMPLE_RATE, field="audio")
    heard = listener.hear(samples, language=language).text
    sys.stderr.write(f"{heard}\n")
    sys.stdout.write(f"{word_errors(text, heard, language).rate:.4f}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
