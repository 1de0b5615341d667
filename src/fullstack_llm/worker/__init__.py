"""Run in the process of a submission, untrusted. Of the grader, a worker can read exactly this folder."""
