"""Chatterbox by Resemble AI: cloning a voice from seconds of speech, and speaking a script in it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch

from apibr_worker.audio import captions
from apibr_worker.audio.files import LABEL, Samples, write_wav
from apibr_worker.engines.chatterbox import script, takes
from apibr_worker.engines.chatterbox.conditionals import Conditionals
from apibr_worker.engines.chatterbox.join import Piece, joined
from apibr_worker.engines.chatterbox.loader import SAMPLE_RATE, Model, load
from apibr_worker.engines.chatterbox.sampling import SAMPLES_PER_TOKEN, Manner
from apibr_worker.engines.chatterbox.voices import Voices, listen, to_json
from apibr_worker.listening import Listener
from apibr_worker.listening.takes import MOST_ERRORS, Judge, Judged, best_take, misheard
from apibr_worker.runtime.api import (
    Context,
    EngineError,
    InputFile,
    InvalidInputError,
    LoadRequest,
    Output,
    RunResult,
    Warning,
)
from apibr_worker.runtime.sentences import say
from apibr_worker.torchkit.placement import free, placement

_MIN_SECONDS, _RECOMMENDED_SECONDS = 3.0, 15.0
_SHOWN = 60
"""Letters of a sentence in a warning about it."""
_ANOTHER_TAKE = 1_000_003
"""Keeps the seeds of takes that were made again apart from those of sentences."""


class Engine:
    """One checkpoint, all of it on its device: 3.2 GB in float32."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._listener: Listener | None = None

    def load(self, request: LoadRequest) -> None:
        """Loads the parts t3 and base; a file that both have is taken from t3."""
        device = placement(request.plan).device
        parts = [Path(request.files[name]) for name in ("t3", "base") if name in request.files]
        if not parts:
            raise EngineError("model_missing", say("the model's files are missing: install the model again"))
        self._model = load(request.model, parts, device)
        listener = request.files.get("whisper-base/model")
        self._listener = Listener(listener) if listener else None

    def unload(self) -> None:
        """Lets go of the weights."""
        device = self._model.device if self._model else torch.device("cpu")
        self._model = self._listener = None
        free(device)

    def run(self, context: Context) -> RunResult:
        """Clones a voice, or speaks."""
        if self._model is None:
            raise EngineError("model_missing", say("no model is loaded: try again"))
        try:
            if context.task == "audio.clone_voice":
                return _clone(self._model, context)
            return _speak(self._model, context, _judge(self._listener, context))
        except torch.OutOfMemoryError:
            free(self._model.device)
            raise EngineError(
                "out_of_memory",
                say("the graphics card ran out of memory: close other programs that use it, or divide long sentences"),
            ) from None


def _clone(model: Model, context: Context) -> RunResult:
    sample = context.input("sample")
    if sample is None:
        raise InvalidInputError(say("a sample of the voice is needed: send audio"), field="audio")
    with context.phase("read"):
        recording = listen(
            context,
            sample,
            least=float(context.params.get("min_seconds", _MIN_SECONDS)),
            recommended=float(context.params.get("recommended_seconds", _RECOMMENDED_SECONDS)),
        )
    with context.phase("measure"):
        voice = to_json(model, recording)
        context.progress(1, 1)
    (context.out_dir / "voice.json").write_text(json.dumps(voice, separators=(",", ":")), encoding="utf-8")
    return RunResult(
        outputs=[Output("voice", "voice.json", "application/json")],
        metadata={
            "model": model.id,
            "sample_seconds": voice["sample_seconds"],
            "measures": {"speech_seconds": voice["speech_seconds"], "sample_seconds": voice["sample_seconds"]},
        },
        warnings=recording.warnings,
    )


def _judge(listener: Listener | None, context: Context) -> Judge | None:
    """Who listens to the takes; None where nobody does."""
    if listener is None or not context.params.get("listen", True):
        return None
    return Judge(listener, context.check_cancel, float(context.params.get("most_errors", MOST_ERRORS)))


def _speak(model: Model, context: Context, judge: Judge | None) -> RunResult:
    with context.phase("prepare"):
        said = script.read(context, model)
        warnings = list(said.warnings)
        voices = _voices(model, context, said.sentences, warnings)
        context.progress(1, 1)
    with context.phase("sample"):
        paths = _sample(model, context, said.sentences, voices, judge, warnings)
    with context.phase("encode"):
        return _encode(model, context, said.sentences, paths, warnings)


def _speaker(file: InputFile | None) -> str:
    return file.name if file else ""


def _voices(
    model: Model, context: Context, sentences: list[script.Sentence], warnings: list[Warning]
) -> dict[str, Conditionals]:
    """By the input's name; the same voice in several lines is made once each, which reads a file only."""
    known, made = Voices(model), dict[str, Conditionals]()
    for sentence in sentences:
        name = _speaker(sentence.voice)
        if name not in made:
            context.check_cancel()
            made[name] = known.of(context, sentence.voice, warnings)
    return made


