"""A listener: Whisper on the CPU (faster-whisper, CTranslate2), from files of this machine only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apibr_worker.audio.captions import Timed, TimedWord
from apibr_worker.listening.transcript import sentences_of, without_loops

SAMPLE_RATE = 16000
"""What Whisper hears, in Hz."""

_FILES = ("config.json", "model.bin", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recording says.

    language: a code such as "pt"; language_probability: 0..1, 1 where the language was told.
    words and sentences have their times in seconds from the start of the recording.
    """

    text: str
    language: str
    language_probability: float
    words: list[TimedWord] = field(default_factory=list[TimedWord])
    sentences: list[Timed] = field(default_factory=list[Timed])


class Listener:
    """Writes down what recordings say. Loaded at the first use; one recording at a time.

    folder: a Whisper model as CTranslate2 reads it (config.json, model.bin, tokenizer.json, vocabulary.txt or .json).
    threads: how many are used; 0 means as many as this process may use.
    """

    def __init__(self, folder: Path | str, threads: int = 0) -> None:
        self._folder = Path(folder)
        self._threads = threads or len(os.sched_getaffinity(0))
        self._model: Any = None
        self._busy = threading.Lock()

    def load(self) -> None:
        """Loads the model now instead of at the first use. Raises ValueError for a folder that holds no model."""
        if self._model is not None:
            return
        missing = [name for name in _FILES if not (self._folder / name).is_file()]
        if missing:
            raise ValueError(f"the listener's model lacks {', '.join(missing)}")
        from faster_whisper import WhisperModel  # noqa: PLC0415 - a second of imports that most runs do not need

        try:
            self._model = WhisperModel(
                str(self._folder), device="cpu", compute_type="int8", cpu_threads=self._threads, local_files_only=True
            )
        except MemoryError:
            raise
        except Exception as error:  # CTranslate2's, the tokeniser's and JSON's errors have no common base
            raise ValueError("the listener's model cannot be read: it is damaged or of another kind") from error

    def unload(self) -> None:
        """Frees the model's memory. The next recording loads it again."""
        with self._busy:
            self._model = None

    def knows(self, language: str) -> bool:
        """Whether the model can be told that a recording is in this language, a BCP 47 tag."""
        self.load()
        return whisper_language(language) in self._model.supported_languages

    def hear(
        self,
        samples: NDArray[np.float32],
        sample_rate: int = SAMPLE_RATE,
        *,
        language: str | None = None,
        check_cancel: Callable[[], None] = lambda: None,
    ) -> Heard:
        """What a mono recording, -1..1, says. language: a BCP 47 tag; without one it is detected.

        check_cancel is called for each half minute of sound; what it raises passes through.
        The same samples give the same text: temperature 0, no text before it. Silence gives "" (voice activity filter).
        Raises ValueError for a damaged model or a language that Whisper does not know.
        """
        with self._busy:
            self.load()
            sound = resampled(samples, sample_rate)
            pieces, told = self._model.transcribe(
                sound,
                language=whisper_language(language) if language else None,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
                vad_filter=True,
            )
            words: list[TimedWord] = []
            for piece in pieces:
                check_cancel()
                words += _whole(piece.words or [])
        words = without_loops(words)
        sentences = sentences_of(words, str(told.language))
        text = " ".join(sentence.text for sentence in sentences)
        return Heard(text, str(told.language), float(told.language_probability), words, sentences)


_OTHER_CODES = {"nb": "no", "iw": "he", "in": "id", "fil": "tl", "cmn": "zh", "jv": "jw"}
"""Codes that Whisper calls by another name."""


def whisper_language(tag: str) -> str:
    """Whisper's code for a BCP 47 tag: "pt" for "pt-BR"."""
    base = tag.replace("_", "-").split("-")[0].lower()
    return _OTHER_CODES.get(base, base)


def _whole(words: Iterable[Any]) -> Iterator[TimedWord]:
    """Whisper's words; it gives "ill" and "-disposed," of "ill-disposed," apart."""
    last: TimedWord | None = None
    for word in words:
        text = word.word.strip()
        if last and word.word.startswith(("-", "'", "’")):
            last = TimedWord(last.text + text, last.start, float(word.end))
            continue
        if last:
            yield last
        last = TimedWord(text, float(word.start), float(word.end)) if text else None
    if last:
        yield last


def resampled(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """A recording at the listener's sample rate: what is above half of it is cut off."""
    if sample_rate == SAMPLE_RATE or not samples.size:
        return np.asarray(samples, np.float32)
    size = max(round(samples.size * SAMPLE_RATE / sample_rate), 1)
    made = np.fft.irfft(np.fft.rfft(samples)[: size // 2 + 1], size)
    return (made * (size / samples.size)).astype(np.float32)
