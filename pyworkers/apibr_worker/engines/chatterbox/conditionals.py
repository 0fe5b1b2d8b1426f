"""What the model knows of a voice: computed once from the recording, kept as safetensors."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from chatterbox.models.s3tokenizer import S3_SR, SPEECH_VOCAB_SIZE
from chatterbox.models.t3.modules.cond_enc import T3Cond
from safetensors import SafetensorError
from safetensors.torch import load, save

from apibr_worker.audio.files import Samples
from apibr_worker.engines.chatterbox import files
from apibr_worker.engines.chatterbox.loader import SAMPLE_RATE, Model
from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import say

PROMPT_SECONDS, SOUND_SECONDS = 6, 10
"""How much of the recording T3 and S3Gen look at."""
_TOKENS_PER_SECOND, _BANDS = 25, 80


@dataclass(frozen=True, slots=True)
class Conditionals:
    """A voice.

    speaker: (1, 256) float32 of the voice encoder; prompt: (1, n) int64, at most 6 s of speech tokens for T3;
    tokens: (1, m) int64, mel: (1, 2 m, 80) float32 and timbre: (1, 192) float32 for S3Gen, of at most 10 s.
    """

    speaker: torch.Tensor
    prompt: torch.Tensor
    tokens: torch.Tensor
    mel: torch.Tensor
    timbre: torch.Tensor

    def tensors(self) -> dict[str, torch.Tensor]:
        """By name, on the CPU."""
        return {name: getattr(self, name).detach().cpu().contiguous() for name in self.__slots__}

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        return save(self.tensors())

    @staticmethod
    def from_bytes(data: bytes) -> Conditionals:
        """Raises ValueError when these are not conditionals."""
        try:
            return Conditionals.from_tensors(load(data))
        except SafetensorError as error:
            raise ValueError(str(error)) from None

    @staticmethod
    def from_tensors(tensors: dict[str, torch.Tensor]) -> Conditionals:
        """Checks what was kept: an index out of range would end the process on a GPU. Raises ValueError."""
        try:
            own = Conditionals(**tensors)
        except TypeError as error:
            raise ValueError(str(error)) from None
        _whole_numbers(own.prompt, PROMPT_SECONDS)
        _whole_numbers(own.tokens, SOUND_SECONDS)
        for tensor, shape in (
            (own.speaker, (1, 256)),
            (own.timbre, (1, 192)),
            (own.mel, (1, 2 * own.tokens.shape[1], _BANDS)),
        ):
            if tensor.shape != shape or tensor.dtype != torch.float32 or not bool(torch.isfinite(tensor).all()):
                raise ValueError(f"{tuple(tensor.shape)} where {shape} is known")
        return own

    def for_t3(self, exaggeration: float, device: torch.device) -> T3Cond:
        """T3's own form. exaggeration: 0..2, how lively; 0.5 is neutral."""
        return T3Cond(
            speaker_emb=self.speaker.to(device),
            cond_prompt_speech_tokens=self.prompt.to(device),
            emotion_adv=exaggeration * torch.ones(1, 1, 1, device=device),
        )

    def for_s3gen(self, device: torch.device) -> dict[str, Any]:
        """S3Gen's own form, a new one each time: S3Gen changes what it is given."""
        return {
            "prompt_token": self.tokens.to(device),
            "prompt_token_len": torch.tensor([self.tokens.shape[1]], device=device),
            "prompt_feat": self.mel.to(device),
            "prompt_feat_len": None,
            "embedding": self.timbre.to(device),
        }


def _whole_numbers(tokens: torch.Tensor, seconds: int) -> None:
    most = seconds * _TOKENS_PER_SECOND + 1
    if tokens.dtype != torch.int64 or tokens.ndim != 2 or tokens.shape[0] != 1 or not 1 <= tokens.shape[1] <= most:
        raise ValueError("speech tokens of another shape")
    if int(tokens.min()) < 0 or int(tokens.max()) >= SPEECH_VOCAB_SIZE:
        raise ValueError("speech tokens out of range")


@torch.inference_mode()
def compute(model: Model, reference: Samples) -> Conditionals:
    """From mono samples at 24 kHz; the first 10 s count. Takes seconds on a CPU."""
    at_16k = librosa.resample(reference, orig_sr=SAMPLE_RATE, target_sr=S3_SR)
    s3gen: Any = model.s3gen  # whose annotations know one of the forms that it takes
    sound = s3gen.embed_ref(reference[: SOUND_SECONDS * SAMPLE_RATE], SAMPLE_RATE, device=model.device)
    prompt = s3gen.tokenizer.forward([at_16k[: PROMPT_SECONDS * S3_SR]], max_len=model.t3.hp.speech_cond_prompt_len)[0]
    speaker = torch.from_numpy(np.asarray(model.ve.embeds_from_wavs([at_16k], sample_rate=S3_SR)))
    # A clip whose length is not a multiple of 40 ms has half a token's frame too many.
    tokens = sound["prompt_token"]
    return Conditionals.from_tensors(
        {
            "speaker": speaker.mean(dim=0, keepdim=True).float().cpu().clone(),
            "prompt": torch.atleast_2d(prompt).long().cpu().clone(),
            "tokens": tokens.long().cpu().clone(),
            "mel": sound["prompt_feat"][:, : 2 * tokens.shape[1]].float().cpu().clone(),
            "timbre": sound["embedding"].float().cpu().clone(),
        }
    )


def builtin(path: Path) -> Conditionals:
    """The voice that a checkpoint brings along in conds.pt. Raises EngineError when it cannot be used."""
    content = files.unpickled(path)
    try:
        t3, gen = content["t3"], content["gen"]
        return Conditionals.from_tensors(
            {
                "speaker": t3["speaker_emb"].float(),
                "prompt": torch.atleast_2d(t3["cond_prompt_speech_tokens"]).long(),
                "tokens": gen["prompt_token"].long(),
                "mel": gen["prompt_feat"][:, : 2 * gen["prompt_token"].shape[1]].float(),
                "timbre": gen["embedding"].float(),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        logging.getLogger(__name__).warning("conds.pt: %s", error)
        raise EngineError("model_missing", say("the model's own voice is damaged: install the model again")) from None
