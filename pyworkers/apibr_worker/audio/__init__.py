"""Sound for every engine: files in and out, loudness, voices in numbers, and the draft voices, which use espeak-ng."""
