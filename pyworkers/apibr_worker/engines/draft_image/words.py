"""What a prompt is about, as far as a storyboard needs to know: a person or a scene, its colours and its light."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_PERSON = (
    "headshot portrait person people woman women man men girl boy face selfie avatar professional actor actress "
    "teacher doctor presenter host businessman businesswoman character retrato pessoa mulher homem menina menino moca "
    "rapaz rosto professora professor medico medica apresentador apresentadora executivo executiva empresario "
    "empresaria personagem garota garoto senhora senhor idoso idosa grandmother grandfather"
).split()
_WOMAN = (
    "grandmother senhora woman women girl actress businesswoman she mulher menina moca professora medica "
    "apresentadora executiva garota"
).split()
_MAN = (
    "grandfather senhor man men boy actor businessman he homem menino rapaz medico apresentador executivo empresario "
    "garoto"
).split()
_FORMAL = (
    "professional business headshot suit executivo executiva empresario empresaria terno negocios profissional".split()
)

_SCENES: dict[str, Sequence[str]] = {
    "sea": "sea ocean beach lake river water mar oceano praia lago rio agua".split(),
    "city": "city street building skyline office urban cidade rua predio escritorio urbana urbano".split(),
    "forest": "forest tree trees wood garden park jungle floresta arvore arvores bosque jardim parque mata".split(),
    "mountain": "mountain mountains hill valley landscape montanha montanhas serra morro vale paisagem".split(),
    "space": "space planet star stars galaxy moon espaco planeta estrela estrelas galaxia lua".split(),
}
_LIGHT: dict[str, Sequence[str]] = {
    "night": "night dark midnight noite escuro escura madrugada".split(),
    "sunset": "sunset sunrise dawn dusk golden por entardecer amanhecer dourado crepusculo".split(),
    "day": "noon day sunny morning bright dia ensolarado manha claro clara".split(),
}
_COLOURS: dict[str, float] = {
    "red": 0.0, "vermelho": 0.0, "vermelha": 0.0, "orange": 0.08, "laranja": 0.08, "yellow": 0.14, "amarelo": 0.14,
    "amarela": 0.14,
    "green": 0.36, "verde": 0.36, "teal": 0.48, "cyan": 0.5, "ciano": 0.5, "blue": 0.6, "azul": 0.6, "purple": 0.75,
    "roxo": 0.75,
    "roxa": 0.75, "violet": 0.75, "pink": 0.92, "rosa": 0.92,
}  # fmt: skip
_HAIR: dict[str, str] = {
    "blonde": "#d9b26a", "blond": "#d9b26a", "loiro": "#d9b26a", "loira": "#d9b26a", "redhead": "#a4492c",
    "ruivo": "#a4492c",
    "ruiva": "#a4492c", "brunette": "#4a2f22", "grey": "#a6a4a2", "gray": "#a6a4a2", "grisalho": "#a6a4a2",
    "grisalha": "#a6a4a2",
}  # fmt: skip


# Next to one of these, a colour word is the colour of the hair.
_OF_HAIR = "hair haired cabelo cabelos".split()
_HAIR_COLOURS: dict[str, str] = {
    "black": "#1d1a1b", "preto": "#1d1a1b", "pretos": "#1d1a1b", "brown": "#4a2f22", "castanho": "#4a2f22",
    "castanhos": "#4a2f22",
    "dark": "#2b211c", "escuro": "#2b211c", "escuros": "#2b211c", "red": "#a4492c", "vermelho": "#a4492c",
    "vermelhos": "#a4492c",
    "white": "#d9d7d3", "branco": "#d9d7d3", "brancos": "#d9d7d3", "golden": "#d9b26a", "dourado": "#d9b26a",
    "dourados": "#d9b26a",
    "blue": "#3f6fa8", "azul": "#3f6fa8", "azuis": "#3f6fa8", "pink": "#d879a3", "rosa": "#d879a3", "green": "#4d8a5f",
    "verde": "#4d8a5f", "verdes": "#4d8a5f", "purple": "#76539c", "roxo": "#76539c", "roxos": "#76539c",
    "loiros": "#d9b26a",
    "ruivos": "#a4492c", "grisalhos": "#a6a4a2",
}  # fmt: skip
_OLD = "old elderly senior grandmother grandfather idoso idosa velho velha avo vovo".split()
_STYLES: dict[str, Sequence[str]] = {
    "curly": "curly curls afro cacheado cacheados cacheada crespo crespos crespa".split(),
    "bun": "bun coque".split(),
    "long": "long longo longos".split(),
    "short": "short curto curtos".split(),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A prompt as the drawing needs it."""

    person: bool
    gender: str
    """woman, man, or "" when the prompt does not say."""
    formal: bool
    scene: str
    """sea, city, forest, mountain, space, or "" for an abstract card."""
    light: str
    """night, sunset, day, or ""."""
    hue: float | None
    """0..1, or None when the prompt names no colour."""
    hair: str | None
    """#rrggbb, or None."""
    style: str
    """long, bun, curly, short, or "" when the prompt does not say."""
    bald: bool
    glasses: bool
    beard: bool


