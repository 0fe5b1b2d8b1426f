"""Text to the model's symbols, and the languages that a loaded model speaks."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from chatterbox.models.tokenizers import EnTokenizer, MTLTokenizer
from chatterbox.models.tokenizers.tokenizer import ChineseCangjieConverter, is_kanji
from chatterbox.mtl_tts import SUPPORTED_LANGUAGES, punc_norm
from tokenizers import Tokenizer

from apibr_worker.runtime.api import EngineError, InvalidInputError, Warning
from apibr_worker.runtime.sentences import say

BRAZILIAN = "chatterbox-pt-br"
ENGLISH = "chatterbox-en"
_MOST_SYMBOLS = 2000
_SAME = {"nb": "no", "nn": "no", "cmn": "zh", "yue": "zh", "iw": "he", "in": "ms"}
_NO_SPACES = frozenset({"zh", "ja", "ko"})
"""Languages of which a character takes about three times as long to say as one of an alphabet."""


class _Cangjie(ChineseCangjieConverter):
    """Reads the table of the checkpoint's folder; the parent class would ask the hub for it."""

    def __init__(self, path: Path) -> None:
        self.word2cj, self.cj2word, self.segmenter = {}, {}, None
        for entry in json.loads(path.read_text(encoding="utf-8")):
            word, code = entry.split("\t")[:2]
            self.word2cj[word] = code
            self.cj2word.setdefault(code, []).append(word)


class _Multilingual(MTLTokenizer):
    """The released tokenizer without the hub call of its constructor."""

    def __init__(self, path: Path, cangjie: Path | None) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.cangjie_converter = _Cangjie(cangjie) if cangjie else lambda text: text
        self.check_vocabset_sot_eot()


class TextTokens:
    """A checkpoint's tokenizer.

    rows: of the text embedding; an id beyond them would read other memory's numbers.
    Raises EngineError when the file cannot be used with these weights.
    """

    def __init__(self, path: Path, cangjie: Path | None, *, english: bool, rows: int) -> None:
        try:
            self._english = EnTokenizer(str(path)) if english else None
            self._all = None if english else _Multilingual(path, cangjie)
        except Exception as error:  # the Rust library raises plain Exception
            logging.getLogger(__name__).warning("%s: %s", path.name, error)
            raise EngineError(
                "model_missing", say("the model's tokenizer cannot be read: install the model again")
            ) from None
        self.has_cangjie = cangjie is not None
        either: Any = self._english or self._all
        vocabulary: dict[str, int] = either.tokenizer.get_vocab()
        if not vocabulary or max(vocabulary.values()) >= rows:
            raise EngineError(
                "model_missing",
                say(
                    "the tokenizer has %d symbols and the speech model %d, so they belong to "
                    "different models: install the model again",
                    max(vocabulary.values(), default=0) + 1,
                    rows,
                ),
            )
        self.languages = ["en"] if english else [code for code in SUPPORTED_LANGUAGES if f"[{code}]" in vocabulary]
        self._unknown = vocabulary.get("[UNK]")
        self._brazilian = "[pt-br]" in vocabulary
        if self._brazilian and "pt" not in self.languages:
            self.languages.append("pt")
        if not self.languages:
            raise EngineError("model_missing", say("the model's tokenizer names no language: install the model again"))

    def ids(self, text: str, language: str) -> torch.Tensor:
        """(1, n) int32 of a sentence that is spelled out already, without start and stop."""
        text = punc_norm(text)
        if self._english is not None:
            return self._english.text_to_tokens(text)
        assert self._all is not None  # noqa: S101 (one of the two is)
        code = "pt-br" if language == "pt" and self._brazilian else language
        return self._all.text_to_tokens(text, language_id=code)

    def unknown(self, text: str, language: str) -> list[str]:
        """The letters for which the model has no symbol, in the order of the text: it says something else for them."""
        if self._unknown is None or not (self.ids(text, language) == self._unknown).any():
            return []
        letters = dict.fromkeys(letter for letter in text if letter.isalnum())
        return [letter for letter in letters if (self.ids(letter, language) == self._unknown).any()]

    def check(self, text: str, language: str, field: str) -> None:
        """Raises InvalidInputError for a script of which this installation has no reading, and for a sentence of more
        symbols than the model has positions: some letters are decomposed into many.
        """
        if language == "ja" and any(is_kanji(letter) for letter in text):
            raise InvalidInputError(say("kanji cannot be read here: write the Japanese text in kana"), field=field)
        if language == "zh" and not self.has_cangjie and any(is_kanji(letter) for letter in text):
            raise InvalidInputError(
                say("the model was installed without the table of Chinese characters: install the model again"),
                field=field,
            )
        if self.ids(text, language).shape[1] > _MOST_SYMBOLS:
            raise InvalidInputError(say("a sentence has more than %d symbols: shorten it", _MOST_SYMBOLS), field=field)


def model_language(asked: str | None, model: str, languages: list[str]) -> tuple[str, list[Warning]]:
    """The model's code for a BCP 47 tag (None: the model's own language), and what the user should know about it.

    Raises InvalidInputError listing what the loaded model speaks.
    """
    if model == BRAZILIAN:
        languages = [code for code in languages if code == "pt"] or languages
    if asked is None:
        return ("pt" if "pt" in languages else languages[0]), []
    tag = asked.replace("_", "-").lower()
    code = tag.split("-")[0]
    code = _SAME.get(code, code)
    if code not in languages:
        shown = ", ".join(["pt-BR"] if model == BRAZILIAN else languages)
        raise InvalidInputError(say("%s is not spoken by this model; it speaks %s", asked, shown), field="language")
    if code == "pt" and model == BRAZILIAN and tag == "pt-pt":
        return code, [
            Warning("language_variant", say("this model speaks the Portuguese of Brazil, not that of Portugal"))
        ]
    if code == "pt" and model != BRAZILIAN and tag != "pt-pt":
        return code, [
            Warning(
                "language_variant",
                say(
                    "the general model speaks Portuguese with the accent of Portugal: for "
                    "Brazilian Portuguese install chatterbox-pt-br and ask for pt-BR"
                ),
            )
        ]
    return code, []


def letters_per_second(language: str) -> tuple[float, float, float]:
    """Slowest, usual and fastest pace of speech in characters a second."""
    return (8.0 / 3, 14.0 / 3, 25.0 / 3) if language in _NO_SPACES else (8.0, 14.0, 25.0)


def longest_sentence(language: str) -> int:
    """Characters that fit into the 40 s after which the model stops, with a margin for a slow take."""
    return 90 if language in _NO_SPACES else 280
