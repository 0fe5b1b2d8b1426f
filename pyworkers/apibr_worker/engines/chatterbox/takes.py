"""Speaking one sentence: takes until one has a plausible length, then its sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from chatterbox.models.t3.modules.cond_enc import T3Cond

from apibr_worker.audio.files import Samples
from apibr_worker.engines.chatterbox.conditionals import Conditionals
from apibr_worker.engines.chatterbox.loader import SAMPLE_RATE, Model
from apibr_worker.engines.chatterbox.sampling import (
    SAMPLES_PER_TOKEN,
    SOUND_STEPS,
    TOKENS_PER_SECOND,
    Manner,
    marked,
    seed_of,
    sound,
    speech_tokens,
)
from apibr_worker.engines.chatterbox.script import Sentence
from apibr_worker.runtime.api import Context
from apibr_worker.runtime.ffmpeg import ffmpeg
from apibr_worker.runtime.sentences import say

TAKES = 3
"""Takes of a sentence whose length is implausible, the first one included."""
_SOUND_SHARE = 0.25
"""Share of a sentence's progress that its sound takes, by the number of operations."""


@dataclass(frozen=True, slots=True)
class Take:
    """Speech tokens (k,), and how implausible their number is: 0 is fine."""

    tokens: torch.Tensor
    implausibility: float


class Progress:
    """Steps of the whole script: a sentence counts as many as its tokens are expected to be."""

    def __init__(self, context: Context, sentences: list[Sentence]) -> None:
        self._context = context
        self._weights = [sentence.expected_tokens for sentence in sentences]
        self._done = 0
        self._index = 0
        self._last = 0

    def skip(self, count: int) -> None:
        """The first sentences are there already."""
        self._index = count
        self._done = sum(self._weights[:count])
        self._last = self._done

    def token(self, index: int) -> None:
        """Token index + 1 is about to be made. Raises Canceled."""
        self._report(min(index / self._weights[self._index], 1.0) * (1.0 - _SOUND_SHARE))

    def sound(self, index: int) -> None:
        """Euler step index + 1 is about to be made. Raises Canceled."""
        self._report(1.0 - _SOUND_SHARE + _SOUND_SHARE * index / SOUND_STEPS)

    def end(self) -> None:
        """The sentence is there."""
        self._report(1.0)
        self._done += self._weights[self._index]
        self._index += 1

    def _report(self, share: float) -> None:
        # A second take begins anew; the bar does not go back.
        self._last = max(self._last, self._done + int(share * self._weights[self._index]))
        number = min(self._index + 1, len(self._weights))
        self._context.progress(self._last, sum(self._weights), message=say("%d/%d", number, len(self._weights)))


def speak(
    model: Model, sentence: Sentence, voice: Conditionals, manner: Manner, seed: tuple[int, ...], progress: Progress
) -> Samples:
    """Mono samples at 24 kHz with the watermark. The same seed gives the same samples on a CPU."""
    cond = voice.for_t3(manner.exaggeration, model.device)
    text = model.text.ids(sentence.text, sentence.language)
    best: Take | None = None
    number = 0
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        for number in range(TAKES):
            torch.manual_seed(seed_of(*seed, number))
            take = _take(model, sentence, cond, text, manner, progress.token)
            if best is None or take.implausibility < best.implausibility:
                best = take
            if best.implausibility == 0.0:
                break
        assert best is not None  # noqa: S101 (there is at least one take)
        if best.tokens.numel() == 0:
            return np.zeros(SAMPLES_PER_TOKEN, np.float32)
        torch.manual_seed(seed_of(*seed, number, 1))
        return sound(model, best.tokens, voice, progress.sound)


def _take(
    model: Model,
    sentence: Sentence,
    cond: T3Cond,
    text: torch.Tensor,
    manner: Manner,
    step: Callable[[int], None],
) -> Take:
    tokens, stopped = speech_tokens(model, cond, text, manner, sentence.most_tokens, step)
    off = sentence.implausibility(tokens.numel() / TOKENS_PER_SECOND)
    # A take that does not stop by itself is worse than one that is a little long.
    return Take(tokens, off if stopped else off + 1.0)


def stretched(context: Context, samples: Samples, speed: float) -> Samples:
    """At another pace and the same pitch. speed: 0.5..2."""
    if abs(speed - 1.0) < 1e-3:
        return samples
    raw = context.out_dir / "stretch.f32"
    raw.write_bytes(samples.astype("<f4").tobytes())
    form = ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1"]
    argv = [ffmpeg(), "-nostdin", "-v", "error", *form, "-i", f"file:{raw}", "-af", f"atempo={speed:g}", *form, "-"]
    with context.child(argv, stdout=True) as child:
        made = np.frombuffer(child.read_all(), dtype="<f4").astype(np.float32)
    raw.unlink()
    return made


def finished(model: Model, context: Context, samples: Samples, speed: float) -> Samples:
    """At the wanted pace, then marked: stretching would weaken the watermark."""
    return marked(model, stretched(context, samples, speed))


def keep(path: Path, samples: Samples) -> None:
    """Writes a segment as it is, in float32, so that a resumed run joins the very same samples."""
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT", format="WAV")


def kept(path: Path) -> Samples:
    """Reads a segment."""
    return np.asarray(soundfile.read(path, dtype="float32")[0], dtype=np.float32)
