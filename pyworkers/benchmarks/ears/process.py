"""Speaks through a real sidecar process, as the server does, and measures it from outside."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.ears import WEIGHTS
from tests.harness import SidecarProcess

_POLL = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_NOT_BUSY = (3, 4)
"""The fields idle and iowait of the first line of /proc/stat."""
_PARTS = {
    "kokoro": {"onnx": "kokoro/variants/int8/onnx/kokoro-v1.0.int8.onnx", "voices": "kokoro/variants/int8/voices"},
    "whisper-base": {"model": "whisper-base/variants/int8/model"},
}


def own_files(model: str) -> dict[str, str]:
    """The files of a model that came with `make setup`, as a load frame names them."""
    return {part: str(WEIGHTS / path) for part, path in _PARTS[model].items()}


def borrowed_files(*models: str) -> dict[str, str]:
    """The same for an engine that borrows them."""
    return {f"{model}/{part}": path for model in models for part, path in own_files(model).items()}


class FailedError(Exception):
    """The engine answered a request with an error."""


@dataclass(frozen=True, slots=True)
class Made:
    """One finished run. seconds: from the run frame to its answer; cpu: of all cores together; first: to the first
    segment, None without one; others: how many cores other programs kept busy meanwhile.
    """

    seconds: float
    cpu: float
    first: float | None
    others: float
    segments: int
    samples: NDArray[np.float32]
    sample_rate: int
    metadata: dict[str, Any]

    @property
    def sound(self) -> float:
        """Length of the recording in seconds."""
        return self.samples.size / self.sample_rate

    @property
    def digest(self) -> str:
        """Hash of the samples."""
        return hashlib.sha256(self.samples.tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer to a run frame, and what was seen until it came: as in Made."""

    result: dict[str, Any]
    seconds: float
    cpu: float
    first: float | None
    segments: int
    others: float


