"""Grade submissions of labs: `python -m fullstack_llm.grading grade submissions/ --lab 03_tokenization --out grades/`.

A submission's code runs in a worker, a separate process. The checks run in the grader's own process, and see only the
values that the submission's functions return.
"""
