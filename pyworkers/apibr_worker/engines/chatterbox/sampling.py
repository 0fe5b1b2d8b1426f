"""Speech tokens from a sentence, and sound from speech tokens. Both check the cancel flag in each step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from chatterbox.models.s3tokenizer import SPEECH_VOCAB_SIZE
from chatterbox.models.t3.modules.cond_enc import T3Cond
from torch.nn import functional
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TopPLogitsWarper,
)

from apibr_worker.audio.files import Samples
from apibr_worker.engines.chatterbox.conditionals import Conditionals
from apibr_worker.engines.chatterbox.loader import SAMPLE_RATE, Model

TOKENS_PER_SECOND = 25
SAMPLES_PER_TOKEN = SAMPLE_RATE // TOKENS_PER_SECOND
MOST_TOKENS = 1000
"""Where the released code stops; the model was not trained on longer sentences."""
SOUND_STEPS = 10
"""Euler steps from noise to mel that the released weights were made for."""
_SHORTEST_MARK = SAMPLE_RATE // 2
"""Samples; the watermark needs a few frames of its spectrum to stand in."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to sample.

    cfg_weight: guidance by the text, 0..1, 0 lessens the accent of a recording in another language;
    temperature: > 0; exaggeration: 0..2, 0.5 is neutral. The penalty is the current release's for the multilingual
    model.
    """

    cfg_weight: float = 0.65
    temperature: float = 1.0
    exaggeration: float = 1.0
    repetition_penalty: float = 1.2
    min_p: float = 0.05
    top_p: float = 1.0


def seed_of(*numbers: int) -> int:
    """A seed for torch that any of the numbers changes."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:7], "big")


@torch.inference_mode()
def speech_tokens(
    model: Model, cond: T3Cond, text: torch.Tensor, manner: Manner, most: int, step: Callable[[int], None]
) -> tuple[torch.Tensor, bool]:
    """Samples tokens until the model stops, or `most` of them.

    text: (1, n) ids without start and stop. step(k) is called before token k + 1 and may raise. Returns (k,) int64
    without special tokens, and whether the model stopped by itself. Takes its random numbers from torch's generator;
    with the same state of it the tokens are those of the released T3.inference.
    """
    t3: Any = model.t3
    # A second row without text for the guidance.
    ids = functional.pad(text.to(model.device).long(), (1, 0), value=t3.hp.start_text_token)
    ids = functional.pad(ids, (0, 1), value=t3.hp.stop_text_token).repeat(2, 1)
    begin = torch.full((2, 1), t3.hp.start_speech_token, dtype=torch.long, device=model.device)
    embeds, _ = t3.prepare_input_embeds(
        t3_cond=cond, text_tokens=ids, speech_tokens=begin, cfg_weight=manner.cfg_weight
    )
    positions = t3.speech_pos_emb
    # The start symbol comes twice: so the model was trained.
    inputs = torch.cat([embeds, t3.speech_emb(begin) + positions.get_fixed_embedding(0)], dim=1)
    penalty = RepetitionPenaltyLogitsProcessor(penalty=manner.repetition_penalty)
    min_p, top_p = MinPLogitsWarper(min_p=manner.min_p), TopPLogitsWarper(top_p=manner.top_p)
    made, past, stopped = begin[:1], None, False
    for index in range(most):
        step(index)
        output = t3.tfmr(inputs_embeds=inputs, past_key_values=past, use_cache=True, return_dict=True)
        past = output.past_key_values
        with_text, without = t3.speech_head(output.last_hidden_state[:, -1]).split(1)
        logits: Any = penalty(made, with_text + manner.cfg_weight * (with_text - without))
        logits = top_p(made, min_p(made, logits / manner.temperature))
        token = torch.multinomial(torch.softmax(logits, dim=-1), num_samples=1)
        if int(token) == t3.hp.stop_speech_token:
            stopped = True
            break
        made = torch.cat([made, token], dim=1)
        inputs = (t3.speech_emb(token) + positions.get_fixed_embedding(index + 1)).repeat(2, 1, 1)
    tokens = made[0, 1:]
    return tokens[tokens < SPEECH_VOCAB_SIZE], stopped


@torch.inference_mode()
def sound(model: Model, tokens: torch.Tensor, voice: Conditionals, step: Callable[[int], None]) -> Samples:
    """Mono samples at 24 kHz of speech tokens (k,): k - 1 times 960, for the last one is the model's breath out.

    step(i) is called before Euler step i + 1 of 10 and may raise. Random numbers as in speech_tokens.
    """
    estimator: Any = model.s3gen.flow.decoder.estimator
    plain, count = estimator.forward, 0

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        step(count)
        count += 1
        return plain(*args, **kwargs)

    # S3Gen calls forward itself, so that a hook of torch would not see it.
    estimator.forward = watched
    try:
        wav, _ = model.s3gen.inference(
            speech_tokens=tokens, ref_dict=voice.for_s3gen(model.device), n_cfm_timesteps=SOUND_STEPS
        )
    finally:
        del estimator.forward
    keep = max(1, tokens.numel() - 1) * SAMPLES_PER_TOKEN
    return wav[0, :keep].float().cpu().numpy()


def marked(model: Model, samples: Samples) -> Samples:
    """The samples with Perth's inaudible watermark, same length unless they are shorter than half a second."""
    if samples.size < _SHORTEST_MARK:
        samples = np.pad(samples, (0, _SHORTEST_MARK - samples.size))
    with torch.inference_mode():
        made = np.asarray(model.watermarker.apply_watermark(samples, sample_rate=SAMPLE_RATE), dtype=np.float32)
    # Its spectrum's frames round the length off.
    return np.pad(made, (0, max(0, samples.size - made.size)))[: samples.size]
