"""Steps that every language takes: abbreviations, signs, and the punctuation that is left at the end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .numbers import TOKEN
from .trace import Change, Traced, change, changed

Step = Callable[[Traced], Traced]
"""One pass over a text: a linear regular expression and what replaces its matches."""

_UPPER = "A-ZÀ-ÖØ-Þ"
_MARKUP = re.compile(r"^ ?(?:#{1,6}|[-*•·‣▪●◦]) (?=\S)|\*{1,3}(?=\S)(?<!\d\*)|(?<=[^\s\d])\*{1,3}|`{1,3}|~~")

_SPACES = re.compile(r" {2,}")


def strip_markup(text: Traced) -> Traced:
    """Without the list marks, asterisks and backticks that markup.unmarked left for having no pair."""
    return change(change(text, _MARKUP, " "), _SPACES, " ")


def around(match: re.Match[str], said: str) -> str:
    """What is said in a match's place, kept apart from a letter or digit beside it."""
    before, after = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 1]
    return " " * before.isalnum() + said + " " * after.isalnum()


def replacing(pattern: re.Pattern[str], said: Change) -> Step:
    """A step that replaces each match of pattern: by a template of re.sub, or by what a function gives for it."""
    return lambda text: change(text, pattern, said)


def replacing_all(changes: Iterable[tuple[re.Pattern[str], Change]]) -> Step:
    """A step of several changes in their order."""
    return lambda text: changed(text, changes)


def range_after(between: str) -> re.Pattern[str]:
    """Two numbers with a dash, for span(); between is the word before a range that is read with "and"."""
    return re.compile(
        rf"((?i:\b{between}) )?(?<![\w.,–-])({TOKEN})(%?)( ?)[-–—] ?(?={TOKEN}(?![\d-])(%?))(?!\d+[-–]\d)"
    )


def span(match: re.Match[str], conjunction: str, to: str) -> str:
    """A range in words. A dash between spaces parts two things and stays: "1578 - 3º andar", "Turno 1 - 8h"."""
    between, number, percent, spaced, percent_too = match.groups()
    if spaced and not between and not (percent and percent_too):
        return match.group()
    return f"{between or ''}{number}{percent} {conjunction if between else to} "


@dataclass(frozen=True, slots=True)
class Abbreviations:
    """A language's abbreviations by what must follow them; keys in lower case without the last full stop."""

    titles: Mapping[str, str]
    """Before a name; those in before_name only when written with a capital and followed by one."""
    before_name: Collection[str]
    before_number: Mapping[str, str]
    anywhere: Mapping[str, str]
    ends_sentence: Collection[str]
    """Those that keep a full stop when a capital follows."""

    def steps(self) -> list[Step]:
        return [self._number_step(), self._anywhere_step(), self._title_step()]

    def _number_step(self) -> Step:
        pattern = re.compile(rf"(?<![\w.])((?i:{_any(self.before_number)}))\. ?(?=\d|[IVXLC]+(?!\w))")

        def replace(match: re.Match[str]) -> str:
            short = match.group(1)
            # "No. I won't" has no number in it.
            if short.lower() == "no" and not match.string[match.end()].isdecimal():
                return match.group()
            return _cased(short, self.before_number[short.lower()]) + " "

        return replacing(pattern, replace)

    def _title_step(self) -> Step:
        pattern = re.compile(rf"(?<![\w.])((?i:{_any(self.titles)}))\.(?!\.) ?(?=(\w)?)")

        def replace(match: re.Match[str]) -> str:
            short, following = match.group(1), match.group(2) or ""
            if short.lower() in self.before_name and not (short[0].isupper() and (following.isupper() or short == "R")):
                return match.group()
            if len(short) == 1 and (match.group()[-1] != " " or _is_middle_name(match)):
                return match.group()
            return _cased(short, self.titles[short.lower()]) + " "

        return replacing(pattern, replace)

    def _anywhere_step(self) -> Step:
        pattern = re.compile(
            rf"""(?<![\w.])((?i:{_any(self.anywhere)}))\.(?!\.)(?=( ?["')]{{0,2}}(?:$| ["'(]?[{_UPPER}])|\w)?)"""
        )

        def replace(match: re.Match[str]) -> str:
            short, following = match.group(1), match.group(2) or ""
            said = self.anywhere[short.lower()]
            rest = match.string[match.end() : match.end() + 32]
            if not rest.strip("\"') "):
                return said + "."
            if short.lower() in self.ends_sentence and following[-1:].isupper():
                return said + "."
            return said + " " * rest[:1].isalnum()

        return replacing(pattern, replace)


_WORD_BEFORE = re.compile(r"([^\W\d_]+)([.,:;]?) $")
_LETTERED = frozenset(
    """plano vitamina grupo classe tipo letra opção ponto nota item bloco sala lado série hepatite turma categoria
    anexo
    plan vitamin group class type letter option point team grade block side room hepatitis appendix exhibit""".split()
)
_LINKS = frozenset("e and & de da do dos das por by com with of von van to".split())
_PLACES = frozenset("na da pela a à de e rua avenida av praça igreja vila ilha largo in on at the of near".split())


