"""Subtitles of timed sentences: at most two lines of 42 characters at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, LINES = 42, 2


@dataclass(frozen=True, slots=True)
class Timed:
    """A sentence as it was written, with its time in seconds. line: which of the request's lines it is from."""

    text: str
    start: float
    end: float
    line: int = 0


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as it was written, with its time in seconds. A sentence's mark may stand at its end ("dia.")."""

    text: str
    start: float
    end: float


def srt(sentences: Sequence[Timed], words: Sequence[TimedWord] = ()) -> str:
    """As a SubRip file. words: the words of all sentences in their order, where their times are known."""
    cues = [
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{cue.text.replace('-->', '→')}\n"
        for number, cue in enumerate(_cues(sentences), 1)
    ]
    return "\n".join(cues)


def vtt(sentences: Sequence[Timed], words: Sequence[TimedWord] = ()) -> str:
    """As a WebVTT file; words as in srt."""
    cues = [f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_escaped(cue.text)}\n" for cue in _cues(sentences)]
    return "\n".join(["WEBVTT\n", *cues])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cues(sentences: Sequence[Timed]) -> Iterator[Timed]:
    """A sentence's time is shared out among its cues by their letters."""
    for sentence in sentences:
        rows = _rows(sentence.text)
        groups = [rows[index : index + LINES] for index in range(0, len(rows), LINES)]
        total = sum(len(row) for row in rows) or 1
        start, spent = sentence.start, 0
        for group in groups:
            spent += sum(len(row) for row in group)
            end = sentence.start + (sentence.end - sentence.start) * spent / total
            yield Timed("\n".join(group), start, end, sentence.line)
            start = end


def _rows(text: str) -> list[str]:
    """Lines of at most WIDTH, broken at spaces; a word longer than that is broken within."""
    rows = [""]
    for word in text.split():
        rest = word
        while rest:
            row = f"{rows[-1]} {rest}".strip()
            if len(row) <= WIDTH:
                rows[-1], rest = row, ""
            elif rows[-1]:
                rows.append("")
            else:
                rows[-1], rest = rest[:WIDTH], rest[WIDTH:]
    return [row for row in rows if row]


def _time(seconds: float, mark: str) -> str:
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{thousandths // 1000:02}{mark}{thousandths % 1000:03}"
