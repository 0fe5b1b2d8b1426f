"""Listening: writing down what a recording says, and counting the words that were misheard."""

from .listener import Heard, Listener
from .wer import WordErrors, word_errors, word_errors_of_all

__all__ = ["Heard", "Listener", "WordErrors", "word_errors", "word_errors_of_all"]
