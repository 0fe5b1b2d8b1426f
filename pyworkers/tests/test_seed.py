"""The promise of the seed: the same request gives the same bytes in any process, at any time, on one core or two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import PATIENCE, ROOT
from tests.seeded import KINDS

Hashes = dict[str, dict[str, dict[str, str]]]


def start(folder: Path, seeds: str, order: str, cores: int) -> subprocess.Popen[bytes]:
    """A process of its own that may use that many cores."""
    usable = sorted(os.sched_getaffinity(0))[:cores]
    program = (
        f"import os, runpy; os.sched_setaffinity(0, {usable}); runpy.run_module('tests.seeded', run_name='__main__')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder), seeds, order],
        stdout=subprocess.PIPE,
        cwd=ROOT / "pyworkers",
        env={**os.environ, "OMP_NUM_THREADS": str(cores)},
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Hashes, Hashes]:
    """What two processes made, the second one with other jobs before each and with one core."""
    folder = tmp_path_factory.mktemp("seed")
    first = start(folder / "a", "1,2", "first", 2)
    answers = [json.loads(first.communicate(timeout=2 * PATIENCE)[0])]
    second = start(folder / "b", "1", "last", 1)
    answers.append(json.loads(second.communicate(timeout=2 * PATIENCE)[0]))
    return answers[0], answers[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_request_makes_the_same_bytes_in_another_process_on_one_core(
    runs: tuple[Hashes, Hashes], kind: str
) -> None:
    first, second = runs
    assert first["1"][kind] == second["1"][kind]


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_makes_something_else(runs: tuple[Hashes, Hashes], kind: str) -> None:
    first, _ = runs
    assert all(first["1"][kind][name] != first["2"][kind][name] for name in first["1"][kind])
