"""Spanish, French and Italian words for signs, coins, dates and hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .money import Coin


@dataclass(frozen=True, slots=True)
class Words:
    """What a language says for signs; hours: the noun for many and for one."""

    code: str
    point: str
    comma: str
    percent: str
    minus: str
    conjunction: str
    to: str
    per: str
    of: str
    """Between the parts of a date, with its space; empty in French and Italian."""
    first: str
    hours: tuple[str, str]
    joint: str
    """Between hours and minutes, with its space."""
    months: tuple[str, ...]
    coins: Mapping[str, Coin]
    magnitudes: Mapping[str, tuple[str, str]]
    signs: Mapping[str, str]
    """Of an address."""
    symbols: list[tuple[str, str]]


def _symbols(**said: str) -> list[tuple[str, str]]:
    patterns = {
        "and_": r"&", "at": r"@", "hash_": r"#", "celsius": r"° ?C(?!\w)", "degrees": r"°", "plus": r"\+",
        "equals": r"=", "times": r"[×✕]", "square": r"²", "cube": r"³", "power": r"(?<=\w)\^(?=\w|-)",
        "divided": r"÷", "euros": r"€", "dollars": r"US\$|\$", "pounds": r"£", "slash": r"(?<=\w) ?/ ?(?=\w)",
    }  # fmt: skip
    return [(patterns[name], words) for name, words in said.items()]


LANGUAGES = [
    Words(
        "es", "punto", "coma", "por ciento", "menos", "con", "a", "por", "de ", "", ("", ""), "y ",
        ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
         "noviembre", "diciembre"),
        {
            "USD": Coin("dólar", "dólares", "centavo", "centavos"),
            "EUR": Coin("euro", "euros", "céntimo", "céntimos"),
            "GBP": Coin("libra", "libras", "penique", "peniques"),
            "BRL": Coin("real", "reales", "centavo", "centavos"),
            "MXN": Coin("peso mexicano", "pesos mexicanos", "centavo", "centavos"),
            "ARS": Coin("peso argentino", "pesos argentinos", "centavo", "centavos"),
            "JPY": Coin("yen", "yenes"),
        },
        {"mil": ("mil", "mil"), "millón": ("millón", "millones"), "millones": ("millón", "millones")},
        {".": "punto", "/": "barra", "@": "arroba", "-": "guion", "_": "guion bajo", ":": "dos puntos",
         "?": "interrogación", "=": "igual", "&": "y", "#": "almohadilla", "+": "más"},
        _symbols(and_="y", at="arroba", hash_="número", celsius="grados Celsius", degrees="grados", plus="más",
                 square="al cuadrado", cube="al cubo", power="elevado a", equals="igual a", times="por",
                 divided="entre", euros="euros", dollars="dólares", pounds="libras", slash="barra"),
    ),
    Words(
        "fr", "point", "virgule", "pour cent", "moins", "et", "à", "par", "", "premier", ("heures", "heure"), "",
        ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
         "décembre"),
        {
            "USD": Coin("dollar", "dollars", "cent", "cents"),
            "EUR": Coin("euro", "euros", "centime", "centimes"),
            "GBP": Coin("livre", "livres", "penny", "pence"),
            "BRL": Coin("réal", "réaux", "centavo", "centavos"),
            "CHF": Coin("franc suisse", "francs suisses", "centime", "centimes"),
            "CAD": Coin("dollar canadien", "dollars canadiens", "cent", "cents"),
            "JPY": Coin("yen", "yens"),
        },
        {"mille": ("mille", "mille"), "million": ("million", "millions"), "millions": ("million", "millions"),
         "milliard": ("milliard", "milliards"), "milliards": ("milliard", "milliards")},
        {".": "point", "/": "barre oblique", "@": "arobase", "-": "tiret", "_": "tiret bas", ":": "deux points",
         "?": "point d'interrogation", "=": "égal", "&": "et", "#": "dièse", "+": "plus"},
        _symbols(and_="et", at="arobase", hash_="numéro", celsius="degrés Celsius", degrees="degrés", plus="plus",
                 square="au carré", cube="au cube", power="puissance", equals="égale", times="fois",
                 divided="divisé par", euros="euros", dollars="dollars", pounds="livres", slash="barre"),
    ),
    Words(
        "it", "punto", "virgola", "per cento", "meno", "e", "a", "al", "", "primo", ("", ""), "e ",
        ("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
         "novembre", "dicembre"),
        {
            "USD": Coin("dollaro", "dollari", "centesimo", "centesimi"),
            "EUR": Coin("euro", "euro", "centesimo", "centesimi"),
            "GBP": Coin("sterlina", "sterline", "penny", "pence"),
            "BRL": Coin("real", "reais", "centavo", "centavos"),
            "CHF": Coin("franco svizzero", "franchi svizzeri", "centesimo", "centesimi"),
            "JPY": Coin("yen", "yen"),
        },
        {"mila": ("mila", "mila"), "milione": ("milione", "milioni"), "milioni": ("milione", "milioni"),
         "miliardo": ("miliardo", "miliardi"), "miliardi": ("miliardo", "miliardi")},
        {".": "punto", "/": "barra", "@": "chiocciola", "-": "trattino", "_": "trattino basso", ":": "due punti",
         "?": "punto interrogativo", "=": "uguale", "&": "e", "#": "cancelletto", "+": "più"},
        _symbols(and_="e", at="chiocciola", hash_="numero", celsius="gradi Celsius", degrees="gradi", plus="più",
                 square="al quadrato", cube="al cubo", power="alla", equals="uguale a",
                 times="per", divided="diviso", euros="euro", dollars="dollari", pounds="sterline", slash="barra"),
    ),
]  # fmt: skip

HINDI = [
    (r"(?<=\d) ?%", "प्रतिशत"), (r"&", "और"), (r"@", "ऐट"), (r"(?<=\w)\.(?=\w)(?<!\d\.)", "डॉट"),
    (r"\+", "प्लस"), (r"=", "बराबर"), (r"°", "डिग्री"), (r"#", ""),
    (r"(?<=\w)/(?=\w)", "स्लैश"),
]  # fmt: skip
"""Hindi: signs only, as espeak-ng reads its digits."""
