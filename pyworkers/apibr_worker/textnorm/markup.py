"""Markdown, HTML, SSML and styled letters: marks that are meant for a page or a synthesiser are taken off the text.

This is the same for every language. Each character that stays knows its place in the original, so that subtitles can
show what was written.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from . import pauses
from .clean import is_emoji
from .held import Held
from .trace import Builder, Traced, change


@dataclass(frozen=True, slots=True)
class Added:
    """Words of our own, which nobody wrote."""

    words: str


@dataclass(frozen=True, slots=True)
class Means:
    """Words for a span of the text."""

    words: str
    start: int
    end: int


Piece = str | tuple[int, int] | Added | Means
"""What stands in a match's place: a span of the text as it was, what the match means, or words of our own."""


def unmarked(text: Traced, held: Held | None = None) -> Traced:
    """Takes markup off a text; its lines stay. Headings, list items and table rows end as sentences do.

    A <break> leaves one sign that tells how long it is (pauses.sign). held: takes what SSML says for a written word;
    without it the written word stays.
    """
    for _ in range(2):  # "&amp;lt;" went through two programs
        text = _change(text, _ENTITY, _entity)
    text = change(text, pauses.SIGNS, "")
    if held is not None:
        text = _change(text, _ALIAS, lambda match: _alias(match, held))
        text = _change(text, _SAY_AS, lambda match: _say_as(match, held))
    for pattern, pieces in _TAG_STEPS:
        text = _change(text, pattern, pieces)
    text = _change(text, _LINE, _line)
    for pattern, pieces in _INLINE_STEPS:
        text = _change(text, pattern, pieces)
    return _change(_letters(text), _PICTURES, _after_pictures)


def _change(text: Traced, pattern: re.Pattern[str], pieces: Callable[[re.Match[str]], list[Piece]]) -> Traced:
    built: Builder | None = None
    done = 0
    for match in pattern.finditer(text.text):
        built = built or Builder(text)
        built.take(done, match.start())
        for piece in pieces(match):
            if isinstance(piece, Added):
                built.add(piece.words, match.end())
            elif isinstance(piece, Means):
                built.mean(piece.words, piece.start, piece.end)
            elif isinstance(piece, str):
                built.say(piece, *match.span())
            else:
                built.take(*piece)
        done = match.end()
    if built is None:
        return text
    built.take(done, len(text.text))
    return built.done()


# --- Entities and tags ---------------------------------------------------------------------------------------------

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def _entity(match: re.Match[str]) -> list[Piece]:
    return [html.unescape(match.group())]


_ATTRIBUTE = r"""\s+[\w:.-]{1,60}\s?=\s?(?:"[^"<]{0,500}"|'[^'<]{0,500}'|[^\s"'<>=]{1,500})"""
# What SSML says instead of what is written.
_ALIAS = re.compile(
    r"""<sub\s{1,9}alias\s?=\s?(?:"([^"<>]{1,300})"|'([^'<>]{1,300})')\s?>([^<>]{0,300})</sub\s?>""", re.IGNORECASE
)
_SAY_AS = re.compile(
    r"""<say-as\s[^<>]{0,100}?interpret-as\s?=\s?["']([\w:-]{1,30})["'][^<>]{0,100}>([^<>]{1,300})</say-as\s?>""",
    re.IGNORECASE,
)
_NEXT_SENTENCE = re.compile(r"\s{0,20}<(?:s|/p)\s?>", re.IGNORECASE)
_TAG = re.compile(rf"<(/?)([A-Za-z][\w:.-]{{0,40}})(?:{_ATTRIBUTE}){{0,20}}\s{{0,9}}/?>")
_INLINE = frozenset(
    """a abbr acronym b bdi bdo big cite code del dfn em emphasis font i ins kbd lang lex mark mstts:express-as phoneme
    prosody q s samp say-as small span speak strike strong sub sup tt u var voice w""".split()
)
"""They may stand within a word; any other tag parts two words."""
_BLOCKS = frozenset(
    """address article aside blockquote br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li
    main nav ol p paragraph section sentence table td th title tr ul""".split()
)


