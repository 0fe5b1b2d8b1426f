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


_TOGETHER = 5
"""Sentences of one request and one recording, of about 20 s: the listener takes half a minute at once."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What was heard of a voice: (sentences, heard, errors) of each recording."""

    voice: Voice
    heard: list[tuple[str, str, WordErrors]]
    sentences: int
    """How many were said."""

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

    def __init__(self, cache: Path = CACHE / "heard", *, any_code: bool = False, only_known: bool = False) -> None:
        """any_code: what was heard of other code counts too. only_known: nothing more is said."""
        self._listener = Listener(own_files("whisper-base")["model"])
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)
        self._code, self._any_code, self._only_known = _code(), any_code, only_known

    def understand(self, voice: Voice, texts: Iterable[str] = (), *, quick: bool = False, seed: int = 1) -> Understood:
        """Lets a voice speak its language's sentences, or these, and writes down what is heard."""
        all_texts = list(texts) or sentences.of(voice.language, quick)
        heard: list[tuple[str, str, WordErrors]] = []
        said = 0
        process: Process | None = None
        try:
            for begin in range(0, len(all_texts), _TOGETHER):
                together = all_texts[begin : begin + _TOGETHER]
                text = " ".join(together)
                path = self._cache / (self._key(voice, text, seed) + ".json")
                known = self._known(path)
                if known is None and self._only_known:
                    continue
                if known is None:
                    process = process or voice.process()
                    made = process.speak(voice.conditionals, voice.language, text, seed)
                    written = self.hear(made.samples, made.sample_rate, voice.language)
                    known = {"heard": written, "seconds": made.sound, "code": self._code}
                    path.write_text(json.dumps(known), encoding="utf-8")
                said += len(together)
                understood = str(known["heard"])
                heard.append((text, understood, word_errors(text, understood, voice.language)))
        finally:
            if process:
                process.__exit__()
        return Understood(voice, heard, said)

    def _known(self, path: Path) -> dict[str, Any] | None:
        if not path.exists():
            return None
        known = json.loads(path.read_text(encoding="utf-8"))
        return known if self._any_code or known["code"] == self._code else None

    def hear(self, samples: Any, sample_rate: int, language: str) -> str:
        """What the listener writes down."""
        return self._listener.hear(samples, sample_rate, language=language).text

    def _key(self, voice: Voice, text: str, seed: int) -> str:
        spoken_by = voice.conditionals.get("voice") if voice.engine == "kokoro" else voice.conditionals
        parts = [voice.engine, spoken_by, sorted(voice.files), voice.language, text, seed]
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
