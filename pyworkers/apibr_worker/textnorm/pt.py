"""Brazilian Portuguese: the steps that turn a text into words, in order.

Most steps only bring a number into plain form beside a word ("14h30" -> "14 horas e 30 minutos"), and one step near the
end reads all numbers, so that gender is decided in one place by the noun that follows.
"""

from __future__ import annotations

import re

from . import acronyms, money, web
from . import tables_pt as tables
from . import words_pt as words
from .dates_pt import MONTHS
from .dates_pt import STEPS as DATE_STEPS
from .everyday_pt import STEPS as EVERYDAY_STEPS
from .numbers import TOKEN, parse, roman
from .phones_pt import STEPS as PHONE_STEPS
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

_SIGNS = {
    ".": "ponto", "/": "barra", "@": "arroba", "-": "hífen", "_": "underline", ":": "dois pontos",
    "?": "interrogação",
    "=": "igual", "&": "e", "#": "cerquilha", "%": "por cento", "~": "til", "+": "mais",
}  # fmt: skip
_WEB = web.Reader(_SIGNS, "hashtag", words.letters, words.whole, words.digits)


def _is_one(token: str) -> bool:
    """Portuguese keeps the singular below two: zero grau, um vírgula cinco quilômetro."""
    number = parse(token, ",")
    return number is not None and number.value < 2


_MONEY = money.Reader(
    money.Words(
        mark=",",
        coins=tables.COINS,
        magnitudes=tables.MAGNITUDES,
        joint="de",
        without_joint=frozenset({"mil"}),
        minus="menos",
        conjunction="e",
        to="a",
        per="por",
        units=tables.PER,
        is_one=lambda number: number.value < 2,
        say=lambda token, feminine: words.say(token, feminine=feminine),
    )
)

# --- Abbreviations and Roman numerals ------------------------------------------------------------------------------

_ABBREVIATIONS = Abbreviations(
    tables.TITLES, tables.BEFORE_NAME, tables.BEFORE_NUMBER, tables.ANYWHERE, tables.ENDS_SENTENCE
)
_NUMERO = re.compile(r"(?<!\w)n(?:[º°]|\.[º°o])s?\.? ?(?=\d)|(?<!\w)#(?=\d)", re.IGNORECASE)
_WITHOUT_DOT = re.compile(r"(?<![\w.])(págs?|séc|apto|tel|art) (?=\d|[IVX]+(?!\w))", re.IGNORECASE)
_EXTREME = re.compile(
    r"(\b(?:a|da|na|à|temperatura|velocidade|altura|idade|pressão|nota|carga|potência|umidade) m)(áx|ín)\.",
    re.IGNORECASE,
)
_ROAD_KM = re.compile(r"(?<!\d)(?<!\d )(?<!mil )\bkm ?(?=\d)")
_DOM = re.compile(rf"(?<![\w.])D\. (?=(?i:{'|'.join(tables.DOM)})\b)")
_INITIAL = re.compile(r"(?:(?<=^)|(?<=[ (\"]))([A-Z])\. ?(?=[A-ZÀ-Ý])")
_INITIALS = re.compile(r"(?<![\w.])(?:[A-Z]\. ?){2,6}(?=[A-ZÀ-Ý][a-zà-ÿ])")
_DOTTED = re.compile(r"(?<![\w.])(?:[A-Z]\.){2,8}(?!\w)")
_SLASHED = re.compile(
    rf"(?<![\w/])({'|'.join(sorted(map(re.escape, tables.SLASHED), key=len, reverse=True))})(?!/)(?:(?<=/)|(?!\w))",
    re.IGNORECASE,
)
_SECTION = re.compile(r" ?(§§?) ?")
_VERSION = re.compile(r"(?<![\w.])v\.? ?(?=\d+\.\d)", re.IGNORECASE)


def _dotted(text: Traced) -> Traced:
    """I.A. and J. R. R. Tolkien, before R. and S. can be taken for Rua and São."""

    def replace(match: re.Match[str]) -> str:
        if match.group().lower().removesuffix(".") in tables.ANYWHERE:
            return match.group()
        return around(match, acronyms.read(match.group().replace(".", ""), _ACRONYMS)) + full_stop(match)

    text = change(text, _DOTTED, replace)
    return change(text, _INITIALS, lambda m: words.letters(re.sub(r"[^A-Z]", "", m.group())) + " ")


def _initial(match: re.Match[str]) -> str:
    return (
        words.letters(match.group(1)) + " "
        if is_initial(match.string[max(0, match.start() - 32) : match.start()])
        else match.group()
    )


