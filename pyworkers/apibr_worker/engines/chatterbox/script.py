"""A request's text as the sentences that the model is given one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from apibr_worker import textnorm
from apibr_worker.engines.chatterbox.loader import Model
from apibr_worker.engines.chatterbox.sampling import MOST_TOKENS, TOKENS_PER_SECOND
from apibr_worker.engines.chatterbox.tokens import letters_per_second, longest_sentence, model_language
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.textnorm import pauses

LONGEST_TEXT = 20_000
"""Characters of one request, all lines together: about half an hour of speech."""
_LONGEST_PAUSE = 600.0
_SHOWN = 10
"""Letters that a warning names."""
_SLACK_SECONDS = 1.5
"""A single word takes its time; the pace only tells something of more."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One call of the model.

    text: spelled out for it; source: as it was written; gap: seconds of silence after it, 0 where a long sentence was
    divided; voice: the input whose voice speaks, None for the model's own.
    """

    text: str
    source: str
    language: str
    line: int
    gap: float
    voice: InputFile | None

    @property
    def expected_tokens(self) -> int:
        """About as many as it will take."""
        return max(10, math.ceil(len(self.text) / letters_per_second(self.language)[1] * TOKENS_PER_SECOND))

    @property
    def most_tokens(self) -> int:
        """Where sampling is given up: past the slowest that is plausible."""
        slowest = len(self.text) / letters_per_second(self.language)[0] + _SLACK_SECONDS
        return min(MOST_TOKENS, math.ceil((slowest + 1.0) * TOKENS_PER_SECOND))

    def implausibility(self, seconds: float) -> float:
        """0 for a length that these letters can take, else how far off it is, as a ratio's logarithm."""
        slow, _, fast = letters_per_second(self.language)
        least, most = max(len(self.text) / fast - 0.1, 0.1), len(self.text) / slow + _SLACK_SECONDS
        if least <= seconds <= most:
            return 0.0
        return math.log(least / max(seconds, 0.01)) if seconds < least else math.log(seconds / most)


@dataclass(frozen=True, slots=True)
class Script:
    """All sentences in order, and what the user should know."""

    sentences: list[Sentence]
    warnings: list[Warning]


def read(context: Context, model: Model) -> Script:
    """`text` in the input voice, or `lines`, the voice of line N being voice_N or else voice.

    Raises InvalidInputError, naming the field, for a text in which nothing can be said.
    """
    lines: list[dict[str, Any]] = context.params.get("lines") or [{"text": context.params.get("text") or ""}]
    several = bool(context.params.get("lines"))
    whole = "lines" if several else "text"
    _check_length(lines, whole)
    words = [(str(one["word"]), str(one["say"])) for one in context.params.get("pronunciations") or []]
    made: list[Sentence] = []
    warnings: list[Warning] = []
    asked_for = 0.0
    for index, line in enumerate(lines):
        voice = context.input(f"voice_{index}") if several else None
        voice = voice or context.input("voice")
        field = f"lines/{index}/text" if several else "text"
        asked = context.params.get("language") or (voice.metadata.get("language") if voice else None)
        language, notes = model_language(asked, model.id, model.text.languages)
        warnings += [note for note in [*notes, *_accent(voice, language)] if note not in warnings]
        pause = line.get("pause_ms")
        last = index == len(lines) - 1
        after = float(pause) / 1000.0 if pause is not None else 0.0 if last else pauses.LINE
        tag = asked or language
        said, breaks = _sentences(str(line["text"]), tag, language, index, words, voice, field, model)
        made += said
        made[-1] = replace(made[-1], gap=made[-1].gap + after)
        # A line bounds its own <break>s, not those of the others.
        asked_for += breaks + float(pause or 0) / 1000.0
        _check_pauses(asked_for, whole)
    return Script(made, warnings + _unknown(made, model))


def _unknown(sentences: list[Sentence], model: Model) -> list[Warning]:
    """Letters of another script, for which the model has no symbol."""
    letters = dict.fromkeys(
        letter for sentence in sentences for letter in model.text.unknown(sentence.text, sentence.language)
    )
    if not letters:
        return []
    shown = " ".join(list(letters)[:_SHOWN]) + (" …" if len(letters) > _SHOWN else "")
    return [
        Warning(
            "unknown_letters",
            say(
                "the model does not know %s: words with these characters are not spoken "
                "correctly; write them in letters of the language",
                shown,
            ),
        )
    ]


def _sentences(
    text: str,
    tag: str,
    language: str,
    line: int,
    words: list[tuple[str, str]],
    voice: InputFile | None,
    field: str,
    model: Model,
) -> tuple[list[Sentence], float]:
    """A line's sentences, and the seconds of all its <break>s. words: the user's dictionary, as (written, said)."""
    made: list[Sentence] = []
    found = textnorm.sentences(text, longest_sentence(language), tag, words, field=field)
    for piece in found:
        model.text.check(piece.text, language, field)
        made.append(Sentence(piece.text, piece.source, language, line, piece.silence, voice))
    if not made:
        raise InvalidInputError(say("there is nothing in the text that can be spoken: write words"), field=field)
    # What follows the last one is the line's own pause, with that of a <break> at its end.
    made[-1] = replace(made[-1], gap=found[-1].pause)
    return made, sum(piece.pause for piece in found)


def _accent(voice: InputFile | None, language: str) -> list[Warning]:
    """A recording's accent comes along into another language."""
    own = str(voice.metadata.get("language") or "") if voice else ""
    if not own or own.lower().split("-")[0] in (language, "und"):
        return []
    name = voice.metadata.get("name", say("the voice")) if voice else ""
    return [
        Warning(
            "voice_language",
            say("%s was recorded in %s, and its accent is heard: cfg_weight 0 makes it weaker", name, own),
        )
    ]


def _check_length(lines: list[dict[str, Any]], field: str) -> None:
    size = sum(len(str(line["text"])) for line in lines)
    if size > LONGEST_TEXT:
        raise InvalidInputError(
            say("the text has %d characters; the longest is %d: divide it into several requests", size, LONGEST_TEXT),
            field=field,
        )
    _check_pauses(sum(float(line.get("pause_ms") or 0) for line in lines) / 1000.0, field)


def _check_pauses(seconds: float, field: str) -> None:
    """Raises InvalidInputError for pauses that the lines ask for, by pause_ms and <break>, when they are too long."""
    if seconds > _LONGEST_PAUSE:
        raise InvalidInputError(
            say("the pauses take %g s together; the longest is %g s: shorten them", seconds, _LONGEST_PAUSE),
            field=field,
        )
