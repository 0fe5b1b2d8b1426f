"""What people write in Brazilian messages, recipes, results and addresses, put into plain form before other steps."""

from __future__ import annotations

import re

from . import words_pt as words
from .numbers import TOKEN, parse
from .shared import Step, replacing
from .trace import Change

_CHAT = {
    "vc": "você", "vcs": "vocês", "tb": "também", "tbm": "também", "hj": "hoje", "pq": "porque", "blz": "beleza",
    "obg": "obrigado", "vlw": "valeu", "td": "tudo", "tds": "todos", "mto": "muito", "msm": "mesmo",
    "cmg": "comigo", "ctg": "contigo", "tmj": "tamo junto", "pfv": "por favor", "pfvr": "por favor", "bjs": "beijos",
    "bj": "beijo", "abç": "abraço", "abçs": "abraços", "flw": "falou", "kd": "cadê", "dps": "depois", "ngm": "ninguém",
    "sdds": "saudades", "qdo": "quando", "qnd": "quando", "qto": "quanto", "ñ": "não", "q": "que", "eh": "é",
    "msg": "mensagem", "msgs": "mensagens", "add": "adicionar", "oq": "o que", "vdd": "verdade",
}  # fmt: skip
# In small letters, or with a capital at most: 2 TB are terabytes.
_CHATTED = re.compile(
    rf"(?<![\w.,@/-])(?<!\d )({'|'.join(sorted(_CHAT, key=len, reverse=True))})(?![\w@/-]|\.\w)", re.I
)
_LAUGHTER = re.compile(r"(?<!\w)(?:k{3,200}|(?:rs){2,100})(?!\w)", re.IGNORECASE)

_STATES = {
    "AC": "Acre", "AL": "Alagoas", "AP": "Amapá", "AM": "Amazonas", "BA": "Bahia", "CE": "Ceará",
    "DF": "Distrito Federal", "ES": "Espírito Santo", "GO": "Goiás", "MA": "Maranhão", "MT": "Mato Grosso",
    "MS": "Mato Grosso do Sul", "MG": "Minas Gerais", "PA": "Pará", "PB": "Paraíba", "PR": "Paraná",
    "PE": "Pernambuco", "PI": "Piauí", "RJ": "Rio de Janeiro", "RN": "Rio Grande do Norte",
    "RS": "Rio Grande do Sul", "RO": "Rondônia", "RR": "Roraima", "SC": "Santa Catarina", "SP": "São Paulo",
    "SE": "Sergipe", "TO": "Tocantins",
}  # fmt: skip
_STATE = re.compile(rf"(?<=[a-zà-ÿ])(?:/| ?[-–] ?)({'|'.join(_STATES)})(?!\w|[-/.]\w)")

_SPOONS = re.compile(
    rf"(?<![\w.,/])((?:\d{{1,3}} (?:e )?)?\d/\d|{TOKEN}) ?(?:(xíc|xic)s?\.?|(col)s?\.|(?:(colher(?:es)?|c)\.?(?= ?\()))"
    r"(?: ?\((?:de )?(sopa|chá|sobremesa|café)\)| (?:de )?(sopa|chá|sobremesa|café)(?!\w))?(?!\w)",
    re.IGNORECASE,
)
_TABLETS = re.compile(rf"(?<![\w.,/])({TOKEN}) comps?\.?(?= |$)")
_EVERY = re.compile(r"(?<!\d)(?:de )?(\d{1,2}) ?h?s?/ ?(\d{1,2}) ?h(?:s|rs?|oras?)?(?!\w)")

_QUARTER = re.compile(r"(?<![\w.,])([1-4])T(?:(?:20)?(\d{2}))?(?![\w.,]\d|\w)")
_SEMESTER = re.compile(r"(?<![\w.,])([12])S(\d{2})(?![\w.,]\d|\w)")
_SETS = re.compile(r"(?<![\w.,/])[0-7]/[0-7](?:(?:,| e|, e) [0-7]/[0-7]){1,4}(?![\w/])")
_SECONDS = re.compile(r"(?<![\w.,])(\d{1,2})s(\d{2})(?!\w)")
_PLATE = re.compile(r"(\b[Pp]lacas?:?) ([A-Z]{3})[- ]?(\d)([A-Z0-9])(\d{2})(?!\w)")
_FINAL = re.compile(
    r"((?i:\b(?:final|dígitos|senha|código|PIN|protocolo|token|ramal)(?: é)?:?)) (\d{4,8})(?![\w.,/-]\d|\w)"
)
_INCHES = re.compile(r"(?<![\w.,])(\d{1,3}(?:[.,]\d{1,2})?)[\"″](?=[ ,.;:)]|$)")
_YEARLY = re.compile(r"(?<=%) ?a\. ?([amd])\.(?= |$|[,;:)])(?= ?$)?")
_EACH = re.compile(r"(?<!\w)([Oo]|[Pp]or|[Cc]ada) (kg|km|m²|ml|g|l|L|kWh|GB|MB)(?!\w|[/²³])")
_PLANE = re.compile(r"(\b(?:Boeing|Airbus|Embraer|ATR) [A-Z]?\d{2,3})-(\d{3})(?!\w)")
_PAGES = re.compile(r"(?<![\w.])p\. ?(?=\d+ ?[-–] ?\d)")
_AGAINST = re.compile(r"(?<=[^\W\d_]) [xX×] (?=[^\W\d_]{2})")
_WEEKDAY = re.compile(r"(?<!\w)(Seg|Ter|Qua|Qui|Sex|Sáb|Dom)\.(?=,? (?:às?|das|de|\d))")
_DAYS = {"seg": "segunda", "ter": "terça", "qua": "quarta", "qui": "quinta", "sex": "sexta", "sáb": "sábado",
         "dom": "domingo"}  # fmt: skip
