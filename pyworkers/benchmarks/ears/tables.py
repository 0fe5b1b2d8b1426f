"""The tables of what is understood."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.ears import ROOT, cast, page, sentences
from benchmarks.ears.cast import Voice
from benchmarks.ears.page import Table, percent
from benchmarks.ears.similarity import cosines
from benchmarks.ears.words import Ears, Understood

CLONED_LIMIT = 0.03
"""How much more of a cloned voice in draft may be misheard than of its base voice."""
_COMPARED = 6
"""Sentences of a recording that is compared with the sample."""


def builtin(ears: Ears, only: list[str], quick: bool) -> Table:
    """Word error rate of every built-in voice, and of espeak-ng beside them."""
    catalogue = Table("voices", ["voice", "language", "sex", "pitch", "WER", "listen"])
    table = Table("words", ["voice", "language", "engine", "sentences", "words", "misheard", "WER", "limit", ""])
    for voice in [*cast.builtin(), *cast.espeak()]:
        if only and voice.name not in only and voice.conditionals["voice"] not in only:
            continue
        understood = ears.understand(voice, quick=quick)
        errors = understood.errors
        if understood.sentences:
            show(understood)
        if voice.preview:
            pitch = f"{voice.conditionals['f0_median_hz']:.0f} Hz"
            rate = percent(errors.rate) if understood.sentences else "-"
            catalogue.row(voice.name, voice.language, voice.sex, pitch, rate, link(voice.preview))
        if not understood.sentences:
            continue
        limit = "" if voice.limit is None else percent(voice.limit)
        held = (
            ""
            if voice.limit is None
            else table.held(f"WER of {voice.name}", errors.rate, voice.limit, percent(errors.rate))
        )
        count = (str(understood.sentences), str(errors.words), str(errors.errors))
        table.row(voice.name, voice.language, voice.engine, *count, percent(errors.rate), limit, held)
    if not only and not quick:
        page.write(catalogue, page.VOICES_PAGE, dated=False)
    return table


def cloned(ears: Ears, quick: bool) -> Table:
    """Cloned voices in draft, beside the natural voices that carry them."""
    columns = ["voice", "base voice", "WER", "WER of the base", "limit", "", "similarity", "of the base"]
    table = Table("clones", columns)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for voice, sample in cast.cloned(folder):
            understood, base = ears.understand(voice, quick=quick), cast.base_of(voice)
            show(understood)
            rate, of_base = understood.errors.rate, ears.understand(base, quick=quick).errors.rate
            limit = of_base + CLONED_LIMIT
            held = table.held(f"WER of the {voice.name}", rate, limit, percent(rate))
            near = cosines(sample, [_recorded(voice, folder / "clone.wav"), _recorded(base, folder / "base.wav")])
            like = [f"{cosine:.2f}" for cosine in near]
            table.row(voice.name, base.name, percent(rate), percent(of_base), percent(limit), held, *like)
    return table


def _recorded(voice: Voice, path: Path) -> Path:
    text = " ".join(sentences.of(voice.language)[:_COMPARED])
    with voice.process() as process:
        made = process.speak(voice.conditionals, voice.language, text)
    soundfile.write(path, np.asarray(made.samples), made.sample_rate)
    return path


def link(path: Path) -> str:
    """A file of the repository as a page of docs names it."""
    return f"[{path.name}](../{path.relative_to(ROOT).as_posix()})"


def show(understood: Understood) -> None:
    """Prints what was misheard, at once."""
    errors = understood.errors
    print(f"{understood.voice.name} ({understood.voice.language}): WER {percent(errors.rate)}", flush=True)
    for line in understood.mistakes:
        print(line, flush=True)
