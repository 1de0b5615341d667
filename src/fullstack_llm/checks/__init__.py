"""Checks of the labs: what an exercise wants, judged by value.

A lab's check module sets `LAB = "03_tokenization"`, names the modules that would solve it, as in `ANSWERS = ("bpe",)`,
and declares one function a check::

    @check("merge", points=8, minutes=10, difficulty=2)
    def merge(student, draw):
        ids = [draw.randrange(5) for _ in range(17)]
        require(student(ids), slow_merge(ids), case={"ids": ids}, hint="Merge from left to right.")

`student(*values)` calls the student's function by value, `draw` is a `random.Random` with a fair seed, and `require`
compares with `same`, the only comparison allowed in a check. The oracle is slow and plain, or a library. `compare` does
this for many inputs, with the oracle and the known mistakes of an exercise taken from modules by its name.
"""

from random import Random as Draw

from .compare import same
from .judging import Wrong, compare, require
from .notebook import lab
from .registry import check

__all__ = ["Draw", "Wrong", "check", "compare", "lab", "require", "same"]
