"""The listener, and how its mistakes are counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from apibr_worker.audio.files import read_audio
from apibr_worker.listening import Listener, word_errors, word_errors_of_all
from apibr_worker.listening.listener import SAMPLE_RATE, resampled
from apibr_worker.listening.takes import Judge, Judged, best_take
from tests.harness import ROOT

MODEL = ROOT / ".weights" / "whisper-base" / "variants" / "int8" / "model"
SAMPLE = ROOT / "samples" / "voice.wav"
SAID = (
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them."
)


@pytest.mark.parametrize(
    ("text", "heard", "language"),
    [
        ("O e-mail custa R$ 5,00.", "o email custa cinco reais", "pt-BR"),
        ("Guarda-chuva às 14h30!", "guarda chuva as quatorze horas e trinta minutos", "pt-BR"),
        ("It's 21 well-known names.", "its twenty one well known names", "en"),
        ("The meeting starts at 2:30, and costs $2.30.", "the meeting starts at 2:30 and costs $2.30", "en"),
        ("The meeting starts at 2:30.", "the meeting starts at 2.30", "en"),
        ("नमस्ते, आप कैसे हैं?", "नमस्ते आप कैसे हैं", "hi"),
    ],
)
def test_spelling_is_no_error(text: str, heard: str, language: str) -> None:
    assert word_errors(text, heard, language).errors == 0


def test_words_that_were_left_out_added_or_replaced_are_errors() -> None:
    counted = word_errors("um dois três quatro", "um dos três e quatro", "pt-BR")
    assert (counted.errors, counted.words, counted.rate) == (2, 4, 0.5)
    assert word_errors("um dois três", "", "pt-BR").rate == 1.0
    assert word_errors("आप कैसे हैं", "आप कासा हैं", "hi").errors == 1
    assert word_errors("…", "obrigado", "pt-BR").rate == 0.0


def test_a_sentence_counts_at_most_its_own_length() -> None:
    pairs = [("bom dia", "obrigado " * 50), ("a casa é azul hoje cedo", "a casa é azul hoje cedo")]
    assert word_errors_of_all(pairs, "pt-BR").rate == 0.25


def test_a_recording_keeps_its_tone_at_another_rate() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(24000) / 24000).astype(np.float32)
    made = resampled(tone, 24000)
    expected = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    assert made.shape == (SAMPLE_RATE,)
    assert np.abs(made - expected).max() < 0.01


def test_a_sentence_is_heard_with_the_times_of_its_words() -> None:
    listener = Listener(MODEL)
    samples = read_audio(SAMPLE, 24000, field="audio", longest_seconds=7.2)
    heard = listener.hear(samples, 24000)
    assert heard.language == "en"
    assert word_errors(SAID, heard.text, "en").rate <= 0.05
    assert [word.text for word in heard.words] == heard.text.split()
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= 7.2
    silence = listener.hear(np.zeros(5 * SAMPLE_RATE, np.float32), language="pt-BR")
    assert (silence.text, silence.words) == ("", []), "nothing is invented"
    listener.unload()


def test_a_folder_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.bin"):
        Listener(ROOT / "samples").hear(np.zeros(SAMPLE_RATE, np.float32))


def test_the_first_take_that_is_understood_is_kept_else_the_best() -> None:
    made: list[int] = []

    def take(number: int) -> NDArray[np.float32]:
        made.append(number)
        return np.array([number], np.float32)

    def judging(*errors: float) -> Callable[[NDArray[np.float32]], Judged]:
        def judge(samples: NDArray[np.float32]) -> Judged:
            return Judged(errors[int(samples[0])], "")

        return judge

    for errors, takes, best in [((0.1, 0.0, 0.0), 1, 0), ((0.9, 0.2, 0.0), 2, 1), ((0.9, 0.5, 0.7), 3, 1)]:
        made.clear()
        samples, judged = best_take(take, judging(*errors), 0.35)
        assert (len(made), samples[0], judged and judged.errors) == (takes, best, errors[best])
    made.clear()
    assert best_take(take, lambda _: None, 0.35)[1] is None
    assert made == [0]


def test_figures_and_short_sentences_raise_no_false_alarm() -> None:
    judge = Judge(Listener(MODEL), lambda: None)
    assert not judge.can_judge("Bom dia.", "pt-BR")
    assert not judge.can_judge("Il y a 25 ans.", "fr")
    assert judge.can_judge("Há 25 anos.", "pt-BR")
    assert word_errors("Há vinte e cinco anos, às 14h30.", "Há 25 anos, às 14 horas e 30 minutos.", "pt").rate == 0.0
