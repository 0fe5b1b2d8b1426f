"""The packages of apibr_worker, and which of them each may import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT

PACKAGE = "apibr_worker"
SHARED = {"runtime", "textnorm", "audio", "speech", "listening", "image", "torchkit", "diffusion"}
ALLOWED: dict[str, set[str]] = {
    "runtime": set(),
    "textnorm": {"runtime"},
    "audio": {"runtime"},
    "speech": {"runtime", "textnorm", "audio"},
    "listening": {"runtime", "textnorm", "audio"},
    "image": {"runtime"},
    "torchkit": {"runtime"},
    "diffusion": {"runtime", "image", "torchkit"},
    "engines": SHARED,
    "speech_helper": set(),
}
"""What each package may import besides itself. Each folder of engines/ is a package: it may not import another."""


def package_of(module: str) -> str:
    """The package of a dotted name: "audio", or "engines.flux" for an engine; "" for apibr_worker itself."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2] if parts[:1] == ["engines"] else parts[:1])


def imports(tree: ast.Module, module: str, folder: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import of the package, wherever in the module it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = folder.split(".")
                base = ".".join([*above[: len(above) - node.level + 1], *([base] if base else [])])
            # The name that is imported from a package may be a module: `from apibr_worker.engines import flux`.
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == PACKAGE:
                yield node.lineno, name


def trespasses(root: Path) -> list[str]:
    """Every import of the package below root that its own package may not import, with file and line."""
    found: list[str] = []
    for path in sorted((root / PACKAGE).rglob("*.py")):
        relative = path.relative_to(root)
        folder = ".".join(relative.parent.parts)
        module = ".".join(relative.with_suffix("").parts)
        package = package_of(module if path.name != "__init__.py" else folder)
        if package in ("", "__main__"):
            continue
        for line, name in imports(ast.parse(path.read_text(encoding="utf-8")), module, folder):
            target = package_of(name)
            if target not in {package, "", "__version__", *ALLOWED[package.split(".")[0]]}:
                found.append(f"{relative}:{line}: {package} may not import {name}")
    return found


def test_packages_import_only_what_they_may() -> None:
    assert trespasses(ROOT / "pyworkers") == []


def test_every_folder_is_listed() -> None:
    folders = {path.name for path in (ROOT / "pyworkers" / PACKAGE).iterdir() if any(path.glob("*.py"))}
    assert folders | {"engines"} == set(ALLOWED)


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("audio/x.py", "from apibr_worker.engines.flux.engine import Engine", "audio may not import"),
        ("torchkit/x.py", "import apibr_worker.diffusion.base", "torchkit may not import"),
        ("image/x.py", "def f():\n    from apibr_worker import torchkit", "image may not import"),
        ("engines/flux/x.py", "from ..sd35 import engine", "engines.flux may not import"),
        ("engines/flux/x.py", "from apibr_worker.engines import sd35", "engines.flux may not import"),
        ("engines/flux/x.py", "from apibr_worker import speech_helper", "engines.flux may not import"),
        (
            "engines/flux/x.py",
            "from . import y\nfrom apibr_worker.engines.flux import z\nimport apibr_worker",
            "",
        ),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, line: str, told: str) -> None:
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(line, encoding="utf-8")
    found = trespasses(tmp_path)
    assert [told in one and one.startswith(f"{PACKAGE}/{file}:") for one in found] == ([True] if told else [])
