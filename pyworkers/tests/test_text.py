"""Sentences, readings and cleaning."""

from __future__ import annotations

import pytest

from apibr_worker.speech.text import clean, pause_after, reading, sentences


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


def test_clean_drops_what_cannot_be_said() -> None:
    assert clean("a\u0301 😀👍🏽 b\x00\ud800\tc 25 °C ©") == "á  b c 25 °C ©"


def test_a_reading_knows_where_its_words_come_from() -> None:
    read = reading("Sou AI, e a IA fala.", "pt_BR")
    assert read.spoken == "Sou ei ai, e a i á fala."
    assert [read.token_at(place)[1] for place in (0, 4, 7, 11, 13, 15, 17, 19)] == [
        *["Sou", "AI,", "AI,", "e", "a", "IA", "IA", "fala."]
    ]
    assert reading("AI", "en").spoken == "AI"
    assert reading("Ai, que dor", "pt-BR").spoken == "Ai, que dor"


def test_the_full_stop_behind_an_acronym_stays() -> None:
    assert reading("Gosto de IA.", "pt-BR").spoken == "Gosto de i á."


def test_pauses_look_through_closing_quotes() -> None:
    assert pause_after("“Sim.”") == pause_after("Sim.") > pause_after("sim")
