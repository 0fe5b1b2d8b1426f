"""English: the steps that turn a text into words, in order."""

from __future__ import annotations

import re

from . import acronyms, dates_en, money, web
from . import tables_en as tables
from . import words_en as words
from .everyday_en import STEPS as EVERYDAY_STEPS
from .numbers import TOKEN, roman
from .phones_en import STEPS as PHONE_STEPS
from .shared import (
    Abbreviations,
    Step,
    around,
    full_stop,
    is_initial,
    range_after,
    replacing,
    replacing_all,
    span,
    strip_markup,
    tidy,
)
from .trace import Change, Traced, change

DAY_FIRST = frozenset({"en-gb", "en-au", "en-nz", "en-ie", "en-za", "en-in"})
"""Where 3/4/2026 is the third of April."""

_SIGNS = {
    ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", ":": "colon", "?": "question mark",
    "=": "equals",
    "&": "and", "#": "hash", "%": "percent", "~": "tilde", "+": "plus",
}  # fmt: skip
_WEB = web.Reader(
    _SIGNS, "hashtag", lambda text: words.letters(text) if len(text) > 1 else text, words.whole, words.digits
)


def _is_one(token: str) -> bool:
    return token == "1"  # noqa: S105


_MONEY = money.Reader(
    money.Words(
        mark=".",
        coins=tables.COINS,
        magnitudes=tables.MAGNITUDES,
        joint="",
        without_joint=frozenset(),
        minus="minus",
        conjunction="and",
        to="to",
        per="per",
        units=tables.PER,
        is_one=lambda number: number.whole == "1" and not number.fraction,
        say=lambda token, feminine: words.say(token),
    )
)

# --- Abbreviations and Roman numerals ------------------------------------------------------------------------------

_ABBREVIATIONS = Abbreviations(
    tables.TITLES, tables.BEFORE_NAME, tables.BEFORE_NUMBER, tables.ANYWHERE, tables.ENDS_SENTENCE
)
# After a name or "42nd", and with no name after: Elm Dr., but Dr. Elm.
_STREET = re.compile(
    r"((?<!\w)(?!The |My |Our )[A-Z][a-z]{1,30}|(?:st|nd|rd|th)(?<=\d..)) (St|Dr)\.(?! ?[A-ZÀ-Ý])(?=( ?$))?"
)
_HASH = re.compile(r"(?<!\w)#(?=\d)|\bNo (?=\d)|\bnº ?(?=\d)")
_AGAINST = re.compile(r"(?<=[a-z]) v\.? (?=[A-Z][a-z])")
_FEET = re.compile(r"(?<![\w.,])(\d{1,2})' ?(\d{1,2})\"")
_INITIAL = re.compile(r"(?:(?<=^)|(?<=[ (\"]))([A-HJ-Z])\. ?(?=[A-Z])")
_INITIALS = re.compile(r"(?<![\w.])(?:[A-Z]\. ?){2,6}(?=[A-Z][a-z])")
_DOTTED = re.compile(r"(?<![\w.])(?:[A-Z]\.){2,8}(?!\w)")
_SLASHED = re.compile(
    rf"(?<![\w/])({'|'.join(sorted(map(re.escape, tables.SLASHED), key=len, reverse=True))})(?!/)", re.I
)
_SECTION = re.compile(r" ?(§§?) ?")
_VERSION = re.compile(r"(?<![\w.])v\.? ?(?=\d+\.\d)", re.IGNORECASE)


def _street(match: re.Match[str]) -> str:
    name = "Street" if match.group(2) == "St" else "Drive"
    return f"{match.group(1)} {name}{'.' if match.group(3) is not None else ''}"


def _dotted(text: Traced) -> Traced:
    """U.S.A. and J. R. R. Tolkien, before a part of it is taken for a shorter abbreviation."""
    text = change(text, _DOTTED, lambda m: around(m, words.letters(m.group().replace(".", ""))) + full_stop(m))
    return change(text, _INITIALS, lambda m: words.letters(re.sub(r"[^A-Z]", "", m.group())) + " ")


def _initial(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - 32) : match.start()]
    return match.group(1) + " " if is_initial(before) else match.group()


_ROMAN = re.compile(r"(?<![\w.-])([IVXLCDM]{1,12})(?![\w'.]\w|\w)")
_LAST_TWO = re.compile(r"(?:([^\W\d_]+) )?([^\W\d_]+) $")
_CENTURY = re.compile(r"(?:(?:,| and| to| or|-)? ?[IVXLCDM]+){0,3} ?(?i:century|centuries)")


