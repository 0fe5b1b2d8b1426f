"""The engines of the models venv, as their manifests name them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml

ENGINES = Path(__file__).parents[1] / "apibr_worker/engines"
MANIFESTS = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(ENGINES.glob("*/manifest.yaml"))]


@pytest.mark.parametrize(
    "manifest",
    [manifest for manifest in MANIFESTS if manifest["venv"] == "models"],
    ids=lambda manifest: manifest["id"],
)
def test_the_module_has_an_engine(manifest: dict[str, str]) -> None:
    engine = importlib.import_module(manifest["module"]).Engine()
    assert all(callable(getattr(engine, name)) for name in ("load", "run", "unload"))
