"""The untrusted side: what runs in the process of a submission, and exactly what of the grader it may read."""
