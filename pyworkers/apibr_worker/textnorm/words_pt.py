"""Brazilian Portuguese number words.

num2words gives the words up to 999 and the ordinals. What it puts together from them is not used, for it writes
    commas,
which are pauses to a voice ("mil, duzentos e trinta e quatro"), leaves the "e" out of "dois bilhões e quinhentos
milhões", has neither feminine ("duas mil") nor "quatorze", and reads decimals digit by digit.
"""

from __future__ import annotations

import re
from functools import lru_cache

from num2words import num2words

from .numbers import TOKEN, parse

_SCALES = [
    ("", ""),
    ("mil", "mil"),
    ("milhão", "milhões"),
    ("bilhão", "bilhões"),
    ("trilhão", "trilhões"),
    ("quatrilhão", "quatrilhões"),
]
_FEMININE = [
    (re.compile(r"\bum$"), "uma"),
    (re.compile(r"\bdois$"), "duas"),
    (re.compile(r"(?<=[cz])entos\b"), "entas"),
    (re.compile(r"quinhentos\b"), "quinhentas"),
]
LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "á bê cê dê é efe gê agá i jota cá ele eme ene ó pê quê erre esse tê u vê dáblio xis ípsilon zê".split(),
        strict=True,
    )
)
_DENOMINATORS = {2: ("meio", "meios"), 3: ("terço", "terços")}


@lru_cache(maxsize=2048)
def _below_thousand(number: int, feminine: bool) -> str:
    words = str(num2words(number, lang="pt_BR")).replace("catorze", "quatorze")
    if feminine:
        for pattern, change in _FEMININE:
            words = pattern.sub(change, words)
    return words


def cardinal(number: int, *, feminine: bool = False) -> str:
    """0 <= number < 10**18. Feminine changes the thousands too ("duas mil"), never the millions, which are nouns."""
    if number < 1000:
        return _below_thousand(number, feminine)
    groups: list[tuple[int, int]] = []
    rest, scale = number, 0
    while rest:
        rest, group = divmod(rest, 1000)
        if group:
            groups.insert(0, (group, scale))
        scale += 1
    words = ""
    for place, (group, scale) in enumerate(groups):
        if scale == 1 and group == 1:
            said = "mil"
        else:
            said = _below_thousand(group, feminine and scale < 2)
            said += f" {_SCALES[scale][group > 1]}" if scale else ""
        # "e" stands before the last group when that is a round hundred or below one: mil e cem, mil cento e um.
        joined = place == len(groups) - 1 and (group < 100 or group % 100 == 0)
        words += (" e " if joined else " ") * bool(words) + said
    return words


def ordinal(number: int, *, feminine: bool = False) -> str:
    """1 <= number; masculine "vigésimo primeiro" or feminine "vigésima primeira". Beyond 999999: the cardinal."""
    if not 1 <= number <= 999_999:
        return cardinal(number, feminine=feminine)
    thousands, rest = divmod(number, 1000)
    words = [ordinal(thousands)] if thousands > 1 else []
    words += ["milésimo"] if thousands else []
    words += [_ordinal_below_thousand(rest)] if rest else []
    said = " ".join(words)
    return re.sub(r"o\b", "a", said) if feminine else said


@lru_cache(maxsize=1024)
def _ordinal_below_thousand(number: int) -> str:
    # num2words writes quadrigentésimo, septigentésimo and octigentésimo; the n is missing.
    said = str(num2words(number, lang="pt_BR", to="ordinal"))
    return re.sub(r"^(quadri|septi|octi)(?=gentésimo)", r"\1n", said)


def digits(text: str) -> str:
    """Each digit by itself: "007" -> "zero zero sete"."""
    return " ".join(_below_thousand(int(char), False) for char in text)


def letters(text: str) -> str:
    """The letters' names: "CPF" -> "cê pê efe"."""
    return " ".join(LETTERS.get(char, char.lower()) for char in text.upper())


def whole(text: str, *, feminine: bool = False) -> str:
    """A row of digits as a number, or as a code where it begins with 0 or has more than 18 digits."""
    if len(text) > 18 or (len(text) > 1 and text[0] == "0"):
        return digits(text)
    return cardinal(int(text), feminine=feminine)


def say(token: str, *, feminine: bool = False) -> str:
    """A numbers.TOKEN in words."""
    number = parse(token, ",")
    if number is None:
        # 2.0.1 and 192.168.0.1 keep their dots; 1,2,3 is a list.
        said = [whole(part) if part.isdigit() else part for part in re.split(r"([.,])", token)]
        return " ".join(said).replace(" .", " ponto").replace(" ,", ",")
    if not number.fraction:
        return whole(number.whole, feminine=feminine)
    mark = "vírgula" if number.mark == "," else "ponto"
    return f"{whole(number.whole)} {mark} {_fraction(number.fraction)}"


