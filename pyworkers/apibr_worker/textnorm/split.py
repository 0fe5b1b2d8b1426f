"""A script in pieces that a speech model takes at once, each with the original text beside it.

The original is split first and each piece is normalised by itself, so that subtitles show the written text while the
model gets the words. A piece that this makes longer than the limit is split again in the original, at the best place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from . import pauses, tables_en, tables_pt
from .clean import composed
from .held import Held
from .markup import spans, unmarked
from .normalise import normalise_unmarked, without_marks
from .shared import ends_here, is_initial
from .trace import Traced
from .written import Visible, Word

LIMIT = 280
"""Characters of normalised text that Chatterbox says well at once."""

_SHORT = 40
"""Pieces below this are said together with a neighbour: alone they sound clipped, and some come out as noise."""

_LEAST_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Sentence:
    """One piece of a script.

    text is for the model and never empty; source is script[start:end] and joins, over all pieces, to the whole script
    but for the spaces between. paragraph_end asks for a longer pause after it.
    """

    text: str
    source: str
    paragraph_end: bool
    start: int
    end: int
    pause: float = 0.0
    """Seconds of silence that the script asks for after it, by <break>; 0 for none."""
    words: tuple[Word, ...] = ()
    """The written words in order, each with the part of text that says it; together they say all of it."""

    @property
    def silence(self) -> float:
        """Seconds of silence after it: `pause`, or else what its last sign and its place ask for."""
        return pauses.after(self.text, asked=self.pause, paragraph_end=self.paragraph_end)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is said of script[start:end], the script being without its markup."""

    said: Traced
    start: int
    end: int
    paragraph_end: bool = False
    pause: float = 0.0


def sentences(
    text: str,
    longest: int = LIMIT,
    language: str = "",
    words: Sequence[tuple[str, str]] = (),
    *,
    field: str = "text",
) -> list[Sentence]:
    """The pieces of a script, none with a text longer than `longest`, neighbours below 40 characters put together.

    language decides how it is normalised (see normalise). Signs that say nothing, such as an emoji between two
    sentences, go with their neighbour's source; a script of only such signs gives []. words are pronunciations,
    (written, said), that go before everything else: whole words of any case, the longest first, said as they stand.
    A <break> before the first word is left out, as no sentence is before it.
    Raises ValueError for a length below 40, and InvalidInputError, naming field, for breaks of more than 60 s each or
    600 s together.
    """
    if longest < _LEAST_LIMIT:
        raise ValueError(f"a limit of {longest} characters is too low for speech; give at least {_LEAST_LIMIT}")
    held = Held(text)
    written = Traced.of(text)
    script = unmarked(written, held)
    written = unmarked(written) if held.words else script
    pauses.check(script.text, field)
    if words:
        script = held.replace(composed(script), [(word, without_marks(said)) for word, said in words])
    pieces = _merged(_Divider(script, longest, language, held).pieces(), script.text, longest)
    visible = Visible(written, text, language)
    places = spans(script, [(piece.start, piece.end) for piece in pieces], text)
    return [
        Sentence(
            piece.said.text, text[start:end], piece.paragraph_end, start, end, piece.pause,
            visible.words(piece.said, start, end),
        )
        for piece, (start, end) in zip(pieces, places, strict=True)
    ]  # fmt: skip


