"""What the image engines cost: memory of each phase at full size, time over plain diffusers, loads, kernels.

`python -m benchmarks.engines --help` from pyworkers, with the models venv; `make bench-engines` runs all of it.
"""
