"""What a run has sent and received so far, kept as segments.

A job that is started again asks for the picture that was paid for and does not order it again.

A segment is a small JSON object, {"picture": 0, "polling_url": "...", "cost": 4.0} for a task that was taken or
{"picture": 0, "over": true} for one that ended without a picture, or a picture as it was delivered. Pictures come in
order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from apibr_worker.engines.bfl.client import Submitted
from apibr_worker.runtime.api import Context

_LONGEST = 1 << 16
"""Bytes of a JSON segment."""


class Journal:
    """pictures are the bodies so far; cost is that of all tasks, None while none was named."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._next = 0
        self._open: dict[int, Submitted] = {}
        self.pictures: list[bytes] = []
        self.cost: float | None = None
        if context.resume is not None:
            self._next = context.resume.index
            for path in context.resume.segments:
                self._read(path)

    def task(self, index: int) -> Submitted | None:
        """The task of an earlier run for a picture, unless it ended without one."""
        return self._open.get(index)

    def submitted(self, index: int, task: Submitted) -> None:
        """Keeps a task that the service has just taken."""
        self._write({"picture": index, "polling_url": task.polling_url, "cost": task.cost})
        self._count(task)

    def over(self, index: int) -> None:
        """Notes that the picture's task ended without one, so that another try of the job submits a new task."""
        self._write({"picture": index, "over": True})

    def delivered(self, body: bytes, mime: str) -> None:
        """Keeps a picture."""
        self._keep(body, mime, mime.rpartition("/")[2])
        self.pictures.append(body)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        try:
            entry: Any = json.loads(content) if len(content) <= _LONGEST else None
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            self.pictures.append(content)
            return
        index, url, cost = entry.get("picture"), entry.get("polling_url"), entry.get("cost")
        if not isinstance(index, int):
            return
        self._open.pop(index, None)
        if isinstance(url, str):
            self._open[index] = Submitted(url, float(cost) if isinstance(cost, (int, float)) else None)
            self._count(self._open[index])

    def _count(self, task: Submitted) -> None:
        if task.cost is not None:
            self.cost = (self.cost or 0.0) + task.cost

    def _write(self, entry: dict[str, Any]) -> None:
        self._keep(json.dumps(entry).encode(), "application/json", "json")

    def _keep(self, content: bytes, mime: str, ending: str) -> None:
        path = self._context.out_dir / f"segment-{self._next:04d}.{ending}"
        path.write_bytes(content)
        self._context.segment(self._next, path, mime)
        self._next += 1
