"""Characters: those that no voice can say are taken out, and the many forms of one sign become one."""

from __future__ import annotations

import re
import unicodedata

from .trace import Traced, change, changed

_QUOTES = {**dict.fromkeys("“”„‟«»″〝〞＂", '"'), **dict.fromkeys("‘’‚‛′ʼ＇", "'")}
_DASHES = {**dict.fromkeys("\u2010\u2011\ufe63\uff0d", "-"), "\u2012": "–", "\u2015": "—", "\ufe58": "—"}
_SIGNS = {
    "℃": "°C", "℉": "°F", "№": "nº", "˚": "°", "…": "...", "％": "%", "＋": "+", "＝": "=", "＠": "@",
    "＃": "#", "＆": "&", "⁄": "/", "∕": "/", "µ": "µ", "μ": "µ", "－": "-", "，": ",", "．": ".", "：": ":", "＄": "$",
}  # fmt: skip
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
_JOINERS = "\u200c\u200d"
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_SPACES = re.compile(r"\s+")
_EMOTICON = re.compile(r"(?<!\S)[:;=][-'^]?[)(DPpoO|*\\]{1,9}(?!\S)")


_CLUSTER = re.compile(
    r"\S[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u3099\u309a]+|[\u1100-\u11ff]+"
)
_WORD = re.compile(r"\S+")
_UNUSUAL = re.compile(r"[^ -~¡-¬®-ɏ]")


def clean(text: Traced) -> Traced:
    """Composed Unicode without control characters, private characters and emoji; every run of spaces becomes one."""
    text = change(composed(text), _UNUSUAL, _speakable)
    return changed(text, [(_EMOTICON, " "), (_GROUPED, ""), (_SPACES, " ")]).stripped()


def composed(text: Traced) -> Traced:
    """In Unicode's composed form (NFC)."""
    for pattern in (_CLUSTER, _WORD):
        if not unicodedata.is_normalized("NFC", text.text):
            text = change(text, pattern, lambda match: unicodedata.normalize("NFC", match.group()))
    return text


def _speakable(match: re.Match[str]) -> str:
    """A character, the space that stands for it, or nothing."""
    char = match.group()
    category = unicodedata.category(char)
    if char.isspace() or category in ("Zs", "Zl", "Zp"):
        return char if char in "\u00a0\u202f\u2009" else " "
    if char in _JOINERS:
        # Persian and the Indian scripts write with these inside a word; between emoji they mean nothing.
        inside = _in_word(match.string, match.start() - 1) and _in_word(match.string, match.end())
        return char if inside else ""
    if category in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ""
    # A space, since two words with an emoji between them are still two.
    return " " if is_emoji(char, category) else char


def _in_word(text: str, place: int) -> bool:
    return 0 <= place < len(text) and unicodedata.category(text[place])[0] in "LM"


def is_emoji(char: str, category: str) -> bool:
    """Whether it is a pictograph, or one of the marks that change one."""
    if char in "\ufe0e\ufe0f\u20e3" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    return category == "So" and char >= "\u2300"


def plain(text: Traced) -> Traced:
    """What `clean` gives, with one form for quotes, dashes and digits.

    Digits of every script become 0-9, ½ becomes 1/2 (1½: 1 1/2), Ⅳ becomes IV. A raised ² or ³ stays, for the units; a
    raised number elsewhere becomes ^ and the number.
    """
    return changed(text, [(_RAISED, _raised), (_MANY_FORMS, _one_form), (_SPACES, " ")])


# ² and ³ alone belong to a unit or a letter (m², x³).
_RAISED = re.compile(r"[⁻]?(?:[⁰¹⁴-⁹][⁰¹²³⁴-⁹]*|[²³][⁰¹²³⁴-⁹]+)|⁻[²³]|(?<!\w)[²³]")


def _raised(match: re.Match[str]) -> str:
    return "^" + "".join(_SUPERSCRIPTS.get(char, "-") for char in match.group())


_MANY_FORMS = re.compile(r"[^\x00-\x7fºª²³]")


def _one_form(match: re.Match[str]) -> str:
    char = match.group()
    for table in (_QUOTES, _DASHES, _SIGNS):
        if char in table:
            return table[char]
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category in ("No", "Nl"):
        return _number(char, before=match.string[max(0, match.start() - 1) : match.start()])
    return char


def _number(char: str, *, before: str) -> str:
    """A sign that is a number of its own: ½, ①, Ⅷ, ₂."""
    composed = unicodedata.normalize("NFKC", char).replace("⁄", "/")
    if "SUBSCRIPT" in unicodedata.name(char, ""):
        return composed
    if composed.isascii() and composed.isalpha():
        return composed.upper()
    value = unicodedata.numeric(char)
    if value == int(value):
        return f" {int(value)} "
    if "/" in composed and len(composed) >= 3 and all(part.isdigit() for part in composed.split("/")):
        return f" {composed}" if before.isdigit() else composed
    return f" {value:g} "
