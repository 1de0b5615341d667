"""The grader: `python -m fullstack_llm.grading grade submissions/ --lab 03_tokenization --out grades/`.

A submission's code runs in a worker, a process of its own; the checks run here and see only the values that it returns.
"""