_ROMAN = re.compile(r"(?<![\w.-])([IVXLCDM]{1,12})(?![\w'.]\w|\w)")
_LAST_WORD = re.compile(r"([^\W\d_]+) $")
_NEXT_WORD = re.compile(r" ([^\W\d_]+)")
_CENTURY = re.compile(r"(?i:séculos?|sécs?\.?) (?:[IVXLCDM]+(?:,| e| a| ao| ou| até|-|/)? ?){0,4}(?:o )?$")


def _roman(match: re.Match[str]) -> str:
    numeral, value = match.group(1), roman(match.group(1))
    before, after = (
        match.string[max(0, match.start() - 48) : match.start()],
        match.string[match.end() : match.end() + 32],
    )
    previous, following = _LAST_WORD.search(before), _NEXT_WORD.match(after)
    last, coming = previous.group(1) if previous else "", following.group(1).lower() if following else ""
    by_order = words.ordinal if value <= 10 else words.cardinal
    if not value:
        return numeral
    if _CENTURY.search(before):
        return by_order(value)
    if last.lower() in tables.ROMAN_CARDINAL:
        return words.cardinal(value)
    if last.lower() in tables.RULERS and last[:1].isupper():
        return by_order(value)
    if last.lower() in tables.QUEENS and last[:1].isupper():
        return by_order(value, feminine=True)
    if coming in tables.ROMAN_ORDINAL:
        return words.ordinal(value, feminine=tables.ROMAN_ORDINAL[coming])
    if len(numeral) < 2 or set(numeral) - set("IVX") or acronyms.is_shouted(before, last, _ACRONYMS):
        return numeral
    return words.cardinal(value)


# --- Numbers with a sign or a word next to them --------------------------------------------------------------------

_RANGE = range_after("entre")
_ONE_THOUSAND = re.compile(r"(?<![\w.,-])1 (?=mil(?!\w))")
_SUM = re.compile(r"(?<=\d) ?([-+−]) ?(?=\d[\d.,]* ?=)")
_MINUS = re.compile(r"(?<![\w.,)\]-])(?:-|− ?)(?=\d)")
_DEGREE = re.compile(r"(?<=\d) ?[°º] ?(?=[CF](?!\w))")
_ORDINAL = re.compile(r"(?<![\d.,])(\d{1,6})\.?([ºª°]|(?<!-\d)[oa](?!\w))(s(?!\w))?")
_ORDINAL_NOUN = re.compile(
    rf" (?:(?:{'|'.join(tables.ORDINAL_NOUN)})s?|de (?:{'|'.join(MONTHS[1:])}))(?!\w)", re.IGNORECASE
)
_MAGNITUDE = re.compile(rf"(?<![\d.,])({TOKEN}) ?(mi|bi|tri|k)(?!\w)")
_PERCENT = re.compile(r" ?([%‰])")
_SQUARE = re.compile(r"(?<=\d)( ?[kcdm]?m)([23])(?!\w)")
_PER_NAMES = "hora|dia|mês|ano|semana|minuto|segundo|pessoa|aluno|habitante|noite|quilo|litro"
_UNIT_NAMES = "|".join(re.escape(unit) for unit in sorted(tables.UNITS, key=len, reverse=True))
_UNIT = re.compile(rf"(?<![\d.,])({TOKEN}) ?({_UNIT_NAMES})(?![\w²³]|/(?!(?:{_PER_NAMES})(?!\w))|\.\w)")
_HEIGHT = re.compile(r"(?<![\d.,])(\d{1,2}),(\d{2}) ?m(?![\w²³/])")
_MANY_UNITS = re.compile(rf"(?:(?<=mil)|(?<=ões de)|(?<=hão de)) ({_UNIT_NAMES})(?![\w²³/])")
_LENGTH_PER = re.compile(rf"(?<=\w)/(?=(?:{_PER_NAMES})(?!\w))")
_MIXED = re.compile(r"(?<![\d/.,])(\d{1,4}) (?=\d{1,2}/\d{1,3}(?![\d/]))")
_SLASH = re.compile(r"(?<![\d/.,])(\d{1,6})/(\d{1,6})(?![\d/]|[.,]\d)")
_MARK = re.compile(r"(?<![\d/.,])(?:(10|5)/\1|(\d{1,2}[.,]\d)/(10|5))(?![\d/]|[.,]\d)")
_TIMES = re.compile(r"(?<=\d) ?([x×✕*]) ?(?=\d)")
# Flamengo 2 x 1 Palmeiras: names on both sides.
_SCORE = re.compile(r"[^\W\d_]{3,} \d{1,2} x \d{1,2} [A-ZÀ-Ý][a-zà-ÿ]")
_TIMES_AS_MUCH = re.compile(r"(?<=\d) ?[x×](?!\w)")
_RATIO = re.compile(r"(?<![\d:.,])(\d{1,4}):(\d{1,4})(?![\d:])")
_ASPECTS = {"16:9", "4:3", "9:16", "21:9", "3:2", "3:4", "2:3", "4:5"}


