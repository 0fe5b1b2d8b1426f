"""The self-test of the models venv, on the processor; and that it notices what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from apibr_worker.runtime import selftest
from apibr_worker.runtime.selftest import Check, perform, root_cause

WORKERS = Path(selftest.__file__).parents[2]
BASE = ["device", "matmul", "conv2d", "conv3d", "attention", "memory"]


def run(*arguments: str, path: Path | None = None) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """The self-test as the studio runs it: its process and its lines."""
    folders = os.pathsep.join(str(folder) for folder in (WORKERS, path) if folder)
    process = subprocess.run(
        [sys.executable, "-m", "apibr_worker.runtime.selftest", "--json", *arguments],
        env={**os.environ, "PYTHONPATH": folders},
        capture_output=True,
        text=True,
        check=False,
    )
    return process, [json.loads(line) for line in process.stdout.splitlines()]


def engine(folder: Path, name: str, source: str, venv: str = "models") -> None:
    """An engine with a manifest of its own whose module is the source."""
    (folder / name).mkdir(parents=True)
    (folder / name / "manifest.yaml").write_text(f"id: {name}\nvenv: {venv}\nmodule: {name}.engine\n")
    (folder / name / "__init__.py").write_text("")
    (folder / name / "engine.py").write_text(source)


def test_every_engine_and_operation_passes_here() -> None:
    process, lines = run()
    assert process.returncode == 0, process.stdout
    assert lines[0]["checks"][: len(BASE)] == BASE
    assert [line["check"] for line in lines[1:]] == lines[0]["checks"]
    assert all(line["ok"] for line in lines[1:])
    assert torch.__version__ in lines[1]["detail"]
    assert lines[0]["checks"][len(BASE) :] == [
        f"engine.{name}" for name, _ in selftest.engine_modules([selftest.ENGINES])
    ]


def test_a_broken_engine_shows_the_root_exception(tmp_path: Path) -> None:
    hidden = (
        "try:\n    import onlyinthistest_missing\n"
        "except ImportError as error:\n    raise RuntimeError('could not import the model') from error\n"
    )
    engine(tmp_path, "hidden", hidden)
    engine(tmp_path, "leaves", "import sys\nprint('not a JSON line')\nsys.exit(3)\n")
    engine(tmp_path, "empty", "")
    engine(tmp_path, "whole", "class Engine: ...\n")
    engine(tmp_path, "elsewhere", "raise SystemExit\n", venv="draft")
    process, lines = run("--manifests", str(tmp_path), path=tmp_path)
    found = {line["check"]: line for line in lines[1:]}
    assert process.returncode == 1
    assert found["engine.hidden"]["detail"] == (
        "ModuleNotFoundError: No module named 'onlyinthistest_missing' (then RuntimeError: could not import the model)"
    )
    assert found["engine.leaves"]["detail"] == "SystemExit: 3"
    assert "no class Engine" in found["engine.empty"]["detail"]
    assert found["engine.whole"]["ok"]
    assert "engine.elsewhere" not in found
    assert "not a JSON line" in process.stderr


def test_a_crash_leaves_the_check_without_a_line(tmp_path: Path) -> None:
    engine(tmp_path, "crashes", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    engine(tmp_path, "later", "class Engine: ...\n")
    process, lines = run("--manifests", str(tmp_path), path=tmp_path)
    assert process.returncode == -signal.SIGSEGV
    missing = set(lines[0]["checks"]) - {line["check"] for line in lines[1:]}
    assert missing == {"engine.crashes", "engine.later"}


@pytest.mark.parametrize("name", ["conv2d", "conv3d"])
def test_a_wrong_convolution_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(torch.nn.functional, name)

    def off(image: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        result = real(image, *rest, **options)
        return result * 1.001 if image.dtype == torch.float32 else result

    monkeypatch.setattr(torch.nn.functional, name, off)
    line = perform(next(check for check in selftest.checks("cpu", []) if check.name == name))
    assert not line["ok"]
    assert "differs from the processor's" in line["detail"]


def test_not_a_number_and_lost_memory_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[torch.Tensor] = []
    ones = torch.ones

    def keep(*shape: Any, **options: Any) -> torch.Tensor:
        kept.append(ones(*shape, **options))
        return kept[-1]

    with monkeypatch.context() as patch:
        patch.setattr(torch, "ones", keep)
        line = perform(Check("memory", lambda: selftest.memory("cpu")))
        assert "did not come back" in line["detail"]
    with pytest.raises(selftest.CheckError, match="nan"):
        selftest.compare(torch.full((2,), float("nan")), torch.ones(2, dtype=torch.float64), "float32")


def test_a_card_that_torch_does_not_see() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    process, lines = run("--device", "cuda:0")
    assert process.returncode == 1
    assert {"matmul.float16", "attention.float16"} < set(lines[0]["checks"])
    assert "sees no graphics card" in lines[1]["detail"]


def test_the_innermost_exception_without_folders() -> None:
    inner = OSError("cannot open /opt/secret/folder/libx.so: No such file")
    outer = ValueError("outer")
    outer.__cause__ = inner
    assert root_cause(outer) == "OSError: cannot open libx.so: No such file (then ValueError: outer)"
    outer.__cause__, outer.__context__, outer.__suppress_context__ = None, inner, True
    assert root_cause(outer) == "ValueError: outer"
