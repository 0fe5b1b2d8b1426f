"""Whisper: writing down what a recording or a video says, on the CPU, with the times of its words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from apibr_worker.audio import captions
from apibr_worker.audio.captions import TimedWord
from apibr_worker.engines.whisper import sound
from apibr_worker.listening import Listener
from apibr_worker.listening.listener import SAMPLE_RATE
from apibr_worker.listening.pieces import pieces
from apibr_worker.listening.transcript import paragraphs, sentences_of, without_loops
from apibr_worker.runtime.api import (
    Context,
    EngineError,
    InvalidInputError,
    LoadRequest,
    Output,
    RunResult,
    Warning,
)
from apibr_worker.runtime.sentences import say

LONGEST_SHOWN = 20_000
"""Characters of the text that stand in the job itself; the rest is in its file."""


@dataclass(slots=True)
class _Language:
    """The language of a recording: the one told, else that of the first piece in which somebody speaks."""

    code: str = ""
    probability: float = 0.0


class Engine:
    """One listener, loaded once."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._model = ""

    def load(self, request: LoadRequest) -> None:
        folder = request.files.get("model")
        if folder is None:
            raise EngineError("model_missing", say("the files of %s are not installed", request.model))
        listener = Listener(folder)
        try:
            listener.load()
        except ValueError:
            raise EngineError(
                "model_missing",
                say("the files of %s cannot be read: run `apibr models verify %s`", request.model, request.model),
            ) from None
        self._listener, self._model = listener, request.model

    def unload(self) -> None:
        if self._listener is not None:
            self._listener.unload()
        self._listener = None

    def run(self, context: Context) -> RunResult:
        assert self._listener is not None, "run without load"  # noqa: S101
        file = context.input("audio") or context.input("video")
        if file is None:
            raise InvalidInputError(say("a recording is needed: send audio or video"), field="audio")
        told = str(context.params.get("language") or "")
        with context.phase("read"):
            heard = sound.read(context, file)
        language = _Language()
        with context.phase("listen"):
            words = self._listened(context, heard, told, language)
        with context.phase("encode"):
            return self._result(context, heard, words, language, told)

    def _listened(self, context: Context, heard: sound.Sound, told: str, language: _Language) -> list[TimedWord]:
        """The words of all pieces. Those that an earlier attempt has finished are read, not heard again."""
        words: list[TimedWord] = []
        kept = context.resume.segments[: context.resume.index] if context.resume else []
        (context.out_dir / "segments").mkdir(exist_ok=True)
        total = max(round(heard.seconds), 1)
        for index, (begin, end) in enumerate(pieces(heard.samples, SAMPLE_RATE)):
            if index < len(kept):
                content = json.loads(kept[index].read_text(encoding="utf-8"))
            else:
                context.check_cancel()
                content = self._piece(context, heard, (begin, end), told or language.code)
                path = context.out_dir / "segments" / f"{index:04}.json"
                path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
                context.segment(index, path, "application/json")
            found = [TimedWord(text, start, end) for text, start, end in content["words"]]
            if found and not language.code:
                language.code, language.probability = content["language"], content["language_probability"]
            words += found
            context.progress(min(round(end / SAMPLE_RATE), total), total)
        return without_loops(words)

    def _piece(self, context: Context, heard: sound.Sound, span: tuple[int, int], language: str) -> dict[str, Any]:
        assert self._listener is not None  # noqa: S101
        samples, since = heard.piece(*span), span[0] / SAMPLE_RATE
        try:
            made = self._listener.hear(samples, language=language or None, check_cancel=context.check_cancel)
        except ValueError:
            raise InvalidInputError(
                say("the listener does not know the language %s: leave it out, and it is detected", language),
                field="language",
            ) from None
        return {
            "language": made.language,
            "language_probability": round(made.language_probability, 3),
            "words": [[word.text, round(since + word.start, 3), round(since + word.end, 3)] for word in made.words],
        }

    def _result(
        self, context: Context, heard: sound.Sound, words: list[TimedWord], language: _Language, told: str
    ) -> RunResult:
        tag = told or language.code
        sentences = sentences_of(words, tag)
        text = paragraphs(sentences, tag)
        files = {
            "transcript.txt": text + "\n",
            "timings.json": json.dumps(
                {
                    "text": text,
                    "language": tag,
                    "duration": round(heard.seconds, 3),
                    "words": [{"text": word.text, "start": word.start, "end": word.end} for word in words],
                    "sentences": [
                        {"text": one.text, "start": one.start, "end": one.end, "line": one.line} for one in sentences
                    ],
                },
                ensure_ascii=False,
                separators=(",", ":"),
            ),
            "transcript.srt": captions.srt(sentences, words, tag),
            "transcript.vtt": captions.vtt(sentences, words, tag),
        }
        for name, content in files.items():
            (context.out_dir / name).write_text(content, encoding="utf-8")
        shown = {"transcript": text[:LONGEST_SHOWN], "transcript_complete": len(text) <= LONGEST_SHOWN, "language": tag}
        metadata: dict[str, Any] = {
            "model": self._model,
            "language": tag,
            "duration_seconds": round(heard.seconds, 3),
            "words": len(words),
        }
        if not told and words:
            metadata["language_probability"] = language.probability
        return RunResult(
            outputs=[
                Output("transcript", "transcript.txt", "text/plain", shown),
                Output("timings", "timings.json", "application/json"),
                Output("subtitles_srt", "transcript.srt", "application/x-subrip"),
                Output("subtitles_vtt", "transcript.vtt", "text/vtt"),
            ],
            metadata=metadata,
            warnings=[] if words else [_nothing_heard()],
        )


def _nothing_heard() -> Warning:
    return Warning("nothing_heard", say("nobody was heard to speak: the transcript is empty"))