def _merged(pieces: list[_Piece], text: str, longest: int) -> list[_Piece]:
    """Puts a very short piece together with its neighbour in the same paragraph, as far as the limit allows."""
    merged: list[_Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        # Chinese and Japanese have no space between sentences.
        joint = "" if last and last.end == piece.start and not text[piece.start - 1].isascii() else " "
        if (
            last
            and not last.paragraph_end
            and not last.pause
            and min(len(last.said.text), len(piece.said.text)) < _SHORT
            and len(last.said.text) + len(joint) + len(piece.said.text) <= longest
        ):
            space = Traced(joint, last.said.last[-1:] * len(joint), last.said.last[-1:] * len(joint))
            merged[-1] = replace(piece, said=last.said + space + piece.said, start=last.start)
        else:
            merged.append(piece)
    return merged


# --- Paragraphs and sentences --------------------------------------------------------------------------------------

_LINE = re.compile(r"[^\n\u2028\u2029]+")
_BREAK = "\n\u2028\u2029"


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the paragraphs. A line that goes on in lower case was wrapped by an editor and does not begin one."""
    begun = stop = -1
    for line in _LINE.finditer(text):
        start, end = _trim(text, *line.span())
        if start == end:
            continue
        if begun >= 0 and (not text[start].islower() or sum(char in _BREAK for char in text[stop:start]) > 1):
            yield begun, stop
            begun = -1
        begun, stop = (start if begun < 0 else begun), end
    if begun >= 0:
        yield begun, stop


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


_END = re.compile(r"[.!?…‽؟۔।॥]{1,64}[\"'”’»)\]*_]{0,8}(?=\s)|[。！？]{1,64}[」』”’）]{0,8}")
_WORD_BEFORE = re.compile(r"(?:([^\s(\"'“‘«\[]+)[ \u00a0])?[(\"'“‘«\[]{0,4}([^\s(\"'“‘«\[]+)$")
_OPENING = "\"'“‘«([{—–-¿¡*_#>• \t\u00a0\n"

_TITLES = frozenset(tables_pt.TITLES) | frozenset(tables_en.TITLES)
_NAME_TITLES = frozenset(tables_pt.BEFORE_NAME) | frozenset(tables_en.BEFORE_NAME)
_NUMBERED = frozenset(tables_pt.BEFORE_NUMBER) | frozenset(tables_en.BEFORE_NUMBER)
_ANYWHERE = frozenset(tables_pt.ANYWHERE) | frozenset(tables_en.ANYWHERE) | {"ex"}
_ENDING = frozenset(tables_pt.ENDS_SENTENCE) | frozenset(tables_en.ENDS_SENTENCE)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int, float]]:
    """The sentences of a paragraph, (start, end, seconds of <break> after it); the first may be empty."""
    begin = start
    for found in pauses.SIGNS.finditer(text, start, end):
        spans = list(_sentence_spans(text, begin, found.start())) or [(begin, begin)]
        yield from ((*span, 0.0) for span in spans[:-1])
        yield (*spans[-1], pauses.seconds_of(found.group()))
        begin = found.end()
    yield from ((*span, 0.0) for span in _sentence_spans(text, begin, end))


def _sentence_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for match in _END.finditer(text, start, end):
        stop = match.end()
        if not _is_end(text, begin, match, end):
            continue
        yield _trim(text, begin, stop)
        begin = stop
    begin, end = _trim(text, begin, end)
    if begin < end:
        yield begin, end


# U.S. and p.m., but not a title or an initial.
_LETTERS_WITH_STOPS = re.compile(r"(?<![\w.])(?:[A-Za-z]\.){2,8}$")


_JUNIOR = re.compile(r"(?<!\w)Jr\. (?:Blvd|Ave|St|Rd|Dr|Day)(?!\w)")


def _is_end(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    """Whether a full stop, or what looks like one, ends the sentence."""
    place = match.end()
    while place < end and text[place] in _OPENING:
        place += 1
    following = text[place] if place < end else ""
    # A dialogue goes on after "?" in lower case, and so does what stands after an ellipsis.
    if following.islower():
        return False
    mark = match.group().rstrip("\"'”’»)]*_")
    if mark != "." or match.group() != ".":
        return True
    if _LETTERS_WITH_STOPS.search(text[max(begin, match.start() - 16) : match.end()]):
        return ends_here(text, match.end())
    if _JUNIOR.match(text, match.start() - 2):
        return False
    return not _is_abbreviation(
        text[max(begin, match.start() - 48) : match.start()], following, text[begin : match.start()]
    )


def _is_abbreviation(before: str, following: str, sentence: str) -> bool:
    found = _WORD_BEFORE.search(before)
    if not found:
        return False
    previous, word = found.group(1) or "", found.group(2)
    short = word.lower()
    two = f"{previous.lower()} {short}"
    if sentence.strip(_OPENING).isdecimal() and len(sentence) < 5:
        return True  # "1. First": the number of a list
    if short in tables_pt.MONTHS and previous.isdecimal() and following.isdecimal():
        return True  # 3 out. 1987
    if short in _NUMBERED and (following.isdecimal() or (following and following in "IVXL" and short != "no")):
        return True
    if len(word) == 1 and word.isupper():
        # J. R. Silva, R. Augusta; not "the plan B. Then".
        return following.isupper() and (word in "RDS" or is_initial(f"{previous} ".lstrip()))
    if short in _TITLES - _NAME_TITLES:
        return True
    if short in _ENDING:
        return not (following.isupper() or not following.isalnum())
    if short == "v" and previous[:1].isupper():
        return True  # Roe v. Wade
    if short in _ANYWHERE or two in _ANYWHERE:
        return short not in ("co", "min", "max", "v", "end", "ex") or not following.isupper()
    if short in _NAME_TITLES:
        return word[0].isupper() and following.isupper()
    return bool(re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word)) and not following.isupper()


# --- Pieces within the limit ---------------------------------------------------------------------------------------

# From the best place for a breath to the worst.
_PLACES = [
    re.compile(r"[;:；：][\"'”’»)]{0,2}(?=\s)|[；：]"),
    re.compile(r",[\"'”’»)]{0,2}(?=\s)|[，、]|\)(?=\s)"),
    re.compile(r"(?<=\s)[—–-](?=\s)|—|[!?…](?=\s)"),
    re.compile(
        r"\s(?=(?i:e|ou|mas|que|porque|pois|quando|onde|and|or|but|because|which|that|when|where|y|o|et|und)\s)"
    ),
    # Not between a number and what it counts, nor after an abbreviation.
    re.compile(r"(?<=[^\W\d_])\s(?=[^\W\d_]{2})"),
    re.compile(r"\s"),
]


class _Divider:
    """Divides a script without markup into pieces that are within a limit when they are normalised."""

    def __init__(self, script: Traced, longest: int, language: str, held: Held) -> None:
        self._script, self._longest, self._language, self._held = script, longest, language, held

    def pieces(self) -> list[_Piece]:
        text = self._script.text
        pieces: list[_Piece] = []
        silent_from = -1
        for start, end in _paragraphs(text):
            for begin, stop, pause in _parts(text, start, end):
                found = self._fitting(begin, stop) if begin < stop else []
                if found and silent_from >= 0:
                    found[0] = replace(found[0], start=silent_from)
                    silent_from = -1
                pieces += found
                if not found and pieces:
                    pieces[-1] = replace(pieces[-1], end=max(stop, pieces[-1].end))
                elif not found and silent_from < 0:
                    silent_from = begin
                if pause and pieces:
                    pieces[-1] = replace(pieces[-1], pause=pieces[-1].pause + pause)
            if pieces:
                pieces[-1] = replace(pieces[-1], paragraph_end=True)
        return pieces

    def _fitting(self, start: int, end: int) -> list[_Piece]:
        """Cuts script[start:end] so that each piece is within the limit; [] where nothing in it can be said.

        A part that says nothing, such as a row of emoji, goes with the piece before, or else after it.
        """
        text = self._script.text
        pieces: list[_Piece] = []
        held = start
        while start < end:
            stop, said = self._head(start, end)
            stop, following = _trim(text, start, stop)[1], _trim(text, stop, end)[0]
            if said.text:
                pieces += _pieces(text, held, stop, said, self._longest)
                held = following
            elif pieces:
                pieces[-1] = replace(pieces[-1], end=stop)
                held = following
            start = following
        return pieces

    def _head(self, start: int, end: int) -> tuple[int, Traced]:
        """Where the first piece of script[start:end] ends, and what it says; longer than the limit only where
        it is one word.
        """
        text = self._script.text
        window = self._longest
        while True:
            stop = end if end - start <= window else _cut(text, start, start + window, end)
            said = self._normalised(start, stop)
            if len(said.text) <= self._longest:
                return stop, said
            if not _SPACE.search(text[start:stop].strip()):
                whole = _NO_SPACE.match(text, start, end)
                stop = whole.end() if whole else stop
                return stop, self._normalised(start, stop)
            window = min(stop - start - 1, max(1, int((stop - start) * self._longest / len(said.text))))

    def _normalised(self, start: int, end: int) -> Traced:
        part = self._script.part(start, end)
        if not any(map(str.isalnum, part.text)):
            return part.part(0, 0)  # "%" alone says nothing
        return normalise_unmarked(part, self._language, self._held)


_SPACE, _NO_SPACE = re.compile(r"\s"), re.compile(r"\S+")


def _cut(text: str, start: int, most: int, end: int) -> int:
    """The best place to cut between start and most; after a whole word where that is longer than the window."""
    least = start + (most - start) * 2 // 5
    for pattern in _PLACES[:-1]:
        place = _last(pattern, text, least, most)
        if place > start:
            return place
    place = _last(_PLACES[-1], text, start, most)
    if place > start:
        return place
    word = _NO_SPACE.match(text, start, end)
    return word.end() if word else most


def _last(pattern: re.Pattern[str], text: str, least: int, most: int) -> int:
    place = -1
    for match in pattern.finditer(text, least, most):
        place = match.end()
    return place


def _pieces(text: str, start: int, end: int, said: Traced, longest: int) -> Iterator[_Piece]:
    """One piece, or several where a single word says more than the limit: its source is shared out by length."""
    if len(said.text) <= longest:
        yield _Piece(said, start, end)
        return
    parts = _word_parts(said, longest)
    reached, total, begin = 0, sum(len(part.text) for part in parts), start
    for place, part in enumerate(parts):
        reached += len(part.text)
        stop = end if place == len(parts) - 1 else start + (end - start) * reached // total
        while stop < end and unicodedata.combining(text[stop]):
            stop += 1
        yield _Piece(part, begin, stop)
        begin = stop


def _word_parts(said: Traced, longest: int) -> list[Traced]:
    parts: list[Traced] = []
    rest = said
    while len(rest.text) > longest:
        cut = longest
        for pattern in (re.compile(r",(?= )"), re.compile(r" ")):
            place = _last(pattern, rest.text, longest * 2 // 5, longest)
            if place > 0:
                cut = place
                break
        while cut < len(rest.text) and cut > 1 and unicodedata.combining(rest.text[cut]):
            cut -= 1
        parts.append(rest.part(0, cut).stripped())
        rest = rest.part(cut, len(rest.text)).stripped()
    return [*parts, rest] if rest.text else parts
