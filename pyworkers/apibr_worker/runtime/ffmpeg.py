"""Which ffmpeg the engines start."""

from __future__ import annotations

import os
from functools import cache


@cache
def ffmpeg() -> str:
    """The ffmpeg program: the one that the studio names, else the one of this environment."""
    named = os.environ.get("APIBR_FFMPEG")
    if named:
        return named
    import imageio_ffmpeg  # noqa: PLC0415 - only needed outside the studio

    return imageio_ffmpeg.get_ffmpeg_exe()