_NUMERO = re.compile(r"(?<!\w)n(?:[º°]|\.[º°o])s?\.? ?(?=\d)", re.IGNORECASE)
_PER = {"a": "ao ano", "m": "ao mês", "d": "ao dia"}
_UNIT = {"kg": "quilo", "km": "quilômetro", "m²": "metro quadrado", "ml": "mililitro", "g": "grama", "l": "litro",
         "kwh": "quilowatt-hora", "gb": "gigabyte", "mb": "megabyte"}  # fmt: skip


def _cased(match: re.Match[str], said: str) -> str:
    return said[0].upper() + said[1:] if match.group()[0].isupper() and not match.group()[1:].isupper() else said


def _chatted(match: re.Match[str]) -> str:
    short = match.group()
    return _cased(match, _CHAT[short.lower()]) if short[1:].islower() or short.islower() else short


def _spoon(match: re.Match[str]) -> str:
    amount, cup, short, spoon, kind, kind_too = match.groups()
    if spoon and not kind:
        return match.group()
    number = parse(amount, ",")
    many = "s" if cup else "es"
    one = (" " not in amount and "/" in amount) or (number is not None and number.value < 2)
    said = f"{amount} {'xícara' if cup else 'colher'}{'' if one else many}"
    del short
    return said + (f" de {kind or kind_too}" if kind or kind_too else "")


def _every(match: re.Match[str]) -> str:
    return f"de {match[1]} em {match[2]} horas" if match[1] == match[2] else match.group()


def _sets(match: re.Match[str]) -> str:
    """Sets of tennis: each has a six or a seven."""
    pairs = re.findall(r"([0-7])/([0-7])", match.group())
    if not all(max(pair) >= "6" for pair in pairs):
        return match.group()
    return re.sub(r"(\d)/(\d)", r"\1 a \2", match.group())


def _plate(match: re.Match[str]) -> str:
    last = words.digits(match[4]) if match[4].isdigit() else words.letters(match[4])
    return f"{match[1]} {words.letters(match[2])}, {words.digits(match[3])} {last} {words.digits(match[5])}"


def _quarter(match: re.Match[str]) -> str:
    return f"{match[1]}º trimestre" + (f" de 20{match[2]}" if match[2] else "")


def _inches(match: re.Match[str]) -> str:
    if match.string.count('"', max(0, match.start() - 300), match.start()) % 2:
        return match.group()  # the end of a quotation
    number = parse(match[1], ",")
    return f"{match[1]} {'polegada' if number is not None and number.value < 2 else 'polegadas'}"


def _grouped_code(match: re.Match[str]) -> str:
    return ", ".join(words.digits(part) for part in match.group().split("."))


_CHANGES: list[tuple[re.Pattern[str], Change]] = [
    (_NUMERO, "número "),
    (_CHATTED, _chatted),
    (_LAUGHTER, "ha ha ha"),
    (_STATE, lambda match: f", {_STATES[match[1]]}"),
    (_SPOONS, _spoon),
    (_TABLETS, lambda match: f"{match[1]} comprimido{'s' * (match[1] != '1')}"),
    (_EVERY, _every),
    (_QUARTER, _quarter),
    (_SEMESTER, r"\1º semestre de 20\2"),
    (_SETS, _sets),
    (_SECONDS, r"\1 segundos e \2"),
    (_PLATE, _plate),
    (_FINAL, lambda match: f"{match[1]} {words.digits(match[2])}"),
    (_INCHES, _inches),
    (_YEARLY, lambda match: f" {_PER[match[1]]}" + "." * (match.end() == len(match.string))),
    (re.compile(r"(?<![\w/])110/220(?![\w/])"), "110 ou 220"),
    (_EACH, lambda match: f"{match[1]} {_UNIT[match[2].lower()]}"),
    (_PLANE, r"\1 \2"),
    (_PAGES, "páginas "),
    (_AGAINST, " versus "),
    (_WEEKDAY, lambda match: _DAYS[match[1].lower()]),
    (re.compile(r"(?<!\w)[Ee]x\.?:"), "por exemplo:"),
    (re.compile(r"(?<!\w)NF-?[eE](?!\w)"), "nota fiscal eletrônica"),
    (re.compile(r"(?<![\w.,])0\d\d(?:\.\d{3})+(?![\w.,]\d|-)"), _grouped_code),
]
STEPS: list[Step] = [replacing(pattern, said) for pattern, said in _CHANGES]
