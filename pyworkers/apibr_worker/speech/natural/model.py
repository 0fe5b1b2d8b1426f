"""Kokoro-82M on onnxruntime: symbols and a style to sound and durations."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from apibr_worker.audio.files import Samples
from apibr_worker.runtime.api import Canceled, Context, EngineError
from apibr_worker.runtime.sentences import say

SAMPLE_RATE, FRAME = 24000, 600
"""Samples a second, and samples of the unit in which durations are counted (25 ms)."""

MOST_IDS = 510
"""What the model takes at once. Memory allows less: see speaker.LONGEST_IDS."""

_STYLE = 256
_VOICE_BYTES = MOST_IDS * _STYLE * 4
_THREADS = 2
"""More gain little and take the machine from others."""
_DURATIONS = "/encoder/Clip_output_0"
_LOOK_SECONDS = 0.02

Styles = NDArray[np.float32]
"""A voice: shape (510, 256), a row for each count of ids."""


def unusable(what: str) -> EngineError:
    """What is said where a file of the model is missing or damaged."""
    return EngineError(
        "model_missing",
        say(
            "the natural voices' file %s is missing or damaged: type `apibr models verify kokoro` to find out, "
            "then `make setup` or `apibr models install kokoro`",
            what,
        ),
    )


class Model:
    """The weights and the folder of voices. One call at a time."""

    def __init__(self, onnx: Path, voices: Path, threads: int = _THREADS) -> None:
        """Loads the model: 0.7 s, 270 MB. Raises EngineError, naming the file, when it is missing or damaged."""
        self._voices = voices
        self._known: dict[str, Styles] = {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, min(threads, _cores()))
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            # No name for the bytes: they are 92 MB that nobody needs after the load.
            self._session = onnxruntime.InferenceSession(_graph(onnx), options, providers=["CPUExecutionProvider"])
        except OSError:
            raise unusable(onnx.name) from None
        except Exception:  # onnxruntime's own errors have no common base
            raise unusable(onnx.name) from None
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = 4

    def styles(self, voice: str) -> Styles:
        """The rows of a voice. Raises EngineError, naming the file, when it is missing or damaged."""
        if voice not in self._known:
            name = f"{voice}.bin"
            if not voice.isidentifier():
                raise unusable("voices")
            try:
                raw = (self._voices / name).read_bytes()
            except OSError:
                raise unusable(name) from None
            rows = np.frombuffer(raw, "<f4") if len(raw) == _VOICE_BYTES else np.zeros(0, np.float32)
            if rows.size == 0 or not np.isfinite(rows).all() or float(np.abs(rows).max()) > 100.0:
                raise unusable(name)
            self._known[voice] = rows.reshape(MOST_IDS, _STYLE)
        return self._known[voice]

    def say(self, ids: Sequence[int], style: NDArray[np.float32], speed: float) -> tuple[Samples, NDArray[np.float64]]:
        """The sound of up to 510 ids, and for each its length in seconds, with one more at either end.

        style: shape (256,). Raises Canceled within watched().
        """
        tokens = np.array([[0, *ids, 0]], np.int64)
        try:
            audio, frames = self._session.run(
                None,
                {"tokens": tokens, "style": style[None, :], "speed": np.array([speed], np.float32)},
                self._options,
            )
        except Exception:
            if self._options.terminate:
                raise Canceled from None
            raise
        samples: Any = audio
        durations: Any = frames
        return samples.astype(np.float32), durations.reshape(-1).astype(np.float64) * (FRAME / SAMPLE_RATE)

    @contextmanager
    def watched(self, context: Context) -> Generator[None]:
        """Within it a cancel of the run ends the model's work, in the middle of a sentence too."""
        over = threading.Event()
        options = self._options

        def watch() -> None:
            try:
                while not over.is_set():
                    context.wait(_LOOK_SECONDS)
            except EngineError:
                options.terminate = True

        watcher = threading.Thread(target=watch, name="watch cancel", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            options.terminate = False


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _graph(onnx: Path) -> bytes:
    """The model's file with the durations among its outputs."""
    with onnx.open("rb") as file:
        return b"".join([file.read(), _more_outputs(_DURATIONS)])


def _more_outputs(name: str) -> bytes:
    """What makes an inner tensor (float32) of an ONNX file an output, appended to the file's bytes.

    A protobuf message followed by another is both merged: repeated fields, such as a graph's outputs, are added up.
    ModelProto.graph is field 7, GraphProto.output 12, ValueInfoProto.name 1 and .type 2, TypeProto.tensor_type 1,
    its elem_type 1, whose value 1 is float (onnx.proto).
    """
    kind = _field(1, bytes([1 << 3, 1]))
    return _field(7, _field(12, _field(1, name.encode()) + _field(2, kind)))


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protobuf message, shorter than 128 bytes."""
    if len(data) > 127:
        raise ValueError("the field is longer than one byte of length tells")
    return bytes([number << 3 | 2, len(data)]) + data
