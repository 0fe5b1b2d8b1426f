"""What runs large models within small memory: weights mapped from disk, dequantised as they are used, streamed block
by block.

gguf_file reads a GGUF without copying it; dequantise and linear compute with its weights, and lora adds to what they
compute; stream keeps a part of the blocks on the card and brings the others; attention bounds the score matrix; weights
and embeddings load a module, or what a text encoder made, phase by phase. No engine lives here.
"""
