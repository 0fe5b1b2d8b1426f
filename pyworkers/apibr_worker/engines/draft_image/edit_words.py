"""The words by which the draft editor knows an edit, in Portuguese and English, without accents."""

from __future__ import annotations

import re

COLOURS: dict[str, str] = {
    name: colour
    for colour, names in {
        "#d8342c": "red vermelho vermelha", "#e8862e": "orange laranja alaranjado alaranjada",
        "#e8c33a": "yellow amarelo amarela",
        "#3f9b52": "green verde", "#2f9a94": "teal turquoise turquesa", "#35b5cf": "cyan ciano", "#3468c8": "blue azul",
        "#7d4bb5": "purple violet roxo roxa violeta lilas", "#e07aa8": "pink rosa", "#7a5236": "brown marrom",
        "#d8ab4a": "golden gold dourado dourada",
        "#16181c": "black preto preta", "#f4f4f2": "white branco branca", "#8b8d91": "grey gray cinza",
    }.items()
    for name in names.split()
}  # fmt: skip
COLOUR = r"\b(?P<colour>" + "|".join(COLOURS) + r")s?\b"

_LESS = r"(?:less|lower|reduce|decrease|menos|reduz\w*|diminu\w*)"
_MORE = r"(?:more|increase|raise|boost|add|mais|aument\w*)"
# The first rule that matches takes its words away, so the more special ones stand first.
_RULES: list[tuple[str, str, str]] = [
    ("black_and_white", "", r"\bblackandwhite\b|\bgr[ae]yscale\b|\bmonochrom\w*|\btons de cinza\b"
     r"|\bescala de cinza\b|\b(?:remove|tir\w+|without|sem) (?:the |as |all )?(?:colou?rs?|cor(?:es)?)\b"
     r"|\bdesaturate\w*"),
    ("sepia", "", r"\bsepia\b|\b(?:old|vintage|antiga) (?:photo|look|style)\b|\b(?:foto|imagem) antiga\b|\bvintage\b"
     r"|\benvelhec\w+"),
    ("invert", "", r"\binvert\w* (?:the |as )?(?:colou?rs|cores)\b|\bnegativ[eo]\b|\binvert\b(?! (?:horiz|vert))"),
    ("darken", "", rf"\b{_LESS} (?:the |o |de )?(?:bright\w*|brilho|light|luz)\b|\bdark\w*|\bdimmer\b"
     rf"|\bmais escur[oa]s?\b|\bescure\w+"),
    ("brighten", "", rf"\b{_MORE} (?:the |o |de )?(?:bright\w*|brilho|light|luz)\b|\bbright\w*|\blighter\b"
     rf"|\blighten\w*|\bmais clar[oa]s?\b|\bclare\w+|\bilumin\w+"),
    ("lower_contrast", "", rf"\b{_LESS} (?:the |o |de )?contrast\w*"),
    ("contrast", "", rf"\b(?:{_MORE} (?:the |o |de )?)?contrast\w*"),
    ("desaturate", "", rf"\b{_LESS} (?:the |a |de )?(?:satura\w*|colou?r\w*|vivid|vibrant\w*)\b"
     rf"|\bmuted(?: colou?rs)?\b"),
    ("saturate", "", rf"\b{_MORE} (?:the |a |de )?(?:satura\w*|colou?rful|colorid[oa]s?|vivid|vibrant\w*"
     rf"|viv[ao]s?)\b|\bsaturat\w*|\bvivid\w*|\bvibrant\w*|\bcores (?:mais )?(?:vivas|vibrantes)\b"
     rf"|\bmais vibrantes?\b"),
    ("warmer", "", r"\bwarm\w*|\bmais quentes?\b|\besquent\w+|\baquec\w+"),
    ("colder", "", r"\bcold\w*|\bcool\w*|\bmais fri[oa]s?\b|\besfri\w+"),
    ("pixelate", "", r"\bpixel\w*|\bmosaic\w*|\bcensor\w*"),
    ("blur", "", r"\bblur\w*|\bout of focus\b|\bdesfo[cq]\w+|\bfora de foco\b|\bborr(?:ar|e|ad[oa])\b|\bembac\w+"
     r"|\bsuaviz\w+|\bsoften\w*"),
    ("sharpen", "", r"\bsharp\w*|\bcrisp\w*|\b(?:mais )?nitid\w*"),
    ("vignette", "", r"\bvignett\w*|\bvinheta\b"),
    ("flip", "vertical", r"\b(?:flip\w*|mirror\w*|espelh\w+|invert\w*)(?: it| the| a| o| image| imagem| foto"
     r"| picture)*(?: na)? vertical\w*"),
    ("flip", "horizontal", r"\b(?:flip\w*|mirror\w*|espelh\w+)(?: it)?(?: na)?(?: horizontal\w*)?"
     r"|\binvert\w* (?:na )?horizontal\w*"),
    ("rotate", "180", r"\bupside down\b|\b(?:de )?(?:cabeca para baixo|ponta cabeca)\b"),
    ("rotate", "", r"\b(?:rotat\w*|turn|gir(?:e|ar|a)|rotacion\w+|rod(?:e|ar))\b(?: it| the| a| o| image| imagem"
     r"| foto| picture| photo| by| em| para| to| pela?| right| left| direita"
     r"| esquerda)*(?: (?P<degrees>\d{1,3})(?: degrees?| graus?)?)?"),
    ("crop", "1:1", r"\b(?:crop\w*|cut|trim\w*|recort\w+|cort(?:e|ar))\b(?=.*\b(?:square|quadrad[oa])\b)|\b(?:make"
     r"|deixe|torne|fac[oa]) (?:it |the |a |o |image |imagem |foto |picture )*(?:square|quadrad[oa])\b"),
    ("crop", "", r"\b(?:crop\w*|cut|trim\w*|recort\w+|cort(?:e|ar))\b(?: it| the| a| o| image| imagem| foto| picture"
     r"| photo| to| para| em| in)* (?P<aspect>[1-9]\d? ?[:x] ?[1-9]\d?)\b"),
    ("border", "", r"\b(?:border|frame|borda|moldura)\b"),
]  # fmt: skip
EDITS = [(name, value, re.compile(pattern)) for name, value, pattern in _RULES]
CAPTION = re.compile(r"\b(?:caption|subtitle|text|title|label|write|legenda|texto|titulo|escrev\w+|rotulo)\b")
UNQUOTED = re.compile(
    r"^(?:(?:add|put|coloque|adicione|ponha) )?(?:a |the |uma? |o )?(?:caption|text|title|label|legenda|texto|titulo"
    r"|write|escreva)(?: the (?:text|caption))? ?[:：] ?(?P<text>.+)$",
    re.IGNORECASE,
)

