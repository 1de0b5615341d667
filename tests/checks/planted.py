"""Small exercises for the tests of declaring and judging."""

from __future__ import annotations

import torch

from fullstack_llm.checks import Draw, declared, draws, notebook
from fullstack_llm.checks.exercise import Answer, Exercise, exercise
from fullstack_llm.checks.judge import judge_exercise
from fullstack_llm.checks.verdict import Verdict


@exercise(minutes=5, difficulty=1)
def scaled(x, factor):
    total = (x * factor).sum()
    return x * factor, float(total)


@scaled.part(6, "Each number, times the factor.", "numbers", items=(0,))
def numbers(draw: Draw):
    yield torch.tensor([1.0, 2.0, 4.0]), 3.0
    yield torch.tensor([[draw.gauss(0, 1), 1.0]]), 2.0


@scaled.part(4, "The sum of all scaled numbers.", "total", view=lambda value, x, factor: round(value[1], 3))
def total(draw: Draw):
    yield torch.tensor([draw.gauss(0, 1), 2.0]), 3.0


scaled.mistakes("""
The factor is added: multiply by it.
    return x * factor => return x + factor
The total is that of the numbers before they are scaled.
    (x * factor).sum() => x.sum()
A loop that never ends.
    total = => while float(factor) == 3.0: pass\\n    total =
""")


def judged(one: Exercise, answer: Answer) -> Verdict:
    """Return the verdict of a notebook."""
    lab = declared.lab_of("00_planted", one)
    return judge_exercise(lab, one.name, notebook._InProcess(answer), draws.seeds(lab))
