"""Text as it is said: tables of hard examples, and what must hold for any text."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path

import pytest

from apibr_worker.runtime.api import InvalidInputError
from apibr_worker.textnorm import Sentence, normalise, pauses, sentences, split
from tests.harness import ROOT

_HERE = Path(__file__).parent


def _table(name: str) -> list[tuple[str, str]]:
    lines = (_HERE / name).read_text(encoding="utf-8").splitlines()[1:]
    return [(source, said) for source, said in (line.split("\t") for line in lines)]


_EXAMPLES = [("pt-BR", *row) for row in _table("textnorm_pt_br.tsv")] + [
    ("en", *row) for row in _table("textnorm_en.tsv")
]


@pytest.mark.parametrize(("language", "source", "said"), _EXAMPLES, ids=[f"{row[0]}: {row[1]}" for row in _EXAMPLES])
def test_an_example_is_normalised_as_a_native_says_it(language: str, source: str, said: str) -> None:
    assert normalise(source, language) == said


@pytest.mark.parametrize(("language", "source", "said"), _EXAMPLES, ids=[f"{row[0]}: {row[1]}" for row in _EXAMPLES])
def test_normalised_text_is_not_changed_again(language: str, source: str, said: str) -> None:
    assert normalise(said, language) == said


@pytest.mark.parametrize(("language", "least"), [("pt-BR", 250), ("en", 200)])
def test_the_tables_hold_many_different_examples(language: str, least: int) -> None:
    assert len({source for known, source, _ in _EXAMPLES if known == language}) >= least


@pytest.mark.parametrize(
    ("tag", "source", "said"),
    [
        ("pt", "2 horas", "duas horas"),
        ("pt_BR", "2 horas", "duas horas"),
        ("PT-br", "2 horas", "duas horas"),
        ("en-US", "3/4/2026", "March fourth, twenty twenty-six"),
        ("en-GB", "3/4/2026", "April third, twenty twenty-six"),
        ("en-IN", "13/4/2026", "April thirteenth, twenty twenty-six"),
        ("es", "Son  2 horas\u200b 😀", "Son dos horas"),
        ("de", "Es sind  2 Stunden\u200b 😀", "Es sind 2 Stunden"),
        ("zh", "你好，世界\u0007。", "你好，世界。"),
        ("fa", "می‌خواهم", "می‌خواهم"),
        ("", "7 \n\n x", "7 x"),
    ],
)
def test_languages(tag: str, source: str, said: str) -> None:
    assert normalise(source, tag) == said


_OTHERS = [
    ("es", "Cuesta $1.234,56 o 20 €, un 12,5% más.", "Cuesta mil doscientos treinta y cuatro dólares con cincuenta y"
     " seis centavos o veinte euros, un doce coma cinco por ciento más."),
    ("es", "A las 14:30 del 31/12/2026.", "A las catorce y treinta del treinta y uno de diciembre de dos mil"
     " veintiséis."),
    ("es", "Escribe a ana@ejemplo.es & ven al 3º piso.", "Escribe a ana arroba ejemplo punto es y ven al tercer piso."),
    ("es", "Hay 1.500 personas a -3 °C", "Hay mil quinientas personas a menos tres grados Celsius"),
    ("fr", "Ça coûte 1 234,56 € ou 5 %.", "Ça coûte mille deux cent trente-quatre euros et cinquante-six centimes ou"
     " cinq pour cent."),
    ("fr", "À 14h30 le 01/05/2026.", "À quatorze heures trente le premier mai deux mille vingt-six."),
    ("it", "Costa € 1.234,56, il 10% in meno.", "Costa milleduecentotrentaquattro euro e cinquantasei centesimi, il"
     " dieci per cento in meno."),
    ("it", "Alle 14:30, 3 milioni di euro", "Alle quattordici e trenta, tre milioni di euro"),
    ("hi", "यह ₹500 का है, 10% छूट & www.example.com पर।", "यह 500 रुपये का है, 10 प्रतिशत छूट और example डॉट com पर।"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "source", "said"), _OTHERS)
def test_other_languages_say_their_numbers_money_and_signs(language: str, source: str, said: str) -> None:
    assert normalise(source, language) == said


@pytest.mark.parametrize("language", ["es", "fr", "it", "hi"])
def test_no_sign_of_money_or_share_is_left_in_any_spoken_language(language: str) -> None:
    said = normalise("A 5% & 10 € @ $ 3 = 4 + 1° #2 a@b.com https://x.io/y", language)
    assert not set(said) & set("%&€@$=+°#/<>"), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Av. Paulista, 1578 - 3º andar", "Avenida Paulista, mil quinhentos e setenta e oito, terceiro andar"),
        ("Turno 1 - 8h às 12h", "Turno um, oito horas às doze horas"),
        ("Custa R$ 1 mil, pago na C/C.", "Custa mil reais, pago na conta corrente."),
        ("Ｒ＄ １０, ½ kg", "dez reais, meio quilo"),
        ("Zap: 11999998888", "Zap: onze, nove nove nove nove nove, oito oito oito oito"),
        ("CPF 123.456.789-09 às 14h30", "cê pê efe um dois três, quatro cinco seis, sete oito nove, traço zero nove às"
         " quatorze horas e trinta minutos"),
        ("**Só hoje**: R$ 1.234,56!", "Só hoje: mil duzentos e trinta e quatro reais e cinquenta e seis centavos!"),
    ],
)  # fmt: skip
def test_sentences_read_the_hard_examples(text: str, said: str) -> None:
    assert " ".join(piece.text for piece in sentences(text, 280, "pt-BR")) == said


_MARKED = [
    ("<speak>Olá <break time='1s'/>mundo</speak>", "Olá mundo"),
    ('Veja [o site](https://a.com/b "A") já', "Veja o site já"),
    ("![logo](a.png) Oi <!-- nada -->&amp; tchau", "logo Oi & tchau"),
    ("&lt;break time=&quot;1s&quot;/&gt;Oi", "Oi"),
    ("𝗣𝗿𝗼𝗺𝗼 ⓕⓛⓐⓢⓗ ｆｕｌｌ 🅥 ᴠ s̶a̶l̶e̶", "Promo flash full V v sale"),
    ("***a*** __b__ _c_ ~~d~~ `e` **f**g", "a b c d e fg"),
    ("2*3 e 4 * 5, a_b, x < y e y > x", "2*3 e 4 * 5, a_b, x < y e y > x"),
    ("```sh\nls\n```\n---\nfim", "ls fim"),
    ("# Título\ntexto\n- um\n- Dois\n> três", "Título. texto um. Dois, três"),
    ("|a|b|\n|-|:-:|\n| c | |", "a, b. c"),
    ("\x1b[1;31mOi\x1b[0m mundo\x1b[K", "Oi mundo"),
    ("- [x] feito\n1. primeiro\n[1]: https://a.com\nnota[^1]", "feito. 1. primeiro nota"),
]


@pytest.mark.parametrize(("text", "plain"), _MARKED)
def test_markup_is_not_read_aloud_in_any_language(text: str, plain: str) -> None:
    assert " ".join(piece.text for piece in sentences(text, 280, "de")).split() == plain.split()


# --- Pauses --------------------------------------------------------------------------------------------------------


def _pauses(text: str, language: str = "pt-BR") -> list[tuple[str, float]]:
    return [(piece.text, piece.pause) for piece in sentences(text, 280, language)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ('Olá <break time="1s"/>mundo.', [("Olá", 1.0), ("mundo.", 0.0)]),
        ("Olá<break time='500ms' /> mundo", [("Olá", 0.5), ("mundo", 0.0)]),
        ('Um. <break strength="strong"/><break time="0.25s"/> Dois.', [("Um.", 1.05), ("Dois.", 0.0)]),
        ('Um <break strength="none"/>só', [("Um só", 0.0)]),
        ("Um <break/> dois", [("Um", 0.4), ("dois", 0.0)]),
        ('<speak><p>Um.</p><break time="2s"/><p>Dois.</p></speak>', [("Um.", 2.0), ("Dois.", 0.0)]),
        ("&lt;break time=&quot;1s&quot;/&gt;Oi", [("Oi", 0.0)]),
        ("<speak><s>Vamos já</s><s>Sim</s></speak>", [("Vamos já. Sim.", 0.0)]),
        ("Era <s>caro</s> barato", [("Era caro barato", 0.0)]),
        ("A \U000f1000 b", [("A b", 0.0)]),
        ("Fim. <break time='3s'/>", [("Fim.", 3.0)]),
    ],
)
def test_a_break_is_a_pause_in_seconds(text: str, pieces: list[tuple[str, float]]) -> None:
    assert _pauses(text) == pieces


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('A <break time="61s"/> b', "a <break> takes more than 60 s, which is the longest: shorten its time"),
        ('A <break time="999999999s"/> b', "a <break> takes more than 60 s, which is the longest: shorten its time"),
        (
            "A " + '<break time="60s"/> b ' * 11,
            "the <break>s of the text take 660 s together; the longest is 600 s: shorten them",
        ),
    ],
)
def test_a_break_that_is_too_long_is_refused_with_the_limit(text: str, told: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        sentences(text, field="lines/2/text")
    assert str(caught.value) == told
    assert caught.value.field == "lines/2/text"


def test_silence_follows_the_last_sign_the_paragraph_and_the_break() -> None:
    found = [pauses.after(text) for text in ("para", "sim,", "sim;", "Sim.", "“Sim!”", "Sim...", "Sim…")]
    assert found == sorted(found)
    assert found[0] == 0.0 < found[1]
    assert pauses.after("Sim.", paragraph_end=True) > pauses.after("Sim.")
    assert pauses.after("Sim.", asked=0.05, paragraph_end=True) == 0.05


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Cheguei 😀 Vamos lá", "Cheguei. Vamos lá"),
        ("Amei😍😍muito bom", "Amei, muito bom"),
        ("Oi 😀, tudo bem? 👍", "Oi, tudo bem?"),
        ("Eu ❤️ São Paulo", "Eu amo São Paulo"),
        ("1️⃣ Abra o app", "um. Abra o app"),
        ("✅ Pronto ✅ Feito", "Pronto. Feito"),
    ],
)
def test_an_emoji_between_words_is_a_pause(text: str, said: str) -> None:
    assert normalise(text, "pt-BR") == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<say-as interpret-as='characters'>ABC1</say-as>", "á bê cê um"),
        ("Código <say-as interpret-as='digits'>1905</say-as>!", "Código um nove zero cinco!"),
        ("O <say-as interpret-as='ordinal'>3</say-as> lugar", "O terceiro lugar"),
        ("Dia <say-as interpret-as='date'>31/12</say-as>", "Dia trinta e um de dezembro"),
        ("<sub alias='2 metros'>2x</sub> e <prosody rate='slow'>fim</prosody>", "dois metros e fim"),
    ],
)
def test_ssml_says_how_a_word_is_read(text: str, said: str) -> None:
    assert normalise(text, "pt-BR") == said


# --- The user's pronunciations -------------------------------------------------------------------------------------


def _said(text: str, words: list[tuple[str, str]]) -> str:
    return " ".join(piece.text for piece in sentences(text, 280, "pt-BR", words))


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("A APIBR e o apibr.", [("APIBR", "apê i bê erre")], "A apê i bê erre e o apê i bê erre."),
        ("APIBRX e xAPIBR", [("APIBR", "x")], "APIBRX e xAPIBR"),
        ("São e sao", [("sao", "ésse á ó")], "São e ésse á ó"),
        ("O New York Times em New York", [("New York", "nova iorque"), ("New York Times", "niu iorque taimes")],
         "O niu iorque taimes em nova iorque"),
        ("Uso C++ e .NET (a+b)", [("C++", "cê mais mais"), (".NET", "dote néte"), ("(a+b)", "tudo")],
         "Uso cê mais mais e dote néte tudo"),
        ("**APIBR** em R$ 2", [("APIBR", "<b>apê</b>")], "apê em dois reais"),
        ("É 42", [("42", "4 2 <i>R$</i>")], "É 4 2 R$"),
        ("Oi", [("", "x"), ("Oi", " "), ("  ", "y")], "Oi"),
        ("Cafe\u0301 bom", [("café", "cafézinho")], "cafézinho bom"),
        ("Ana", [("Ana", "a" * 500)], "a" * 200),
    ],
)  # fmt: skip
def test_a_users_word_is_said_as_the_dictionary_says(text: str, words: list[tuple[str, str]], said: str) -> None:
    assert _said(text, words) == said


def test_a_caption_shows_the_word_that_the_dictionary_replaced() -> None:
    found = sentences("A **APIBR**, sim.", 280, "pt-BR", [("apibr", "apê i bê erre")])
    assert _written(found) == ["A = A", "APIBR, = apê i bê erre,", "sim. = sim."]
    assert found[0].source == "A **APIBR**, sim."


def test_a_dictionary_of_500_words_says_each_of_them_in_the_longest_text() -> None:
    words = [(f"palavra{number}", f"dita {chr(97 + number % 26)}") for number in range(500)]
    text = " ".join(f"palavra{number % 500}" for number in range(1_700))[:20_000]
    assert "palavra" not in _said(text, words).replace(text.rsplit(" ", 1)[1], "")


# --- What must hold for any text -----------------------------------------------------------------------------------

_PIECES = [source for _, source, _ in _EXAMPLES]
_MARKS = list(
    " .,;:!?-–—()[]{}\"'“”«»…/\\%#@&+=*<>|~^_°ºª²³½¾①Ⅷ٣५８€$£R§©™→•\n\t\u00a0\u200b\u200d\ufeff\x00😀👩‍👩‍👧🇧🇷1️⃣"
)
_WORDS = """o a de São Paulo 1 2 21 100 1.000 1.000,50 3,14 3.14 12/5 1/2 14h30 14:30 R$ US$ 10% km kg °C IBGE FBI
Sr. Dr. etc. XIV século Chapter III COVID-19 2º 3rd 1990s pm h m s no. nº 5' x 4x4 a@b.co http://a.b/c?d=1 -7 − 0
00 007 mil mi milhões Á É ção été Привет 世界 مرحبا naïve D'Ávila O'Brien guarda-chuva I II V X 12-34
(11) 98765-4321 2026-12-31 31/12/2026""".split()


def _texts(seed: int, count: int, *, joints: tuple[str, ...] = ("", " ", " ")) -> list[str]:
    """Mixtures of examples, words and marks, glued or with spaces between; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311
    texts: list[str] = []
    for _ in range(count):
        parts = [draw.choice(draw.choice((_PIECES, _WORDS, _WORDS, _MARKS))) for _ in range(draw.randint(1, 12))]
        texts.append(draw.choice(joints).join(parts))
    return texts


