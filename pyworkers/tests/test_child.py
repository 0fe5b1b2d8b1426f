"""Programs that a sidecar starts: they end with the run, with the process, and with their own failure."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from apibr_worker.runtime.api import Canceled
from apibr_worker.runtime.child import ChildError
from tests.harness import PATIENCE, context


def test_a_failure_tells_status_and_last_words(tmp_path: Path) -> None:
    program = "import sys; sys.stderr.write('x' * 100000 + ' the reason'); sys.exit(3)"
    with context(tmp_path, "t", {}).child([sys.executable, "-c", program]) as child:
        with pytest.raises(ChildError, match=r"status 3: x+ the reason$") as failed:
            child.wait()
        assert len(str(failed.value)) < 9000, "the error output is capped"


def test_a_missing_program_is_an_error_and_the_next_one_starts(tmp_path: Path) -> None:
    run = context(tmp_path, "t", {})
    with pytest.raises(FileNotFoundError):
        run.child(["/no/such/program"])
    with run.child(["true"]) as child:
        child.wait()


@pytest.mark.parametrize("blocked_in", ["read", "write", "wait"])
def test_cancel_ends_a_program_that_we_are_blocked_on(tmp_path: Path, blocked_in: str) -> None:
    canceled = threading.Event()
    run = context(tmp_path, "t", {}, canceled=canceled)
    with run.child(["sleep", "30"], stdin=True, stdout=True) as child:
        entered = threading.Timer(0.2, canceled.set)
        entered.start()
        with pytest.raises(Canceled):
            if blocked_in == "read":
                child.read_all()
            elif blocked_in == "write":
                while True:
                    child.write(b"x" * (1 << 20))
            else:
                child.wait()
        assert child.process.poll() is not None


def test_leaving_the_block_kills_the_program(tmp_path: Path) -> None:
    with context(tmp_path, "t", {}).child(["sleep", "1000"]) as child:
        handle = os.pidfd_open(child.process.pid)
    assert child.process.returncode == -9
    os.close(handle)


def test_writing_to_a_program_that_ended_tells_why(tmp_path: Path) -> None:
    program = "import sys; sys.stdin.close(); sys.stderr.write('no more'); sys.exit(4)"
    with context(tmp_path, "t", {}).child([sys.executable, "-c", program], stdin=True) as child:
        child.process.wait(timeout=PATIENCE)
        with pytest.raises(ChildError, match="status 4: no more"):
            child.write(b"x" * (1 << 20))
