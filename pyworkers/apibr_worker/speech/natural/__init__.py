"""A natural voice on any processor: Kokoro-82M (hexgrad, Apache-2.0) as ONNX, its phonemes and its times."""
