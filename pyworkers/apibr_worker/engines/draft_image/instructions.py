"""What an editing instruction asks for, as far as a draft can do it without understanding the picture.

The reading is strict on purpose: a clause counts as understood only when every word of it is known. "Make it darker" is
an edit; "make the dog darker" is one only with a mask, since nothing here can find a dog.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from apibr_worker.engines.draft_image import edit_words as words

WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: its name, how strongly (1 is normal), its value (a colour, a text, an aspect, an angle, a direction)
    and the part of the picture that it changes.
    """

    name: str
    amount: float = 1.0
    value: str = ""
    region: str = WHOLE

    def described(self) -> dict[str, Any]:
        """As it stands in the output's metadata."""
        return {
            "edit": self.name,
            **({"amount": self.amount} if self.amount != 1 else {}),
            **({"value": self.value} if self.value else {}),
            "region": self.region,
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """An instruction as edits, in its own order, and the clauses that were not understood, as they were written."""

    edits: list[Edit]
    unread: list[str]


def read(instruction: str, *, masked: bool) -> Reading:
    """Reads an instruction in Portuguese or English. masked says that a mask names the part to change."""
    reading = Reading([], [])
    unquoted = words.UNQUOTED.match(" ".join(instruction.split()))
    if unquoted:
        return Reading([Edit("caption", value=unquoted["text"].strip("\"'“”«» "))], [])
    quotes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        quotes.append(next(group for group in match.groups() if group is not None))
        return f" quoted{len(quotes) - 1}quoted "

    own = re.sub(r"(?i)quoted(?=\d)", "quoted ", instruction)  # a user's word must not look like a placeholder
    for clause in _clauses(words.QUOTED.sub(hide, own)):
        if not _words(plain(clause)) - words.FILLERS:
            continue  # "please"
        found = _read(clause, quotes, masked)
        if found:
            reading.edits.extend(found)
        else:
            reading.unread.append(_restored(clause, quotes))
    return reading


def _clauses(text: str) -> list[str]:
    marked = words.TOGETHER.sub("blackandwhite", " ".join(text.split()))
    found = [clause.strip() for clause in words.SPLIT.split(marked)]
    return [clause for clause in found if clause]


def _restored(clause: str, quotes: list[str]) -> str:
    text = re.sub(r"quoted(\d+)quoted", lambda match: f"“{quotes[int(match[1])]}”", clause)
    return text.replace("blackandwhite", "black and white")


def _read(clause: str, quotes: list[str], masked: bool) -> list[Edit]:
    """The edits of a clause; none when a part of it is not understood."""
    left = plain(clause)
    amount = 0.5 if words.SLIGHTLY.search(left) else 1.6 if words.STRONGLY.search(left) else 1.0
    quoted = re.search(r"quoted(\d+)quoted", left)
    if quoted and (words.CAPTION.search(left) or left.strip() == quoted[0]):
        left = words.CAPTION.sub(" ", left.replace(quoted[0], " "))
        return [] if _unknown(left, masked) else [Edit("caption", value=quotes[int(quoted[1])])]
    counter = bool(words.COUNTER.search(left))
    # Looked for before the rules take words away: "turn the background darker" is not a rotation.
    left, region = _region(left)
    colour_there = re.search(words.COLOUR, left)
    edits: list[Edit] = []
    for name, value, pattern in words.EDITS:
        match = pattern.search(left)
        if match is None or (name == "rotate" and not _rotates(clause, match, value)):
            continue
        left = left[: match.start()] + " " + left[match.end() :]
        if name in words.COMPANIONS:
            left = words.COMPANIONS[name].sub(" ", left)
        edit = Edit(name, amount, _value(name, value, match, counter), region)
        if name == "border" and colour_there:
            edit = Edit(name, 1.0, words.COLOURS[colour_there["colour"]], region)
            left = re.sub(words.COLOUR, " ", left)
        edits.append(edit)
    colour = re.search(words.COLOUR, left)
    if colour and not edits:
        left = re.sub(words.COLOUR, " ", left, count=1)
        edits.append(Edit("tint", amount, words.COLOURS[colour["colour"]], region))
    if not edits or words.NOT.search(left) or _unknown(left, masked):
        return []
    if any(edit.name in words.OF_THE_WHOLE for edit in edits) and (masked or region != WHOLE):
        return []
    return edits


def _rotates(clause: str, match: re.Match[str], value: str) -> bool:
    """To turn is to rotate only with an angle or a direction."""
    if value or not match[0].startswith("turn"):
        return True
    return bool(match["degrees"]) or bool(words.COMPANIONS["rotate"].search(clause))


def _value(name: str, value: str, match: re.Match[str], counter: bool) -> str:
    if name == "rotate" and not value:
        degrees = int(match["degrees"] or 90) % 360
        return str((360 - degrees) % 360 if counter else degrees)
    if name == "crop" and not value:
        return match["aspect"].replace(" ", "").replace("x", ":")
    return value


def _region(left: str) -> tuple[str, str]:
    for name, pattern in words.REGIONS:
        if pattern.search(left):
            return pattern.sub(" ", left), name
    return left, WHOLE


def _unknown(left: str, masked: bool) -> bool:
    """Whether unknown words are left. With a mask they name what the mask shows."""
    return not masked and bool(_words(left) - words.FILLERS)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text))


def plain(text: str) -> str:
    """Lower case without accents, words and numbers by single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("'", ""))
    bare = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return " ".join(re.sub(r"[^a-z0-9:]+", " ", bare).split())
