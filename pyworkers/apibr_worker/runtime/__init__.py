"""A sidecar's process: its frames, the calls that they become, the programs that it starts, and what an engine sees."""
