"""Sentences for people: how they are made, and that each has its translations.

A folder's translations lie beside its code, in sentences.<language>.json: an engine's in the engine's own folder, those
of the shared folders in the package's. The studio reads them when it starts.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apibr_worker.runtime.sentences import say
from tests.harness import ROOT

WORKER = ROOT / "pyworkers/apibr_worker"
SIGNS = ".!?…:;"
VERB = re.compile(r"%(\[\d+\])?(%|[-+ 0-9.]*[a-zA-Z])")
TAKE_SENTENCES = {"EngineError": 1, "InvalidInputError": 0, "Warning": 1, "DamagedFileError": 1}
"""Calls that take a sentence, with its place."""


# ---- making sentences


def test_a_sentence_is_english_text_and_a_key_with_values() -> None:
    sentence = say("%s has %d of %.1f s (%g %%)", say("the voice"), 3, 4.25, 70.5)
    assert str(sentence) == "the voice has 3 of 4.2 s (70.5 %)"
    assert sentence.frame() == {
        "key": "%s has %d of %.1f s (%g %%)",
        "args": [{"key": "the voice", "args": []}, 3, 4.25, 70.5],
    }
    assert sentence == say("%s has %d of %.1f s (%g %%)", say("the voice"), 3, 4.25, 70.5)


def test_numbers_of_libraries_can_be_sent() -> None:
    values: list[Any] = [np.int64(3), np.float32(0.5), np.float64(2.5), True]
    for value in values:
        (arg,) = say("%d", value).args
        assert type(arg) in (int, float)
        json.dumps(say("%d", value).frame(), allow_nan=False)
    assert say("%.0f LUFS", float("-inf")).frame()["args"] == ["-inf"]


@pytest.mark.parametrize(("key", "args"), [("%s and %s", ("a",)), ("%s", ("a", "b")), ("%d", ("a",)), ("none", (1,))])
def test_values_that_do_not_fit_are_an_error_where_the_sentence_is_made(key: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        say(key, *args)


# ---- finding them in the source


@dataclass(slots=True)
class Said:
    """What the source says: keys with the places that say them, and the calls that no translation can be found for."""

    keys: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    wrong: list[str] = field(default_factory=list[str])

    def read(self, text: str, name: str) -> None:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                self._call(called, node, f"{name}:{node.lineno}")

    def _call(self, called: str, call: ast.Call, place: str) -> None:
        if called == "say" and isinstance(call.func, ast.Name):
            match call.args:
                case [ast.Constant(value=str(key)), *args] if _fits(key, args):
                    self.keys.setdefault(key, []).append(place)
                case _:
                    self.wrong.append(place)
        elif called in TAKE_SENTENCES:
            given = [*call.args[TAKE_SENTENCES[called] :][:1], *(k.value for k in call.keywords if k.arg == "message")]
            if any(isinstance(value, ast.JoinedStr | ast.Constant) for value in given):
                self.wrong.append(place)


def _fits(key: str, args: list[ast.expr]) -> bool:
    """Whether there is a value for each verb, and each verb means the same in Python and in Go."""
    verbs = [verb for _, verb in VERB.findall(key) if verb != "%"]
    known = all(re.fullmatch(r"[sdg]|\.\d+f", verb) for verb in verbs)
    return known and len(verbs) == len(args) and not any(isinstance(arg, ast.Starred) for arg in args)


def read_source(root: Path) -> Said:
    said = Said()
    for path in sorted(root.rglob("*.py")):
        said.read(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    return said


def home(place: str) -> str:
    """The folder whose files translate what a module says: the engine's own, or the package's."""
    parts = place.split("/")
    return "/".join(parts[:2]) if parts[0] == "engines" else ""


def test_every_key_is_a_literal_with_its_values() -> None:
    said = read_source(WORKER)
    assert said.wrong == []
    assert len(said.keys) > 150
    assert len({place.partition(":")[0] for places in said.keys.values() for place in places}) > 20


@pytest.mark.parametrize(
    "code",
    [
        "say(text)",
        "say(f'{size} is too large')",
        "say('too large: %s' % size)",
        "say('too large: %s')",
        "say('too large', size)",
        "say('%s %s', *sizes)",
        "say('%r is too large', size)",
        "say('%5d', size)",
        "raise EngineError('internal', 'plain text')",
        "raise InvalidInputError(f'{size} is too large', field='size')",
        "raise errors.EngineError('internal', message='plain text')",
        "Warning('code', 'plain text')",
    ],
)
def test_untranslatable_texts_are_listed(code: str) -> None:
    said = Said()
    said.read(code, "module.py")
    assert said.wrong == ["module.py:1"] and not said.keys


def test_the_calls_that_are_looked_for_exist() -> None:
    """A class that was renamed would silently be left out."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKER.rglob("*.py"))
    assert [name for name in [*TAKE_SENTENCES, "say"] if not re.search(rf"(class|def) {name}\b", text)] == []