def _roman(match: re.Match[str]) -> str:
    numeral, value = match.group(1), roman(match.group(1))
    before, after = (
        match.string[max(0, match.start() - 48) : match.start()],
        match.string[match.end() : match.end() + 32],
    )
    previous = _LAST_TWO.search(before)
    earlier, last = (previous.group(1) or "", previous.group(2)) if previous else ("", "")
    if not value:
        return numeral
    if _CENTURY.match(after) and (len(numeral) > 1 or numeral in "VX"):
        return words.ordinal(value)
    if last.lower() in tables.ROMAN_CARDINAL and (numeral != "I" or last[0].isupper()):
        return words.cardinal(value)
    titled = earlier.lower() in tables.TITLES_OF_RULERS
    # "Then Henry I met" does not name a king; King Henry I and Henry V do.
    if last[:1].isupper() and (titled or (last.lower() in tables.RULERS and numeral != "I")):
        return f"the {words.ordinal(value)}"
    if len(numeral) < 2 or set(numeral) - set("IVX") or acronyms.is_shouted(before, last, _ACRONYMS):
        return numeral
    return words.cardinal(value)


# --- Numbers with a sign or a word next to them --------------------------------------------------------------------

_RANGE = range_after("between")
_SUM = re.compile(r"(?<=\d) ?([-+−]) ?(?=\d[\d.,]* ?=)")
_MINUS = re.compile(r"(?<![\w.,)\]-])(?:-|− ?)(?=\d)")
_DEGREE = re.compile(r"(?<=\d) ?[°º] ?(?=[CF](?!\w))")
_DEGREES = re.compile(rf"(?<![\d.,])({TOKEN}) ?°(?!\w)")
_ORDINAL = re.compile(r"(?<![\d.,])(\d{1,3}(?:,\d{3})*|\d{1,9})(?:st|nd|rd|th|ST|ND|RD|TH|[ºª])(s)?(?!\w)")
_MAGNITUDE = re.compile(rf"(?<![\d.,])({TOKEN}) ?(k|mn|bn)(?!\w)")
_PERCENT = re.compile(r" ?([%‰])")
_SQUARE = re.compile(r"(?<=\d)( ?(?:[kcm]?m|ft))([23])(?!\w)")
_PER_NAMES = "(?:hour|day|month|year|week|minute|second|person|night|mile|gallon|pound|ounce)"
_UNIT_NAMES = "|".join(re.escape(unit) for unit in sorted(tables.UNITS, key=len, reverse=True))
_UNIT = re.compile(
    rf"(?<![\d.,])({TOKEN})( ?)({_UNIT_NAMES})(\.(?= [a-z]|[,;)]))?(?![\w²³]|/(?!{_PER_NAMES}(?!\w))|\.\w)"
)
_MANY_UNITS = re.compile(rf"(?:(?<=thousand)|(?<=[mb]illion)) ({_UNIT_NAMES})(?![\w²³/])")
_PER = re.compile(rf"(?<=\w)/(?={_PER_NAMES}(?!\w))")
_MIXED = re.compile(r"(?<![\d/.,])(\d{1,4}) (?=\d{1,2}/\d{1,3}(?![\d/]))")
_SLASH = re.compile(r"(?<![\d/.,])(\d{1,6})/(\d{1,6})(?![\d/]|[.,]\d)")
_MIXED_BEFORE = re.compile(r"\d and $")
_MARK = re.compile(r"(?<![\d/.,])(?:(10|5)/\1|(\d{1,2}[.,]\d)/(10|5))(?![\d/]|[.,]\d)")
_CENTS = re.compile(r"(?<=\$)\.(?=\d\d(?!\d))")
_TIMES = re.compile(r"(?<=\d) ?([x×✕*]) ?(?=\d)")
_TIMES_AS_MUCH = re.compile(r"(?<=\d) ?[x×](?!\w)")
_RATIO = re.compile(r"(?<![\d:.,])(\d{1,4}):(\d{1,4})(?![\d:])")
_ASPECTS = {"16:9", "4:3", "9:16", "21:9", "3:2", "3:4", "2:3", "4:5"}


def _ordinal(match: re.Match[str]) -> str:
    number = match.group(1).replace(",", "")
    if not int(number):
        return "zeroth"
    return words.ordinal(int(number)) + (match.group(2) or "")


# "A 2 TB disk" has two terabyte; "a 5 km of" is not English, so what follows must be a noun.
_ARTICLE = re.compile(r"\b[Aa]n? $")
_NOUN = re.compile(
    r" (?!(?:of|in|per|at|to|from|and|or|for|on|by|with|away|long|tall|high|wide|deep|apart|a|an)\b)[a-z]"
)