def _tag(match: re.Match[str]) -> list[Piece]:
    name = match.group(2).lower()
    if name == "break":
        return [pauses.sign(match.group())]
    if name == "s" and match.group(1) and _is_sentence(match):
        said = match.string[max(0, match.start() - 1) : match.start()]
        return [Added(". " if said.isalnum() else " ")]
    return [Added("\n")] if name in _BLOCKS else [] if name in _INLINE else [Added(" ")]


def _is_sentence(match: re.Match[str]) -> bool:
    """Whether </s> ends a sentence, as in SSML; in HTML the element strikes text out."""
    return bool(_NEXT_SENTENCE.match(match.string, match.end())) or "<speak" in match.string


def _alias(match: re.Match[str], held: Held) -> list[Piece]:
    words = match.group(1) or match.group(2)
    return [Means(held.hold(words, held.TEXT), *match.span(3))]


def _say_as(match: re.Match[str], held: Held) -> list[Piece]:
    kind = _SAID_AS.get(match.group(1).lower())
    return [Means(held.hold(match.group(2), kind), *match.span(2))] if kind else [match.span(2)]


_SAID_AS = {
    **dict.fromkeys(("characters", "spell-out", "spell", "verbatim", "letters"), Held.LETTERS),
    **dict.fromkeys(("digits", "number_digits"), Held.DIGITS),
    "ordinal": Held.ORDINAL,
}
"""The rest (cardinal, date, time, telephone, currency) is read as any text is."""


def _nothing(match: re.Match[str]) -> list[Piece]:
    del match
    return []


def _first_group(match: re.Match[str]) -> list[Piece]:
    return [match.span(1)]


_Step = tuple[re.Pattern[str], Callable[[re.Match[str]], list[Piece]]]

# Every repeat is bounded: 20,000 characters of one sign are tried from each place.
_TAG_STEPS: list[_Step] = [
    (re.compile(r"<!\[CDATA\[|\]\]>"), _nothing),
    (re.compile(r"<!--[\s\S]{0,1000}?-->|<[!?][A-Za-z][^<>]{0,300}>"), _nothing),
    (re.compile(r"<(script|style)\b[^<>]{0,200}>[\s\S]{0,2000}?</\1\s{0,9}>", re.IGNORECASE), _nothing),
    # What a terminal makes colours of.
    (re.compile(r"\x1b\[[0-9;?]{0,40}[A-Za-z]"), _nothing),
    (_TAG, _tag),
]

# --- Lines of Markdown ---------------------------------------------------------------------------------------------

_LINE = re.compile(r"[^\n]+")
# All are tried on a line without spaces around it.
_FENCE = re.compile(r"(?:`{3,}|~{3,})[^`~]*")
_RULE = re.compile(r"(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|={3,}")
_TABLE_RULE = re.compile(r"\|?(?:[ \t]*:?-+:?[ \t]*\|)+(?:[ \t]*:?-+:?)?")
_TARGET = re.compile(r"\[[^\[\]^]{1,100}\]:[ \t]*<?(?:https?://|mailto:|www\.|[/#])\S*.*")
_NOTE = re.compile(r"\[\^[^\[\]]{1,50}\]:[ \t]*")
_QUOTE = re.compile(r"(?:>[ \t]?)+(?![\d\s])")
_HEADING = re.compile(r"#{1,6}[ \t]+(?=\S)")
_HEADING_END = re.compile(r"(?<=[ \t])#+$")
_ITEM = re.compile(r"(?:[-*•·‣▪●◦∙○■]|\+(?![ \t]*\d))[ \t]+(?:\[[ xX]\][ \t]+)?(?=\S)")
_ROW = re.compile(r"\|.*\|")
_CELL = re.compile(r"[^|]+")
_SPOKEN_END = re.compile(r"[\w)\]\"'”’»*_~`]$")


