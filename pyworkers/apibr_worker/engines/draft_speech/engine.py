"""Draft speech as an engine: one text in one voice, or several lines in several."""

from __future__ import annotations

import json
from typing import Any

from apibr_worker.api import Context, InputFile, LoadRequest, Output, RunResult
from apibr_worker.media import write_wav
from apibr_worker.speech import Speech, synthesize
from apibr_worker.speech.synthesis import join


class Engine:
    """Speaks with espeak-ng; there is nothing to load."""

    def load(self, request: LoadRequest) -> None:
        del request

    def unload(self) -> None:
        pass

    def run(self, context: Context) -> RunResult:
        with context.phase("synthesize"):
            speech = _speak_lines(context) if context.params.get("lines") else _speak_text(context)
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
        )


def _speak_text(context: Context) -> Speech:
    return _speak(context, str(context.params["text"]), context.input("voice"))


def _speak_lines(context: Context) -> Speech:
    parts: list[Speech] = []
    pauses: list[float] = []
    for index, line in enumerate(context.params["lines"]):
        voice = context.input(f"voice_{index}") or context.input("voice")
        parts.append(_speak(context, str(line["text"]), voice))
        pauses.append(line.get("pause_ms", 0) / 1000.0)
    return join(parts, pauses)


def _speak(context: Context, text: str, voice: InputFile | None) -> Speech:
    own: dict[str, Any] = json.loads(voice.path.read_text(encoding="utf-8")) if voice else {}
    language = context.params.get("language") or (voice.metadata.get("language") if voice else None)
    speed = float(context.params.get("speed", 1.0))
    return synthesize(text, language=language, voice=own, speed=speed, context=context)


def timings_of(speech: Speech) -> dict[str, Any]:
    """Words and phonemes with their times in seconds, as timings.json holds them."""
    return {
        "words": [{"text": w.text, "start": round(w.start, 4), "end": round(w.end, 4)} for w in speech.words],
        "phonemes": [{"ipa": p.ipa, "start": round(p.start, 4), "end": round(p.end, 4)} for p in speech.phonemes],
    }