def _ordinal(match: re.Match[str]) -> str:
    number, mark = int(match.group(1)), match.group(2)
    if mark == "°" and not _ORDINAL_NOUN.match(match.string, match.end()):
        return f"{match.group(1)} {'grau' if number < 2 else 'graus'}" + (match.group(3) or "")
    if not number:
        return around(match, "zero")
    return around(match, words.ordinal(number, feminine=mark in "ªa") + (match.group(3) or ""))


def _magnitude(match: re.Match[str]) -> str:
    one, many = tables.MAGNITUDES[match.group(2)]
    return f"{match.group(1)} {one if _is_one(match.group(1)) else many}"


def _unit(match: re.Match[str]) -> str:
    number = match.group(1)
    one, many = tables.UNITS[match.group(2)]
    half = number == "2" and _HALF_BEFORE.search(match.string[max(0, match.start() - 8) : match.start()])
    return f"{number} {one if half or _is_one(number) else many}"


_HALF_BEFORE = re.compile(r"(?<!\d )(?<!\d e )(?<![\d/.,])1/$")
"""Of 1/2 kg, but not of 1 1/2 kg."""


def _height(match: re.Match[str]) -> str:
    """1,75 m is said "um metro e setenta e cinco"."""
    whole, rest = int(match.group(1)), int(match.group(2))
    if not whole:
        return match.group()
    return f"{whole} {'metro' if whole < 2 else 'metros'}" + (f" e {rest}" if rest else "")


def _slash(match: re.Match[str]) -> str:
    """1/2, 3/4, 5/12; anything but a proper fraction is read with its stroke."""
    upper, lower = match.groups()
    before, after = (
        match.string[max(0, match.start() - 16) : match.start()],
        match.string[match.end() : match.end() + 60],
    )
    mixed = bool(_MIXED_BEFORE.search(before))
    if match.group() == "24/7":
        return "24 por 7"
    if upper[0] == "0" or lower[0] == "0" or not 1 < int(lower) <= 1000 or int(upper) >= int(lower) or len(upper) > 3:
        return f"{upper} barra {lower}"
    if (int(upper), int(lower)) == (1, 2):
        if not mixed and re.match(r" d[aeo]s? ", after):
            return around(match, "metade")
        return around(match, "meia" if words.is_feminine(after) else "meio")
    return around(match, words.ratio(int(upper), int(lower)))


_MIXED_BEFORE = re.compile(r"\d e $")


def _times(text: Traced) -> Traced:
    def replace(match: re.Match[str]) -> str:
        product = match.group(1) == "*" or "=" in match.string[match.end() : match.end() + 24]
        if _SCORE.search(match.string[max(0, match.start() - 24) : match.end() + 12]):
            return " a "
        return " vezes " if product else " por "

    return change(change(text, _TIMES, replace), _TIMES_AS_MUCH, " vezes")


def _ratio(match: re.Match[str]) -> str:
    return f"{match.group(1)} {'por' if match.group() in _ASPECTS else 'para'} {match.group(2)}"


# --- Letters and digits in one word, and numbers -------------------------------------------------------------------

_WORD = re.compile(r"\w+(?:-\w+)*")
_RUN = re.compile(r"[^\W\d_²³]+|\d+|.")
_NUMBER = re.compile(rf"(?<!\d){TOKEN}")


def _mixed_word(match: re.Match[str]) -> str:
    """COVID-19, MP3, H2O: letters apart from digits; a hyphen stays before letters only (2-em-1)."""
    word = match.group()
    if word.isdecimal() or not any(map(str.isdecimal, word)) or not any(map(str.isalpha, word)):
        return word
    said = ""
    for run in _RUN.findall(word):
        if run.isdigit():
            said = said.rstrip("-") + " " * bool(said and said[-1] != " ") + run
        elif run.isalpha():
            letters = run.isupper() and (len(run) <= 2 or acronyms.is_spelled(run, _ACRONYMS))
            said = said[:-1] + " " if run.isupper() and said.endswith("-") else said
            said += " " * said[-1:].isdigit() + (words.letters(run) if letters and run.isascii() else run)
        else:
            said += " " if run == "_" else run
    return said


def _number(match: re.Match[str]) -> str:
    feminine = words.is_feminine(match.string[match.end() : match.end() + 120])
    return around(match, words.say(match.group(), feminine=feminine))


