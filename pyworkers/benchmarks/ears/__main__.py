"""`python -m benchmarks.ears`: all tables, or those that are named: words, clones, times, long, generations, seeds,
listener. Ends with 1 when a limit is broken."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.ears import page, repeats, tables, times
from benchmarks.ears.page import Table
from benchmarks.ears.words import Ears

TABLES = ("words", "clones", "seeds", "generations", "times", "listener", "long")


def main(arguments: list[str]) -> int:
    """Reads the command line, measures, prints, writes the page."""
    given = _parser().parse_args(arguments)
    ears, broken = Ears(any_code=given.any_code, only_known=given.only_known), list[str]()
    measures: dict[str, Callable[[], Table]] = {
        "words": lambda: tables.builtin(ears, given.voice, given.quick),
        "clones": lambda: tables.cloned(ears, given.quick),
        "seeds": lambda: repeats.seeds(ears, given.quick),
        "generations": lambda: repeats.generations(ears, given.chatterbox, given.quick),
        "times": lambda: times.measure(given.quick),
        "listener": lambda: times.listener(given.quick),
        "long": lambda: times.long_text(given.quick),
    }
    for name in given.what or TABLES:
        table = measures[name]()
        print(f"\n{name}\n\n{table.text()}\n\n{page.where()}\n", flush=True)
        if not given.quick and not given.voice:
            page.write(table)
        broken += table.broken
    for line in broken:
        sys.stderr.write(f"limit broken: {line}\n")
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ears", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*TABLES, []], help="only these tables")
    parser.add_argument("--quick", action="store_true", help="few sentences; the page stays as it is")
    parser.add_argument("--any-code", action="store_true", help="what was heard of earlier code counts too")
    parser.add_argument("--only-known", action="store_true", help="of words: what a stopped run has heard")
    parser.add_argument("--voice", action="append", default=[], help="of words: only this voice; the page stays")
    parser.add_argument(
        "--chatterbox", type=Path, help="folder of a variant of an installed model (with t3 and base); else a tiny one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
