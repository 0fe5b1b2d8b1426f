"""`python -m benchmarks.engines all`, or one measurement: ram, overhead, loads, dequantise, attention, gpu."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.engines.report import Table

NEEDED = 27e9
"""Bytes of disk that the full-size files of both models take, with some to spare."""
MODELS = ("flux", "sd35")
PHASES = ("text", "transformer", "streamed", "long", "long-chunked", "decode", "stock")
FILES = "apibr-bench-files"
"""The folder below --work that is written, and removed at the end."""


def main(arguments: list[str]) -> int:
    """Reads the command line, measures, prints."""
    if arguments[:1] == ["child"]:
        from benchmarks.engines import child

        child.serve(*arguments[1:])
        return 0
    given = _parser().parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    files = given.work / FILES
    files.mkdir(exist_ok=True)
    try:
        return _measure(given, files)
    finally:
        if not given.keep:
            shutil.rmtree(files)


def _measure(given: argparse.Namespace, work: Path) -> int:
    # After the command line: this import takes seconds, and a wrong option should not.
    from benchmarks.engines.report import machine, save

    what, full = given.what, not given.tiny_only
    needed = full and what in ("all", "ram", "loads") and not (work / "flux").exists()
    if needed and shutil.disk_usage(work).free < NEEDED:
        place = work.parent.name or work.parent
        sys.stderr.write(
            f"{place} has too little free space: the model files take {NEEDED / 1e9:.0f} GB, name another --work\n"
        )
        return 1
    where = machine()
    print(where + "\n", flush=True)
    done: list[Table] = []
    for table in _tables(given, work, full=full):
        print(table.text(), flush=True)
        done.append(table)
        if given.json:  # after each, since all of it takes long and may be stopped
            save(done, where, given.json)
    return 0


def _tables(given: argparse.Namespace, work: Path, *, full: bool) -> Iterator[Table]:
    from benchmarks.engines import gpu, kernels, loads, overhead, ram

    models: list[str] = list(MODELS) if given.model == "both" else [given.model]
    what = given.what
    if what in ("all", "overhead"):
        yield overhead.measure(work / "tiny", given.repeats)
    if what in ("all", "dequantise"):
        yield kernels.dequantisation(given.repeats)
    if what in ("all", "attention"):
        yield kernels.attention(given.repeats)
    if what in ("all", "loads"):
        yield from loads.measure(work, given.repeats, full=full)
    if what in ("all", "ram") and full:
        yield ram.measure(work, models, given.phase or list(PHASES))
    if what in ("all", "gpu"):
        yield from gpu.measure(work, models)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("what", choices=["all", "ram", "overhead", "loads", "dequantise", "attention", "gpu"])
    parser.add_argument("--model", choices=[*MODELS, "both"], default="both")
    parser.add_argument(
        "--phase",
        action="append",
        choices=PHASES,
        help="of ram: only this phase (may be given more than once)",
    )
    parser.add_argument("--work", type=Path, default=Path(), help="where the model files go: 24 GB with all of them")
    parser.add_argument("--keep", action="store_true", help="leave the model files for the next time")
    parser.add_argument("--tiny-only", action="store_true", help="nothing that needs the full-size files")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the tables there as well")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main(sys.argv[1:]))