REGIONS: list[tuple[str, re.Pattern[str]]] = [
    ("sky", re.compile(r"\b(?:sky|ceu)\b")),
    ("ground", re.compile(r"\b(?:ground|floor|grass|chao|grama|solo|piso)\b")),
    ("background", re.compile(r"\b(?:background|backdrop|fundo)\b")),
    ("top", re.compile(r"\b(?:top|upper half|parte de cima|metade de cima)\b")),
    ("bottom", re.compile(r"\b(?:bottom|lower half|parte de baixo|metade de baixo)\b")),
]
FILLERS = set(
    "a an the it its this that to of in on with into by for as is be at please can could you i want would like make "
    "turn change convert apply give add put set get let look looks more some bit little slightly very much lot lots "
    "really strongly strong heavy heavily light effect effects filter tone tones tint colour color colours colors "
    "image picture photo photograph whole entire everything style version degrees degree around thin thick wide large "
    "big small only just "
    "o os as um uma uns umas de da do das dos em na no nas nos ao aos com para por pra que se seja ser isto isso este "
    "esta esse essa favor quero queria gostaria faca fazer faz deixe deixar deixa torne tornar transforme transformar "
    "mude mudar coloque colocar ponha por aplique aplicar adicione adicionar acrescente de mais pouco pouquinho "
    "levemente ligeiramente muito bem bastante bem fique ficar efeito efeitos filtro tom tons cor cores imagem foto "
    "fotografia figura toda todo tudo estilo versao graus grau vire virar lado fina fino grossa grosso larga largo "
    "grande pequena pequeno so apenas pinte pintar paint colora tinja recolor".split()
)  # fmt: skip
NOT = re.compile(
    r"\b(?:not|dont|never|without|nao|nunca|sem|remov\w*|remova|delete|erase|tir(?:e|ar)|apag\w+|retir\w+)\b"
)
SLIGHTLY = re.compile(r"\b(?:slightly|a bit|a little|little|um pouco|pouco|pouquinho|levemente|ligeiramente)\b")
STRONGLY = re.compile(r"\b(?:much|very|a lot|strongly|strong|heavily|heavy|muito|bem|bastante)\b")
COUNTER = re.compile(r"\b(?:left|counterclockwise|anticlockwise|counter clockwise|anti horario|esquerda)\b")
COMPANIONS = {
    "rotate": re.compile(
        r"\b(?:left|right|(?:counter ?|anti ?)?clockwise|(?:no )?(?:sentido )?(?:anti )?horario|esquerda|direita"
        r"|upside down)\b"
    ),
    "crop": re.compile(r"\b(?:square|quadrad[oa])\b"),
}
"""Words that mean something only together with that edit."""
SPLIT = re.compile(r"[,;.!\n]+|\b(?:and then|then|and|e depois|depois|e)\b(?= )", re.IGNORECASE)
QUOTED = re.compile(r"\"([^\"]{1,200})\"|“([^”]{1,200})”|«([^»]{1,200})»|(?<!\w)'([^']{1,200})'(?!\w)|‘([^’]{1,200})’")
TOGETHER = re.compile(r"\b(?:black and white|black & white|b&w|preto e branco|preto & branco|pb|p&b)\b", re.IGNORECASE)
OF_THE_WHOLE = {"flip", "rotate", "crop", "border"}
"""Edits of the whole picture: a mask has no meaning for them."""