def _line(match: re.Match[str]) -> list[Piece]:
    line, start = match.group().rstrip(), match.start()
    begin = len(line) - len(line.lstrip())
    if any(pattern.fullmatch(line, begin) for pattern in (_FENCE, _RULE, _TABLE_RULE, _TARGET)):
        return []
    marked = begin
    for pattern in (_NOTE, _QUOTE):
        if found := pattern.match(line, begin):
            begin = found.end()
    if _ROW.fullmatch(line, begin):
        return _row(line, begin, match)
    if found := _HEADING.match(line, begin):
        begin = found.end()
        end = closing.start() if (closing := _HEADING_END.search(line, begin)) else len(line)
        return [(start + begin, start + end), *_stop(line[begin:end], match, always=True)]
    if found := _ITEM.match(line, begin):
        begin = found.end()
        return [(start + begin, start + len(line)), *_stop(line[begin:], match)]
    return [match.span() if begin == marked else (start + begin, match.end())]


def _row(line: str, begin: int, match: re.Match[str]) -> list[Piece]:
    pieces: list[Piece] = []
    last = ""
    for cell in _CELL.finditer(line, begin):
        if not cell.group().strip():
            continue
        lead = len(cell.group()) - len(cell.group().lstrip())
        last = cell.group().strip()
        pieces += [Added(", ")] * bool(pieces)
        pieces.append((match.start() + cell.start() + lead, match.start() + cell.start() + lead + len(last)))
    return [*pieces, *_stop(last, match, always=True)]


def _stop(said: str, match: re.Match[str], *, always: bool = False) -> list[Piece]:
    """What ends a line that is a sentence to the eye only; nothing at the end of the text."""
    following = match.string[match.end() : match.end() + 200].lstrip("\n\r \t-*•·‣▪●◦∙○■+|>")
    if not following or not _SPOKEN_END.search(said.rstrip()):
        return []
    return [Added("," if following[0].islower() and not always else ".")]


# --- Marks within a line -------------------------------------------------------------------------------------------

_ADDRESS = r"(?:[^()\s]|\([^()\s]{0,300}\)){0,1000}"
_CAPTION = r"""(?:[ \t]{1,9}["'(][^"'\n)]{0,200}["')])?"""
_LINK = re.compile(rf"\[([^\[\]\n]{{0,300}})\]\([ \t]?<?{_ADDRESS}>?{_CAPTION}[ \t]?\)")

_INLINE_STEPS: list[_Step] = [
    (re.compile(r"<((?:https?://|mailto:)[^<>\s]{1,500}|[\w.+-]{1,64}@[\w.-]{1,255})>"), _first_group),
    (re.compile("!" + _LINK.pattern), _first_group),
    (_LINK, _first_group),
    (re.compile(r"\[([^\[\]\n]{0,300}[^\W\d][^\[\]\n]{0,300})\]\[[^\[\]\n]{0,100}\]"), _first_group),
    (re.compile(r"\[\^[^\[\]\s]{1,50}\]"), _nothing),
    (re.compile(r"`+|~~"), _nothing),
    # A row of opening or closing asterisks; those between numbers multiply.
    (re.compile(r"(?<![\w*\\])(?:\*{2,3}(?=[^\s*])|(?<!\d )\*(?=[^\s*]))"), _nothing),
    (re.compile(r"(?<=[^\s*\\])(?:\*{2,3}(?![\w*])|\*(?![\w*]| \d))|(?<=[^\W\d_])\*\*(?=[^\W\d_])"), _nothing),
    (re.compile(r"(?<![\w/@.:#&=?\\-])_{1,3}(?=[^\s_])|(?<=[^\s_\\])(?<![/=])_{1,3}(?![\w/@.])"), _nothing),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!|>~-])"), _first_group),
]

# --- Letters -------------------------------------------------------------------------------------------------------

_NAMED = re.compile(r"(?:NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER|(LATIN LETTER SMALL CAPITAL)) ([A-Z])")
_KEPT = frozenset("ⁿ№™℠℡℻")
"""These are read by their sign."""
_OVERLAYS = re.compile(r"[\u0332-\u0338\u20d0-\u20e2\u20e4-\u20f0]")


