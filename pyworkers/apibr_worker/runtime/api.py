"""What an engine sees: a request, a context to report to, and the errors it may raise. It never sees a frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from apibr_worker.runtime.child import Child
from apibr_worker.runtime.sentences import Sentence, say


class EngineError(Exception):
    """A failure that the user or the supervisor can act on. The message is shown to the user: no path, no key.

    code is one of the protocol's error codes; field names the request field to change, if one is to blame.
    """

    def __init__(self, code: str, message: Sentence, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class InvalidInputError(EngineError):
    """The request cannot be honoured; the message says what to change."""

    def __init__(self, message: Sentence, *, field: str | None = None) -> None:
        super().__init__("invalid_input", message, field=field)


class Canceled(EngineError):
    """Raised by Context.check_cancel; an engine lets it pass."""

    def __init__(self, phase: str | None = None) -> None:
        super().__init__("canceled", say("canceled in phase %s", phase) if phase else say("canceled"))


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input file. The supervisor has put it into the run's folder."""

    name: str
    path: Path
    mime: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resume:
    """What an earlier attempt finished: segments 0..index-1, as files in this run's folder."""

    index: int
    segments: list[Path]


@dataclass(frozen=True, slots=True)
class Output:
    """One result file, relative to the run's folder."""

    name: str
    path: str
    mime: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Warning:
    """Something that the user should know and that did not stop the run."""

    code: str
    message: Sentence


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made. metadata is kept with the job; warnings are shown to the user."""

    outputs: list[Output]
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[Warning] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to load. files: the model's paths by part ("t3", "base"); plan: device and limits."""

    engine: str
    model: str
    variant: str
    files: dict[str, str]
    plan: dict[str, Any]


class Reporter(Protocol):
    """Where a context's reports go: frames in a sidecar, a list in a test."""

    def progress(
        self, phase: str, step: int, total: int | None, message: Sentence | None, preview: str | None
    ) -> None: ...

    def segment(self, index: int, path: Path, mime: str) -> None: ...


class Context:
    """One run as its engine sees it."""

    def __init__(
        self,
        *,
        task: str,
        params: dict[str, Any],
        inputs: list[InputFile],
        out_dir: Path,
        resume: Resume | None,
        reporter: Reporter,
        canceled: threading.Event | None = None,
        plan: dict[str, Any] | None = None,
    ) -> None:
        self.task = task
        self.params = params
        self.inputs = inputs
        self.out_dir = out_dir
        self.resume = resume
        self.plan = plan
        """The plan of this run where it differs from the plan of the load; else None."""
        self.timings: dict[str, float] = {}
        """Seconds by phase."""
        self.phase_name: str | None = None
        self._reporter = reporter
        self._canceled = canceled or threading.Event()

    @property
    def seed(self) -> int:
        """The seed of this run, always present: the server chooses one when the user does not."""
        return int(self.params.get("seed", 0))

    def input(self, name: str) -> InputFile | None:
        """The input of that name, or None."""
        return next((item for item in self.inputs if item.name == name), None)

    def check_cancel(self) -> None:
        """Raises Canceled when the user has canceled the run. To be called at least once per block_seconds."""
        if self._canceled.is_set():
            raise Canceled(self.phase_name)

    def wait(self, seconds: float) -> None:
        """Sleeps; raises Canceled as soon as the user has canceled the run."""
        self._canceled.wait(seconds)
        self.check_cancel()

    @contextmanager
    def phase(self, name: str) -> Generator[None]:
        """Runs a phase: measures its time and tells the supervisor that it begins. Raises Canceled."""
        self.check_cancel()
        begin, self.phase_name = time.monotonic(), name
        self._reporter.progress(name, 0, None, None, None)
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.monotonic() - begin

    def progress(
        self, step: int, total: int | None = None, *, message: Sentence | None = None, preview: Path | None = None
    ) -> None:
        """Reports a step of the current phase. preview: a JPEG in the run's folder. Raises Canceled."""
        self.check_cancel()
        relative = preview.relative_to(self.out_dir).as_posix() if preview else None
        self._reporter.progress(self.phase_name or "run", step, total, message, relative)

    def segment(self, index: int, path: Path, mime: str) -> None:
        """Hands over a finished piece of the result: it outlives a crash and comes back in Resume."""
        self._reporter.segment(index, path, mime)

    def child(self, argv: list[str], *, stdin: bool = False, stdout: bool = False, cwd: Path | None = None) -> Child:
        """Starts a program that dies with this process and with the run's cancel.

        Use it as a context manager; arguments are a list, there is no shell. stdin and stdout say which of the two to
        pipe; standard error is kept for ChildError's message.
        """
        return Child(argv, stdin=stdin, stdout=stdout, cwd=cwd, check_cancel=self.check_cancel)


class Engine(Protocol):
    """One model family. The module named in the manifest has a class Engine with this shape."""

    def load(self, request: LoadRequest) -> None:
        """Makes the model ready to run."""
        ...

    def run(self, context: Context) -> RunResult:
        """Runs one task, already validated by the manifest's schema."""
        ...

    def unload(self) -> None:
        """Frees what load took."""
        ...
