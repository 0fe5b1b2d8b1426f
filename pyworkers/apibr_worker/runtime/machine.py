"""What this process takes of the machine, and which failures are the machine's. torch is used only where an engine has
imported it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import say

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "alloc_failed")
_DEVICE = ("hip error", "cuda error", "hiperror", "cudaerror", "device-side assert", "hsa_status", "miopen error")


def private_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Bytes that only the end of this process gives back. Pages of mapped files do not count: the kernel can take them.

    Weights are mapped, so counting them would make a model of 7 GB look as if it filled the machine.
    """
    total = 0
    for line in status.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "RssShmem"):
            total += int(value.split()[0]) * 1024
    return total


def vram_bytes() -> int:
    """Bytes of all cards that torch holds for this process, its cache included. 0 before its first use."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return 0
    return sum(cuda.memory_reserved(index) for index in range(cuda.device_count()))


def kind() -> str:
    """cpu, hip or cuda: what the imported torch was built for. Asks no driver: a spare must not touch the card."""
    version = getattr(sys.modules.get("torch"), "version", None)
    if getattr(version, "hip", None):
        return "hip"
    return "cuda" if getattr(version, "cuda", None) else "cpu"


def fault(error: BaseException) -> EngineError | None:
    """The protocol's word for a failure of memory or of the device; None for anything else.

    torch raises OutOfMemoryError for a card and a plain RuntimeError for the host; after any other error of HIP or CUDA
    the process cannot use the card any more.
    """
    if isinstance(error, MemoryError):
        return EngineError(
            "out_of_memory", say("there is not enough memory: close other programs, or choose a smaller size")
        )
    if not isinstance(error, RuntimeError):
        return None
    torch: Any = sys.modules.get("torch")
    text = str(error).lower()
    if isinstance(error, getattr(torch, "OutOfMemoryError", ())) or any(word in text for word in _OUT_OF_MEMORY):
        return EngineError(
            "out_of_memory",
            say("there is not enough memory: choose a smaller size or fewer pictures")
            if "cpu" in text.partition("allocat")[0]
            else say("there is not enough graphics memory: choose a smaller size or fewer pictures"),
        )
    if any(word in text for word in _DEVICE):
        return EngineError(
            "device_lost", say("the graphics card stopped answering, and the engine is being restarted: try again")
        )
    return None