_ACRONYMS = acronyms.Rules(
    said=tables.ACRONYMS,
    spelled=tables.SPELLED,
    kept=tables.KEPT,
    # Portuguese syllables: at most a stop with l or r before the vowel, and few consonants after it.
    pronounceable=re.compile(
        r"(?:(?:[BCDFGPTV][LR]|CH|LH|NH|QU|GU|[BCDFGHJKLMNPRSTVWXYZ])?[AEIOUY]{1,3}[LMNRSXZ]?)+(?:[BCDFGKPTX]|NS)?"
    ),
    letters=words.letters,
    plural=lambda said: said if said.endswith("xis") else said + "s",
)
_LETTER = re.compile(r"(?<![\w'.])([B-DF-HJ-NP-TV-Z])(?![\w']|\.\w)")

_SYMBOLS: list[tuple[re.Pattern[str], Change]] = [
    (re.compile(pattern), f" {said} ")
    for pattern, said in [
        (r"(?<=\b[CF])#", "sharp"),
        (r"&", "e"), (r"(?<!\w)R\$", "reais"), (r"US\$|\$", "dólares"), (r"€", "euros"), (r"£", "libras"),
        (r"¥", "ienes"),
        (r"@", "arroba"),  (r"#", "cerquilha"), (r"±", "mais ou menos"),
        (r"≈|~(?=\w)", "aproximadamente"), (r"≤|<=", "menor ou igual a"), (r"≥|>=", "maior ou igual a"),
        (r"≠|!=", "diferente de"), (r"==?", "igual a"), (r"(?<=\w) ?<(?= ?\w)", "menor que"),
        (r"(?<=\w) ?>(?= ?\w)", "maior que"), (r"[×✕]", "vezes"), (r"÷", "dividido por"), (r"√", "raiz quadrada de"),
        (r"∞", "infinito"), (r"π", "pi"), (r"−", "menos"), (r"²", "ao quadrado"), (r"³", "ao cubo"), (r"\+", "mais"),
        (r"(?<=\w)\^(?=\w|-)", "elevado a"), (r"©", "copyright"), (r"°", "graus"), (r"(?<=\w) ?/ ?(?=\w)", "barra"),
        (r"(?<=\w)[ºª]", ""),
    ]
]  # fmt: skip


_STEPS: list[Step] = [
    web.step(_WEB),
    strip_markup,
    *EVERYDAY_STEPS,
    *PHONE_STEPS,
    *DATE_STEPS,
    _MONEY.expand,
    replacing(_NUMERO, "número "),
    replacing(_DOM, "Dom "),
    replacing(_SLASHED, lambda m: around(m, tables.SLASHED[m.group(1).lower()])),
    replacing(_SECTION, lambda m: f" {'parágrafos' if len(m[1]) > 1 else 'parágrafo'} "),
    replacing(_EXTREME, lambda m: f"{m[1]}{m[2]}ima"),
    _dotted,
    *_ABBREVIATIONS.steps(),
    replacing(_WITHOUT_DOT, lambda m: tables.BEFORE_NUMBER[m.group(1).lower()] + " "),
    replacing(_ROAD_KM, "quilômetro "),
    replacing(_INITIAL, _initial),
    replacing(_ROMAN, _roman),
    replacing(_VERSION, "versão "),
    replacing(_SUM, lambda m: " mais " if m.group(1) == "+" else " menos "),
    replacing(_RANGE, lambda m: span(m, "e", "a")),
    replacing(_MINUS, "menos "),
    replacing(_DEGREE, "°"),
    replacing(_SQUARE, lambda m: m.group(1) + "²³"[int(m.group(2)) - 2]),
    replacing(_HEIGHT, _height),
    replacing(_UNIT, _unit),
    replacing(_ORDINAL, _ordinal),
    replacing(_MAGNITUDE, _magnitude),
    replacing(_MANY_UNITS, lambda m: " " + tables.UNITS[m.group(1)][1]),
    replacing(_PERCENT, lambda m: around(m, " por cento" if m.group(1) == "%" else " por mil")),
    replacing(_LENGTH_PER, " por "),
    replacing(_ONE_THOUSAND, ""),
    replacing(_MIXED, r"\1 e "),
    replacing(_MARK, lambda m: f"{m[2] or m[1]} de {m[3] or m[1]}"),
    replacing(_SLASH, _slash),
    _times,
    replacing(_RATIO, _ratio),
    replacing(_WORD, _mixed_word),
    replacing(_NUMBER, _number),
    replacing_all(_SYMBOLS),
    acronyms.step(_ACRONYMS),
    replacing(_LETTER, lambda m: words.letters(m.group(1))),
    tidy,
]


def normalise(text: Traced) -> Traced:
    """text: cleaned, one form of each sign (clean.plain). No digit is left in what is returned."""
    for step in _STEPS:
        text = step(text)
    return text
