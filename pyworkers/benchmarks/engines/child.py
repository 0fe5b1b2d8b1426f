"""Runs a measurement in a process of its own, so that no other has left memory there."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "benchmarks.engines"
ROOT = Path(__file__).parents[2]


def run(target: str, **arguments: Any) -> Any:
    """Calls "module:function" of this package with these JSON values in a new process; returns what it returns.

    Raises SystemExit with the process's own last words when it fails.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:
        command = [sys.executable, "-m", PACKAGE, "child", target, json.dumps(arguments), answer.name]
        ended = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
        if ended.returncode:
            raise SystemExit(f"{target} {arguments} ended with status {ended.returncode}")
        return json.loads(Path(answer.name).read_text(encoding="utf-8"))


def serve(target: str, arguments: str, answer: str) -> None:
    """The other end of run."""
    module, _, function = target.partition(":")
    made = getattr(importlib.import_module(f"{PACKAGE}.{module}"), function)(**json.loads(arguments))
    Path(answer).write_text(json.dumps(made), encoding="utf-8")
