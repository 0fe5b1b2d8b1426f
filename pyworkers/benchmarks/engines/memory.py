"""How much memory this process holds, anonymous and file-backed apart, and the highest of both within a phase.

Pages of a file that is mapped cost nothing when memory is short: the kernel drops them and reads them again. Only
anonymous memory counts against the machine, so that the two are never added up here but in VmHWM, the kernel's own
peak of both.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.01
"""Seconds between two reads of /proc/self/status, whose counters cost nothing to read."""
_PROC = Path("/proc/self")


@dataclass(slots=True)
class Phase:
    """A phase's figures in bytes. before, peak and after are anonymous; files are file-backed; high_water is VmHWM."""

    name: str
    seconds: float = 0.0
    before: int = 0
    peak: int = 0
    after: int = 0
    file_peak: int = 0
    file_after: int = 0
    high_water: int = 0


def rollup() -> tuple[int, int]:
    """Anonymous and file-backed bytes by /proc/self/smaps_rollup, which walks the page tables and is exact."""
    lines = (_PROC / "smaps_rollup").read_text().splitlines()[1:]
    facts = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    return facts["Anonymous"], facts["Rss"] - facts["Anonymous"]


def counters() -> dict[str, int]:
    """Bytes by /proc/self/status: RssAnon, RssFile, VmHWM and so on."""
    facts: dict[str, int] = {}
    for line in (_PROC / "status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            facts[name] = int(rest.split()[0]) * 1024
    return facts


def trim() -> None:
    """Gives back what Python and the allocator keep of what was freed, lest a peak hides in it."""
    gc.collect()
    with suppress(AttributeError):  # another libc than glibc
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def phase(name: str) -> Generator[Phase]:
    """Watches the block from a thread. The exact counters are read before and after it."""
    found = Phase(name)
    trim()
    (_PROC / "clear_refs").write_text("5")  # VmHWM begins anew
    found.before, found.file_peak = rollup()
    found.peak = found.before
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL):
            now = counters()
            found.peak = max(found.peak, now["RssAnon"])
            found.file_peak = max(found.file_peak, now["RssFile"])

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begin = time.perf_counter()
    try:
        yield found
    finally:
        found.seconds = time.perf_counter() - begin
        ended.set()
        watcher.join()
        found.after, found.file_after = rollup()
        found.peak, found.file_peak = max(found.peak, found.after), max(found.file_peak, found.file_after)
        found.high_water = counters()["VmHWM"]
