"""What the sample of a voice says, for the voice that is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apibr_worker.listening.aside import ListeningError, heard_aside
from apibr_worker.listening.listener import Heard, whisper_language
from apibr_worker.runtime.api import Context, Warning
from apibr_worker.runtime.sentences import say

LONGEST_TRANSCRIPT = 2000
"""Characters that are kept with the voice."""
_LONGEST_SECONDS = 120
"""Of the sample that are listened to: as long as so many characters take to say."""
_SURE = 0.7
"""Probability above which another language is heard and not the same with an accent."""
_FEWEST_WORDS = 5


def described(
    context: Context, folder: str | None, samples: NDArray[np.float32], sample_rate: int
) -> tuple[dict[str, Any], list[Warning]]:
    """Metadata of a clone job's result, and hints: transcript, language_heard, and whether that is the one told.

    folder: the listener's model; without it, where nobody speaks and where listening fails there is nothing to tell.
    """
    if not folder:
        return {}, []
    try:
        heard = heard_aside(context, folder, samples[: _LONGEST_SECONDS * sample_rate], sample_rate)
    except ListeningError:
        return {}, []
    if not heard.words:
        return {}, []
    told = str(context.params.get("language") or "")
    return {"transcript": _short(heard.text), "language_heard": heard.language}, _hints(heard, told)


def _hints(heard: Heard, told: str) -> list[Warning]:
    same = not told or whisper_language(told) == heard.language
    if same or heard.language_probability < _SURE or len(heard.words) < _FEWEST_WORDS:
        return []
    text = say(
        "the voice was made for the language %s, and its sample sounds like %s: it may speak with an accent; "
        "clone it from a sample in the language that it is to speak, or change the voice's language",
        told,
        heard.language,
    )
    return [Warning("other_language", text)]


def _short(text: str) -> str:
    """At most LONGEST_TRANSCRIPT characters, ended between two words."""
    if len(text) <= LONGEST_TRANSCRIPT:
        return text
    kept = text[: LONGEST_TRANSCRIPT - 1]
    return (kept.rsplit(None, 1)[0] if " " in kept else kept) + "…"
