"""Draft speech as an engine: one text in one voice, or several lines in several."""

from __future__ import annotations

from apibr_worker.audio.files import DRAFT_LABEL
from apibr_worker.runtime.api import Context, LoadRequest, RunResult
from apibr_worker.speech import pipeline
from apibr_worker.speech.drafts import DraftCast, Naturals
from apibr_worker.speech.script import language_of, lines_of, scripts_of
from apibr_worker.speech.voice import read_voice, unmeasured_hints


class Engine:
    """Cloned voices by their pitch and pace, and every voice with espeak-ng where the natural ones are missing."""

    def __init__(self) -> None:
        self._naturals = Naturals({})

    def load(self, request: LoadRequest) -> None:
        """Loads the borrowed model of the natural voices, where it is installed."""
        self._naturals = Naturals(request.files)
        self._naturals.model()

    def unload(self) -> None:
        """Lets go of the weights."""
        self._naturals = Naturals({})

    def run(self, context: Context) -> RunResult:
        """Speaks `text` in the input voice, or `lines` in several."""
        speed = float(context.params.get("speed", 1.0))
        hints = [hint for item in context.inputs for hint in unmeasured_hints(item)]
        with context.phase("synthesize"), DraftCast(context, self._naturals, speed) as cast:
            scripts = scripts_of(lines_of(context, read_voice))
            paths = pipeline.say_lines(context, scripts, cast, speed=speed)
        with context.phase("encode"):
            speech = pipeline.join(context, paths, DRAFT_LABEL)
            outputs = pipeline.outputs(context, speech, language_of(scripts))
            context.progress(1, 1)
        metadata = {"duration_seconds": round(speech.seconds, 3), "sentences": len(speech.sentences)}
        return RunResult(outputs, metadata, [*hints, *cast.warnings])
