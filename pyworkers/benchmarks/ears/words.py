"""Word error rates: what a listener understands of each voice. Results are kept, so that a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apibr_worker.listening import Listener, WordErrors, word_errors
from benchmarks.ears import CACHE, ROOT, WEIGHTS, sentences
from benchmarks.ears.cast import Voice
from benchmarks.ears.process import Process, own_files

_CODE = ("audio", "engines/kokoro", "engines/draft_speech", "listening", "speech", "speech_helper", "textnorm")
_KEPT = (".py", ".yaml", ".json", ".tsv")


@dataclass(frozen=True, slots=True)
class Understood:
    """What was heard of a voice: (sentence, heard, errors), in the sentences' order."""

    voice: Voice
    heard: list[tuple[str, str, WordErrors]]
    seconds: float
    """Length of all recordings."""

    @property
    def errors(self) -> WordErrors:
        """All sentences together."""
        return WordErrors(sum(e.errors for _, _, e in self.heard), sum(e.words for _, _, e in self.heard))

    @property
    def mistakes(self) -> list[str]:
        """What was misheard, a line a sentence."""
        return [f"    {e.errors}  {text}\n       {heard}" for text, heard, e in self.heard if e.errors]


class Ears:
    """The listener, and what it has heard before of the same code, weights, voice, sentence and seed."""

    def __init__(self, cache: Path = CACHE / "heard") -> None:
        self._listener = Listener(own_files("whisper-base")["model"])
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)
        self._code = _code()

    def understand(self, voice: Voice, texts: Iterable[str] = (), *, quick: bool = False, seed: int = 1) -> Understood:
        """Lets a voice speak its language's sentences, or these, and writes down what is heard."""
        heard: list[tuple[str, str, WordErrors]] = []
        seconds = 0.0
        process: Process | None = None
        try:
            for text in list(texts) or sentences.of(voice.language, quick):
                kept = self._cache / (self._key(voice, text, seed) + ".json")
                if not kept.exists():
                    process = process or voice.process()
                    made = process.speak(voice.conditionals, voice.language, text, seed)
                    said = self.hear(made.samples, made.sample_rate, voice.language)
                    kept.write_text(json.dumps({"heard": said, "seconds": made.sound}), encoding="utf-8")
                known = json.loads(kept.read_text(encoding="utf-8"))
                seconds += known["seconds"]
                heard.append((text, known["heard"], word_errors(text, known["heard"], voice.language)))
        finally:
            if process:
                process.__exit__()
        return Understood(voice, heard, seconds)

    def hear(self, samples: Any, sample_rate: int, language: str) -> str:
        """What the listener writes down."""
        return self._listener.hear(samples, sample_rate, language=language).text

    def _key(self, voice: Voice, text: str, seed: int) -> str:
        parts = [self._code, voice.engine, voice.conditionals, sorted(voice.files), voice.language, text, seed]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _code() -> str:
    """A hash of what decides how a voice sounds and what is heard: the code, and the sizes of the weights."""
    found = hashlib.sha256()
    for name in _CODE:
        for path in sorted((ROOT / "pyworkers/apibr_worker" / name).rglob("*")):
            if path.suffix in _KEPT and path.name != "wer.py":  # errors are counted anew each time
                found.update(path.read_bytes())
    for path in sorted(WEIGHTS.rglob("*")):
        if path.is_file():
            found.update(f"{path.name} {path.stat().st_size}".encode())
    return found.hexdigest()
