"""The speaking program: the same request gives the same samples."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from apibr_worker.speech.espeak import Espeak, Manner, Utterance
from tests.harness import context

MANNER = Manner(variant="f2", rate=160, pitch=50, span=75)
HISSING = "Seis sacos de sal, chuva e fogo."
"""Full of sounds that espeak-ng makes from noise."""


def next_second() -> None:
    """Waits until the clock tells another second: libespeak-ng seeds its noise with that number when it starts."""
    begun, never = int(time.time()), threading.Event()
    while int(time.time()) == begun:
        never.wait(0.01)


def said(tmp_path: Path, *texts: str, seed: int = 7) -> Utterance:
    """What a new program says last."""
    with Espeak(context(tmp_path, "audio.speech", {"seed": 1})) as espeak:
        return [espeak.say(text, "pt-BR", MANNER, seed=seed) for text in texts][-1]


def test_a_request_gives_the_same_samples_in_another_process_at_another_time(tmp_path: Path) -> None:
    first = said(tmp_path, HISSING)
    next_second()
    second = said(tmp_path, HISSING)
    assert np.array_equal(first.samples, second.samples)
    assert (first.phonemes, first.words) == (second.phonemes, second.words)


def test_what_was_said_before_changes_no_sample(tmp_path: Path) -> None:
    assert np.array_equal(said(tmp_path, HISSING).samples, said(tmp_path, "Bom dia!", "Olá.", HISSING).samples)


def test_another_seed_is_other_noise_in_the_same_words(tmp_path: Path) -> None:
    first, second = said(tmp_path, HISSING), said(tmp_path, HISSING, seed=8)
    assert [mark.name for mark in first.phonemes] == [mark.name for mark in second.phonemes]
    assert not np.array_equal(first.samples, second.samples)
