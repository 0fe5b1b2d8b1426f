"""Sums of money: R$ 1.234,56, US$ 10, $1.2 million, 50 EUR, R$ 10-20 mil, € 3/kg."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .numbers import TOKEN, Number, parse
from .trace import Traced, change

SYMBOLS = {
    "R$": "BRL", "US$": "USD", "U$": "USD", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₿": "BTC", "C$": "CAD",
    "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "MX$": "MXN", "₹": "INR", "₩": "KRW",
    "₽": "RUB",
    "₺": "TRY", "₴": "UAH", "₪": "ILS",
}  # fmt: skip
# Not all of ISO 4217: ALL, TRY, TOP, CUP and SOS are words first.
_CODES = "|".join(
    "USD BRL EUR GBP JPY CHF CAD AUD NZD CNY ARS CLP COP MXN UYU PYG INR KRW RUB ZAR SEK NOK DKK PLN CZK HUF ILS AED"
    " SAR SGD HKD THB TWD BTC".split()
)
_MARKS = "|".join(re.escape(symbol) for symbol in sorted(SYMBOLS, key=len, reverse=True))
_BEFORE = rf"(?<![A-Za-z])(?:{_MARKS}|(?:{_CODES})(?= ?[-−]?\d))"


@dataclass(frozen=True, slots=True)
class Coin:
    """A currency's names: the unit and its hundredth, each for one and for many."""

    one: str
    many: str
    cent: str = ""
    cents: str = ""
    feminine: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """How a language puts an amount together."""

    mark: str
    coins: Mapping[str, Coin]
    magnitudes: Mapping[str, tuple[str, str]]
    """mi -> (milhão, milhões); the keys are matched without case, longest first."""
    joint: str
    """Between a magnitude and the coin: "de" in "um milhão de reais"; empty in English."""
    without_joint: frozenset[str]
    """The magnitudes that take none: mil."""
    minus: str
    conjunction: str
    to: str
    per: str
    units: Mapping[str, str]
    """What stands after a slash: kg -> quilo."""
    is_one: Callable[[Number], bool]
    """Whether the coin stays singular."""
    say: Callable[[str, bool], str]
    """A token in words; feminine or not."""


class Reader:
    """Reads the amounts of one language."""

    def __init__(self, words: Words) -> None:
        self._words = words
        magnitude = "|".join(re.escape(key) for key in sorted(words.magnitudes, key=len, reverse=True))
        tail = rf"(?: ?(?P<mag>(?i:{magnitude}))(?!\w))?"
        per = r"(?: ?/ ?(?P<per>[^\W\d_]{1,10})(?!\w))?"
        # A dash between spaces parts two things ("R$ 50 - 3 parcelas"), unless the coin stands again after it.
        amount = rf"(?P<num>{TOKEN})(?:(?:[-–] ?(?:{_BEFORE} ?)?| [-–] ?{_BEFORE} ?)(?P<num2>{TOKEN}))?"
        self._prefixed = re.compile(
            rf"(?P<sign>(?<![\w.,)])(?:-|− ?))?(?P<coin>{_BEFORE}) ?(?P<minus>[-−])?{amount}{tail}{per}"
        )
        self._suffixed = re.compile(
            rf"(?P<sign>(?<![\w.,)])[-−])?(?<![\d.,])(?P<minus>(?!))?{amount}{tail}"
            rf" ?(?P<coin>[€£¥₿₹₩₽₺₴₪]|(?:R|US)\$|(?:{_CODES})(?!\w)){per}"
        )

    def expand(self, text: Traced) -> Traced:
        return change(change(text, self._prefixed, self._replace), self._suffixed, self._replace)

    def _replace(self, match: re.Match[str]) -> str:
        words = self._words
        symbol = match["coin"]
        coin = self._words.coins.get(SYMBOLS.get(symbol, symbol))
        number = parse(match["num2"] or match["num"], words.mark)
        if coin is None or number is None:
            return match.group()
        if match["num2"]:
            low = words.say(match["num"], coin.feminine and not match["mag"])
            between = match.string[max(0, match.start() - 9) : match.start()].lower().endswith(("entre ", "between "))
            joint = words.conjunction if between else words.to
            said = f"{low} {joint} {self._amount(match['num2'], number, match['mag'], coin)}"
        else:
            said = self._amount(match["num"], number, match["mag"], coin)
        if match["sign"] or match["minus"]:
            said = f"{words.minus} {said}"
        if match["per"]:
            said += f" {words.per} {words.units.get(match['per'].lower(), match['per'])}"
        return self._spaced(match, said)

    @staticmethod
    def _spaced(match: re.Match[str], said: str) -> str:
        before = match.string[max(0, match.start() - 1) : match.start()]
        after = match.string[match.end() : match.end() + 1]
        return " " * before.isalnum() + said + " " * after.isalnum()

    def _amount(self, token: str, number: Number, magnitude: str | None, coin: Coin) -> str:
        words = self._words
        if magnitude:
            one, many = words.magnitudes[magnitude.lower()]
            named = one if words.is_one(number) else many
            joint = f" {words.joint}" if words.joint and named not in words.without_joint else ""
            if named in words.without_joint and number.value == 1:
                return f"{named} {coin.many}"  # mil reais, not um mil reais
            return f"{words.say(token, coin.feminine and not joint)} {named}{joint} {coin.many}"
        if len(number.fraction) == 2 and coin.cent and not number.is_code:
            return self._with_cents(number, coin)
        joint = f"{words.joint} " if words.joint and _is_round_million(number) else ""
        name = coin.one if words.is_one(number) else coin.many
        return f"{words.say(token, coin.feminine)} {joint}{name}"

    def _with_cents(self, number: Number, coin: Coin) -> str:
        words, cents = self._words, int(number.fraction)
        parts: list[str] = []
        if int(number.whole) or not cents:
            whole = Number(number.whole)
            joint = f"{words.joint} " if words.joint and _is_round_million(whole) else ""
            parts.append(
                f"{words.say(number.whole, coin.feminine)} {joint}{coin.one if words.is_one(whole) else coin.many}"
            )
        if cents:
            parts.append(f"{words.say(str(cents), False)} {coin.cent if cents == 1 else coin.cents}")
        return f" {words.conjunction} ".join(parts)


def _is_round_million(number: Number) -> bool:
    """Whether it ends in a noun (um milhão), which takes "de" before another."""
    return not number.fraction and len(number.whole) > 6 and not number.is_code and number.whole.endswith("000000")
