"""From frames to files: pieces that can be kept, and the whole with its sound."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apibr_worker.runtime.api import Context
from apibr_worker.runtime.child import Child
from apibr_worker.runtime.ffmpeg import ffmpeg

SEGMENT_SECONDS = 2
LABEL = "APIBR Studio draft, AI-made media"
_QUIET = ["-nostdin", "-v", "error", "-y"]
# No time, version or id of the encoder in the file: the same frames give the same bytes.
_EXACT = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]


@contextmanager
def segment(context: Context, path: Path, width: int, height: int, fps: int) -> Generator[Child]:
    """Opens an encoder for one piece; write BGR frames to it. Each piece is a closed group of pictures of its own."""
    argv = [
        ffmpeg(),
        *_QUIET,
        "-f",
        "rawvideo",
        "-pix_fmt",
        "bgr24",
        "-s",
        f"{width}x{height}",
        "-r",
        str(fps),
        "-i",
        "pipe:0",
    ]
    argv += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "19", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "1000"]
    # A lookahead in a thread of its own chooses other frame types under load: the same frames would give other bytes.
    argv += ["-x264-params", "sync-lookahead=0", "-threads", "2"]
    argv += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    argv += ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-video_track_timescale", "12800"]
    argv += [*_EXACT, "-f", "mp4", str(path)]
    with context.child(argv, stdin=True) as child:
        yield child
        child.wait()


def write_frame(encoder: Child, frame: NDArray[np.uint8]) -> None:
    """Hands one frame to the encoder."""
    encoder.write(np.ascontiguousarray(frame).tobytes())


def join(context: Context, pieces: list[Path], audio: Path, out: Path) -> None:
    """Strings the pieces together without decoding them, and adds the sound."""
    listing = context.out_dir / "pieces.txt"
    quoted = [piece.absolute().as_posix().replace("'", "'\\''") for piece in pieces]
    listing.write_text("".join(f"file '{path}'\n" for path in quoted), encoding="utf-8")
    argv = [
        ffmpeg(),
        *_QUIET,
        "-protocol_whitelist",
        "file",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        str(listing),
        "-i",
        str(audio),
    ]
    argv += ["-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy", "-c:a", "aac", "-b:a", "160k", "-movflags", "+faststart"]
    argv += ["-map_metadata", "-1", "-metadata", f"comment={LABEL}", *_EXACT, "-f", "mp4", str(out)]
    with context.child(argv) as child:
        child.wait()