def _digits(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in ("Nd", "No", "Nl")]


@pytest.mark.parametrize("language", ["pt-BR", "en", "en-GB"])
def test_no_digit_is_left(language: str) -> None:
    for text in _texts(1, 150):
        assert not _digits(normalise(text, language)), text


@pytest.mark.parametrize("language", ["pt-BR", "en", "fr"])
def test_normalising_twice_changes_nothing(language: str) -> None:
    # With spaces between: "PauloVkm" cannot mean anything, and is read anew when its parts have come apart.
    for text in _texts(2, 150, joints=(" ",)):
        once = normalise(text, language)
        assert normalise(once, language) == once, text


@pytest.mark.parametrize("language", ["pt-BR", "en"])
def test_unknown_words_stay(language: str) -> None:
    draw = random.Random(3)  # noqa: S311
    letters = "abcdefghijlmnoprstuvzáéíóúâêôãõçñüßøžλж世"
    for _ in range(60):
        words = ["".join(draw.choices(letters, k=draw.randint(4, 12))) for _ in range(8)]
        mixed = " ".join(word + draw.choice(("", ",", " 12", " R$ 5,00", " 😀", " 10%", " (x)")) for word in words)
        said = normalise(mixed, language)
        assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("language", ["pt-BR", "en"])
