"""The Python side of APIBR Studio: the sidecars' runtime and their engines."""

__version__ = "0.1.0"
