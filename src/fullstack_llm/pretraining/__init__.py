"""Pretraining: what a model reads, and the loop that reads it."""
