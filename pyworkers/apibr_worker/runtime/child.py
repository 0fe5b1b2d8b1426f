"""The one place that starts other programs.

The kernel kills a sidecar when its supervisor dies, but that signal reaches only the direct child. So every program
that a sidecar starts gets a death signal of its own, and since the signal follows the thread that forked, all are
started from one thread that lives as long as the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import queue
import select
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import IO

_PR_SET_PDEATHSIG = 1
# Looked up now: between fork and exec the loader's lock may be held by a thread that no longer exists.
_prctl = ctypes.CDLL(None, use_errno=True).prctl
_STDERR_BYTES = 8 << 10
_POLL_SECONDS = 0.05
_LAST_BREATH_SECONDS = 1.0
_INTERRUPTED = frozenset({123, 126, 127, 255, *range(129, 160)})
"""Exit statuses of a program that a loader or a shell could not run or saw killed, and of ffmpeg after a signal."""


def _die_with_parent(parent: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
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

    def __init__(self, message: str, *, interrupted: bool = False) -> None:
        super().__init__(message)
        self.interrupted = interrupted
        """Whether something outside ended it (no memory, a stop), so that its input is not to blame."""


_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)


def interrupted(error: BaseException) -> bool:
    """Whether a failure came from outside the run: one of its programs was killed, or the computer had no files,
    processes or memory left for one. The same run may succeed later."""
    if isinstance(error, ChildError):
        return error.interrupted
    return isinstance(error, OSError) and error.errno in _SHORTAGES


class Child:
    """A running program. It is killed when the run is canceled, and when its context is left while it still runs.

    A thread watches the cancel flag and keeps the end of the program's standard error, so that a read or a write that
    is blocked on the program ends with it.
    """

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
        self._errors = bytearray()
        self._watcher = threading.Thread(target=self._watch, name=f"watch {self._name}", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - piped above
        stderr = self.process.stderr.fileno()
        canceled = False
        while True:
            if select.select([stderr], [], [], _POLL_SECONDS)[0]:
                chunk = os.read(stderr, 65536)
                if not chunk:
                    return
                self._errors += chunk
                del self._errors[:-_STDERR_BYTES]
            if not canceled:
                try:
                    self._check_cancel()
                except Exception:  # whatever it raises, it means: stop
                    canceled = True
                    self.process.kill()

    @property
    def stdin(self) -> IO[bytes]:
        """Its standard input; write() is the safe way to fill it."""
        assert self.process.stdin is not None, "started without stdin=True"  # noqa: S101
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output. An early end means that the program failed: wait() tells how."""
        assert self.process.stdout is not None, "started without stdout=True"  # noqa: S101
        return self.process.stdout

    def write(self, data: bytes | memoryview) -> None:
        """Writes to the program's standard input at once. Raises ChildError when it has ended, or the cancel error."""
        try:
            self.stdin.write(data)
            self.stdin.flush()
        except BrokenPipeError:
            self.wait()
            raise ChildError(f"{self._name} ended early") from None

    def read_all(self) -> bytes:
        """Reads standard output to its end and waits. Raises ChildError on a failure, or the cancel error."""
        data = self.stdout.read()
        self.wait()
        return data

    def wait(self) -> None:
        """Closes standard input and waits for the end. Raises ChildError on a failure, or the cancel error."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        status = self.process.wait()  # the watcher ends it when the run is canceled
        if status != 0:
            self._check_cancel()
            self._watcher.join(_LAST_BREATH_SECONDS)
            message = f"{self._name} ended with status {status}: {self.last_words()}"
            raise ChildError(message, interrupted=status < 0 or status in _INTERRUPTED)

    def last_words(self) -> str:
        """The end of what the program wrote to its standard error, at most 8 KiB."""
        return " | ".join(self._errors.decode(errors="replace").split("\n")).strip(" |")

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._watcher.join(_LAST_BREATH_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def run(argv: list[str], check_cancel: Callable[[], None] = lambda: None) -> bytes:
    """Runs a program to its end and returns its standard output. Raises ChildError when it fails."""
    with Child(argv, stdin=False, stdout=True, cwd=None, check_cancel=check_cancel) as child:
        return child.read_all()
