"""The one place that starts other programs.

The kernel kills a sidecar when its supervisor dies, but that signal reaches only the direct child. So every program
that a sidecar starts gets a death signal of its own, and since the signal follows the thread that forked, all are
started from one thread that lives as long as the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_STDERR_LINES = 40
_POLL_SECONDS = 0.05


def _die_with_parent(parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent died between fork and prctl
        os._exit(1)


class _Spawner:
    """Runs Popen in a thread that never ends."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._serve, name="spawner", daemon=True).start()

    def _serve(self) -> None:
        while True:
            start, future = self._jobs.get()
            try:
                future.set_result(start())
            except BaseException as error:  # a missing program must not end the thread
                future.set_exception(error)

    def start(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        future: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, future))
        return future.result()


_spawner: _Spawner | None = None
_spawner_lock = threading.Lock()


def _the_spawner() -> _Spawner:
    global _spawner  # noqa: PLW0603 - one thread a process, made when the first program is started
    with _spawner_lock:
        if _spawner is None:
            _spawner = _Spawner()
        return _spawner


class ChildError(RuntimeError):
    """A program ended with a failure; the message holds its name, its exit status and its last words."""


class Child:
    """A running program. Leaving the context kills it if it still runs."""

    def __init__(
        self,
        argv: list[str],
        *,
        stdin: bool,
        stdout: bool,
        cwd: Path | None,
        check_cancel: Callable[[], None],
    ) -> None:
        parent = os.getpid()
        self._name = Path(argv[0]).name
        self._check_cancel = check_cancel
        self.process = _the_spawner().start(
            lambda: subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=cwd,
                preexec_fn=lambda: _die_with_parent(parent),  # noqa: PLW1509 - calls only prctl
            )
        )
        self._errors: deque[str] = deque(maxlen=_STDERR_LINES)
        self._drain = threading.Thread(target=self._keep_errors, daemon=True)
        self._drain.start()

    def _keep_errors(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - piped above
        for line in self.process.stderr:
            self._errors.append(line.decode(errors="replace").rstrip())

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None, "started without stdin=True"  # noqa: S101
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None, "started without stdout=True"  # noqa: S101
        return self.process.stdout

    def write(self, data: bytes | memoryview) -> None:
        """Writes to the program's standard input. Raises ChildError when it has ended."""
        try:
            self.stdin.write(data)
        except BrokenPipeError:
            self.wait()
            raise ChildError(f"{self._name} ended early") from None

    def read_all(self) -> bytes:
        """Reads standard output to its end and waits. Raises ChildError on a failure."""
        data = self.stdout.read()
        self.wait()
        return data

    def wait(self) -> None:
        """Closes standard input and waits, looking at the cancel flag. Raises ChildError when the program failed."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        while True:
            try:
                status = self.process.wait(timeout=_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                self._check_cancel()
        self._drain.join()
        if status != 0:
            raise ChildError(f"{self._name} ended with status {status}: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what the program wrote to its standard error."""
        return " | ".join(self._errors)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def run(argv: list[str], check_cancel: Callable[[], None] = lambda: None) -> bytes:
    """Runs a program to its end and returns its standard output. Raises ChildError when it fails."""
    with Child(argv, stdin=False, stdout=True, cwd=None, check_cancel=check_cancel) as child:
        return child.read_all()
