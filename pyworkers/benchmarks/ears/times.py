"""What speech costs: real-time factor, first sound, load, memory, a long text, and the listener itself."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.ears import sentences
from benchmarks.ears.cast import SAMPLE, Voice, named
from benchmarks.ears.page import Table
from benchmarks.ears.process import Process, own_files

RTF_LIMIT, FIRST_LIMIT, LOAD_LIMIT, MEMORY_LIMIT = 0.4, 1.5, 1.5, 600e6
LONGEST = 20_000
"""Characters of the longest request."""
_MB = 1e6


def measure(quick: bool) -> Table:
    """Real-time factor, first sound, load and memory of an engine that speaks as in daily use."""
    table = Table("times", ["voice", "what", "measured", "limit", "", "cores busy with other programs"])
    for voice in (named("pf_dora"), named("af_heart")):
        _of(voice, table, quick)
    return table


def _of(voice: Voice, table: Table, quick: bool) -> None:
    texts = sentences.of(voice.language)
    paragraph, short = " ".join(texts[:6]), " ".join(texts[1:4])
    loads: list[float] = []
    for _ in range(1 if quick else 5):
        with voice.process() as process:
            loads.append(process.load_seconds)
    with voice.process() as process:
        process.speak(voice.conditionals, voice.language, texts[0])
        long = [process.speak(voice.conditionals, voice.language, paragraph) for _ in range(1 if quick else 3)]
        brief = [process.speak(voice.conditionals, voice.language, short) for _ in range(1 if quick else 5)]
        memory = process.peak_bytes()
    others = statistics.median(made.others for made in long)
    factor = statistics.median(made.seconds / made.sound for made in long)
    first = statistics.median(made.first or made.seconds for made in brief)
    load = statistics.median(loads)
    busy = f"{others:.1f}"
    work = statistics.median(made.cpu / made.sound for made in long)
    table.row(voice.name, "processor time for a second of sound", f"{work:.2f} s", "", "", busy)
    for what, value, limit, shown, most in (
        ("real-time factor", factor, RTF_LIMIT, f"{factor:.2f}", f"{RTF_LIMIT}"),
        ("first sentence after the request", first, FIRST_LIMIT, f"{first:.2f} s", f"{FIRST_LIMIT} s"),
        ("load", load, LOAD_LIMIT, f"{load:.2f} s", f"{LOAD_LIMIT} s"),
    ):
        table.row(voice.name, what, shown, most, table.held(f"{voice.name}, {what}", value, limit, shown, others), busy)
    shown = f"{memory / _MB:.0f} MB"
    held = table.held(f"{voice.name}, memory", memory, MEMORY_LIMIT, shown)
    table.row(voice.name, "memory at its peak", shown, f"{MEMORY_LIMIT / _MB:.0f} MB", held, "")


def long_text(quick: bool) -> Table:
    """The longest request: its memory is bounded."""
    voice = named("pf_dora")
    size = LONGEST // 10 if quick else LONGEST
    text, again = "", sentences.of(voice.language)
    while len(text) < size:
        text = f"{text} {' '.join(again)}\n"
    with voice.process() as process:
        made = process.speak(voice.conditionals, voice.language, text[:size].strip())
        memory = process.peak_bytes()
    table = Table("long", ["characters", "sound", "segments", "seconds", "real-time factor", "memory at its peak", ""])
    shown = f"{memory / _MB:.0f} MB"
    held = table.held("memory of the longest text", memory, MEMORY_LIMIT, shown)
    factor = f"{made.seconds / made.sound:.2f}"
    table.row(f"{size:,}", f"{made.sound:.0f} s", str(made.segments), f"{made.seconds:.0f}", factor, shown, held)
    table.notes.append(f"Other programs kept {made.others:.1f} cores busy meanwhile.")
    return table


def listener(quick: bool) -> Table:
    """The listener as an engine of its own."""
    table = Table("listener", ["recording", "real-time factor", "load", "memory at its peak"])
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    with tempfile.TemporaryDirectory() as folder:
        for times in (1,) if quick else (1, 6):
            path = Path(folder) / f"{times}.wav"
            soundfile.write(path, np.tile(samples, times), rate)
            with Process("whisper", own_files("whisper-base"), model="whisper-base") as process:
                seconds = process.transcribe(path)
                length = samples.size * times / rate
                table.row(
                    f"{length:.0f} s of English",
                    f"{seconds / length:.2f}",
                    f"{process.load_seconds:.2f} s",
                    f"{process.peak_bytes() / _MB:.0f} MB",
                )
    return table
