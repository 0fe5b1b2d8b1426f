"""What the engines say to a user exists in Portuguese too: apibr_worker/sentences.pt-BR.json, read by the server."""

from __future__ import annotations

import json
import re
import string
from typing import Any

import pytest

from tests.harness import ROOT
from tests.sentences_in_source import PHRASES, SENTENCES, Spoken, read, read_text

WORKER = ROOT / "pyworkers/apibr_worker"
FILE = WORKER / "sentences.pt-BR.json"
SIGNS = ".!?…:;"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"twice: {[name for name in names if names.count(name) > 1]}"
    return dict(pairs)


TRANSLATED: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8"), object_pairs_hook=_once)
PAIRS = [pair for part in TRANSLATED.values() for pair in part.items()]


def places(template: str) -> list[str]:
    """The places of a template, as they are numbered."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def missing_and_unused(found: dict[str, list[str]], known: dict[str, str]) -> dict[str, list[str]]:
    """What a translation lacks, with the places that say it, and what nobody says."""
    missing = {template: where for template, where in found.items() if template not in known}
    return missing | {template: ["nobody says it"] for template in known if template not in found}


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    return read(WORKER)


def test_all_sentences_are_found(spoken: Spoken) -> None:
    """A message that only running the code tells cannot be translated: write it where it is said."""
    assert spoken.unknown == []
    said_by = {place.partition(":")[0] for where in spoken.sentences.values() for place in where}
    assert {"runtime/machine.py", "runtime/sidecar.py", "image/pictures.py", "audio/files.py"} <= said_by
    assert len(said_by) > 20


def test_every_sentence_has_its_portuguese(spoken: Spoken) -> None:
    assert set(TRANSLATED) == {"sentences", "phrases"}
    assert missing_and_unused(spoken.sentences, TRANSLATED["sentences"]) == {}


def test_every_phrase_has_its_portuguese(spoken: Spoken) -> None:
    assert missing_and_unused(spoken.phrases, TRANSLATED["phrases"]) == {}


@pytest.mark.parametrize(("english", "portuguese"), PAIRS, ids=[english for english, _ in PAIRS])
def test_a_translation_fits(english: str, portuguese: str) -> None:
    wanted, given = places(english), places(portuguese)
    assert given == wanted or sorted(given) == [str(index) for index in range(len(wanted))]
    assert "%" not in portuguese
    assert portuguese and portuguese == " ".join(portuguese.split())
    ends = [text[-1] if text[-1] in SIGNS else "" for text in (english, portuguese)]
    assert ends[0] == ends[1]
    assert english.count("`") == portuguese.count("`")
    # Names that a user types are the same in both languages.
    typed = re.findall(r"`[^`]+`|\b[a-z]+_[a-z_]+\b|\b(?:engines)\.[a-z.]+\b", english)
    assert [name for name in typed if name not in portuguese] == []


@pytest.mark.parametrize(("english", "portuguese"), TRANSLATED["sentences"].items())
def test_a_sentence_is_translated(english: str, portuguese: str) -> None:
    assert english != portuguese
    assert english.strip("{}“” ")[:1], "a sentence of values alone matches everything"


SOURCE = """
LIMIT = "too long: the most is " + "ten"

class Broken(EngineError):
    def __init__(self, name: str) -> None:
        super().__init__("model_missing", f"{name} is broken: install it again")

def a(context, size, audio):
    text = f"the size {size:.1f} is odd"
    way_out = "send less" if size else "send more"
    context.progress(1, 2, message=f"{size}/{audio}")
    context.progress(1, 2, message="half of it" if size else None)
    for what, have in (("layers", 1), ("rows of it", 2)):
        raise EngineError("internal", f"{have} {what}")
    raise InvalidInputError(f"{size} is too much: {way_out}", field=audio)
    raise InvalidInputError(LIMIT)
    raise errors.EngineError("internal", message=text)
    return [Warning("odd", "it is odd" if size else "it is even")]

def _bad(why):
    return Warning("bad", why)

_bad("its end is missing")
"""


def test_the_source_is_read() -> None:
    found = read_text(SOURCE)
    assert found.unknown == []
    assert set(found.sentences) == {
        "{} is broken: install it again",
        "the size {} is odd",
        "half of it",
        "{} is too much: {}",
        "too long: the most is ten",
        "it is odd",
        "it is even",
    }
    assert set(found.phrases) == {"send less", "send more", "layers", "rows of it", "its end is missing"}


@pytest.mark.parametrize(
    "code",
    [
        "raise EngineError('internal', str(error))",
        "raise InvalidInputError(texts[0])",
        "def f(text):\n    raise InvalidInputError(text)",
        "def f():\n    text = 'a b'\n    text += more\n    raise InvalidInputError(text)",
        "def f():\n    size = f'of {1} pixels'\n    raise InvalidInputError(f'it is {size}')",
        "raise InvalidInputError('100% of it')",
        "raise InvalidInputError('the words ' + more())",
    ],
)
def test_what_cannot_be_found_is_listed(code: str) -> None:
    found = read_text(code)
    assert len(found.unknown) == 1 and found.unknown[0].startswith("module.py:")
    assert found.sentences == {}


def test_missing_and_unused_are_told_apart() -> None:
    assert missing_and_unused({"a b": ["x.py:1"], "c": ["y.py:2"]}, {"c": "d", "e": "f"}) == {
        "a b": ["x.py:1"],
        "e": ["nobody says it"],
    }


def test_the_calls_that_are_looked_for_exist() -> None:
    """A function that was renamed would silently be left out."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKER.rglob("*.py"))
    assert [name for name in [*SENTENCES, *PHRASES] if not re.search(rf"(class|def) {name}\b", text)] == []