# ---- their translations


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"twice: {[name for name in names if names.count(name) > 1]}"
    return dict(pairs)


def translations(root: Path) -> dict[str, dict[str, dict[str, str]]]:
    """By language and folder: translations by key."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for path in sorted(root.rglob("sentences.*.json")):
        language = path.name.removeprefix("sentences.").removesuffix(".json")
        folder = path.parent.relative_to(root).as_posix().removeprefix(".")
        keys = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
        found.setdefault(language, {})[folder] = keys
    return found


def problems(said: Said, translated: dict[str, dict[str, str]]) -> list[str]:
    """What is missing in one language, in the wrong place, or said by nobody."""
    wrong: list[str] = []
    for key, places in said.keys.items():
        if not re.search(r"[^\W\d_]", VERB.sub("", key)):
            continue  # digits and signs are the same in every language
        homes = {home(place) for place in places}
        wanted = homes.pop() if len(homes) == 1 else ""
        have = [folder for folder, keys in translated.items() if key in keys]
        if have != [wanted]:
            wrong.append(f"{key!r} ({places[0]}) is translated in {have}, not in {[wanted]}")
    return wrong + [f"nobody says {key!r}" for keys in translated.values() for key in keys if key not in said.keys]


LANGUAGES = translations(WORKER)
PAIRS = [pair for folders in LANGUAGES.values() for keys in folders.values() for pair in keys.items()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated_beside_its_code(language: str) -> None:
    assert problems(read_source(WORKER), LANGUAGES[language]) == []


def test_missing_misplaced_and_unused_translations_are_told_apart() -> None:
    said = Said()
    said.read("say('a b')\nsay('%d/%d', 1, 2)", "engines/x/engine.py")
    said.read("say('c')", "audio/files.py")
    assert problems(said, {"engines/x": {"a b": "A"}, "": {"c": "C"}}) == []
    found = problems(said, {"": {"a b": "A"}, "engines/x": {"d": "D"}})
    assert len(found) == 3
    said.read("say('a b')", "engines/y/engine.py")
    assert problems(said, {"": {"a b": "A", "c": "C"}}) == []


def verbs(text: str) -> list[str]:
    """The verbs in the order of their values."""
    numbered = [(place or f"[{index + 1}]", verb) for index, (place, verb) in enumerate(VERB.findall(text))]
    return [verb for _, verb in sorted(numbered, key=lambda pair: int(pair[0].strip("[]")))]


@pytest.mark.parametrize(("english", "translation"), PAIRS, ids=[english for english, _ in PAIRS])
def test_a_translation_fits(english: str, translation: str) -> None:
    assert verbs(translation) == verbs(english)
    assert translation and translation == " ".join(translation.split())
    ends = [text[-1] if text[-1] in SIGNS else "" for text in (english, translation)]
    assert ends[0] == ends[1]
    assert english.count("`") == translation.count("`")
    # Names that a user types are the same in every language.
    typed = re.findall(r"`[^`]+`|\b[a-z]+_[a-z_]+\b|\b(?:engines)\.[a-z.]+\b", english)
    assert [name for name in typed if name not in translation] == []
    assert english != translation or " " not in english