def _unit(match: re.Match[str]) -> str:
    token, space, symbol, _stop = match.groups()
    # "5 in the morning": without a full stop, an inch has something before or after it that no preposition has.
    if symbol == "in" and space and not match.group(4) and re.match(r" ?[a-zA-Z\d]", match.string[match.end() :][:2]):
        return match.group()
    one, many = tables.UNITS[symbol]
    attribute = _ARTICLE.search(match.string[max(0, match.start() - 4) : match.start()]) and _NOUN.match(
        match.string, match.end()
    )
    return f"{words.say(token)} {one if _is_one(token) or attribute else many}"


def _slash(match: re.Match[str]) -> str:
    """1/2, 3/4, 5/16; anything but a proper fraction is read with its stroke."""
    upper, lower = match.groups()
    if match.group() == "24/7":
        return "twenty-four seven"
    if upper[0] == "0" or lower[0] == "0" or not 1 < int(lower) <= 1000 or int(upper) >= int(lower) or len(upper) > 3:
        return f"{upper} slash {lower}"
    if (int(upper), int(lower)) == (1, 2):
        mixed = _MIXED_BEFORE.search(match.string[max(0, match.start() - 8) : match.start()])
        return around(
            match, "a half" if mixed else "half" if match.string[match.end() :][:3] in (" a ", " an") else "one half"
        )
    return around(match, words.ratio(int(upper), int(lower)))


def _times(text: Traced) -> Traced:
    def replace(match: re.Match[str]) -> str:
        product = match.group(1) == "*" or "=" in match.string[match.end() : match.end() + 24]
        return " times " if product else " by "

    return change(change(text, _TIMES, replace), _TIMES_AS_MUCH, " times")


def _ratio(match: re.Match[str]) -> str:
    return f"{match.group(1)} {'by' if match.group() in _ASPECTS else 'to'} {match.group(2)}"


def _degrees(match: re.Match[str]) -> str:
    return f"{match.group(1)} {'degree' if _is_one(match.group(1)) else 'degrees'}"


# --- Letters and digits in one word, and numbers -------------------------------------------------------------------

_WORD = re.compile(r"\w+(?:-\w+)*")
_RUN = re.compile(r"[^\W\d_²³]+|\d+|.")
_NUMBER = re.compile(rf"(?<!\d){TOKEN}")


def _mixed_word(match: re.Match[str]) -> str:
    """COVID-19, MP3, H2O: letters apart from digits; a hyphen stays before letters only (10-year-old)."""
    word = match.group()
    if word.isdecimal() or not any(map(str.isdecimal, word)) or not any(map(str.isalpha, word)):
        return word
    said = ""
    for run in _RUN.findall(word):
        if run.isdigit():
            said = said.rstrip("-") + " " * bool(said and said[-1] != " ") + run
        elif run.isalpha():
            letters = run.isupper() and run.isascii() and (len(run) <= 2 or acronyms.is_spelled(run, _ACRONYMS))
            said = said[:-1] + " " if run.isupper() and said.endswith("-") else said
            said += " " * said[-1:].isdigit() + (words.letters(run) if letters else run)
        else:
            said += " " if run == "_" else run
    return said


_ACRONYMS = acronyms.Rules(
    said=tables.ACRONYMS,
    spelled=tables.SPELLED,
    kept=tables.KEPT,
    pronounceable=re.compile(
        r"(?:[BCDFGHJKLMNPRSTVWYZ]|[BCFGPS]L|[BCDFGPTW]R|[CSTWPGK]H|SCH|SCR|SHR|SK|SM|SN|SP|SPL|SPR|SQU|QU|ST|STR|SW"
        r"|TW|DW|KN"
        r"|THR|SC|CHR|PHR|WR|GN)?[AEIOUY]{1,3}"
        r"(?:[BCDFGHJKLMNPQRSTVWXYZ]{1,3}[AEIOUY]{1,3})*"
        r"(?:[BCDFGHKLMNPRSTVWXYZ]|CK|CT|DS|FF|FT|GH|GHT|GS|KS|LD|LF|LK|LL|LM|LP|LS|LT|LTH|MP|MS|ND|NDS|NG|NGS|NK|NS"
        r"|NT|NTS|NCH"
        r"|PS|PT|RCH|RD|RDS|RK|RL|RM|RN|RP|RS|RT|RTH|RTS|SH|SK|SP|SS|ST|STS|TCH|TH|TS|TT|WN|WS|WL|CH|BS|MB|MN|RST"
        r"|NGTH|FTS|ZZ)?"
    ),
    letters=words.letters,
    plural=lambda said: said + "'s",
)

