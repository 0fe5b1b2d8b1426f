"""Draft speech: a text spoken at a measured voice's pitch, pace and loudness, with the time of every phoneme."""

from apibr_worker.speech.synthesis import Line, Phoneme, Speech, Word, speak, synthesize

__all__ = ["Line", "Phoneme", "Speech", "Word", "speak", "synthesize"]
