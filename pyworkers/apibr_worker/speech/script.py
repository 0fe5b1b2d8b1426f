"""A request's lines as the sentences that speakers say one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from apibr_worker import textnorm
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError
from apibr_worker.runtime.sentences import say
from apibr_worker.textnorm import Sentence

DEFAULT_LANGUAGE = "pt-BR"
LONGEST_TEXT = 20_000
"""Characters of one request, all lines together: half an hour of speech."""
LONGEST_PAUSE = 600.0
_LONGEST = 280
"""Characters of a sentence."""
_FIRST = (16, 60)
"""Where the first sentence may be divided, in characters: its beginning is heard while the rest is made."""
_PHRASE_END = re.compile(r"[,;:—–](?=\s)")


@dataclass(frozen=True, slots=True)
class Line:
    """A text in one voice, and the silence in seconds after it. voice is the content of a voice file."""

    text: str
    language: str = DEFAULT_LANGUAGE
    voice: dict[str, Any] | None = None
    pause_seconds: float = 0.0
    field: str = "text"
    """The request field that an error about this line names."""
    pronunciations: tuple[tuple[str, str], ...] = ()
    """(written, said) of words that the user wants said in another way."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence, or the beginning of one. continues: the next part goes on with the same sentence."""

    sentence: Sentence
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A line with its parts."""

    line: Line
    parts: list[Part] = field(default_factory=list[Part])

    @property
    def text(self) -> str:
        """All that is said."""
        return " ".join(part.sentence.text for part in self.parts)


def lines_of(context: Context, read_voice: Any) -> list[Line]:
    """What to say: `text` in the input voice, or `lines`, the voice of line N being voice_N or else voice.

    read_voice turns an input file into the content of a voice file. Raises InvalidInputError, naming the field, when
    there is nothing to say, or too much.
    """
    lines = context.params.get("lines")
    if lines:
        made = [
            line_of(
                context,
                str(line["text"]),
                context.input(f"voice_{index}") or context.input("voice"),
                float(line.get("pause_ms", 0)) / 1000.0,
                f"lines/{index}/text",
                read_voice,
            )
            for index, line in enumerate(lines)
        ]
    else:
        text = context.params.get("text")
        if not text:
            raise InvalidInputError(say("there is nothing to say: send text or lines"), field="text")
        made = [line_of(context, str(text), context.input("voice"), 0.0, "text", read_voice)]
    check_length(made)
    return made


def line_of(context: Context, text: str, voice: InputFile | None, pause: float, field: str, read_voice: Any) -> Line:
    """A text in an input voice, with the run's language and pronunciations. field is what an error about it names."""
    language = context.params.get("language") or (voice.metadata.get("language") if voice else None)
    said = tuple((str(one["word"]), str(one["say"])) for one in context.params.get("pronunciations") or [])
    content = read_voice(voice) if voice else None
    return Line(text, str(language or DEFAULT_LANGUAGE), content, pause, field, said)


def language_of(scripts: Sequence[Script]) -> str:
    """The language of all scripts; "" where they have several."""
    found = {script.line.language for script in scripts}
    return found.pop() if len(found) == 1 else ""


def check_length(lines: Sequence[Line]) -> None:
    """Raises InvalidInputError when the lines are too long together."""
    size = sum(len(line.text) for line in lines)
    if size > LONGEST_TEXT:
        raise InvalidInputError(
            say("the text has %d characters; the longest is %d: divide it into several requests", size, LONGEST_TEXT),
            field=lines[0].field.split("/")[0],
        )
    check_pauses(sum(line.pause_seconds for line in lines), lines)


def check_pauses(seconds: float, lines: Sequence[Line]) -> None:
    """Raises InvalidInputError when the pauses of the lines are too long together."""
    if seconds > LONGEST_PAUSE:
        raise InvalidInputError(
            say("the pauses take %g s together; the longest is %g s: shorten them", seconds, LONGEST_PAUSE),
            field=lines[0].field.split("/")[0],
        )


def scripts_of(lines: Sequence[Line]) -> list[Script]:
    """The lines' sentences.

    Raises InvalidInputError, naming the line, where nothing can be said, and for pauses that are too long together.
    """
    made: list[Script] = []
    for line in lines:
        found = textnorm.sentences(line.text, _LONGEST, line.language, line.pronunciations, field=line.field)
        if not found:
            raise InvalidInputError(
                say("there is nothing in the text that can be spoken: write words"), field=line.field
            )
        parts = [Part(sentence) for sentence in found]
        made.append(Script(line, parts if made else [*_begun(found[0]), *parts[1:]]))
    # A line bounds its own <break>s, not those of the others.
    breaks = sum(part.sentence.pause for script in made for part in script.parts)
    check_pauses(breaks + sum(line.pause_seconds for line in lines), lines)
    return made


def _begun(sentence: Sentence) -> list[Part]:
    """The first sentence in two where it is long and has a phrase border near its beginning."""
    least, most = _FIRST
    if len(sentence.text) <= most + least:
        return [Part(sentence)]
    for end in _PHRASE_END.finditer(sentence.text, least, most):
        count = sum(word.said_end <= end.end() for word in sentence.words)
        if 0 < count < len(sentence.words) and sentence.words[count - 1].said_end == end.end():
            first, second = divided(sentence, count)
            return [Part(first, continues=True), Part(second)]
    return [Part(sentence)]


def divided(sentence: Sentence, count: int) -> tuple[Sentence, Sentence]:
    """A sentence as two: its first `count` words, and the others."""
    cut, place = sentence.words[count].said_start, sentence.words[count].start - sentence.start
    first = replace(
        sentence,
        text=sentence.text[:cut].rstrip(),
        source=sentence.source[:place].rstrip(),
        end=sentence.start + len(sentence.source[:place].rstrip()),
        paragraph_end=False,
        pause=0.0,
        words=sentence.words[:count],
    )
    later = tuple(
        replace(word, said_start=word.said_start - cut, said_end=word.said_end - cut) for word in sentence.words[count:]
    )
    second = replace(
        sentence,
        text=sentence.text[cut:],
        source=sentence.source[place:],
        start=sentence.start + place,
        words=later,
    )
    return first, second
