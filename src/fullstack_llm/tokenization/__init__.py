"""Tokenization: byte-level BPE from scratch, the tokenizer of the course's own models, and published vocabularies."""
