"""Listening besides other work: an engine that makes something else wants to know what a recording says."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from apibr_worker.audio.captions import TimedWord
from apibr_worker.listening.listener import Heard, Listener, whisper_language
from apibr_worker.listening.pieces import pieces
from apibr_worker.listening.transcript import sentences_of, without_loops
from apibr_worker.runtime.api import Context, EngineError

MODEL = "whisper-base/model"
"""The listener's model among the files of a load request, for engines that borrow it."""

_log = logging.getLogger(__name__)


class ListeningError(Exception):
    """A recording could not be listened to. The work that it was to help goes on without."""


def heard_aside(
    context: Context, folder: str, samples: NDArray[np.float32], sample_rate: int, language: str | None = None
) -> Heard:
    """What a mono recording, -1..1, says. The model is loaded for it and let go of after.

    It is heard in pieces, so that a long one needs no more memory than half a minute; each is a step of the current
    phase, in seconds. Without a language, or with one that the listener does not know, it is detected. Raises
    ListeningError for whatever goes wrong, but for Canceled.
    """
    listener = Listener(folder)
    try:
        return _heard(context, listener, samples, sample_rate, language)
    except EngineError:
        raise
    except Exception as error:
        _log.warning("a recording could not be listened to: %s", error)
        raise ListeningError from error
    finally:
        listener.unload()


def _heard(
    context: Context, listener: Listener, samples: NDArray[np.float32], rate: int, language: str | None
) -> Heard:
    listener.load()
    told = language if language and listener.knows(language) else ""
    found, probability, words = told and whisper_language(told), 1.0, list[TimedWord]()
    total = max(round(samples.size / rate), 1)
    for begin, end in pieces(samples, rate):
        context.check_cancel()
        piece = listener.hear(samples[begin:end], rate, language=found or None, check_cancel=context.check_cancel)
        if piece.words and not found:
            found, probability = piece.language, piece.language_probability
        since = begin / rate
        words += [TimedWord(word.text, since + word.start, since + word.end) for word in piece.words]
        context.progress(min(round(end / rate), total), total)
    words = without_loops(words)
    sentences = sentences_of(words, found)
    return Heard(" ".join(sentence.text for sentence in sentences), found, probability, words, sentences)
