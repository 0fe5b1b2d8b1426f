"""A script in pieces that a speech model takes at once, each with the original text beside it.

The original is split first and each piece is normalised by itself, so that subtitles show the written text while the
model gets the words. A piece that this makes longer than the limit is split again in the original, at the best place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from . import tables_en, tables_pt
from .markup import spans, unmarked
from .normalise import normalise_unmarked
from .reader import aligned
from .shared import ends_here, is_initial

LIMIT = 280
"""Characters of normalised text that Chatterbox says well at once."""

_SHORT = 40
"""Pieces below this are said together with a neighbour: alone they sound clipped, and some come out as noise."""

_LEAST_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Word:
    """A written word and the part of a sentence that says it: text[said_start:said_end]."""

    said_start: int
    said_end: int
    written: str
    """As it was written, with its punctuation: script[start:end]."""
    start: int
    end: int


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
    """Seconds of silence that the script asks for after it; 0 for none."""
    words: tuple[Word, ...] = ()
    """The written words in order, each with the part of text that says it."""


def sentences(
    text: str, longest: int = LIMIT, language: str = "", words: Sequence[tuple[str, str]] = ()
) -> list[Sentence]:
    """The pieces of a script, none with a text longer than `longest`, neighbours below 40 characters put together.

    language decides how it is normalised (see normalise). Signs that say nothing, such as an emoji between two
    sentences, go with their neighbour's source; a script of only such signs gives []. words are pronunciations,
    (written, said), that go before everything else.
    Raises ValueError for a length below 40.
    """
    del words
    if longest < _LEAST_LIMIT:
        raise ValueError(f"a limit of {longest} characters is too low for speech; give at least {_LEAST_LIMIT}")
    plain = unmarked(text)
    pieces = _merged(_pieces_of(plain.text, longest, language), plain.text, longest)
    places = spans(plain, [(piece.start, piece.end) for piece in pieces], text)
    return [
        replace(
            piece, source=text[start:end], start=start, end=end, words=_words(text[start:end], piece, start, language)
        )
        for piece, (start, end) in zip(pieces, places, strict=True)
    ]


def _words(source: str, piece: Sentence, start: int, language: str) -> tuple[Word, ...]:
    """The written words of a piece; a word that says nothing goes with the one before it."""
    origins = aligned(source, piece.text, language).origins
    begins: list[tuple[int, int]] = []
    for token in re.finditer(r"\S+", piece.text):
        place = origins[token.start()]
        if not begins or begins[-1][1] != place:
            begins.append((token.start(), place))
    found: list[Word] = []
    for index, (said, place) in enumerate(begins):
        end, stop = begins[index + 1] if index + 1 < len(begins) else (len(piece.text), len(source))
        begin, stop = _trim(source, 0 if not index else place, stop)
        found.append(Word(said, _trim(piece.text, said, end)[1], source[begin:stop], start + begin, start + stop))
    return tuple(found)


def _pieces_of(text: str, limit: int, language: str) -> list[Sentence]:
    """The pieces of a text without markup."""
    pieces: list[Sentence] = []
    silent_from = -1
    for start, end in _paragraphs(text):
        for begin, stop in _sentence_spans(text, start, end):
            found = _fitting(text, begin, stop, limit, language)
            if not found and pieces:
                pieces[-1] = replace(pieces[-1], end=stop, source=text[pieces[-1].start : stop])
            elif not found:
                silent_from = begin if silent_from < 0 else silent_from
            elif silent_from >= 0:
                found[0] = replace(found[0], start=silent_from, source=text[silent_from : found[0].end])
                silent_from = -1
            pieces += found
        if pieces:
            pieces[-1] = replace(pieces[-1], paragraph_end=True)
    return pieces


def _merged(pieces: list[Sentence], text: str, limit: int) -> list[Sentence]:
    """Puts a very short piece together with its neighbour in the same paragraph, as far as the limit allows."""
    merged: list[Sentence] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        # Chinese and Japanese have no space between sentences.
        joint = "" if last and last.end == piece.start and not text[piece.start - 1].isascii() else " "
        if (
            last
            and not last.paragraph_end
            and min(len(last.text), len(piece.text)) < _SHORT
            and len(last.text) + len(joint) + len(piece.text) <= limit
        ):
            source = text[last.start : piece.end]
            merged[-1] = Sentence(last.text + joint + piece.text, source, piece.paragraph_end, last.start, piece.end)
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
    if _LETTERS_WITH_STOPS.search(text[max(begin, match.start() - 16) : match.end()]) and ends_here(text, match.end()):
        return True
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
    if short in _NUMBERED and (following.isdecimal() or (following and following in "IVXL" and short != "no")):
        return True
    if len(word) == 1 and word.isupper():
        # J. R. Silva, R. Augusta; not "the plan B. Then".
        return following.isupper() and (word in "RDS" or is_initial(f"{previous} ".lstrip()))
    if short in _TITLES - _NAME_TITLES:
        return True
    if short in _ENDING:
        return not (following.isupper() or not following.isalnum())
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


def _fitting(text: str, start: int, end: int, limit: int, language: str) -> list[Sentence]:
    """Cuts script[start:end] so that each piece, normalised, is within the limit; [] where nothing in it can be said.

    A part that says nothing, such as a row of emoji, goes with the source of the piece before, or else after it.
    """
    pieces: list[Sentence] = []
    held = start
    while start < end:
        stop, words = _head(text, start, end, limit, language)
        stop, following = _trim(text, start, stop)[1], _trim(text, stop, end)[0]
        if words:
            pieces += _pieces(text, held, stop, words, limit)
            held = following
        elif pieces:
            pieces[-1] = replace(pieces[-1], end=stop, source=text[pieces[-1].start : stop])
            held = following
        start = following
    return pieces


def _head(text: str, start: int, end: int, limit: int, language: str) -> tuple[int, str]:
    """Where the first piece of script[start:end] ends, and what it says; longer than the limit only where
    it is one word.
    """
    window = limit
    while True:
        stop = end if end - start <= window else _cut(text, start, start + window, end)
        words = normalise_unmarked(text[start:stop], language)
        if len(words) <= limit:
            return stop, words
        if not re.search(r"\s", text[start:stop].strip()):
            whole = re.compile(r"\S+").match(text, start, end)
            stop = whole.end() if whole else stop
            return stop, normalise_unmarked(text[start:stop], language)
        window = min(stop - start - 1, max(1, int((stop - start) * limit / len(words))))


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
    word = re.compile(r"\S+").match(text, start, end)
    return word.end() if word else most


def _last(pattern: re.Pattern[str], text: str, least: int, most: int) -> int:
    place = -1
    for match in pattern.finditer(text, least, most):
        place = match.end()
    return place


def _pieces(text: str, start: int, end: int, words: str, limit: int) -> Iterator[Sentence]:
    """One Sentence, or several where a single word says more than the limit: its source is shared out by length."""
    if len(words) <= limit:
        yield Sentence(words, text[start:end], False, start, end)
        return
    parts = _word_parts(words, limit)
    said, done, begin = 0, sum(map(len, parts)), start
    for place, part in enumerate(parts):
        said += len(part)
        stop = end if place == len(parts) - 1 else start + (end - start) * said // done
        while stop < end and unicodedata.combining(text[stop]):
            stop += 1
        yield Sentence(part, text[begin:stop], False, begin, stop)
        begin = stop


def _word_parts(words: str, limit: int) -> list[str]:
    parts: list[str] = []
    rest = words
    while len(rest) > limit:
        cut = limit
        for pattern in (re.compile(r",(?= )"), re.compile(r" ")):
            place = _last(pattern, rest, limit * 2 // 5, limit)
            if place > 0:
                cut = place
                break
        while cut < len(rest) and cut > 1 and unicodedata.combining(rest[cut]):
            cut -= 1
        parts.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*parts, rest] if rest else parts
