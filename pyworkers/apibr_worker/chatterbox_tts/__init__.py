"""Chatterbox by Resemble AI on its released classes: loading, voices, sentences, joining. No network, no pickle."""
