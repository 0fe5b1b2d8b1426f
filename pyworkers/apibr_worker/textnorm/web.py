"""Addresses as they are read aloud: e-mail, URLs, domains, file names, @names and #tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .shared import Step, replacing

_ENDINGS = "com|org|net|gov|edu|io|dev|app|br|info|co|ai"
_FILES = (
    "pdf|txt|docx?|xlsx?|pptx?|csv|mp3|mp4|wav|ogg|avi|mkv|jpe?g|png|gif|svg|webp|zip|rar|py|js|ts|go|html?|css"
    "|json|ya?ml|exe|srt|vtt|md|xml|sql"
)
# Every run before a mark is bounded and cannot begin inside another: without that, a long word without the mark would
# be tried from each of its letters.
_PATTERN = re.compile(
    r"(?P<mail>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6})"
    r"""|(?P<url>(?<![\w@.])(?:(?:https?|ftp)://|www\.)[^\s<>"()\[\]{}]+)"""
    rf"|(?P<domain>(?<![\w@.-])(?:[A-Za-z0-9][\w-]{{0,62}}\.){{1,5}}(?:{_ENDINGS})(?:\.[a-z]{{2}})?(?![\w@-])"
    r"""(?:/[^\s<>"()\[\]{}]*)?)"""
    rf"|(?P<file>(?<![\w.-])[\w-]{{1,80}}\.(?:{_FILES})(?!\w))"
    r"|(?<![\w@])@(?P<name>\w[\w.]{0,60})"
    r"|(?<!\w)#(?P<tag>(?=\d{0,30}[^\W\d])\w+)",
    re.IGNORECASE,
)
_PIECE = re.compile(r"[^\W\d_]+|\d+|.", re.DOTALL)
_CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Ý])|_")
_VOWEL = re.compile(r"[aeiouyà-ÿ]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reader:
    """How a language reads an address."""

    signs: Mapping[str, str]
    tag: str
    letters: Callable[[str], str]
    number: Callable[[str], str]
    digits: Callable[[str], str]


def step(reader: Reader) -> Step:
    """Replaces every address in text by its words; "https://" is left out, as people do."""
    return replacing(_PATTERN, lambda match: _replace(match, reader))


def _replace(match: re.Match[str], reader: Reader) -> str:
    if match["tag"]:
        return f"{reader.tag} {_CAMEL.sub(' ', match['tag'])}"
    address = match.group()
    trailing = address[len(address.rstrip(".,;:!?'-")) :]
    address = address[: len(address) - len(trailing)]
    address = re.sub(r"^(?:https?|ftp)://", "", address, flags=re.IGNORECASE)
    # A single slash at the end is not said.
    return _read(address.removesuffix("/"), reader) + trailing


def _read(address: str, reader: Reader) -> str:
    said: list[str] = []
    for piece in _PIECE.findall(address):
        if piece.isdigit():
            said.append(reader.number(piece) if len(piece) <= 4 else reader.digits(piece))
        elif piece.isalpha():
            spelled = (
                len(piece) <= 5
                and piece.isascii()
                and (not _VOWEL.search(piece) or piece.lower() in ("io", "ai", "uk", "eu"))
            )
            said.append(reader.letters(piece) if spelled else piece)
        elif piece in reader.signs:
            said.append(reader.signs[piece])
    return " ".join(said)
