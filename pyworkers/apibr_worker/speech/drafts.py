"""Who speaks a draft: a natural voice, as it is or mapped to a cloned one, or espeak-ng where there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from apibr_worker.runtime.api import Context, EngineError, Warning
from apibr_worker.runtime.sentences import Sentence, say
from apibr_worker.speech.espeak import Espeak
from apibr_worker.speech.mapped import MappedSpeaker, pace
from apibr_worker.speech.natural import catalogue
from apibr_worker.speech.natural.model import Model
from apibr_worker.speech.natural.phonemes import Phonemes, dialect
from apibr_worker.speech.natural.speaker import NaturalSpeaker
from apibr_worker.speech.natural.voice import is_natural, natural_voice
from apibr_worker.speech.robot import RobotSpeaker
from apibr_worker.speech.script import Line, Script
from apibr_worker.speech.spoken import Speaker
from apibr_worker.speech.voice import Voice

MODEL = "kokoro"
"""The model that a draft engine borrows (models[].borrows of its manifest)."""


class Naturals:
    """The borrowed model of the natural voices, loaded at its first use."""

    def __init__(self, files: dict[str, str]) -> None:
        """files: as LoadRequest has them; those of the model are absent where it is not installed."""
        self._onnx, self._voices = files.get(f"{MODEL}/onnx"), files.get(f"{MODEL}/voices")
        self._model: Model | None = None
        self.problem: Sentence | None = None
        """Why there is no model, and what to type."""

    def model(self) -> Model | None:
        """The model; None where its files are missing or damaged."""
        if self._model is not None or self.problem is not None:
            return self._model
        if not self._onnx or not self._voices:
            self.problem = say(
                "the natural voices are not installed, so a robot voice speaks: type `make setup`, "
                "or `apibr models install kokoro`"
            )
            return None
        try:
            self._model = Model(Path(self._onnx), Path(self._voices))
        except EngineError as error:
            self.problem = error.message
        return self._model


class DraftCast:
    """Gives each line its speaker. A context manager that ends the programs which the speakers use."""

    def __init__(self, context: Context, naturals: Naturals, speed: float) -> None:
        self._context, self._naturals, self._speed = context, naturals, speed
        self._stack = ExitStack()
        self._phonemes = self._stack.enter_context(Phonemes(context))
        self._espeak: Espeak | None = None
        self._warnings: dict[str, Warning] = {}

    def __enter__(self) -> DraftCast:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def warnings(self) -> list[Warning]:
        """Where a robot voice speaks, and why; each reason once."""
        return list(self._warnings.values())

    def __call__(self, scripts: Sequence[Script]) -> list[Speaker]:
        """The speaker of each script; scripts in one voice and language share one."""
        texts: dict[str, str] = {}
        for script in scripts:
            key = _key(script.line)
            texts[key] = f"{texts.get(key, '')} {script.text}".strip()
        made: dict[str, Speaker] = {}
        for script in scripts:
            key = _key(script.line)
            if key not in made:
                made[key] = self._speaker(script.line, key, texts[key])
        return [made[_key(script.line)] for script in scripts]

    def _speaker(self, line: Line, key: str, text: str) -> Speaker:
        voice = Voice.from_json(line.voice or {})
        speaker: Speaker | None = None
        reason: Sentence | None = None
        if not dialect(line.language):
            reason = say("no natural voice speaks “%s” yet, so a robot voice does", line.language[:20])
        elif (model := self._naturals.model()) is None:
            reason = self._naturals.problem
        else:
            try:
                speaker = self._natural(model, line, voice, key)
            except EngineError as error:
                if error.code != "model_missing":  # a voice's own file is: the others go on
                    raise
                reason = error.message
        if speaker is None:
            speaker = self._robot(line, voice, key, text)
        if reason is not None:
            self._warnings[str(reason)] = Warning("natural_voice_missing", reason)
        return speaker

    def _natural(self, model: Model, line: Line, voice: Voice, key: str) -> Speaker:
        """The built-in voice, or the nearest one mapped to the measures of a cloned voice, or the default."""
        content: dict[str, Any] = line.voice or {}
        if is_natural(content):
            own = natural_voice(content)
            return self._kokoro(model, line, own.name, own.loudness_lufs, self._speed)
        spoken, target = dialect(line.language), voice.target
        if target is None:
            entry = catalogue.default(spoken)
            return self._kokoro(model, line, entry.name, entry.measures.loudness_lufs, self._speed)
        entry = catalogue.nearest(spoken, target)
        speed = pace(entry.measures, target, self._speed)
        base = self._kokoro(model, line, entry.name, entry.measures.loudness_lufs, speed)
        return MappedSpeaker(base, self._context, name=key, own=entry.measures, target=target)

    def _kokoro(self, model: Model, line: Line, voice: str, lufs: float, speed: float) -> NaturalSpeaker:
        return NaturalSpeaker(
            model,
            self._phonemes,
            self._context,
            voice=voice,
            language=line.language,
            loudness_lufs=lufs,
            speed=speed,
        )

    def _robot(self, line: Line, voice: Voice, key: str, text: str) -> RobotSpeaker:
        if self._espeak is None:
            self._espeak = self._stack.enter_context(Espeak(self._context))
        return RobotSpeaker(
            self._espeak, self._context, voice, name=key, language=line.language, speed=self._speed, text=text
        )


def _key(line: Line) -> str:
    """A short name of a voice in a language."""
    content = json.dumps([line.language, line.voice], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