def _sample(
    model: Model,
    context: Context,
    sentences: list[script.Sentence],
    voices: dict[str, Conditionals],
    judge: Judge | None,
    warnings: list[Warning],
) -> list[Path]:
    """Each sentence as a file; sentences that an earlier attempt has finished are taken as they are."""
    params = context.params
    asked = {name: float(params[name]) for name in ("cfg_weight", "temperature", "exaggeration") if name in params}
    manner = Manner(**asked)
    speed = float(params.get("speed", 1.0))
    paths = list(context.resume.segments[: len(sentences)]) if context.resume else []
    progress = takes.Progress(context, sentences)
    progress.skip(len(paths))

    def heard(sentence: script.Sentence, samples: Samples) -> Judged | None:
        if judge is None:
            return None
        threads = torch.get_num_threads()
        try:
            return judge.judge((sentence.text, sentence.source), samples, SAMPLE_RATE, sentence.language)
        finally:
            # The listener's library sets the threads of the whole process, and on another number of them the next
            # take would have other samples.
            torch.set_num_threads(threads)

    def tell(sentence: script.Sentence, judged: Judged | None) -> None:
        if judge and judged and judge.misheard(judged):
            warnings.append(misheard(sentence.source, judged))

    for sentence, path in zip(sentences, paths, strict=False):
        tell(sentence, heard(sentence, takes.kept(path)) if judge else None)
    for index in range(len(paths), len(sentences)):
        sentence = sentences[index]

        def make(number: int, index: int = index, sentence: script.Sentence = sentence) -> Samples:
            seed = (context.seed, index, *([_ANOTHER_TAKE, number] if number else []))
            return takes.speak(model, sentence, voices[_speaker(sentence.voice)], manner, seed, progress)

        limit = judge.most_errors if judge else 1.0
        samples, judged = best_take(make, partial(heard, sentence), limit)
        tell(sentence, judged)
        path = context.out_dir / "segments" / f"{index:04}.wav"
        takes.keep(path, takes.finished(model, context, samples, speed))
        context.segment(index, path, "audio/wav")
        paths.append(path)
        progress.end()
    return paths


def _encode(
    model: Model, context: Context, sentences: list[script.Sentence], paths: list[Path], warnings: list[Warning]
) -> RunResult:
    speed = float(context.params.get("speed", 1.0))
    pieces: list[Piece] = []
    for sentence, path in zip(sentences, paths, strict=True):
        samples = takes.kept(path)
        pieces.append(Piece(samples, sentence.gap, _speaker(sentence.voice)))
        warnings += _doubt(sentence, samples, speed)
    samples, times = joined(pieces, context.check_cancel)
    context.progress(1, 2)
    timed = [
        captions.Timed(" ".join(sentence.source.split()), start, end, sentence.line)
        for sentence, (start, end) in zip(sentences, times, strict=True)
    ]
    language = str(context.params.get("language", ""))
    write_wav(context.out_dir / "speech.wav", samples, SAMPLE_RATE, LABEL)
    (context.out_dir / "speech.srt").write_text(captions.srt(timed, language=language), encoding="utf-8")
    (context.out_dir / "speech.vtt").write_text(captions.vtt(timed, language=language), encoding="utf-8")
    (context.out_dir / "timings.json").write_text(_timings(timed), encoding="utf-8")
    context.progress(2, 2)
    metadata: dict[str, Any] = {
        "model": model.id,
        "duration_seconds": round(samples.size / SAMPLE_RATE, 3),
        "sentences": len(sentences),
        "watermark": "perth",
    }
    outputs = [
        Output("speech", "speech.wav", "audio/wav"),
        Output("timings", "timings.json", "application/json"),
        Output("subtitles_srt", "speech.srt", "application/x-subrip"),
        Output("subtitles_vtt", "speech.vtt", "text/vtt"),
    ]
    return RunResult(outputs, metadata, warnings)


def _doubt(sentence: script.Sentence, samples: Samples, speed: float) -> list[Warning]:
    """A warning when even the best take has a length that these words do not take."""
    seconds = (samples.size + SAMPLES_PER_TOKEN) / SAMPLE_RATE * speed
    if sentence.implausibility(seconds) == 0.0:
        return []
    shown = sentence.source if len(sentence.source) <= _SHOWN else f"{sentence.source[:_SHOWN]}…"
    return [
        Warning(
            "implausible_length",
            say(
                "“%s” came out %.1f s long, which does not fit its text, in the best of %d "
                "takes: listen to it, or try another seed",
                shown,
                seconds,
                takes.TAKES,
            ),
        )
    ]


def _timings(timed: list[captions.Timed]) -> str:
    """Sentences with their times in seconds."""
    entries = [
        {"text": one.text, "start": round(one.start, 4), "end": round(one.end, 4), "line": one.line} for one in timed
    ]
    return json.dumps({"sentences": entries}, ensure_ascii=False, separators=(",", ":"))
