"""Sentences, readings and cleaning."""

from __future__ import annotations

import re

import pytest

from apibr_worker.textnorm.reader import clean, pause_after, reading, sentences


def test_long_texts_are_cut_at_sentences_and_commas() -> None:
    text = "Uma frase curta. " + "palavra " * 100 + ", e o fim."
    pieces = sentences(text)
    assert pieces[0] == "Uma frase curta."
    assert all(len(piece) <= 280 for piece in pieces)
    assert " ".join(pieces).split() == text.split()


def test_a_word_without_end_is_cut() -> None:
    assert [len(piece) for piece in sentences("a" * 600)] == [280, 280, 40]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("O Dr. Silva chegou. Sim!", ["O Dr. Silva chegou.", "Sim!"]),
        ("J. R. Silva e a Sra. Lima. Fim.", ["J. R. Silva e a Sra. Lima.", "Fim."]),
        ("Custa R$ 10.50 agora.", ["Custa R$ 10.50 agora."]),
        ("A opção é a. Depois b.", ["A opção é a.", "Depois b."]),
        ("Primeira\nSegunda\n\n...\nTerceira", ["Primeira", "Segunda", "Terceira"]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("Ela disse: “Oi.” E saiu.", ["Ela disse:", "“Oi.” E saiu."]),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


def test_clean_drops_unspeakable_characters() -> None:
    assert clean("a\u0301 😀👍🏽 b\x00\ud800\tc 25 °C ©") == "á  b c 25 °C ©"


def test_a_reading_knows_where_its_words_come_from() -> None:
    read = reading("Sou AI, e a IA fala.", "pt_BR")
    assert read.said == "Sou ei ai, e a i á fala."
    assert [read.token_at(place)[1] for place in (0, 4, 7, 11, 13, 15, 17, 19)] == [
        *["Sou", "AI,", "AI,", "e", "a", "IA", "IA", "fala."]
    ]
    assert reading("AI", "en").said == "AI"
    assert reading("Ai, que dor", "pt-BR").said == "Ai, que dor"


def test_the_full_stop_behind_an_acronym_stays() -> None:
    assert reading("Gosto de IA.", "pt-BR").said == "Gosto de i á."


def test_pauses_look_through_closing_quotes() -> None:
    assert pause_after("“Sim.”") == pause_after("Sim.") > pause_after("sim")


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
def test_the_draft_voice_reads_as_the_final_one_does(text: str, said: str) -> None:
    assert " ".join(reading(sentence, "pt-BR").said for sentence in sentences(text)) == said


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
    assert " ".join(clean(text).split()) == plain
    assert " ".join(reading(sentence, "es").said for sentence in sentences(text)).split() == plain.split()


@pytest.mark.parametrize("text", ["😀", "...", "**", "<break time='1s'/>", "---", "![](a.png)", "&nbsp;", "# "])
def test_a_text_of_marks_says_nothing(text: str) -> None:
    assert sentences(text) == []


def test_a_reading_finds_the_written_word_of_each_said_one() -> None:
    read = reading("Custa R$ 1.234,56 às 14h30 — sim, AI.", "pt-BR")
    words = [read.token_at(match.start())[1] for match in re.finditer(r"\S+", read.said)]
    assert list(dict.fromkeys(words)) == ["Custa", "R$", "1.234,56", "às", "14h30", "sim,", "AI."]
    assert words == sorted(words, key=["Custa", "R$", "1.234,56", "às", "14h30", "sim,", "AI."].index)
