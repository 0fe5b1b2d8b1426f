"""Draft speech as an engine: one text in one voice, or several lines in several."""

from __future__ import annotations

import json
from typing import Any

from apibr_worker.audio.files import write_wav
from apibr_worker.runtime.api import Context, InputFile, InvalidInputError, LoadRequest, Output, RunResult
from apibr_worker.runtime.sentences import say
from apibr_worker.speech.synthesis import Line, Speech, speak
from apibr_worker.speech.voice import read_voice, unmeasured_hints


class Engine:
    """Speaks with espeak-ng; there is nothing to load."""

    def load(self, request: LoadRequest) -> None:
        del request

    def unload(self) -> None:
        pass

    def run(self, context: Context) -> RunResult:
        with context.phase("synthesize"):
            speech = speak(lines_of(context), speed=float(context.params.get("speed", 1.0)), context=context)
        with context.phase("encode"):
            write_wav(context.out_dir / "speech.wav", speech.samples, speech.sample_rate)
            timings = json.dumps(timings_of(speech), ensure_ascii=False, separators=(",", ":"))
            (context.out_dir / "timings.json").write_text(timings, encoding="utf-8")
        return RunResult(
            outputs=[
                Output("speech", "speech.wav", "audio/wav"),
                Output("timings", "timings.json", "application/json"),
            ],
            metadata={"duration_seconds": round(speech.seconds, 3)},
            warnings=[hint for item in context.inputs for hint in unmeasured_hints(item)],
        )


def lines_of(context: Context) -> list[Line]:
    """What to say: `text` in the input voice, or `lines`, the voice of line N being voice_N or else voice."""
    lines = context.params.get("lines")
    if not lines:
        text = context.params.get("text")
        if not text:
            raise InvalidInputError(say("there is nothing to say: send text or lines"), field="text")
        return [_line(context, str(text), context.input("voice"), 0.0, "text")]
    return [
        _line(
            context,
            str(line["text"]),
            context.input(f"voice_{index}") or context.input("voice"),
            float(line.get("pause_ms", 0)) / 1000.0,
            f"lines/{index}/text",
        )
        for index, line in enumerate(lines)
    ]


def _line(context: Context, text: str, voice: InputFile | None, pause: float, field: str) -> Line:
    language = context.params.get("language") or (voice.metadata.get("language") if voice else None)
    return Line(text, language, read_voice(voice) if voice else None, pause, field)


def timings_of(speech: Speech) -> dict[str, Any]:
    """Words and phonemes with their times in seconds, as timings.json holds them."""
    return {
        "words": [{"text": w.text, "start": round(w.start, 4), "end": round(w.end, 4)} for w in speech.words],
        "phonemes": [{"ipa": p.ipa, "start": round(p.start, 4), "end": round(p.end, 4)} for p in speech.phonemes],
    }
