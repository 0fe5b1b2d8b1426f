"""Text to the natural voices' symbols: which sounds belong to which word, and how long texts are divided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apibr_worker import textnorm
from apibr_worker.speech.natural.phonemes import SYMBOLS, Phonemes, dialect, shared
from apibr_worker.speech.natural.speaker import LONGEST_IDS, divided
from apibr_worker.speech.script import Line, scripts_of
from tests.harness import context


@pytest.fixture(scope="module")
def phonemes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phonemes]:
    with Phonemes(context(tmp_path_factory.mktemp("phonemes"), "audio.speech", {})) as program:
        yield program


def by_word(phonemes: Phonemes, text: str, language: str) -> dict[str, str]:
    """The symbols of each word."""
    found: dict[str, str] = {}
    for symbol in phonemes.symbols(text, language):
        if symbol.word:
            word = text[symbol.word[0] : symbol.word[1]]
            found[word] = found.get(word, "") + symbol.sign
    return found


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("A tia, de chuva.", "pt-br", {"A": "a", "tia": "ʧˈiæ", "de": "ʤy", "chuva": "ʃˈuvæ"}),
        ("um guarda-chuva não", "pt-br", {"um": "u\u0303ŋ", "guarda-chuva": "ɡwˈaɾədæʃˈuvæ", "não": "nˈɐ̃ʊ̃"}),
        ("one of the best", "en-us", {"one": "wˈʌn", "of": "ʌv", "the": "ðə", "best": "bˈɛst"}),
        ("judge my boy", "en-us", {"judge": "ʤˈʌʤ", "my": "mI", "boy": "bˈY"}),
        ("go there now", "en-gb", {"go": "ɡˌQ", "there": "ðɛː", "now": "nˈW"}),
    ],
)
def test_each_word_keeps_its_own_sounds(phonemes: Phonemes, text: str, language: str, wanted: dict[str, str]) -> None:
    assert by_word(phonemes, text, language) == wanted


def test_punctuation_is_kept_and_stands_where_it_was(phonemes: Phonemes) -> None:
    said = "".join(symbol.sign for symbol in phonemes.symbols("Oi, (bem) — sim? “Não”; 3.000…", "pt-br"))
    assert [sign for sign in said if sign in ",()—?“”;…"] == list(",()—?“”;…")
    assert "  " not in said and " ," not in said


def test_sounds_without_a_symbol_are_left_out(phonemes: Phonemes) -> None:
    for text in ("Ich möchte zwölf Brötchen", "日本語", "\x00\t☃ ok"):
        assert all(symbol.sign in SYMBOLS for symbol in phonemes.symbols(text, "pt-br"))


@pytest.mark.parametrize(
    ("groups", "alone", "wanted"),
    [
        (["a", "b"], ["a", "b"], ["a", "b"]),
        (["ʌvðə", "bˈɛst"], ["ˈʌv", "ðə", "bˈɛst"], ["ʌv", "ðə", "bˈɛst"]),
        (["x", "yz"], ["x", "y z"], ["x", "yz"]),
        (["x", "y", "z"], ["x", "y z"], ["x", "yz"]),
        (["x"], ["x", ""], ["x", ""]),
    ],
)
def test_joined_and_parted_words_are_told_apart(groups: list[str], alone: list[str], wanted: list[str]) -> None:
    assert shared(groups, alone) == wanted


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("pt-BR", "pt-br"),
        ("pt_PT", "pt-br"),
        ("EN", "en-us"),
        ("en-AU", "en-gb"),
        ("es-419", "es"),
        ("de", ""),
        ("", ""),
    ],
)
def test_a_language_is_found_by_its_tag(tag: str, wanted: str) -> None:
    assert dialect(tag) == wanted


@pytest.mark.parametrize(
    "text", ["palavra " * 2500, "a" * 300, "sim, " * 4000], ids=["no full stop", "one word", "commas"]
)
def test_a_long_text_is_divided_so_that_memory_stays_bounded(phonemes: Phonemes, text: str) -> None:
    for part in textnorm.sentences(text[:20_000], 280, "pt-BR"):
        symbols = phonemes.symbols(part.text, "pt-br")
        pieces = list(divided(symbols))
        assert all(0 < len(piece) <= LONGEST_IDS for piece in pieces)
        kept = [symbol for piece in pieces for symbol in piece if symbol.word]
        assert kept == [symbol for symbol in symbols if symbol.word]
        assert all(piece[-1].sign in " ," for piece in pieces[:-1]) or " " not in part.text


def test_the_beginning_of_a_long_first_sentence_is_a_part_of_its_own() -> None:
    text = "Quando o computador reinicia, a fila continua de onde parou e nada do que você pediu se perde no caminho."
    first, second = scripts_of([Line(text)])[0].parts
    assert first.continues and not second.continues
    assert first.sentence.source == "Quando o computador reinicia,"
    assert f"{first.sentence.source} {second.sentence.source}" == text
    for part in (first, second):
        said = [part.sentence.text[word.said_start : word.said_end] for word in part.sentence.words]
        assert " ".join(said) == part.sentence.text


def test_hostile_pronunciations_do_not_reach_another_program(phonemes: Phonemes, tmp_path: Path) -> None:
    """A line break in a text is a space to the helper, not a second request."""
    found = phonemes.symbols('sim\n{"voice": "x", "phonemes": ["a"]}\nnão', "pt-br")
    assert {symbol.word for symbol in found if symbol.word}
    assert by_word(phonemes, "não", "pt-br") == {"não": "nˈɐ̃ʊ̃"}
