"""Finds, by reading their source, what the engines can say to a user.

A sentence is the message of an error, of a warning or of a report of progress. Where values are filled in, its template
has {} in their place. A phrase is words of ours that are filled into a sentence. Nothing is imported, so that engines
whose libraries are not here are read too.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_NOT_POSITIONAL = 99

SENTENCES = {
    "EngineError": (1, "message"),
    "InvalidInputError": (0, "message"),
    "Warning": (1, "message"),
    "progress": (_NOT_POSITIONAL, "message"),
}
"""Calls that take a sentence: which argument it is."""
PHRASES = {
    "DamagedFileError": (1, "why"),
    "_bad": (0, "why"),
    "component": (0, "what"),
    "_fill": (2, "what"),
    "Answer": (_NOT_POSITIONAL, "failure"),
}
"""Calls that take words for a sentence of their own."""


@dataclass(slots=True)
class Spoken:
    """What was found: the template or phrase with the places in the source that say it; unknown are those that cannot
    be found without running the code.
    """

    sentences: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    phrases: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    unknown: list[str] = field(default_factory=list[str])


class _UnknownError(Exception):
    """The words are not in the source."""


def read(root: Path) -> Spoken:
    """What the Python files below root say. api.py, which defines the errors, says nothing itself."""
    spoken = Spoken()
    for path in sorted(root.rglob("*.py")):
        if path != root / "runtime/api.py":
            _Source(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix(), spoken).read()
    return spoken


def read_text(text: str) -> Spoken:
    """What one module's source says."""
    spoken = Spoken()
    _Source(text, "module.py", spoken).read()
    return spoken


class _Source:
    def __init__(self, text: str, name: str, spoken: Spoken) -> None:
        self._tree = ast.parse(text)
        self._name = name
        self._spoken = spoken
        self._parents = {child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)}

    def read(self) -> None:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                self._call(node)

    def _call(self, call: ast.Call) -> None:
        name = self._called(call)
        if name in SENTENCES:
            self._note(call, SENTENCES[name], self._spoken.sentences)
        elif name in PHRASES:
            self._note(call, PHRASES[name], self._spoken.phrases)

    def _note(self, call: ast.Call, where: tuple[int, str], found: dict[str, list[str]]) -> None:
        given = _argument(call, *where)
        if given is None:
            return
        place = f"{self._name}:{call.lineno}"
        try:
            for template in self._templates(given, call):
                # Digits and signs are the same in every language.
                if re.search(r"[^\W\d_]", template.replace("{}", "")):
                    found.setdefault(template, []).append(place)
        except _UnknownError as error:
            self._spoken.unknown.append(f"{place}: {error}")

    def _templates(self, node: ast.expr, at: ast.AST) -> Iterator[str]:
        """All that an expression can say. Raises _UnknownError for what only running it tells."""
        match node:
            case ast.Constant(value=str(text)):
                yield _plain(text)
            case ast.Constant(value=None):
                return
            case ast.JoinedStr(values=parts):
                yield "".join(self._part(part, at) for part in parts)
            case ast.IfExp(body=one, orelse=other):
                yield from self._templates(one, at)
                yield from self._templates(other, at)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                pairs = itertools.product(self._templates(left, at), self._templates(right, at))
                yield from (a + b for a, b in pairs)
            case ast.Name(id=name):
                if self._is_handed_on(name, at):
                    return
                values = list(self._values(name, at))
                if not values:
                    raise _UnknownError(f"what {name} says is not in the source")
                for given in values:
                    yield from self._templates(given.value, at)
            case _:
                raise _UnknownError(f"{ast.unparse(node)} is no text")

    def _part(self, part: ast.expr, at: ast.AST) -> str:
        if isinstance(part, ast.Constant):
            return _plain(str(part.value))
        assert isinstance(part, ast.FormattedValue)
        self._filled(part.value, at)
        return "{}"

    def _filled(self, node: ast.expr, at: ast.AST) -> None:
        """Notes words of ours in a value that is filled in, or in what its name was given: those are phrases."""
        place = f"{self._name}:{getattr(at, 'lineno', 0)}"
        named = list(self._values(node.id, at)) if isinstance(node, ast.Name) else []
        for given in [_Given(node), *named]:
            for inner in ast.walk(given.value):
                match inner:
                    case ast.JoinedStr(values=parts) if given in named:
                        if _words("".join(str(part.value) for part in parts if isinstance(part, ast.Constant))):
                            raise _UnknownError(f"{ast.unparse(node)} has words and values: write the sentence out")
                    case ast.Constant(value=str(text)) if _words(text) or (given.listed and inner is given.value):
                        self._spoken.phrases.setdefault(_plain(text), []).append(place)
                    case _:
                        pass

    def _values(self, name: str, at: ast.AST) -> Iterator[_Given]:
        """What a name is given in the function around, or else in the module."""
        for scope in [*self._functions(at), self._tree]:
            found = [given for node in ast.walk(scope) for given in _given(node, name)]
            if found or (isinstance(scope, _Function) and name in _parameters(scope)):
                yield from found
                return

    def _functions(self, at: ast.AST) -> Iterator[_Function]:
        node: ast.AST | None = at
        while node is not None:
            if isinstance(node, _Function):
                yield node
            node = self._parents.get(node)

    def _is_handed_on(self, name: str, at: ast.AST) -> bool:
        """Whether a name is the words with which a function of PHRASES was called."""
        function = next(self._functions(at), None)
        return function is not None and PHRASES.get(function.name, (0, ""))[1] == name

    def _called(self, call: ast.Call) -> str:
        """The name of what is called; of super().__init__(...) in a subclass of an error, that error's."""
        if isinstance(call.func, ast.Name):
            return call.func.id
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name != "__init__":
            return name
        node: ast.AST | None = call
        while node is not None and not isinstance(node, ast.ClassDef):
            node = self._parents.get(node)
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)] if node else []
        return next((base for base in bases if base in SENTENCES), "")


@dataclass(frozen=True, slots=True)
class _Given:
    """What a name is given. listed: it is one of a list, where a single word is ours too."""

    value: ast.expr
    listed: bool = False


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _given(node: ast.AST, name: str) -> Iterator[_Given]:
    """What a statement gives to a name; of a loop over written-out tuples, what stands in the name's place."""
    match node:
        case ast.Assign(targets=targets, value=value):
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                yield _Given(value)
        case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
            yield _Given(value)
        case ast.AugAssign(target=ast.Name(id=target)) if target == name:
            raise _UnknownError(f"{name} is put together: write the sentence out")
        case ast.For(target=ast.Tuple(elts=targets), iter=ast.Tuple(elts=rows) | ast.List(elts=rows)):
            for index, target in enumerate(targets):
                if isinstance(target, ast.Name) and target.id == name:
                    yield from (_Given(row.elts[index], True) for row in rows if isinstance(row, ast.Tuple))
        case _:
            return


def _parameters(function: _Function) -> set[str]:
    given = function.args
    return {one.arg for one in [*given.posonlyargs, *given.args, *given.kwonlyargs]}


def _words(text: str) -> bool:
    """Whether a text is words for people rather than a name or a sign."""
    return " " in text and re.search(r"[^\W\d_]", text) is not None


def _plain(text: str) -> str:
    """Raises _UnknownError for signs that stand for places in a template, here or in the server."""
    if re.search(r"[{}%]", text):
        raise _UnknownError(f"{text!r} has a brace or a percent sign")
    return text
