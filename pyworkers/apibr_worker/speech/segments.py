"""A finished sentence as a file: a WAV file in float32 that any player plays, with its times in a chunk at its end."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apibr_worker.audio.files import Samples
from apibr_worker.speech.spoken import Phoneme, Word

_FLOAT = 3
_TIMES = b"aptm"
"""The chunk with the times as JSON, in the shape of timings.json. Players pass over chunks that they do not know."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence as it was written, with its time in seconds.

    line: which of the request's lines it is from; continues: the next one goes on with the same sentence.
    """

    text: str
    start: float
    end: float
    line: int
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished sentence with the pause after it. speaker: who said it; times are from the segment's beginning."""

    samples: Samples
    sample_rate: int
    speaker: str
    said: Said
    phonemes: list[Phoneme]
    words: list[Word]


def keep(path: Path, segment: Segment) -> None:
    """Writes a segment as it is, so that a resumed run joins the very same samples."""
    path.parent.mkdir(exist_ok=True)
    times = json.dumps(
        {
            "speaker": segment.speaker,
            "continues": segment.said.continues,
            **timings(segment.words, segment.phonemes, [segment.said], digits=6),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    data = np.ascontiguousarray(segment.samples, "<f4").tobytes()
    rate = segment.sample_rate
    chunks = [
        (b"fmt ", struct.pack("<HHIIHHH", _FLOAT, 1, rate, rate * 4, 4, 32, 0)),
        (b"fact", struct.pack("<I", segment.samples.size)),
        (b"data", data),
        (_TIMES, times),
    ]
    body = b"".join(name + struct.pack("<I", len(one)) + one + b"\0" * (len(one) % 2) for name, one in chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body)


def kept(path: Path) -> Segment:
    """Reads a segment. Raises ValueError for a file that is none."""
    try:
        return _kept(path.read_bytes())
    except (IndexError, KeyError, TypeError, RecursionError, struct.error):
        raise ValueError("the file is not a segment of speech") from None


def _kept(raw: bytes) -> Segment:
    chunks: dict[bytes, bytes] = {}
    place = 12
    while place + 8 <= len(raw):
        size = struct.unpack_from("<I", raw, place + 4)[0]
        chunks[raw[place : place + 4]] = raw[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    if raw[:4] != b"RIFF" or not {b"fmt ", b"data", _TIMES} <= chunks.keys():
        raise ValueError("the file is not a segment of speech")
    times = json.loads(chunks[_TIMES])
    said = times["sentences"][0]
    return Segment(
        samples=np.frombuffer(chunks[b"data"], "<f4"),
        sample_rate=struct.unpack_from("<I", chunks[b"fmt "], 4)[0],
        speaker=str(times["speaker"]),
        said=Said(said["text"], said["start"], said["end"], said["line"], bool(times["continues"])),
        phonemes=[Phoneme(one["ipa"], one["start"], one["end"]) for one in times["phonemes"]],
        words=[Word(one["text"], one["start"], one["end"]) for one in times["words"]],
    )


def timings(words: list[Word], phonemes: list[Phoneme], said: list[Said], digits: int = 4) -> dict[str, Any]:
    """What timings.json holds: words, phonemes and sentences with their times in seconds."""

    def at(one: Word | Phoneme | Said) -> dict[str, float]:
        return {"start": round(one.start, digits), "end": round(one.end, digits)}

    return {
        "words": [{"text": one.text, **at(one)} for one in words],
        "phonemes": [{"ipa": one.ipa, **at(one)} for one in phonemes],
        "sentences": [{"text": one.text, **at(one), "line": one.line} for one in said],
    }