@pytest.mark.parametrize(
    "text", ["Ela saiu cedo, mas voltou.", "Who is there? It's me!", "guarda-chuva", "D'Ávila", "a", "É"]
)
def test_plain_words_are_left_alone(language: str, text: str) -> None:
    assert normalise(text, language) == text


@pytest.mark.parametrize("text", ["", " ", "😀", "👩‍👩‍👧 🇧🇷", "...", "—", "\x00\u200b", "!?", "()", "\ud800"])
@pytest.mark.parametrize("language", ["pt-BR", "en", "ja"])
def test_text_without_words_gives_nothing(text: str, language: str) -> None:
    assert normalise(text, language) == ""
    assert sentences(text, language=language) == []


_JUDGED = json.loads((ROOT / "internal/generation/testdata/nothing_to_say.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", _JUDGED["silent"])
def test_a_text_that_the_server_refuses_says_nothing(text: str) -> None:
    assert sentences(text, language="pt-BR") == sentences(text, language="fr") == []


@pytest.mark.parametrize("text", _JUDGED["spoken"])
def test_a_text_that_the_server_accepts_says_something(text: str) -> None:
    assert sentences(text, language="pt-BR")
    assert sentences(text, language="fr")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "a"),
        ("7", "sete"),
        ("x" * 300, "x" * 300),
        ("um\tdois\x07 três\x1b[0m\u202e quatro", "um dois três quatro"),
        ("Comprei um Smart TV on sale, it was great, 世界", "Comprei um Smart tevê on sale, it was great, 世界"),
    ],
)
def test_odd_texts_are_read(text: str, said: str) -> None:
    found = sentences(text, 280, "pt-BR")
    assert "".join(piece.text for piece in found) == said
    _check(text, found, 280)


