"""Tables, on the screen and in docs/performance-speech.md, where each has its place between two marks."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.ears import ROOT

PAGE = ROOT / "docs/performance-speech.md"
VOICES_PAGE = ROOT / "docs/voices.md"
QUIET = 0.3
"""Cores that other programs may keep busy while a time is taken that is held against its limit."""


@dataclass(slots=True)
class Table:
    """One measurement. mark: its place in the page; broken: the limits that were not held, a line each."""

    mark: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list[Sequence[str]])
    notes: list[str] = field(default_factory=list[str])
    broken: list[str] = field(default_factory=list[str])

    def row(self, *cells: str) -> None:
        """Adds a row."""
        self.rows.append(cells)

    def held(self, what: str, value: float, limit: float, shown: str, others: float = 0.0) -> str:
        """Notes a broken limit, and says how a value stands to its limit. A time is judged on quiet cores only."""
        if value <= limit:
            return "held"
        if others > QUIET:
            return "not judged: busy cores"
        self.broken.append(f"{what}: {shown}")
        return "**broken**"

    def text(self) -> str:
        """As Markdown."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        notes = "".join(f"\n\n{note}" for note in self.notes)
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + notes


def percent(rate: float) -> str:
    """A share of 0..1 as people read it."""
    return f"{100 * rate:.1f} %"


def write(table: Table, page: Path = PAGE, *, dated: bool = True) -> None:
    """Puts a table into a page. dated: with where and when it was measured."""
    begin, end = f"<!-- {table.mark} -->\n", f"\n<!-- /{table.mark} -->"
    facts = f"\n\n{where()}" if dated else ""
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page.name} has no place for {table.mark}")
    page.write_text(f"{before}{begin}\n{table.text()}{facts}\n{end}{after}", encoding="utf-8")


def where() -> str:
    """Where and when this was measured, in a line of at most 120 columns each."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%d %B %Y, %H:%M UTC', time.gmtime())}; {model}, {os.cpu_count()} cores, {memory:.0f} GB;\n"
        f"Linux {platform.release()}, Python {platform.python_version()}, onnxruntime {version('onnxruntime')}, "
        f"faster-whisper {version('faster-whisper')};\nload average {load:.1f} at the end."
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
