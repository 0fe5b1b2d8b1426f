"""A voice's file: the best seconds of the recording, and what the model made of them.

The recording's part is in it so that the conditionals can be made anew when the model changes. As JSON it stays below
the 1 MiB that the studio keeps of a voice: 10 s at 24 kHz are at most 0.64 MB in base64, conditionals 0.23 MB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from apibr_worker.audio.files import Samples, read_audio
from apibr_worker.audio.recording import CLIPPING_SECONDS, LONGEST_SECONDS
from apibr_worker.engines.chatterbox import reference
from apibr_worker.engines.chatterbox.conditionals import Conditionals, builtin, compute
from apibr_worker.engines.chatterbox.loader import SAMPLE_RATE, Model
from apibr_worker.runtime.api import Context, EngineError, InputFile, InvalidInputError, Warning
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit.embeddings import EmbeddingCache

_VERSION = 1
_MAX_FILE = 4 << 20


def listen(context: Context, sample: InputFile, *, least: float, recommended: float) -> reference.Recording:
    """Reads and judges a recording; reports two steps in the current phase. Raises InvalidInputError (audio)."""

    def read(rate: int | None, longest: float) -> Samples:
        return read_audio(sample.path, rate, field="audio", check_cancel=context.check_cancel, longest_seconds=longest)

    samples = read(SAMPLE_RATE, LONGEST_SECONDS)
    context.progress(1, 2)
    found = reference.judge(samples, SAMPLE_RATE, read(None, CLIPPING_SECONDS), least=least, recommended=recommended)
    context.progress(2, 2)
    return found


def to_json(model: Model, recording: reference.Recording) -> dict[str, Any]:
    """Computes the conditionals and describes the voice. Takes seconds on a CPU."""
    clip = _flac(recording.clip)
    # From what was kept, so that making them anew gives the same.
    conditionals = compute(model, _unflac(clip))
    return {
        "version": _VERSION,
        "engine": "chatterbox",
        "sample_seconds": round(recording.seconds, 3),
        "speech_seconds": round(recording.speech_seconds, 3),
        "reference": {"sha256": hashlib.sha256(clip).hexdigest(), "flac": base64.b64encode(clip).decode()},
        "conditionals": {"model": model.identity, "data": base64.b64encode(conditionals.to_bytes()).decode()},
    }


class Voices:
    """The voices of runs, by their files. Conditionals that had to be made anew are kept on disk."""

    def __init__(self, model: Model) -> None:
        self._model = model
        folder = os.environ.get("APIBR_CACHE_DIR")
        self._cache = EmbeddingCache(Path(folder) / "voices" if folder else None, limit=64 << 20)
        self._own: Conditionals | None = None

    def of(self, context: Context, file: InputFile | None, warnings: list[Warning]) -> Conditionals:
        """The conditionals of an input voice, None being the model's own.

        A voice that only the draft engines know is made from its recording where that is there (input <name>_sample).
        Raises InvalidInputError (voice_id) for a file that cannot be used.
        """
        if file is None:
            return self._builtin()
        content = _read(file)
        if "conditionals" in content or "reference" in content:
            return self._cloned(content)
        sample = context.input(f"{file.name}_sample")
        if sample is not None:
            return self._from_sample(context, sample)
        name = file.metadata.get("name", say("the voice"))
        if "f0_median_hz" in content and "variant" not in content:
            raise InvalidInputError(
                say("%s was cloned in draft quality only: clone it again with quality final", name), field="voice_id"
            )
        message = say("%s is a voice of another engine: the model's own voice speaks in its place", name)
        note = Warning("voice_not_cloned", message)
        if note not in warnings:
            warnings.append(note)
        return self._builtin()

    def _builtin(self) -> Conditionals:
        if self._own is None:
            if self._model.conds is None:
                raise InvalidInputError(
                    say("this model has no voice of its own: clone a voice and send voice_id"), field="voice_id"
                )
            self._own = builtin(self._model.conds)
        return self._own

    def _cloned(self, content: dict[str, Any]) -> Conditionals:
        """What the file holds when this model made it, else made anew from the recording's part."""
        made: Any = content.get("conditionals")
        if isinstance(made, dict) and made.get("model") == self._model.identity:
            try:
                return Conditionals.from_bytes(base64.b64decode(str(made.get("data")), validate=True))
            except (ValueError, binascii.Error):
                pass  # the recording is there still
        part: Any = content.get("reference")
        try:
            clip = base64.b64decode(str(part["flac"]), validate=True)
            samples = _unflac(clip)
        except (TypeError, KeyError, ValueError, binascii.Error, soundfile.SoundFileError):
            raise InvalidInputError(
                say("the voice's recording cannot be read: clone it again"), field="voice_id"
            ) from None
        return self._cached(hashlib.sha256(clip).hexdigest(), samples)

    def _from_sample(self, context: Context, sample: InputFile) -> Conditionals:
        with sample.path.open("rb") as stream:
            key = self._key(hashlib.file_digest(stream, "sha256").hexdigest())
        found = self._find(key)
        if found is None:
            try:
                recording = listen(context, sample, least=3.0, recommended=15.0)
            except InvalidInputError as error:  # in a speech job it is the voice that is wrong
                raise InvalidInputError(
                    say("the voice's sample cannot be used: %s", error.message), field="voice_id"
                ) from None
            found = compute(self._model, recording.clip)
            self._cache.save(key, found.tensors())
        return found

    def _cached(self, digest: str, samples: Samples) -> Conditionals:
        key = self._key(digest)
        found = self._find(key)
        if found is None:
            found = compute(self._model, samples)
            self._cache.save(key, found.tensors())
        return found

    def _key(self, digest: str) -> str:
        return self._cache.key(sample=digest, model=self._model.identity, version=_VERSION)

    def _find(self, key: str) -> Conditionals | None:
        tensors = self._cache.load(key)
        try:
            return Conditionals.from_tensors(tensors) if tensors is not None else None
        except ValueError:
            return None


def _read(file: InputFile) -> dict[str, Any]:
    content: Any = None
    try:
        if file.path.stat().st_size <= _MAX_FILE:
            content = json.loads(file.path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        pass
    if not isinstance(content, dict):
        raise InvalidInputError(say("the voice cannot be read: clone it again"), field="voice_id")
    return content


def _flac(samples: Samples) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _unflac(data: bytes) -> Samples:
    """Raises ValueError or soundfile's error unless these are mono samples at 24 kHz."""
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        if file.samplerate != SAMPLE_RATE or file.channels != 1 or not 0.5 <= file.frames / SAMPLE_RATE <= 11:
            raise ValueError("no reference")
        samples = np.asarray(file.read(dtype="float32"), dtype=np.float32)
    if not samples.size:
        raise EngineError("internal", say("the voice's recording is empty: clone it again"))
    return samples
