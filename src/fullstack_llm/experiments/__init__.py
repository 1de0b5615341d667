"""Experiments that a module's notebooks and its recorded runs share; `mNN_name` belongs to module NN."""
