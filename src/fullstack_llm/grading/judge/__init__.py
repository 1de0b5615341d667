"""Grade: one submission in one worker, a batch in a few processes, a class on a cluster."""
