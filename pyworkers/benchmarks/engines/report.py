"""Tables that say what was measured and how, for people and as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

MB = 1e6
GB = 1e9
Cell = str | int | float | None


@dataclass(slots=True)
class Table:
    """One measurement. how: the method in a sentence or two; notes: what the reader should know of the result."""

    title: str
    how: str
    columns: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """As Markdown."""
        cells = [list(self.columns), *[[_text(cell) for cell in row] for row in self.rows]]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in cells
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = "".join(f"\n{note}" for note in self.notes)
        return f"## {self.title}\n\n{self.how}\n\n" + "\n".join(lines) + ("\n" + notes if notes else "") + "\n"


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 100 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def machine() -> str:
    """Where this ran, in a line."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GB
    load = os.getloadavg()[0]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.1f} GB RAM, {device}; Linux {platform.release()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} threads; "
        f"load average {load:.1f} at the begin"
    )


def save(tables: list[Table], where: str, target: Path) -> None:
    """Writes the tables as JSON."""
    facts = {"machine": where, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "tables": [asdict(t) for t in tables]}
    target.write_text(json.dumps(facts, indent=1), encoding="utf-8")


def fastest(work: Callable[[], Any], repeats: int) -> float:
    """Least of the seconds of so many calls, after one that is not counted."""
    work()
    return min(seconds(work) for _ in range(repeats))


def seconds(work: Callable[[], Any]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
