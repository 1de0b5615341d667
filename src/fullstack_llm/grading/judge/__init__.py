"""Grade one submission in one worker, a folder of submissions in a few processes, or a class on a Ray cluster."""