_SYMBOLS: list[tuple[re.Pattern[str], Change]] = [
    (re.compile(pattern), f" {said} ")
    for pattern, said in [
        (r"(?<=\b[CF])#", "sharp"),
        (r"&", "and"), (r"(?<!\w)R\$", "reais"), (r"US\$|\$", "dollars"), (r"€", "euros"), (r"£", "pounds"),
        (r"¥", "yen"),
        (r"(?<=\w)¢", "cents"), (r"@", "at"),  (r"#", "hash"),
        (r"±", "plus or minus"),
        (r"≈|~(?=\w)", "about"), (r"≤|<=", "less than or equal to"), (r"≥|>=", "greater than or equal to"),
        (r"≠|!=", "is not equal to"), (r"==?", "equals"), (r"(?<=\w) ?<(?= ?\w)", "less than"),
        (r"(?<=\w) ?>(?= ?\w)", "greater than"), (r"[×✕]", "times"), (r"÷", "divided by"),
        (r"√", "the square root of"),
        (r"∞", "infinity"), (r"π", "pi"), (r"−", "minus"), (r"²", "squared"), (r"³", "cubed"), (r"\+", "plus"),
        (r"(?<=\w)\^(?=\w|-)", "to the power of"), (r"©", "copyright"), (r"°", "degrees"),
        (r"(?<=\w) ?/ ?(?=\w)", "slash"),
        (r"(?<=\w)[ºª]", ""),
    ]
]  # fmt: skip


def _steps(*, day_first: bool) -> list[Step]:
    return [
        web.step(_WEB),
        strip_markup,
        replacing(_CENTS, "0."),
        *EVERYDAY_STEPS,
        *PHONE_STEPS,
        *dates_en.steps(day_first=day_first),
        _MONEY.expand,
        replacing(_FEET, lambda m: around(m, f"{int(m.group(1))} feet {int(m.group(2))} inches")),
        replacing(_HASH, "number "),
        replacing(_AGAINST, " versus "),
        replacing(_STREET, _street),
        replacing(_SLASHED, lambda m: around(m, tables.SLASHED[m.group(1).lower()])),
        replacing(_SECTION, lambda m: f" {'sections' if len(m[1]) > 1 else 'section'} "),
        _dotted,
        *_ABBREVIATIONS.steps(),
        replacing(_INITIAL, _initial),
        replacing(_ROMAN, _roman),
        *dates_en.YEAR_STEPS,
        replacing(_VERSION, "version "),
        replacing(_SUM, lambda m: " plus " if m.group(1) == "+" else " minus "),
        replacing(_RANGE, lambda m: span(m, "and", "to")),
        replacing(_MINUS, "minus "),
        replacing(_DEGREE, "°"),
        replacing(_SQUARE, lambda m: m.group(1) + "²³"[int(m.group(2)) - 2]),
        replacing(_UNIT, _unit),
        replacing(_DEGREES, _degrees),
        replacing(_ORDINAL, _ordinal),
        replacing(_MAGNITUDE, r"\1 \2"),
        replacing(_MAGNITUDE, lambda m: f"{m.group(1)} {tables.MAGNITUDES[m.group(2)][0]}"),
        replacing(_MANY_UNITS, lambda m: " " + tables.UNITS[m.group(1)][1]),
        replacing(_PERCENT, lambda m: around(m, " percent" if m.group(1) == "%" else " per thousand")),
        replacing(_PER, " per "),
        replacing(_MIXED, r"\1 and "),
        replacing(_MARK, lambda m: f"{m[2] or m[1]} out of {m[3] or m[1]}"),
        replacing(_SLASH, _slash),
        _times,
        replacing(_RATIO, _ratio),
        replacing(_WORD, _mixed_word),
        replacing(_NUMBER, lambda m: around(m, words.say(m.group()))),
        replacing_all(_SYMBOLS),
        acronyms.step(_ACRONYMS),
        tidy,
    ]


_MONTH_FIRST, _DAY_MONTH = _steps(day_first=False), _steps(day_first=True)


def normalise(text: Traced, *, day_first: bool = False) -> Traced:
    """text: cleaned, one form of each sign (clean.plain). No digit is left in what is returned.

    day_first: 3/4/2026 is the third of April.
    """
    for step in _DAY_MONTH if day_first else _MONTH_FIRST:
        text = step(text)
    return text
