"""Choose a level of isolation, and test each of its guarantees from inside a sandbox before a batch starts."""
