"""Kokoro-82M by hexgrad: natural speech in the model's own voices, on any processor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apibr_worker.engines.kokoro.ears import listening
from apibr_worker.listening import Listener
from apibr_worker.listening.aside import MODEL
from apibr_worker.runtime.api import Context, EngineError, LoadRequest, RunResult
from apibr_worker.runtime.sentences import say
from apibr_worker.speech import pipeline
from apibr_worker.speech.natural.model import Model
from apibr_worker.speech.natural.phonemes import Phonemes, dialect
from apibr_worker.speech.natural.speaker import NaturalSpeaker
from apibr_worker.speech.natural.voice import default_voice, natural_voice
from apibr_worker.speech.script import Line, Script, language_of, lines_of, scripts_of
from apibr_worker.speech.voice import read_voice


class Engine:
    """One model with all its voices: 300 MB, 600 MB at most while it speaks; a listener takes as much besides."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._listener: Listener | None = None

    def load(self, request: LoadRequest) -> None:
        """Loads the part onnx; voices are read as they are needed."""
        if "onnx" not in request.files or "voices" not in request.files:
            raise EngineError("model_missing", say("the model's files are missing: install the model again"))
        self._model = Model(Path(request.files["onnx"]), Path(request.files["voices"]))
        listener = request.files.get(MODEL)
        self._listener = Listener(listener) if listener else None

    def unload(self) -> None:
        """Lets go of the weights."""
        self._model = self._listener = None

    def run(self, context: Context) -> RunResult:
        """Speaks `text` in the input voice, or `lines` in several."""
        model = self._model
        if model is None:
            raise EngineError("model_missing", say("no model is loaded: try again"))
        speed = float(context.params.get("speed", 1.0))
        ears = listening(self._listener, context)
        with context.phase("speak"), Phonemes(context) as phonemes:
            scripts = scripts_of(lines_of(context, read_voice))

            def cast(scripts: Sequence[Script]) -> list[NaturalSpeaker]:
                return [_speaker(model, phonemes, context, script.line, speed) for script in scripts]

            paths = pipeline.say_lines(context, scripts, cast, speed=speed, ears=ears)
        with context.phase("join"):
            speech = pipeline.join(context, paths)
            outputs = pipeline.outputs(context, speech, language_of(scripts))
            context.progress(1, 1)
        metadata: dict[str, Any] = {
            "model": "kokoro",
            "duration_seconds": round(speech.seconds, 3),
            "sentences": len(speech.sentences),
        }
        return RunResult(outputs, metadata, ears.warnings if ears else [])


def _speaker(model: Model, phonemes: Phonemes, context: Context, line: Line, speed: float) -> NaturalSpeaker:
    voice = default_voice(dialect(line.language)) if line.voice is None else natural_voice(line.voice)
    return NaturalSpeaker(
        model,
        phonemes,
        context,
        voice=voice.name,
        language=line.language,
        loudness_lufs=voice.loudness_lufs,
        speed=speed,
    )