# Each repeats what a careless pattern would try again from every place.
_HOSTILE = [
    "a", "A", "1", " ", ".", ",", "-", "1.", "1,", "1-", "1/", "1:", "a.", "A.", "a@", "@", "(", "\"", "'", "I", "XIV ",
    "1 ",
    "R$", "R$ 1 ", "http://", "<a", "<", "*", "#", "😀", "e\u0301",
    "a-", "a1", "A1-", "é", "1h", "+1 ", "0", "世", "_",
    "....a ", "a, ", "1.234.", "Sr. ", "p. ", "de ",
]  # fmt: skip


@pytest.mark.parametrize("unit", _HOSTILE)
@pytest.mark.parametrize("language", ["pt-BR", "en"])
def test_a_long_monotonous_text_comes_back(unit: str, language: str) -> None:
    """A pattern that backtracks would take hours, and the suite would not end."""
    text = (unit * 2_000)[:2_000]
    assert not _digits(normalise(text, language))


# --- Written words -------------------------------------------------------------------------------------------------


def _check_words(text: str, found: list[Sentence]) -> None:
    """Words in order, each written word once, and together they say all of what is said."""
    place = 0
    for piece in found:
        said = 0
        assert piece.words, piece
        for word in piece.words:
            assert not piece.text[said : word.said_start].strip(), (piece, word)
            assert said <= word.said_start < word.said_end <= len(piece.text)
            said = word.said_end
            assert place <= word.start < word.end <= piece.end, (piece, word)
            assert piece.start <= word.start
            assert word.written.strip() == word.written != ""
            place = word.end
        assert not piece.text[said:].strip(), piece