def _fraction(text: str) -> str:
    """The digits after the mark: "14" -> "quatorze", "05" -> "zero cinco", "1416" -> digit by digit."""
    if len(text) > 3 or text[0] == "0":
        return digits(text)
    return cardinal(int(text))


def ratio(numerator: int, denominator: int) -> str:
    """A common fraction: 1/2 "um meio", 3/4 "três quartos", 5/12 "cinco doze avos"."""
    if denominator in _DENOMINATORS:
        part = _DENOMINATORS[denominator][numerator > 1]
    elif denominator <= 10 or denominator in (100, 1000):
        part = ordinal(denominator) + "s" * (numerator > 1)
    else:
        part = cardinal(denominator) + (" avos" if numerator > 1 else " avo")
    return f"{cardinal(numerator)} {part}"


# --- The gender that a following noun asks for ---------------------------------------------------------------------

_FEMININE_NOUNS = frozenset(
    """hora semana noite tarde manhã pessoa mulher vez página casa tonelada milha libra polegada jarda onça caloria
    quilocaloria unidade mesa cadeira parte mãe mão flor cor lei voz luz rede fonte frase base fase dose classe aula
    chave nave torre morte sede parede crise tese análise equipe tribo foto moto ordem nuvem empresa família criança
    menina garota filha irmã amiga aluna professora escola sala vaga porta janela rua avenida praça estrela peça caixa
    garrafa xícara colher gota fatia lata taça dúzia dezena centena década palavra letra linha coluna folha carta
    conta
    nota moeda rúpia lira coroa ação questão região reunião opinião rodada volta partida vitória derrota medalha
    cabeça
    perna milésima légua quadra quantia taxa pergunta resposta ideia coisa maneira forma opção função
    atriz raiz matriz diretriz cicatriz sílaba vírgula planta árvore estante viagem imagem mensagem ficha etapa
    versão sessão lição canção música faixa temporada cena estação cidade""".split()
)
_FEMININE_ENDING = re.compile(
    r"(?:ções|ção|sões|stões|dades?|tudes?|agens?|igens?|ugens?|gi(?:ões|ão)|niões|mulheres|vezes|flores|cores|luzes"
    r"|vozes"
    r"|mães|mãos|atrizes|raízes|matrizes|cicatrizes|ordens|nuvens|fases|frases|bases|classes|doses|redes|fontes|leis"
    r"|noites|tardes|partes|chaves|equipes|crises|teses|análises|torres|mortes|árvores|colheres|irmãs|manhãs|estantes"
    r"|cidades|sedes|paredes|tribos|fotos|motos)$"
)
_MASCULINE_AS = frozenset(
    """dias problemas sistemas programas temas mapas planetas idiomas poemas dramas cinemas gramas quilogramas
    miligramas
    telegramas diagramas esquemas teoremas lemas dilemas sintomas cometas atletas artistas colegas guias gás
    panoramas hologramas pijamas aromas diplomas fantasmas plasmas carismas enigmas paradigmas axiomas dogmas
    estigmas cromossomas hematomas glaucomas sofás papas profetas poetas piratas monarcas patriarcas
    as das nas às pelas apenas mas duas elas essas estas aquelas suas tuas minhas nossas algumas umas
    àquelas daquelas naquelas dessas destas nessas nestas""".split()
)
_INVARIABLE = frozenset(
    """grandes importantes diferentes principais melhores piores maiores menores jovens belas simples fortes recentes
    seguintes primeiras últimas mil""".split()
)
_MASCULINE_IST = re.compile(r"(?:istas|ogramas|emas)$")
_AFTER = re.compile(
    rf"(?: (?:a|ou|e|até) {TOKEN}(?![,\d])| e mei[ao](?= ))?(?: mil(?= ))?"
    rf" ([^\W\d_]+(?:-[^\W\d_]+)*)(?: ([^\W\d_]+(?:-[^\W\d_]+)*))?"
)
_OF_THOSE = re.compile(r" das \d")
_PLURAL_OF_S = re.compile(r"s$")


def is_feminine(following: str) -> bool:
    """Whether the noun at the beginning of what follows a number is known to be feminine.

    following: the text from the number's end on, " mil pessoas ...". A word in -as counts unless it is a known
    masculine; nothing is concluded from an unknown word.
    """
    if _OF_THOSE.match(following):
        return True  # 2 das 5 irmãs
    match = _AFTER.match(following[:120])
    if not match:
        return False
    word, second = match.group(1), match.group(2)
    if word[0].isupper() and not word.isupper():
        return False  # a name: Flamengo 2 a 1 Palmeiras
    if word.lower() in _INVARIABLE and second:
        word = second
    word = word.lower()
    if word in _FEMININE_NOUNS or _PLURAL_OF_S.sub("", word) in _FEMININE_NOUNS:
        return True
    if _FEMININE_ENDING.search(word):
        return True
    return word.endswith("as") and len(word) > 3 and word not in _MASCULINE_AS and not _MASCULINE_IST.search(word)