def _letters(text: Traced) -> Traced:
    """Letters that only look different (𝗕, ⓑ, ｂ, 🅑, ʙ) become plain ones, without the marks that strike them out."""
    return _change(text, _STYLED, _styled)


_STYLED = re.compile(r"(?<=\w)[\u0332-\u0338\u20d0-\u20e2\u20e4-\u20f0]+|[\u0250-\U0010ffff]")


def _styled(match: re.Match[str]) -> list[Piece]:
    sign = match.group()
    if _OVERLAYS.match(sign):
        return [] if match.start() and match.string[match.start() - 1].isalnum() else [match.span()]
    said = _letter(sign)
    return [match.span()] if said == sign else [said]


@lru_cache(maxsize=4096)
def _letter(char: str) -> str:
    named = _NAMED.fullmatch(unicodedata.name(char, ""))
    if named:
        return named.group(2).lower() if named.group(1) else named.group(2)
    composed = unicodedata.normalize("NFKC", char).strip("()")
    category = unicodedata.category(char)
    if composed == char or char in _KEPT or category in ("No", "Nl") or not composed.isalnum():
        return char
    if category == "Lm" and not composed.isascii():
        return char
    return composed if _is_latin(composed) else char


def _is_latin(text: str) -> bool:
    return all(char.isascii() or unicodedata.name(char, "").startswith(("LATIN", "GREEK")) for char in text)


# --- Pictures ------------------------------------------------------------------------------------------------------


def _picture_class() -> str:
    """All emoji as the inside of a character class."""
    kept: list[list[int]] = []
    for code in [*range(0x2300, 0x3400), *range(0x1F000, 0x1FC00), 0xFE0F, 0x200D, 0x20E3]:
        if chr(code) == "\u200d" or is_emoji(chr(code), unicodedata.category(chr(code))):
            if kept and kept[-1][1] == code - 1:
                kept[-1][1] = code
            else:
                kept.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in kept)


_PICTURE = _picture_class()
# Between two words. From a letter or digit on, so that a row of them is tried once.
_PICTURES = re.compile(rf"(?<=\w)(?=[ \t]?[{_PICTURE}])[ \t{_PICTURE}]{{1,400}}(?=(\w))")


_LOVES = {"eu": "amo", "i": "love", "we": "love", "you": "love", "yo": "amo", "io": "amo", "je": "aime"}
_LOVER = re.compile(rf"(?<!\w)({'|'.join(_LOVES)})$", re.IGNORECASE)


def _after_pictures(match: re.Match[str]) -> list[Piece]:
    """People write an emoji where a sentence or a phrase ends; what follows tells which. I ❤️ you is words."""
    if "\u2764" in match.group() and (who := _LOVER.search(match.string, max(0, match.start() - 5), match.start())):
        return [f" {_LOVES[who.group(1).lower()]} "]
    return [Added("," if match.group(1).islower() else "."), *_apart(match)]


def _apart(match: re.Match[str]) -> list[Piece]:
    return [Added(" "), match.span()] if match.group()[0] not in " \t" else [match.span()]


def spans(text: Traced, pieces: list[tuple[int, int]], original: str) -> Iterator[tuple[int, int]]:
    """Where pieces of an unmarked text lie in the original: together all of it, but for the spaces between them.

    pieces: spans in order, none empty. Markup between two pieces goes with the one that it is written to.
    """
    begin = 0
    for index, (_, end) in enumerate(pieces):
        while begin < len(original) and original[begin].isspace():
            begin += 1
        stop = len(original)
        if index + 1 < len(pieces):
            stop = text.last[end - 1]
            following = max(stop, text.first[pieces[index + 1][0]])
            gap = re.search(r"\s", original[stop:following])
            stop = stop + gap.start() if gap else following
        end_of_piece = max(begin, stop)
        yield begin, begin + len(original[begin:end_of_piece].rstrip())
        begin = end_of_piece
