#!/usr/bin/env python3
"""Looks for lines over 120 columns and for words that the project does not use (scripts/words.txt).

Reads the tracked Go, Python, TypeScript, shell and Markdown files, or the files that are named. Prints a line for each
finding and ends with 1 when there is one.

    scripts/check_text.py [FILE...]
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 120
TAB = 4
KINDS = (".go", ".py", ".pyi", ".ts", ".mjs", ".sh", ".md")
NAMES = ("Makefile",)
LEFT_OUT = re.compile(r"(^|/)testdata/|\.gen\.(go|ts)$|(^|/)scripts/(words\.txt|check_text_test\.sh)$")
# The changelog keeps the words of its time; only its lines are looked at.
HISTORY = "CHANGELOG.md"
# A field of a Go struct with its tag, which Go does not let break.
TAGGED = re.compile(r"^\s*[A-Z]\w* +[\w\[\]*.]+ +`\w+:\".*`$")
WORDS = ROOT / "scripts" / "words.txt"


def words() -> list[tuple[re.Pattern[str], str]]:
    """Every line of the list: what is looked for, and what to write instead."""
    pairs = []
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            pattern, instead = re.split(r"\s+=>\s+", line, maxsplit=1)
            pairs.append((re.compile(pattern), instead))
    return pairs


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True).stdout
    names = [name for name in listed.decode().split("\0") if name]
    return [ROOT / name for name in names if name.endswith(KINDS) or Path(name).name in NAMES]


def findings(path: Path, banned: list[tuple[re.Pattern[str], str]]) -> list[str]:
    found = []
    is_page = path.suffix == ".md"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        columns, whole = len(line.expandtabs(TAB)), line.startswith("|") if is_page else TAGGED.match(line)
        if columns > LONGEST and not whole:
            found.append(f"{path}:{number}: the line has {columns} columns; {LONGEST} is the most")
        for pattern, instead in banned if path.name != HISTORY else []:
            if match := pattern.search(line):
                found.append(f'{path}:{number}: "{match[0].strip()}": {instead}')
    return found


def main(arguments: list[str]) -> int:
    banned = words()
    found = []
    for path in [Path(name) for name in arguments] or tracked():
        if path.is_file() and not path.is_symlink() and not LEFT_OUT.search(path.as_posix()):
            found += findings(path, banned)
    for finding in found:
        print(finding.removeprefix(f"{ROOT}/"), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