def _written(found: list[Sentence]) -> list[str]:
    """What was written, with what is said for it."""
    return [
        f"{word.written} = {piece.text[word.said_start : word.said_end]}" for piece in found for word in piece.words
    ]


@pytest.mark.parametrize("language", ["pt-BR", "en", "es", "zh"])
def test_the_words_of_any_text_are_each_written_and_said_once(language: str) -> None:
    for text in _texts(7, 90):
        found = sentences(text, 120, language)
        _check_words(text, found)
        if not found or set(text) & set("<>[]()*_`~#|\\&=-\"'\ufe0f\u200d\u20e3"):
            continue
        # Without markup, every sign that is seen is in one of the words.
        seen = "".join(word.written for piece in found for word in piece.words)
        assert "".join(seen.split()) == "".join(char for char in text if not char.isspace()), text


@pytest.mark.parametrize(("language", "source", "said"), _EXAMPLES, ids=[f"{row[0]}: {row[1]}" for row in _EXAMPLES])
def test_the_words_of_an_example_say_all_of_it(language: str, source: str, said: str) -> None:
    found = sentences(source, 1000, language)
    assert " ".join(piece.text for piece in found) == said
    _check_words(source, found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Custa R$ 1.234,56.", ["Custa = Custa", "R$ = mil",
         "1.234,56. = duzentos e trinta e quatro reais e cinquenta e seis centavos."]),
        ("Dia 31/12 às 14h30", ["Dia = Dia", "31/12 = trinta e um de dezembro", "às = às",
         "14h30 = quatorze horas e trinta minutos"]),
        ("Veja [o **site**](http://a.b/c) já", ["Veja = Veja", "o = o", "site = site", "já = já"]),
        ("**negrito** e <b>for</b>te &amp; R&amp;B", ["negrito = negrito", "e = e", "forte = forte", "& = e",
         "R&B = erre e bê"]),
        ("Oi — sim, 1 mil", ["Oi — = Oi,", "sim, = sim,", "1 mil = mil"]),
        ("Fale com ana@ex.com 😀", ["Fale = Fale", "com = com", "ana@ex.com 😀 = ana arroba ex ponto com"]),
        ("# Título\n- um\n- dois", ["Título = Título.", "um = um,", "dois = dois"]),
        ("A <sub alias='Unesco'>ONU para a cultura</sub>", ["A = A", "ONU para a cultura = Unesco"]),
    ],
)  # fmt: skip
def test_a_caption_shows_what_was_written_without_its_markup(text: str, words: list[str]) -> None:
    assert _written(sentences(text, 280, "pt-BR")) == words


