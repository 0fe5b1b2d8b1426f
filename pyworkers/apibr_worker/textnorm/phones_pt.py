"""Telephones and other numbers that are read digit by digit, as Brazil writes them."""

from __future__ import annotations

import re

from . import words_pt as words
from .shared import Step, replacing

# Nothing that is part of a longer number: 1.234-5678 and 12-345-6789-0 are not telephone numbers.
_BEGIN = r"(?<![\w.,/-])"
_END = r"(?![\w/]|-\w|[.,]\d)"

# RG, CPF, CNPJ; and the number of a lawsuit.
_DOCUMENT = re.compile(
    rf"{_BEGIN}(?:\d{{1,3}}(?:\.\d{{3}}){{2}}(?:/\d{{4}})?-[\dXx]{{1,2}}"
    rf"|\d{{7}}-\d\d\.\d{{4}}\.\d\.\d\d\.\d{{4}}){_END}"
)
_POSTCODE = re.compile(rf"{_BEGIN}\d{{2}}\.?\d{{3}}-\d{{3}}{_END}")
_CARD = re.compile(rf"{_BEGIN}\d{{4}}(?: \d{{4}}){{3}}{_END}")
_FREE = re.compile(rf"{_BEGIN}(0[389]00)[ -]?(\d{{3}})[ -]?(\d{{3,4}}){_END}")
_AREA = re.compile(rf"{_BEGIN}(?:\+(\d{{1,3}}) ?)?\(0?(\d{{2}})\) ?(9[ .]?\d{{4}}|\d{{4}})[- .]?(\d{{4}}){_END}")
_COUNTRY = re.compile(rf"{_BEGIN}\+(\d{{2}})[ -]?(\d{{2}})[ -]?(9[ .]?\d{{4}}|\d{{4}})[- ]?(\d{{4}}){_END}")
_PLAIN_AREA = re.compile(rf"{_BEGIN}()(\d{{2}})[ -](9[ .]?\d{{4}}|\d{{4}})-(\d{{4}}){_END}")
_PLAIN_MOBILE = re.compile(rf"{_BEGIN}()(\d{{2}})[ .-](9[ .]?\d{{4}})[- .]?(\d{{4}}){_END}")
_FOREIGN = re.compile(rf"{_BEGIN}\+\d{{1,3}}(?:[ .-]?\(?\d{{1,5}}\)?){{2,6}}{_END}")
_LOCAL = re.compile(rf"{_BEGIN}(\d{{3,5}})-(\d{{4}}){_END}")
# A quantity of ten digits is written with full stops; without any it is a telephone, a document or an order.
_BARE = re.compile(rf"{_BEGIN}\d{{10,18}}{_END}")
_ROUND = re.compile(r"[1-9]\d*0{6}")
_BARE_TELEPHONE = re.compile(r"(55)?([1-9][1-9])(9\d{4}|[2-5]\d{3})(\d{4})")
_BARE_LOCAL = re.compile(
    r"((?i:\b(?:tel(?:efone)?|fone|cel(?:ular)?|zap|whats(?:app)?|contato|ligue|disque|chame)\.?:?"
    r"(?: para| no)?(?: o)?)) "
    rf"(9?\d{{4}})(\d{{4}}){_END}"
)
_BARE_POSTCODE = re.compile(rf"((?i:\bcep):? )(\d{{5}})(\d{{3}}){_END}")
_CHECKED = re.compile(rf"{_BEGIN}\d{{4,12}}-[\dXx]{_END}")
_CODE = re.compile(rf"{_BEGIN}\d+(?:-\d+){{2,}}{_END}")
_SERVICE = re.compile(
    r"((?i:\b(?:ligu(?:e|em|ei)|lig(?:ar|ando|ou)|disque|disc(?:ar|ando|ou)|samu|telefone|ramal)(?: para)?(?: o)?))"
    r" (\d{3,4})(?:( ou| e|,) (\d{3}))?(?!\w|[.,:/]\d|[-]\d| [a-z]{4})"
)


def _groups(text: str) -> str:
    return ", ".join(words.digits(group) for group in re.findall(r"\d+", text))


def _document(match: re.Match[str]) -> str:
    said: list[str] = []
    for mark, group in re.findall(r"(^|[./-])([\dXx]+)", match.group()):
        named = {"/": "barra ", "-": "traço "}.get(mark, "")
        said.append(named + " ".join("xis" if char in "Xx" else words.digits(char) for char in group))
    return ", ".join(said)


def _telephone(match: re.Match[str]) -> str:
    country, area, first, last = match.groups()
    said = [f"mais {words.whole(country)}"] if country else []
    said += [words.whole(area), _groups(re.sub(r"\D", "", first)), _groups(last)]
    return ", ".join(said)


def _local(match: re.Match[str]) -> str:
    first, last = match.groups()
    years = len(first) == 4 and 1000 <= int(first) < int(last) <= 2200
    steps = int(first) < int(last) and first[-1] == last[-1] == "0" and first[0] != "0" and len(first) < 5
    return match.group() if years or steps else f"{_groups(first)}, {_groups(last)}"


def _free(match: re.Match[str]) -> str:
    hundreds = words.cardinal(int(match.group(1)[1:]))
    return f"zero {hundreds}, {_groups(match.group(2))}, {_groups(match.group(3))}"


def _service(match: re.Match[str]) -> str:
    said = f"{match.group(1)} {words.digits(match.group(2))}"
    return said + (f"{match.group(3)} {words.digits(match.group(4))}" if match.group(4) else "")


def _international(match: re.Match[str]) -> str:
    return "mais " + _groups(match.group())


def _bare(match: re.Match[str]) -> str:
    number = match.group()
    if _ROUND.fullmatch(number):
        return number
    if found := _BARE_TELEPHONE.fullmatch(number):
        return _telephone(found)
    if len(number) == 16:
        sizes = [4, 4, 4, 4]
    elif len(number) == 14:
        sizes = [2, 3, 3, 4, 2]
    else:
        whole, rest = divmod(len(number), 3)
        sizes = [3] * (whole - 1) + ([4] if rest == 1 else [3, 2] if rest else [3])
    begins = [sum(sizes[:index]) for index in range(len(sizes))]
    return ", ".join(words.digits(number[begin : begin + size]) for begin, size in zip(begins, sizes, strict=True))


STEPS: list[Step] = [
    replacing(_DOCUMENT, _document),
    replacing(_POSTCODE, _document),
    replacing(_CARD, lambda m: _groups(m.group())),
    replacing(_FREE, _free),
    replacing(_AREA, _telephone),
    replacing(_COUNTRY, _telephone),
    replacing(_PLAIN_AREA, _telephone),
    replacing(_PLAIN_MOBILE, _telephone),
    replacing(_BARE_POSTCODE, lambda m: f"{m[1]}{_groups(m[2])}, traço {_groups(m[3])}"),
    replacing(_BARE_LOCAL, lambda m: f"{m[1]} {_groups(m[2])}, {_groups(m[3])}"),
    replacing(_BARE, _bare),
    replacing(_CHECKED, _document),
    replacing(_FOREIGN, _international),
    replacing(_SERVICE, _service),
    replacing(_LOCAL, _local),
]


CODES: Step = replacing(_CODE, lambda m: _groups(m.group()))
"""Codes with several hyphens; after the dates, which look alike."""
