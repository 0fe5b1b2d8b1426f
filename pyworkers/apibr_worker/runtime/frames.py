"""The frame stream: JSON-RPC 2.0 messages, one a line, on private descriptors.

Only the standard library's lightest modules are imported here, since this runs before everything else.
"""

import json
import os
import threading
from dataclasses import dataclass, field
from typing import IO, Any

MAX_FRAME = 1 << 20
"""Longest line in bytes, newline included."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The two ends of the frame stream, on descriptors that no library knows of."""

    incoming: IO[bytes]
    outgoing: IO[bytes]


def take_over_standard_streams() -> Streams:
    """Moves the frames to private descriptors; fd 0 becomes /dev/null and fd 1 the log.

    A print in any library, or in a subprocess, can then never break a frame. The copies are close-on-exec, so that no
    child holds the stream open.
    """
    incoming = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return Streams(incoming, outgoing)


class FrameError(ValueError):
    """A line that is not a frame: too long, not JSON, or not an object."""


@dataclass(slots=True)
class FrameWriter:
    """Writes whole frames from any thread."""

    stream: IO[bytes]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: dict[str, Any]) -> None:
        """Writes one frame.

        Raises FrameError, and writes nothing, when it would be longer than MAX_FRAME or holds a value that JSON cannot
        express (NaN, an object of a library). Half a surrogate pair becomes a question mark: UTF-8 cannot encode it.
        """
        try:
            text = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise FrameError(f"not a frame: {error}") from None
        line = text.encode(errors="replace") + b"\n"
        if len(line) > MAX_FRAME:
            raise FrameError(f"a frame of {len(line)} bytes; the longest is {MAX_FRAME}")
        with self._lock:
            self.stream.write(line)
            self.stream.flush()


def read_frame(stream: IO[bytes]) -> dict[str, Any] | None:
    """Reads the next frame; None at the end of the stream. Raises FrameError after a line that is not a frame."""
    line = stream.readline(MAX_FRAME)
    if not line:
        return None
    if not line.endswith(b"\n"):
        while part := stream.readline(MAX_FRAME):
            if part.endswith(b"\n"):
                break
        raise FrameError("the frame is longer than 1 MiB or has no end")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not JSON: {type(error).__name__}") from None
    if not isinstance(message, dict):
        raise FrameError("not a JSON object")
    return message