def read(prompt: str) -> Subject:
    """Finds the words that matter, in Portuguese and English, whatever their accents and case."""
    words = plain(prompt)
    hair, of_hair = _hair(words)
    there = set(words) - of_hair
    scene = next((name for name, signs in _SCENES.items() if there & set(signs)), "")
    light = next((name for name, signs in _LIGHT.items() if there & set(signs)), "")
    return Subject(
        person=bool(there & set(_PERSON)),
        gender="woman" if there & set(_WOMAN) else "man" if there & set(_MAN) else "",
        formal=bool(there & set(_FORMAL)),
        scene=scene,
        light=light,
        hue=next((hue for word in words if word not in of_hair and (hue := _hue(word)) is not None), None),
        hair=hair,
        style=_style(words),
        bald=bool(there & {"bald", "careca"}),
        glasses=bool(there & {"glasses", "oculos"}),
        beard=bool(there & {"beard", "bearded", "barba", "barbudo"}),
    )


def _hue(word: str) -> float | None:
    """The hue that a word names, in the plural too."""
    return _COLOURS.get(word, _COLOURS.get("azul" if word == "azuis" else word.removesuffix("s")))


def _hair(words: list[str]) -> tuple[str | None, set[str]]:
    """The hair's colour, and the words that tell it and so tell nothing about the rest of the picture."""
    places = [index for index, word in enumerate(words) if word in _OF_HAIR]
    # "red curly hair" in English, "cabelo cacheado vermelho" in Portuguese: at most one word between.
    near = [words[other] for index in places for other in range(max(0, index - 2), min(len(words), index + 3))]
    found = next((word for word in near if word in _HAIR_COLOURS), None)
    if found:
        return _HAIR_COLOURS[found], {found}
    named = next((_HAIR[word] for word in words if word in _HAIR), None)
    return named or ("#a6a4a2" if set(words) & set(_OLD) else None), set()


def _style(words: list[str]) -> str:
    """How the hair is worn; "long" and "short" count only next to a word for hair."""
    places = [index for index, word in enumerate(words) if word in _OF_HAIR]
    near = {words[other] for index in places for other in range(max(0, index - 2), min(len(words), index + 3))}
    for style, signs in _STYLES.items():
        there = near if style in ("long", "short") else set(words)
        if there & set(signs):
            return style
    return ""


def plain(text: str) -> list[str]:
    """Lower-case words without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return re.findall(r"[a-z]+", "".join(sign for sign in decomposed if not unicodedata.combining(sign)))


def title(prompt: str, longest: int = 90) -> str:
    """The prompt as a title: one line of text, its first letter large, cut at a word."""
    text = " ".join(prompt.split())
    if len(text) > longest:
        text = text[:longest].rsplit(" ", 1)[0].rstrip(",;:. ") + "…"
    return text[:1].upper() + text[1:]
