"""Predict the loss of a model from those of smaller ones: runs, counts of FLOP, laws and their fits."""