# --- Sentences -----------------------------------------------------------------------------------------------------


def _check(text: str, found: list[Sentence], limit: int) -> None:
    """What holds for any split: sources in order that leave only spaces out, texts that say something and fit."""
    place = 0
    for piece in found:
        assert piece.source == text[piece.start : piece.end]
        assert not text[place : piece.start].strip()
        assert piece.start < piece.end
        assert piece.text.strip()
        assert len(piece.text) <= limit
        place = piece.end
    if found:
        assert not text[place:].strip()
        assert found[-1].paragraph_end


@pytest.mark.parametrize("language", ["pt-BR", "en", "", "zh"])
@pytest.mark.parametrize("limit", [40, 90, 280])
def test_splitting_loses_nothing(language: str, limit: int) -> None:
    for text in _texts(4, 20):
        long = text + "\n\n" + text * 3
        _check(long, sentences(long, limit, language), limit)


@pytest.mark.parametrize("unit", _HOSTILE)
def test_splitting_one_endless_row_loses_nothing(unit: str) -> None:
    text = (unit * 2_000)[:2_000]
    _check(text, sentences(text, 280, "pt-BR"), 280)


_LONGER = " e assim foi até o fim do dia"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("O Sr. Silva chegou à Av. Brasil. Depois saiu.", ["O Sr. Silva chegou à Av. Brasil.", "Depois saiu."]),
        ("Custa 3.5 ou R$ 1.234,56. Caro!", ["Custa 3.5 ou R$ 1.234,56.", "Caro!"]),
        ("Ele disse... não sei. Foi… Voltou.", ["Ele disse... não sei.", "Foi…", "Voltou."]),
        ("— Quem é? perguntou ela. — Eu.", ["— Quem é? perguntou ela.", "— Eu."]),
        ("“Saia!” Ele saiu. (Fim.) Nada.", ["“Saia!”", "Ele saiu.", "(Fim.)", "Nada."]),
        ("Leia J. R. R. Tolkien e a R. Augusta. Bom.", ["Leia J. R. R. Tolkien e a R. Augusta.", "Bom."]),
        ("Era o plano B. Deu certo.", ["Era o plano B.", "Deu certo."]),
        ("Pão, leite etc. Depois saiu.", ["Pão, leite etc.", "Depois saiu."]),
        ("Pão, leite etc. e mais nada.", ["Pão, leite etc. e mais nada."]),
        ("Ver pág. 12 e art. 5. Certo.", ["Ver pág. 12 e art. 5.", "Certo."]),
        ("Mr. Smith left at 5 p.m. He ran.", ["Mr. Smith left at 5 p.m.", "He ran."]),
        ("See No. 5. No. I won't.", ["See No. 5.", "No.", "I won't."]),
        ("Dr. No. 5 e.g. this vs. that.", ["Dr. No. 5 e.g. this vs. that."]),
        ("你好。世界！好吗？", ["你好。", "世界！", "好吗？"]),
        ("Site exemplo.com.br caiu. Voltou.", ["Site exemplo.com.br caiu.", "Voltou."]),
    ],
)
def test_where_sentences_end(text: str, parts: list[str]) -> None:
    assert _spans(text) == parts


