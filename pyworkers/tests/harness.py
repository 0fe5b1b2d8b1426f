"""A sidecar as its supervisor sees it, and a context for engines called directly."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apibr_worker.runtime.api import Context, InputFile, Resume
from apibr_worker.runtime.sentences import Sentence

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
WEIGHTS = ROOT / ".weights"
"""The models that `make setup` brings; see conftest.py."""
_KOKORO = WEIGHTS / "kokoro/variants/int8"
NATURAL = {"kokoro/onnx": str(_KOKORO / "onnx/kokoro-v1.0.int8.onnx"), "kokoro/voices": str(_KOKORO / "voices")}
"""The files of the natural voices' model, as an engine that borrows it gets them."""
PATIENCE = 60.0
"""Seconds that a test waits for a frame or an end; a passing test never needs them."""


class SidecarProcess:
    """A real sidecar, spoken to in frames."""

    def __init__(self, engine: str = "", argv: list[str] | None = None) -> None:
        command = argv or [sys.executable, "-m", "apibr_worker", "--engine", engine]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT / "pyworkers",
            env={**os.environ, "PYTHONPATH": str(ROOT / "pyworkers")},
        )
        self.frames: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.stderr = bytearray()
        self._next_id = 0
        for target in (self._read, self._drain):
            threading.Thread(target=target, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.frames.put(json.loads(line))
        self.frames.put(None)

    def _drain(self) -> None:
        assert self.process.stderr
        while chunk := os.read(self.process.stderr.fileno(), 65536):
            self.stderr += chunk

    def raw(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, method: str, params: dict[str, Any] | None = None, *, notify: bool = False) -> int:
        frame: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if not notify:
            self._next_id += 1
            frame["id"] = self._next_id
        self.raw(json.dumps(frame).encode() + b"\n")
        return self._next_id

    def await_frame(self, what: str) -> dict[str, Any]:
        """The next frame of a method, or the next answer when what is "answer"; others are passed over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            # Heartbeats keep coming from a sidecar that is deaf: the deadline is for the frame that is waited for.
            frame = self.frames.get(timeout=max(0.0, deadline - time.monotonic()))
            assert frame is not None, f"the sidecar ended: {self.stderr.decode()}"
            if (what == "answer" and "method" not in frame) or frame.get("method") == what:
                return frame

    def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self.send(method, params)
        return self.await_frame("answer")

    def close(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(timeout=PATIENCE)

    def __enter__(self) -> SidecarProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


class Recorder:
    """A reporter that keeps all reports."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int | None]] = []
        self.previews: list[str] = []
        self.segments: list[Path] = []
        self.segment_mimes: set[str] = set()
        self.when: Callable[[str, int], None] = lambda phase, step: None
        """Called at each step, with its phase: a test cancels here."""

    def progress(self, phase: str, step: int, total: int | None, message: Sentence | None, preview: str | None) -> None:
        del message
        self.steps.append((phase, step, total))
        if preview:
            self.previews.append(preview)
        self.when(phase, step)

    def segment(self, index: int, path: Path, mime: str) -> None:
        assert index == len(self.segments)
        self.segments.append(path)
        self.segment_mimes.add(mime)


def context(
    out_dir: Path,
    task: str,
    params: dict[str, Any],
    inputs: list[InputFile] | None = None,
    *,
    resume: Resume | None = None,
    reporter: Recorder | None = None,
    canceled: threading.Event | None = None,
) -> Context:
    out_dir.mkdir(parents=True, exist_ok=True)
    return Context(
        task=task,
        params=params,
        inputs=inputs or [],
        out_dir=out_dir,
        resume=resume,
        reporter=reporter or Recorder(),
        canceled=canceled,
    )
