"""Every engine's manifest, read as the studio reads it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from apibr_worker.engines.draft_avatar.compose import SMALLEST_SIDE
from apibr_worker.runtime.sidecar import find_manifest
from tests.harness import ROOT

ENGINES = ROOT / "pyworkers/apibr_worker/engines"
PATHS = sorted(ENGINES.glob("*/manifest.yaml"))
# The others import torch: tests_models/test_engines.py looks at them.
DRAFT = [path for path in PATHS if yaml.safe_load(path.read_text(encoding="utf-8"))["venv"] == "draft"]


def objects(schema: Any) -> list[dict[str, Any]]:
    """All object schemas in a schema."""
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "object" else []
    return own + [found for value in schema.values() for found in objects(value)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_every_manifest_is_complete(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert find_manifest(manifest["id"]) == manifest
    assert manifest["version"] >= 1
    assert manifest["quality"] in ("draft", "final")
    assert all(manifest[name][language] for name in ("description", "install") for language in ("en", "pt-BR"))
    assert [model["id"] for model in manifest["models"] if model.get("default")]
    for memory in manifest["memory"]:
        assert all(plan["ram_bytes"] > 0 for plan in (memory.get("phases") or {"": memory}).values())
    for task in manifest["tasks"].values():
        schema = task["parameters"]
        jsonschema.Draft202012Validator.check_schema(schema)
        assert all(found["additionalProperties"] is False for found in objects(schema))
        assert "seed" in schema["properties"]
        assert sum(phase["weight"] for phase in task["phases"]) == pytest.approx(1.0)
        assert task["outputs"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_every_model_of_a_manifest_is_complete(path: Path) -> None:
    """A model of a manifest says everything that the studio shows."""
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    ids = [model["id"] for model in manifest["models"]]
    assert len(ids) == len(set(ids))
    for model in manifest["models"]:
        groups = [model.get("parts") or {}, *((variant["parts"]) for variant in model.get("variants") or [])]
        parts = [part for group in groups for part in group.values()]
        assert not parts or (model["licence"]["id"] and model["licence"]["url"].startswith("https://"))
        assert not model.get("description") or (model["description"]["en"] and model["description"]["pt-BR"])
        for part in parts:
            assert ("repo" in part) != ("urls" in part)
            assert all(url.startswith("https://") for url in part.get("urls", []))


@pytest.mark.parametrize("path", DRAFT, ids=lambda path: path.parent.name)
def test_the_module_has_an_engine(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    engine = importlib.import_module(manifest["module"]).Engine()
    assert all(callable(getattr(engine, name)) for name in ("load", "run", "unload"))


def test_nothing_imports_the_speech_helper() -> None:
    """It is under another licence: it is started, never imported."""
    for file in (ROOT / "pyworkers/apibr_worker").rglob("*.py"):
        if file.parent.name != "speech_helper":
            text = file.read_text(encoding="utf-8")
            assert "import espeakng_loader" not in text, file.name
            assert "from apibr_worker.speech_helper" not in text, file.name
            assert "import apibr_worker.speech_helper" not in text, file.name


def test_the_smallest_portrait_is_the_one_that_the_engine_takes() -> None:
    manifest = yaml.safe_load((ENGINES / "draft_avatar" / "manifest.yaml").read_text(encoding="utf-8"))
    image = next(port for port in manifest["tasks"]["video.avatar"]["inputs"] if port["name"] == "image")
    assert image["min_side"] == SMALLEST_SIDE
