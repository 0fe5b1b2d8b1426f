"""The sentences that the voices say."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "sentences"


def of(language: str, quick: bool = False) -> list[str]:
    """The sentences of a BCP 47 tag, or of its base language; only six of them when quick."""
    for name in (language, language.split("-", maxsplit=1)[0]):
        path = _FOLDER / f"{name}.txt"
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            found = [line for line in lines if line.strip() and not line.startswith("#")]
            return found[::8][:6] if quick else found
    raise ValueError(f"there are no sentences in {language}")