class Process:
    """A sidecar with its engine loaded. load_seconds: as the engine took them; start_seconds: from exec to hello."""

    def __init__(
        self,
        engine: str,
        files: dict[str, str],
        *,
        model: str = "",
        variant: str = "int8",
        python: str = sys.executable,
    ) -> None:
        begin = time.monotonic()
        self._sidecar = SidecarProcess(argv=[python, "-m", "apibr_worker", "--engine", engine])
        self._folder = Path(tempfile.mkdtemp(prefix="apibr-ears-"))
        self._runs = 0
        self._helpers: dict[int, int] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        self._sidecar.await_frame("hello")
        self.start_seconds = time.monotonic() - begin
        begin = time.monotonic()
        load = {
            "engine": engine,
            "model": model or engine,
            "variant": variant,
            "files": files,
            "plan": {"device": "cpu"},
        }
        try:
            self._answer(self._sidecar.send("load", load))
        except FailedError:
            self.__exit__()
            raise
        self.load_seconds = time.monotonic() - begin

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._sidecar.__exit__()
        shutil.rmtree(self._folder, ignore_errors=True)

    def speak(self, voice: dict[str, Any] | None, language: str, text: str, seed: int = 1) -> Made:
        """Speaks a text. voice: the content of a voice file. Raises FailedError."""
        out = self._new_folder()
        inputs: list[dict[str, Any]] = []
        if voice is not None:
            path = out / "in-voice.json"
            path.write_text(json.dumps(voice), encoding="utf-8")
            inputs.append(_input("voice", path, "application/json", {"language": language}))
        params = {"text": text, "language": language, "seed": seed}
        ended = self.run("audio.speech", params, inputs, out)
        [speech] = [item["path"] for item in ended.result["outputs"] if item["name"] == "speech"]
        samples, rate = soundfile.read(out / speech, dtype="float32")
        shutil.rmtree(out)
        return Made(
            seconds=ended.seconds,
            cpu=ended.cpu,
            first=ended.first,
            others=ended.others,
            segments=ended.segments,
            samples=np.asarray(samples, dtype=np.float32),
            sample_rate=rate,
            metadata=dict(ended.result.get("metadata") or {}),
        )

    def clone(self, sample: Path) -> dict[str, Any]:
        """The voice file that the engine makes of a recording."""
        out = self._new_folder()
        params = {"name": "ears", "language": "en", "seed": 1}
        self.run("audio.clone_voice", params, [_input("sample", sample, "audio/wav", {})], out)
        return json.loads((out / "voice.json").read_text(encoding="utf-8"))

    def transcribe(self, recording: Path) -> float:
        """Seconds that writing down a recording takes."""
        return self.run("audio.transcribe", {"seed": 1}, [_input("audio", recording, "audio/wav", {})]).seconds

    def run(self, task: str, params: dict[str, Any], inputs: list[dict[str, Any]], out: Path | None = None) -> Ended:
        """Sends a run frame and waits for its answer. Raises FailedError."""
        frame = {"job": f"ears-{self._runs}", "fence": 1, "task": task, "params": params, "inputs": inputs}
        busy, own, begin = _busy_seconds(), self._cpu_seconds(), time.monotonic()
        sent = self._sidecar.send("run", {**frame, "out_dir": str(out or self._new_folder()), "resume_from": None})
        result, first, segments = self._answer(sent)
        seconds, cpu = time.monotonic() - begin, self._cpu_seconds() - own
        others = max(0.0, _busy_seconds() - busy - cpu) / seconds
        return Ended(result, seconds, cpu, first - begin if first else None, segments, others)

    def resident_bytes(self) -> int:
        """What the process holds now."""
        return _status(self._sidecar.process.pid, "VmRSS")

    def peak_bytes(self) -> int:
        """The most that the process held, and the largest of the programs that it started, together."""
        return _status(self._sidecar.process.pid, "VmHWM") + max(self._helpers.values(), default=0)

    def _answer(self, sent: int) -> tuple[dict[str, Any], float | None, int]:
        """The answer to a request, when its first segment came, and how many came."""
        first, segments = None, 0
        while True:
            frame = self._sidecar.frames.get()
            if frame is None:
                raise FailedError(f"the sidecar ended: {self._sidecar.stderr.decode(errors='replace')[-2000:]}")
            if frame.get("method") == "segment":
                first, segments = first or time.monotonic(), segments + 1
            elif frame.get("id") == sent and "method" not in frame:
                if "error" in frame:
                    raise FailedError(str(frame["error"]))
                return frame["result"], first, segments

    def _new_folder(self) -> Path:
        self._runs += 1
        out = self._folder / str(self._runs)
        out.mkdir()
        return out

    def _children(self) -> list[int]:
        pid = self._sidecar.process.pid
        found: list[int] = []
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += [int(child) for child in listed.read_text().split()]
            except OSError:
                continue
        return found

    def _watch(self) -> None:
        while not self._ended.wait(_POLL):
            own = _command(self._sidecar.process.pid)
            for child in self._children():
                # Until it has become another program, a child shares the memory of this one.
                if _command(child) not in (own, b""):
                    self._helpers[child] = max(self._helpers.get(child, 0), _status(child, "VmHWM"))

    def _cpu_seconds(self) -> float:
        """Of the process and of the programs that it started and that have ended."""
        text = Path(f"/proc/{self._sidecar.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return sum(int(field) for field in text[11:15]) / _TICKS


def _busy_seconds() -> float:
    """Seconds of all cores that any program has used since the start of the machine."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(int(field) for at, field in enumerate(fields) if at not in _NOT_BUSY) / _TICKS


def _status(pid: int, name: str) -> int:
    """Bytes of a line of /proc/PID/status; 0 when the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":")), 0)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _input(name: str, path: Path, mime: str, metadata: dict[str, Any]) -> dict[str, Any]:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return {
        "name": name,
        "path": str(path),
        "mime": mime,
        "size": len(data),
        "sha256": digest,
        "metadata": metadata,
    }
