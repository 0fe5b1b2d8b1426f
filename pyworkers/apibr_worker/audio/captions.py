"""Captions of timed sentences: at most two lines of 42 characters at a time, broken where a reader likes it.

A cue never mixes two sentences. It begins with its first word and ends with its last, where the times of the words are
known; else the time of a sentence is shared out among its words by their letters.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from apibr_worker.audio.phrases import ending_costs

WIDTH, LINES = 42, 2

SHORTEST_SECONDS = 0.8
"""A cue is shown this long where the next one leaves the time for it."""

SMALLEST_GAP_SECONDS = 0.25
"""A smaller gap between two cues only flickers: the first stays until the second begins."""

_LONGEST_SECONDS = 7.0
_A_CUE_COSTS = 2.0
_FEW_LETTERS = 14
_PAUSE_GAINS = 2.0


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


def srt(sentences: Sequence[Timed], words: Sequence[TimedWord] = (), language: str = "") -> str:
    """As a SubRip file. words and language as in cues."""
    made = (
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{_without_tags(cue.text)}\n"
        for number, cue in enumerate(cues(sentences, words, language), 1)
    )
    return "\n".join(made)


def vtt(sentences: Sequence[Timed], words: Sequence[TimedWord] = (), language: str = "") -> str:
    """As a WebVTT file. words and language as in cues."""
    made = (
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_escaped(cue.text)}\n"
        for cue in cues(sentences, words, language)
    )
    return "\n".join(["WEBVTT\n", *made])


def cues(sentences: Sequence[Timed], words: Sequence[TimedWord] = (), language: str = "") -> list[Timed]:
    """What is shown and when, in order and without overlap; the lines of a cue are divided by \\n.

    words: those of all sentences in their order, where their times are known; one that the sentences do not contain is
    passed over. language: a BCP 47 tag, for the words that a line should not end with.
    """
    tokens = [_tokens(sentence.text) for sentence in sentences]
    heard = _places(tokens, words)
    made: list[Timed] = []
    for sentence, row, known in zip(sentences, tokens, heard, strict=True):
        spans = _spans(sentence, row, known)
        costs = ending_costs(row, language)
        for begin, end, divide in _division(row, costs, spans):
            lines = [" ".join(row[begin:divide]), " ".join(row[divide:end])]
            text = "\n".join(line for line in lines if line)
            made.append(Timed(text, spans[begin][0], spans[end - 1][1], sentence.line))
    return _settled(made, sentences[-1].end if sentences else 0.0)


def shown(text: str) -> str:
    """A text without control characters; what joins the signs of other scripts and of emoji stays."""
    return "".join(char for char in text if char.isprintable() or ord(char) > 0xFF)


_Span = tuple[float, float]
_CUT = re.compile(r"[-/_.,;:&=?。、，！？]")


def _tokens(text: str) -> list[str]:
    """The words of a sentence, none wider than a line: a longer one is cut, best after a mark within it."""
    made: list[str] = []
    for word in text.split():
        rest = shown(word)
        while len(rest) > WIDTH:
            marks = [found.end() for found in _CUT.finditer(rest, WIDTH // 2, WIDTH)]
            cut = marks[-1] if marks else WIDTH
            made.append(rest[:cut])
            rest = rest[cut:]
        if rest:
            made.append(rest)
    return made


_LOOK_AHEAD = 240
"""Letters within which the next word is looked for: a word that occurs only later belongs to another place."""


def _places(tokens: list[list[str]], words: Sequence[TimedWord]) -> list[dict[int, _Span]]:
    """For each sentence the times of those of its tokens that are known."""
    places: list[dict[int, _Span]] = [{} for _ in tokens]
    letters = "".join(token for row in tokens for token in row)
    owners = [(line, index) for line, row in enumerate(tokens) for index, token in enumerate(row) for _ in token]
    cursor = 0
    for word in words:
        text = shown("".join(word.text.split()))
        at = letters.find(text, cursor, cursor + _LOOK_AHEAD + len(text)) if text else -1
        if at < 0:
            continue
        cursor = at + len(text)
        for line, index in sorted(set(owners[at:cursor])):
            start, end = places[line].get(index, (word.start, word.end))
            places[line][index] = (min(start, word.start), max(end, word.end))
    return places


def _spans(sentence: Timed, tokens: list[str], known: dict[int, _Span]) -> list[_Span]:
    """The time of each token, in order: those between known ones share the time between them by their letters."""
    spans: list[_Span] = []
    now, index = sentence.start, 0
    while index < len(tokens):
        if index in known:
            start = max(known[index][0], now) if spans else known[index][0]
            spans.append((start, max(known[index][1], start)))
            now, index = spans[-1][1], index + 1
            continue
        stop = next((other for other in range(index, len(tokens)) if other in known), len(tokens))
        until = max(known[stop][0] if stop in known else sentence.end, now)
        total, begin = sum(len(token) for token in tokens[index:stop]), now
        spent = 0
        for token in tokens[index:stop]:
            spent += len(token)
            spans.append((now, begin + (until - begin) * spent / total))
            now = spans[-1][1]
        index = stop
    return spans


def _division(tokens: list[str], costs: list[float], spans: list[_Span]) -> Iterator[tuple[int, int, int]]:
    """The cues of a sentence as (first token, end, first token of the second line): those that cost least together."""
    ends = [0]
    for token in tokens:
        ends.append(ends[-1] + len(token) + 1)

    best: list[tuple[float, int, int]] = [(0.0, 0, 0)]
    for end in range(1, len(tokens) + 1):
        found: tuple[float, int, int] | None = None
        widest = bisect_left(ends, ends[end] - LINES * WIDTH - 2, 0, end - 1)
        for begin in range(widest, end):
            so_far = best[begin][0] + _A_CUE_COSTS + 2 * costs[end - 1]
            if found and so_far - _PAUSE_GAINS >= found[0]:
                continue
            layout = _layout(begin, end, costs, ends)
            if layout is None:
                continue
            cost, divide = layout
            cost += so_far + _cue_cost(begin, end, spans, ends)
            if found is None or cost < found[0]:
                found = (cost, begin, divide)
        assert found is not None  # noqa: S101 - one token fits a line, so each end has a cue
        best.append(found)
    made: list[tuple[int, int, int]] = []
    end = len(tokens)
    while end > 0:
        _, begin, divide = best[end]
        made.append((begin, end, divide))
        end = begin
    return reversed(made)


_NEAR_THE_MIDDLE = 4
"""Words before and after the middle of a cue where its second line may begin."""


def _layout(begin: int, end: int, costs: list[float], ends: list[int]) -> tuple[float, int] | None:
    """The cheapest division of a cue into lines; None where it does not fit. The upper line is better the shorter."""
    if ends[end] - ends[begin] - 1 <= WIDTH:
        return 0.0, end
    if ends[end] - ends[begin] - 1 > LINES * WIDTH + 1:
        return None
    middle = bisect_left(ends, (ends[begin] + ends[end]) / 2, begin + 1, end)
    best: tuple[float, int] | None = None
    for at in range(max(middle - _NEAR_THE_MIDDLE, begin + 1), min(middle + _NEAR_THE_MIDDLE + 1, end)):
        upper, lower = ends[at] - ends[begin] - 1, ends[end] - ends[at] - 1
        if max(upper, lower) <= WIDTH:
            cost = costs[at - 1] + 3 * ((upper - lower) / WIDTH) ** 2 + (0.2 if upper > lower else 0.0)
            if best is None or cost < best[0]:
                best = (cost, at)
    return best


def _cue_cost(begin: int, end: int, spans: list[_Span], ends: list[int]) -> float:
    """What a cue's length costs: few letters flash by, and what stands long bores. A pause after it is a good end."""
    cost = 0.0
    if ends[end] - ends[begin] - 1 < _FEW_LETTERS:
        cost += 2.0
    seconds = spans[end - 1][1] - spans[begin][0]
    cost += max(0.0, SHORTEST_SECONDS - seconds) * 3 + max(0.0, seconds - _LONGEST_SECONDS)
    if end < len(spans):
        cost -= min(spans[end][0] - spans[end - 1][1], 1.0) * _PAUSE_GAINS
    return cost


def _settled(made: list[Timed], finish: float) -> list[Timed]:
    """The cues in order, without overlap or flicker, each as long as the next one lets it be up to SHORTEST_SECONDS.

    finish: when the last sentence ends.
    """
    ordered: list[Timed] = []
    now = 0.0
    for cue in made:
        start = max(cue.start, now)
        now = max(cue.end, start + 0.001)
        ordered.append(replace(cue, start=start, end=now))
    settled: list[Timed] = []
    for cue, after in pairwise([*ordered, Timed("", max(finish, now), 0.0)]):
        end = max(cue.end, min(cue.start + SHORTEST_SECONDS, after.start))
        if after.text and after.start - end < SMALLEST_GAP_SECONDS:
            end = after.start
        settled.append(replace(cue, end=end))
    return settled


_TAG = re.compile(r"<(?=/?(?:b|i|u|s|br|c|v|font|ruby|rt|lang)\b)", re.IGNORECASE)


def _without_tags(text: str) -> str:
    """Text for SubRip, which has no way to escape: signs that players take for markup become others that look alike."""
    return _TAG.sub("‹", text.replace("-->", "→")).replace("{\\", "(\\")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, mark: str) -> str:
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{thousandths // 1000:02}{mark}{thousandths % 1000:03}"
