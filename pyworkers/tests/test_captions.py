"""Captions: what every file of them promises, and where a reader likes them broken."""

from __future__ import annotations

import random
import re

import pytest

from apibr_worker.audio.captions import Timed, TimedWord, cues, srt, vtt

WORDS = (
    "o a casa de reunião amanhã, que São Paulo. R$ 1.234,56 Sr. e <b>não</b> --> {\\an8} 😀 www.exemplo.com.br/um/dois "
    "the and 14h30 % — café; & x" + " " + "z" * 130
).split()


def script(seed: int) -> tuple[list[Timed], list[TimedWord]]:
    """Random sentences, most of whose words have times."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    now, sentences, words = 0.0, list[Timed](), list[TimedWord]()
    for line in range(chance.randint(1, 5)):
        begin, text = now, [chance.choice(WORDS) for _ in range(chance.randint(1, 60))]
        for word in text:
            length = chance.choice([0.0, 0.05, 0.3, 0.6])
            if chance.random() < 0.9:
                words.append(TimedWord(word, now, now + length))
            now += length + chance.choice([0.0, 0.0, 0.1, 2.0])
        sentences.append(Timed(" ".join(text), begin, now, line))
        now += chance.choice([0.0, 0.5])
    return sentences, words


@pytest.mark.parametrize("seed", range(60))
def test_cues_hold_every_word_once_in_two_lines_and_in_order(seed: int) -> None:
    sentences, words = script(seed)
    made = cues(sentences, words if seed % 2 else (), "pt-BR" if seed % 3 else "")
    rows = [cue.text.split("\n") for cue in made]
    assert all(len(lines) <= 2 and all(0 < len(line) <= 42 for line in lines) for lines in rows)
    said = "".join("".join(lines) for lines in rows)
    assert said.replace(" ", "") == "".join(sentence.text for sentence in sentences).replace(" ", "")
    times = [time for cue in made for time in (cue.start, cue.end)]
    assert times == sorted(times)
    assert all(cue.end > cue.start for cue in made)
    assert times[0] >= 0 and times[-1] <= sentences[-1].end + 0.05 * len(made)


@pytest.mark.parametrize("seed", range(20))
def test_files_cannot_be_broken_by_what_is_written(seed: int) -> None:
    sentences, words = script(seed)
    for text, head, mark in ((srt(sentences, words), 0, ","), (vtt(sentences, words), 1, ".")):
        blocks = text.rstrip("\n").split("\n\n")[head:]
        for block in blocks:
            lines = block.split("\n")[1 - head :]
            assert re.fullmatch(rf"\d\d:\d\d:\d\d\{mark}\d{{3}} --> \d\d:\d\d:\d\d\{mark}\d{{3}}", lines[0])
            assert 1 <= len(lines[1:]) <= 2
            assert not any("<b" in line or "</b" in line or "-->" in line for line in lines[1:])
            assert head or not any("{\\" in line for line in lines[1:]), "players of SubRip would take it for a style"


def test_lines_are_broken_at_phrases() -> None:
    text = "A reunião de amanhã começa às 14h30, na sala 12 do prédio novo, e custa R$ 1.234,56 para quem vier de fora."
    shown = [cue.text for cue in cues([Timed(text, 0, 8)], language="pt-BR")]
    assert shown == [
        "A reunião de amanhã começa às 14h30,\nna sala 12 do prédio novo,",
        "e custa R$ 1.234,56\npara quem vier de fora.",
    ]
    english = "When the speech is longer than a minute, it is made in pieces of two seconds each, as the plan says."
    ends = [line.split()[-1] for cue in cues([Timed(english, 0, 8)], language="en") for line in cue.text.split("\n")]
    assert not {"the", "of", "a", "in", "as", "two"} & set(ends)


@pytest.mark.parametrize(
    "together", ["Sr. João", "R$ 1.234,56", "20 anos", "uma casa", "Av. Paulista", "J. Silva", "5 %", "30 km"]
)
def test_what_belongs_together_stays_on_a_line(together: str) -> None:
    for before in range(3, 12):
        text = f"{'palavra ' * before}{together} {'palavra ' * 9}".strip()
        lines = [line for cue in cues([Timed(text, 0, 9)], language="pt-BR") for line in cue.text.split("\n")]
        assert any(together in line for line in lines), lines


def test_a_cue_begins_with_its_first_word_and_ends_with_its_last() -> None:
    text = "Bom dia a todos vocês aí, hoje vamos falar de uma coisa que muita gente pergunta, sempre que me encontra."
    words = [TimedWord(word, 1 + index, 1.5 + index) for index, word in enumerate(text.split())]
    made = cues([Timed(text, 0.5, 30)], words, "pt-BR")
    first = 0
    for cue in made:
        shown = cue.text.split()
        assert cue.start == words[first].start
        assert cue.end == words[first + len(shown) - 1].end
        first += len(shown)
    assert len(made) > 1
    assert first == len(words)


def test_a_short_cue_stays_where_there_is_room_and_small_gaps_close() -> None:
    sentences = [Timed("Oi.", 0, 0.2), Timed("Tudo bem?", 5, 5.2), Timed("Sim.", 5.5, 6.5), Timed("Fim.", 6.6, 7)]
    assert [(cue.start, cue.end) for cue in cues(sentences)] == [(0, 0.8), (5, 5.5), (5.5, 6.6), (6.6, 7)]


def test_a_text_of_one_letter_words_and_no_mark_takes_no_minutes() -> None:
    assert len(cues([Timed("a " * 2_000, 0, 600)])) > 40
