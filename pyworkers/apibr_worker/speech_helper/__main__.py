"""Speaks what standard input asks for.

SPDX-License-Identifier: GPL-3.0-or-later

A request is one JSON object a line: {"text", "voice", "rate", "pitch", "range", "seed"}. The answer is a JSON line
{"sample_rate", "samples", "events": [[kind, sample, text_position, length, name], ...]} followed by `samples` 16-bit
little-endian samples, or {"error": "unknown voice"}. Kinds are "word" and "phoneme" (name is then its IPA; a pause has
none); positions count characters from 0. The program ends with its input.

A request {"voice", "phonemes": [text, ...]} is answered by {"phonemes": [IPA, ...]}: what each text sounds like, with
stress marks, spaces where espeak-ng parts words, and a "^" within affricates and diphthongs.

The same request gets the same samples, whatever was said before and whenever it is said. libespeak-ng seeds its noise
from the clock and keeps the phase of its waves from one utterance to the next, so each request is spoken by a fork of a
library that has said nothing yet, with the noise seeded by the request.
"""

import ctypes
import json
import os
import signal
import sys
import traceback
from typing import Any

import espeakng_loader

_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 2, 1, 2, 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_UTF8, _BY_CHARACTER = 1, 1
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_IPA_WITH_TIES = 0x02 | 0x80 | ord("^") << 8
_PR_SET_PDEATHSIG = 1


class UnknownVoiceError(Exception):
    """libespeak-ng has no voice of that name."""


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """libespeak-ng with its global state: one of these a process."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        # The path baked into the wheel is its build machine's: the data path is always given.
        options = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
        self.sample_rate: int = self._lib.espeak_Initialize(
            _SYNCHRONOUS, 0, str(espeakng_loader.get_data_path()).encode(), options
        )
        if self.sample_rate <= 0:
            raise SystemExit("libespeak-ng did not start")
        self._samples = bytearray()
        self._events: list[list[Any]] = []
        self._callback = _Callback(self._receive)  # kept: the library calls it
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._samples += ctypes.string_at(wave, count * 2)
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_WORD:
                self._events.append(["word", event.sample, event.text_position - 1, event.length, ""])
            elif event.type == _EVENT_PHONEME:
                # The field holds 8 bytes: a longer name is cut, perhaps inside a letter.
                name = event.id.string.decode("utf-8", "ignore")
                self._events.append(["phoneme", event.sample, event.text_position - 1, event.length, name])
            index += 1
        return 0

    def speak(self, request: dict[str, Any]) -> tuple[list[list[Any]], bytes]:
        """Speaks one request. Raises UnknownVoiceError."""
        self._take(str(request["voice"]))
        self._lib.espeak_SetParameter(_RATE, int(request["rate"]), 0)
        self._lib.espeak_SetParameter(_PITCH, int(request["pitch"]), 0)
        self._lib.espeak_SetParameter(_RANGE, int(request["range"]), 0)
        self._samples.clear()
        self._events = []
        self._lib.espeak_ng_SetRandSeed(ctypes.c_long(int(request["seed"])))
        text = str(request["text"]).encode(errors="replace") + b"\0"
        self._lib.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        return self._events, bytes(self._samples)

    def phonemes(self, voice: str, texts: list[str]) -> list[str]:
        """The IPA of each text, which is translated by itself. Raises UnknownVoiceError."""
        self._take(voice)
        return [self._phonemes(text) for text in texts]

    def _phonemes(self, text: str) -> str:
        kept = ctypes.create_string_buffer(text.encode(errors="replace"))
        place = ctypes.c_void_p(ctypes.addressof(kept))
        clauses: list[str] = []
        while place.value:
            clause = self._lib.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA_WITH_TIES)
            clauses.append((clause or b"").decode("utf-8", "ignore"))
        return " ".join(clause.strip() for clause in clauses if clause.strip())

    def _take(self, voice: str) -> None:
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UnknownVoiceError


def answer(espeak: Espeak, request: dict[str, Any]) -> bytes:
    """The answer to one request."""
    try:
        if "phonemes" in request:
            found = espeak.phonemes(str(request["voice"]), [str(text) for text in request["phonemes"]])
            return json.dumps({"phonemes": found}).encode() + b"\n"
        events, samples = espeak.speak(request)
    except UnknownVoiceError:
        return b'{"error": "unknown voice"}\n'
    header = {"sample_rate": espeak.sample_rate, "samples": len(samples) // 2, "events": events}
    return json.dumps(header).encode() + b"\n" + samples


def in_a_fork(espeak: Espeak, request: dict[str, Any]) -> int:
    """Answers one request in a process of its own, and returns that process's exit status."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            sys.stdout.buffer.write(answer(espeak, request))
            sys.stdout.buffer.flush()
            status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)  # never back into the parent's loop


def main() -> None:
    """Serves until standard input ends."""
    espeak = Espeak()
    for line in sys.stdin.buffer:
        status = in_a_fork(espeak, json.loads(line))
        if status:
            print(f"libespeak-ng ended with status {status}", file=sys.stderr)
            raise SystemExit(status if status > 0 else 128 - status)  # as a shell tells of a signal


if __name__ == "__main__":
    main()
