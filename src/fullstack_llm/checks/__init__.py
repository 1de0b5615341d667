"""Checks of the labs: what an exercise wants, declared once and judged by value.

An exercise is declared in a file of its lab's package (`fullstack_llm.labs`), from its oracle::

    @exercise(minutes=10, difficulty=2)
    def merge(ids, pair, new_id):
        ...

    @merge.right
    def with_a_loop(ids, pair, new_id):
        ...

    @merge.part(8, "Merge from left to right.")
    def cases(draw: Draw):
        yield [draw.randrange(5) for _ in range(17)], (1, 2), 256

    merge.mistakes('''
    The pair is replaced once only: go on after the first.
        while True => while not out
    ''')

From it follow the check in notebook and grader, its hints, the tests of the lab, and the catalogue for teachers.
A lab's set-up cell asks for `check = lab("03_tokenization")`.
"""

from random import Random as Draw

from .compare import same
from .notebook import lab

__all__ = ["Draw", "lab", "same"]