def _spans(text: str) -> list[str]:
    return [text[start:end] for start, end in split._sentence_spans(text, 0, len(text))]


def test_short_sentences_go_together_and_long_ones_do_not() -> None:
    long = "Esta é uma frase com bem mais de quarenta letras" + _LONGER + "."
    assert [piece.source for piece in sentences(f"{long} {long}", 280, "pt-BR")] == [long, long]
    assert [piece.source for piece in sentences(f"{long} Sim. Não.", 280, "pt-BR")] == [f"{long} Sim. Não."]
    assert [piece.source for piece in sentences("Sim. Não. Talvez.", 280, "pt-BR")] == ["Sim. Não. Talvez."]


def test_paragraphs_are_marked_and_never_joined() -> None:
    text = "Capítulo 1\nEra uma vez um rei\nque morava longe.\n\nFim.\r\n\r\nOutro."
    found = sentences(text, 280, "pt-BR")
    assert [(piece.source, piece.paragraph_end) for piece in found] == [
        ("Capítulo 1", True),
        ("Era uma vez um rei\nque morava longe.", True),
        ("Fim.", True),
        ("Outro.", True),
    ]
    assert found[1].text == "Era uma vez um rei que morava longe."


def test_subtitles_keep_the_original_and_the_model_gets_the_words() -> None:
    found = sentences("😀 A reunião é às 14h30 de 31/12/2026, na sala 2! 👍", 280, "pt-BR")
    assert [piece.source for piece in found] == ["😀 A reunião é às 14h30 de 31/12/2026, na sala 2! 👍"]
    assert found[0].text == (
        "A reunião é às quatorze horas e trinta minutos de trinta e um de dezembro de dois mil e vinte e seis,"
        " na sala dois!"
    )


def test_a_piece_that_outgrows_the_limit_is_cut_at_the_best_place() -> None:
    text = "Em 2026 foram R$ 1.234.567,89 em obras; em 2027 foram R$ 9.876.543,21 em escolas, e nada mais houve."
    found = sentences(text, 170, "pt-BR")
    assert [piece.source for piece in found] == [
        "Em 2026 foram R$ 1.234.567,89 em obras;",
        "em 2027 foram R$ 9.876.543,21 em escolas, e nada mais houve.",
    ]
    assert all(len(piece.text) <= 170 for piece in found)


def test_a_word_that_says_more_than_the_limit_is_shared_out() -> None:
    text = "Ligue " + "7" * 200 + " já."
    found = sentences(text, 280, "pt-BR")
    assert len(found) > 4
    assert " ".join(piece.text for piece in found).count("sete") == 200
    _check(text, found, 280)


def test_signs_without_words_go_with_a_neighbour() -> None:
    for text in ("😀" * 300 + " Oi.", "Oi " + "😀 " * 300, "😀\n\nOi.\n\n" + "😀" * 300, "Oi. 😀 Tchau."):
        found = sentences(text, 90, "pt-BR")
        _check(text, found, 90)
        assert " ".join(piece.text for piece in found) in ("Oi.", "Oi", "Oi. Tchau.")


def test_chinese_sentences_are_joined_without_a_space() -> None:
    assert [piece.text for piece in sentences("你好。世界！", 90, "zh")] == ["你好。世界！"]


def test_a_limit_that_no_sentence_fits_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 40"):
        sentences("Olá.", 10)
