"""What was heard, as a text that people read: sentences, paragraphs, and nothing said over and over."""

from __future__ import annotations

from collections.abc import Sequence

from apibr_worker.audio.captions import Timed, TimedWord
from apibr_worker.audio.phrases import BEST, ending_costs

PARAGRAPH_SECONDS = 2.0
"""A pause that begins a new paragraph."""

_LONGEST_SENTENCE = 60
"""Words after which a sentence without a mark ends at the next pause or comma."""
_PAUSE_SECONDS = 0.4

_LONGEST_LOOP = 12
_MOST_TIMES = 3
"""How often people say the same words in a row. Whisper does more often only where it is caught in a loop."""

_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "km", "yue"})


def joined(words: Sequence[TimedWord], language: str) -> str:
    """Words as a line of text."""
    return ("" if language.split("-", maxsplit=1)[0] in _WITHOUT_SPACES else " ").join(word.text for word in words)


def sentences_of(words: Sequence[TimedWord], language: str) -> list[Timed]:
    """Words as sentences with their times: each ends at a full stop, at a long pause, or where it gets too long."""
    sentences: list[Timed] = []
    costs = ending_costs([word.text for word in words], language)
    begin = 0
    for index, cost in enumerate(costs):
        pause = words[index + 1].start - words[index].end if index + 1 < len(words) else PARAGRAPH_SECONDS
        long = index - begin >= _LONGEST_SENTENCE and (pause >= _PAUSE_SECONDS or cost < BEST + 0.5)
        if cost == BEST or pause >= PARAGRAPH_SECONDS or long:
            piece = words[begin : index + 1]
            sentences.append(Timed(joined(piece, language), piece[0].start, piece[-1].end))
            begin = index + 1
    return sentences


def paragraphs(sentences: Sequence[Timed], language: str) -> str:
    """Sentences as a text; a pause of PARAGRAPH_SECONDS begins a new line."""
    space = "" if language.split("-", maxsplit=1)[0] in _WITHOUT_SPACES else " "
    text, before = "", 0.0
    for sentence in sentences:
        if text:
            text += "\n" if sentence.start - before >= PARAGRAPH_SECONDS else space
        text += sentence.text
        before = sentence.end
    return text


def without_loops(words: list[TimedWord]) -> list[TimedWord]:
    """The words without those that Whisper repeats when it is caught in a loop: of more than three times the same words
    in a row, the first remain."""
    kept: list[TimedWord] = []
    said = [word.text.lower().strip(".,!?…") for word in words]
    index = 0
    while index < len(words):
        size, times = _loop(said, index)
        if times > _MOST_TIMES:
            kept += words[index : index + size]
            index += size * times
        else:
            kept.append(words[index])
            index += 1
    return kept


def _loop(said: list[str], begin: int) -> tuple[int, int]:
    """The shortest run of words that is said more than _MOST_TIMES in a row from `begin`, and how often."""
    for size in range(1, _LONGEST_LOOP + 1):
        first, times, at = said[begin : begin + size], 1, begin + size
        while said[at : at + size] == first:
            times, at = times + 1, at + size
        if times > _MOST_TIMES and (size > 1 or times > 2 * _MOST_TIMES):
            return size, times
    return 1, 1