def is_initial(before: str) -> bool:
    """Whether a single capital with a full stop is that of a name, by the words before it.

    before: the text up to the letter, with its last space. "Carlos R. Silva" and "por J. Silva" yes, "plano B." no.
    """
    found = _WORD_BEFORE.search(before[-32:])
    if not found or found.group(2) in (":", ";"):
        return True
    word = found.group(1)
    if len(word) == 1 and word.isupper() and found.group(2) != ".":
        return False  # the end of an acronym: in the U K.
    return word.lower() not in _LETTERED and (word[0].isupper() or word.lower() in _LINKS)


_STARTER = re.compile(
    r" [\"'(]?(?:It|The|He|She|They|We|You|But|And|In|On|At|This|That|There|Its|His|Her|Our|If|When|So|O|A|Os|As|Ele"
    r"|Ela|Eles|Elas|Mas|Não|No|Na|Em|Isso|Este|Esta|Se|Quando|Um|Uma|Por|Para|Já)(?![\w.])"
)


def ends_here(text: str, place: int) -> bool:
    """Whether an abbreviation's full stop, the one before place, is that of the sentence too.

    It is at the end of the text, and before a word that begins a sentence: "the U.S. It is", not "the U.S. Army".
    """
    return not text[place : place + 8].strip("\"') ") or bool(_STARTER.match(text, place))


def full_stop(match: re.Match[str]) -> str:
    """The full stop of a sentence, where the abbreviation's own stands for it."""
    return "." if ends_here(match.string, match.end()) else ""


def _is_middle_name(match: re.Match[str]) -> bool:
    """Whether R., D. or S. stands after a first name, where it is not short for rua, dona or são."""
    name = _WORD_BEFORE.search(match.string[max(0, match.start() - 32) : match.start()])
    return bool(name) and name.group(1)[0].isupper() and name.group(1).lower() not in _PLACES


def _any(keys: Collection[str]) -> str:
    return "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))


def _cased(short: str, said: str) -> str:
    return said[0].upper() + said[1:] if short[0].isupper() and (len(short) == 1 or not short.isupper()) else said


# --- Punctuation at the end ----------------------------------------------------------------------------------------

# In this order. No pattern may begin within the run of another match: a row of 20,000 commas would be tried from each.
_TIDY: list[tuple[re.Pattern[str], Change]] = [
    (re.compile(pattern), said)
    for pattern, said in [
        (r"_+|\\+|[|•·‣▪●◦¦¶]+|[←-⇿⟵-⟿]+", ", "),
        (r"[(\[{<)\]}>]+", ", "),
        (r" {2,}", " "),
        (r"(?<!\w)(?<![\"'])[\"']{2,}(?!\w)", " "),
        (r"(?<=\w)–(?=\w)", "-"),
        (r"^[ \"']*[-–—]+ *(?=\S)", ""),
        (r" ?—+ ?| [-–]+ | –+|–+ ", ", "),
        (r"(?<=\w)--+(?=\w)", ", "),
        (r"(?<![\w\-–~*^+=/])[-–~*^+=/]+(?!\w)|(?<=\w)[-–]+(?!\w)", " "),
        (r"\.{4,}", "..."),
        (r"!{2,}", "!"),
        (r"\?{2,}", "?"),
        (r"[!?]{3,}", "?!"),
        (r" {2,}", " "),
        (r" (?=[,.;:!?])", ""),
        (r",{2,}", ","),
        (r"(?<![,;:])[,;:]+(?=[.!?])", ""),
        (r"(?<=[.!?;:]),+", ""),
        (r"^[ ,;:.!?\"']*(?=\w)", ""),
        (r"^[,;:]+ *", ""),
        (r",(?=[^\W\d_])", ", "),
        (r" {2,}", " "),
    ]
]
_OPENING_QUOTE = re.compile(r"^[ ,;:.!?]*([\"'])(?=\w)")


def tidy(text: Traced) -> Traced:
    """Brackets and dashes become commas, what repeats is said once, and signs that no step has read are dropped."""
    text = change(text, _SIGN, lambda match: " " if _is_sign(match.group()) else match.group())
    quote = _OPENING_QUOTE.match(text.text)
    opening = text.part(*quote.span(1)) if quote else text.part(0, 0)
    # A piece cut at a comma goes on in the next one, and should sound so.
    comma = text.text.rstrip().endswith(",")
    # Twice, since a removed sign may bring two others together.
    for _ in range(2):
        text = changed(text, _TIDY).stripped().stripped("", ", ")
    if not any(map(str.isalnum, text.text)):
        return text.part(0, 0)
    if comma and text.text[-1].isalnum():
        text = text + Traced(",", text.last[-1:], text.last[-1:])
    return opening + text


_SIGN = re.compile(r"[$`\u00a2-\U0010ffff]")


@lru_cache(maxsize=4096)
def _is_sign(char: str) -> bool:
    if char < "\u00a2":
        return True
    return unicodedata.category(char) in ("Sm", "So", "Sc", "Sk") and not "←" <= char <= "⟿"
