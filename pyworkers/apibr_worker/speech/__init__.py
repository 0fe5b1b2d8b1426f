"""Draft speech: a text spoken at a measured voice's pitch, pace and loudness, with the time of every phoneme."""

from apibr_worker.speech.synthesis import Phoneme, Speech, Word, synthesize

__all__ = ["Phoneme", "Speech", "Word", "synthesize"]
