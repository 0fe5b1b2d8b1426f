"""The promise of the seed for engines with models: the same request gives the same bytes in any process, at any time.

It holds for one number of threads: torch divides its sums among them, and rounds them differently for each number.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import torch

from tests.harness import PATIENCE, ROOT
from tests_models import seeded

Hashes = dict[str, dict[str, dict[str, str]]]
THREADS = 1


@pytest.fixture(scope="module")
def runs(tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Hashes, Hashes]]:
    """What this process and another one made. The other one runs the kinds in the other order."""
    folder, checkpoints = tmp_path_factory.mktemp("seed"), tmp_path_factory.mktemp("checkpoints")
    for writer in {model.split("/")[0] for _, model, _, _, _ in seeded.KINDS.values()}:
        (checkpoints / writer).symlink_to(tiny(writer))
    arguments = [str(folder / "other"), str(checkpoints), "1", str(THREADS), "last"]
    other = subprocess.Popen(
        [sys.executable, "-m", "tests_models.seeded", *arguments], stdout=subprocess.PIPE, cwd=ROOT / "pyworkers"
    )
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    own = seeded.hashes(folder / "own", checkpoints, ["1", "2"], list(seeded.KINDS))
    yield own, json.loads(other.communicate(timeout=3 * PATIENCE)[0].splitlines()[-1])
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", seeded.KINDS)
def test_the_same_request_makes_the_same_bytes_in_another_process(runs: tuple[Hashes, Hashes], kind: str) -> None:
    own, other = runs
    assert own["1"][kind] == other["1"][kind]


@pytest.mark.parametrize("kind", [kind for kind in seeded.KINDS if kind not in seeded.SEEDLESS])
def test_another_seed_makes_something_else(runs: tuple[Hashes, Hashes], kind: str) -> None:
    own, _ = runs
    name = next(iter(own["1"][kind]))
    assert own["1"][kind][name] != own["2"][kind][name]
