"""Where a reader likes a line to end: after a mark, before a joining word, never between words that belong together."""

from __future__ import annotations

import re
from itertools import pairwise

_JOINING = {
    "pt": "e ou mas porém pois que porque quando onde como se embora enquanto então para por com sem sobre entre até "
    "desde contra sob após durante de do da dos das em no na nos nas num numa pelo pela pelos pelas à às ao aos",
    "en": "and or but so because that which who when where while if although though than then to for with without "
    "about between from into over under of in on at by as after before during until since",
    "es": "y e o u pero porque que cuando donde como si aunque mientras para por con sin sobre entre hasta desde de "
    "del en al",
    "fr": "et ou mais donc car que qui quand où comme si pour par avec sans sur entre dans de du des en à au aux",
    "it": "e ed o ma perché che quando dove come se per con senza su tra fra di del della dei delle da dal dalla in "
    "nel nella a al alla",
}
"""Conjunctions and prepositions: a line may well begin with one, and does not end with one."""

_BINDING = {
    "pt": "o a os as um uma uns umas este esta esse essa aquele aquela isto isso meu minha seu sua nosso nossa não "
    "muito mais tão me te lhe nos vos",
    "en": "the a an this that these those my your his her its our their not very more no i we he she it they you",
    "es": "el la los las un una unos unas este esta ese esa mi tu su nuestro nuestra no muy más me te se le",
    "fr": "le la les un une ce cette ces mon ma mes ton ta son sa ses notre votre leur ne pas très plus je tu il",
    "it": "il lo la i gli le un uno una questo questa quel quella mio mia tuo tua suo sua non molto più mi ti si",
}
"""Articles and the like: a line does not end with one."""

_ABBREVIATIONS = frozenset(
    "sr sra srta dr dra prof profa eng av r n nº art pág ex etc mr mrs ms st jr no vs fig vol approx".split()
)
_UNITS = frozenset(
    "reais real centavos dólares euros dollars euros cents pounds por per percent km m cm mm kg g l ml h min s ms "
    "horas hora hours hour minutos minutes segundos seconds dias dia days day anos ano years year meses months mil "
    "thousand milhões milhão million bilhões billion graus degrees kb mb gb tb hz khz mhz ghz w kw v a de am pm".split()
)
_NUMBER = re.compile(r"[^\w]*(?:R\$|US\$|[$€£#]|nº)?[\d.,:/]*\d[^\w%]*$|^(?:R\$|US\$|[$€£]|nº)$")

BEST, GOOD, PLAIN, POOR, WORST = 0.0, 0.6, 1.5, 4.0, 6.0
"""What it costs to end a line at a place."""


def ending_costs(tokens: list[str], language: str) -> list[float]:
    """What it costs to end a line after each token; the last one ends the text anyway and costs BEST.

    language: a BCP 47 tag. For a language without word lists, and for none, the lists of Portuguese and English count.
    """
    joining, binding = _lists(language)
    costs = [_cost(one, after, joining, binding) for one, after in pairwise(tokens)]
    return [*costs, BEST] if tokens else []


def _lists(language: str) -> tuple[frozenset[str], frozenset[str]]:
    base = language.replace("_", "-").split("-")[0].lower()
    languages = [base] if base in _JOINING else ["pt", "en"]
    return tuple(  # type: ignore[return-value]
        frozenset(word for one in languages for word in table[one].split()) for table in (_JOINING, _BINDING)
    )


def _cost(token: str, after: str, joining: frozenset[str], binding: frozenset[str]) -> float:
    word, following = bare(token), bare(after)
    if token.endswith(".") and (word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha())):
        return WORST
    if _NUMBER.search(token) and (following in _UNITS or after[:1].isdigit() or after[:1] == "%"):
        return WORST
    closed = token.rstrip("\"'”’»)]")
    if closed.endswith((".", "!", "?", "…", "。", "！", "？")):
        return BEST
    if closed.endswith((",", ";", ":", "—", "–", "、", "，")) or token[-1:] in ")]»”":
        return BEST + 0.2
    if word in binding or word in joining:
        return POOR
    return GOOD if following in joining else PLAIN


def bare(token: str) -> str:
    """A token without the marks around it, in lower case."""
    return token.strip("\"'“”‘’«»()[]{}.,;:!?…—–-").lower()
