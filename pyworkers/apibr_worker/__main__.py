"""`python -m apibr_worker --engine ID` is a sidecar that holds one engine.

The very first act is to take the frame stream off fd 1, before any import that could print.
"""

from apibr_worker.runtime.frames import take_over_standard_streams

if __name__ == "__main__":
    streams = take_over_standard_streams()
    from apibr_worker.runtime.sidecar import main

    main(streams)
