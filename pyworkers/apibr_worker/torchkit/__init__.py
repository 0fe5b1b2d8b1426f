"""Large models within small memory: weights mapped from disk, dequantised as they are used, streamed block by block.

gguf_file reads a GGUF without copying it; dequantise and linear compute with its weights, and lora adds to what they
compute; stream keeps a part of the blocks on the card and brings the others; attention bounds the score matrix; weights
fills a module from a file; embeddings keeps what a text encoder made; placement says a plan in torch's terms.
"""
