"""What a listener understands of each voice, and what the voices cost: written to docs/performance-speech.md.

`python -m benchmarks.ears --help` from pyworkers, with the draft venv; `make ears` runs all of it.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
WEIGHTS = ROOT / ".weights"
CACHE = ROOT / ".cache/ears"
