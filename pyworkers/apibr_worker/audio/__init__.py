"""Sound for every engine: files in and out, loudness, what a recording must be, and voices in numbers."""
