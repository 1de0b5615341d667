"""Levels of isolation as guarantees, each tried out from inside a sandbox before a batch starts."""
