"""Describe how a worker is confined: what it may read, its limits, and the command line that starts it."""
