"""The fifth generation in one process beside the first, and takes of other seeds."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from apibr_worker.listening import word_errors_of_all
from benchmarks.ears import ROOT, sentences
from benchmarks.ears.cast import named
from benchmarks.ears.page import Table, percent
from benchmarks.ears.process import Made, Process
from benchmarks.ears.words import Ears

MODELS_PYTHON = ROOT / ".venv-models/bin/python"
_GENERATIONS = 5
_SEEDS = (1, 2, 3)
_GROWTH_LIMIT = 60e6
"""Bytes that a process may hold more after the fifth generation than after the second, whose buffers are made."""
_MB = 1e6
_TINY = """
import sys; from pathlib import Path; from tiny_checkpoints import chatterbox; chatterbox.write(Path(sys.argv[1]))
"""


def generations(ears: Ears, chatterbox: Path | None, quick: bool) -> Table:
    """Nothing degrades in a process that has spoken before.

    chatterbox: the folder of a variant of an installed model, with its parts t3 and base; None for a tiny model of
    random weights, whose noise nobody understands.
    """
    table = Table("generations", ["engine", "generation", "samples", "WER", "real-time factor", "memory", ""])
    voice = named("pf_dora")
    text = " ".join(sentences.of(voice.language)[: 2 if quick else 6])
    with voice.process() as process:
        _rows(table, "kokoro", process, lambda: process.speak(voice.conditionals, voice.language, text), text, ears)
    with tempfile.TemporaryDirectory() as work:
        name = "chatterbox" if chatterbox else "chatterbox, tiny random weights"
        files = _parts(chatterbox) if chatterbox else _tiny(Path(work))
        short = sentences.of(voice.language)[0]
        with Process(
            "chatterbox", files, model="chatterbox-pt-br", variant="fp32", python=str(MODELS_PYTHON)
        ) as process:
            heard_by = ears if chatterbox else None
            _rows(table, name, process, lambda: process.speak(None, voice.language, short), short, heard_by)
    return table


def _rows(table: Table, name: str, process: Process, speak: Callable[[], Made], text: str, ears: Ears | None) -> None:
    """A row for each generation. ears: None where there is nothing to understand."""
    all_made: list[Made] = []
    memory: list[int] = []
    rates: list[float] = []
    for number in range(_GENERATIONS):
        all_made.append(speak())
        memory.append(process.resident_bytes())
        made, first = all_made[-1], all_made[0]
        if ears:
            heard = ears.hear(made.samples, made.sample_rate, "pt-BR")
            rates.append(word_errors_of_all([(text, heard)], "pt-BR").rate)
        same = made.digest == first.digest
        grown = memory[-1] - memory[min(1, number)]
        verdicts = {
            table.held(f"{name}, generation {number + 1}", float(not same), 0, "its samples differ from the first"),
            table.held(f"{name}, generation {number + 1}", grown, _GROWTH_LIMIT, f"{grown / _MB:.0f} MB more held"),
        }
        table.row(
            name,
            str(number + 1),
            "the same" if same else "others",
            percent(rates[-1]) if ears else "-",
            f"{made.seconds / made.sound:.2f}",
            f"{memory[-1] / _MB:.0f} MB",
            "held" if verdicts == {"held"} else "**broken**",
        )


def _parts(folder: Path) -> dict[str, str]:
    return {part: str(folder / part) for part in ("t3", "base")}


def _tiny(work: Path) -> dict[str, str]:
    subprocess.run([MODELS_PYTHON, "-c", _TINY, str(work)], cwd=ROOT / "pyworkers", check=True)
    [described] = work.glob("chatterbox-pt-br/model.yaml")
    import yaml

    [variant] = yaml.safe_load(described.read_text(encoding="utf-8"))["variants"].values()
    return {part: str(described.parent / path) for part, path in variant.items()}


def seeds(ears: Ears, quick: bool) -> Table:
    """Another seed is another take, and is understood as well."""
    table = Table("seeds", ["voice", "seed", "sentences", "WER", "samples"])
    for voice in (named("pf_dora"), named("af_heart")):
        texts = sentences.of(voice.language, quick)[: 3 if quick else 10]
        with voice.process() as process:
            takes = [process.speak(voice.conditionals, voice.language, texts[0], seed).digest for seed in _SEEDS]
        for number, seed in enumerate(_SEEDS):
            errors = ears.understand(voice, texts, seed=seed).errors
            differ = takes[number] not in takes[:number]
            table.held(f"{voice.name}, seed {seed}", float(not differ), 0, "its samples are those of another seed")
            shown = "its own" if differ else "**those of another seed**"
            table.row(voice.name, str(seed), str(len(texts)), percent(errors.rate), shown)
    return table
