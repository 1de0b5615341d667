"""What a submission could know or leave, and does not: the draws of the class, other files, output; with controls."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from outer import control
from submissions import COUNT, TOY, TWICE, save
from table import SEARCH

from fullstack_llm.checks import declared, draws
from fullstack_llm.grading.judge import grade
from fullstack_llm.grading.judge.batch import Grader
from fullstack_llm.grading.judge.grade import Result

Graded = Callable[..., Result]
LAB = declared.find("00_toy", TOY)
# The answers to the inputs that a generator draws, and to the edge cases, which everyone knows.
GUESS = """
KNOWN = {str(xs): [2 * x for x in xs] for xs in GUESSES}
def double(xs):
    return KNOWN.get(str(xs), 0)
"""


def drawn(draw: Random) -> list[int]:
    """What the toy lab's check draws."""
    return [draw.randrange(100) for _ in range(7)]


def earned(grader: Grader, path: Path, seeds: dict[str, str]) -> int:
    return grade.grade(path, LAB, grader.workers, (), seeds).verdicts[0].earned


@pytest.mark.attack(39)
@pytest.mark.control(39)
def test_public_cases_that_are_hard_coded_earn_nothing(grader: Grader, tmp_path: Path) -> None:
    guesses = [[], [3, 3], drawn(draws.draw_for("00_toy", "double"))]
    path = save(tmp_path / "a.ipynb", [GUESS.replace("GUESSES", repr(guesses)), TWICE, COUNT])
    assert earned(grader, path, draws.seeds(LAB, b"a class")) == 0
    # Without a key of the class, the grader would draw what the notebook has drawn.
    assert earned(grader, path, draws.seeds(LAB)) == 40


CLOCK = """
import random, time
SEEDS = [0, 1, 42, 1234, "00_toy", "double", int(time.time()), *range(2020, 2031), random.getrandbits(64)]
def drawn(seed):
    draw = random.Random(seed)
    return [draw.randrange(100) for _ in range(7)]
GUESSES = [[], [3, 3], *map(drawn, SEEDS)]
"""


@pytest.mark.attack(40)
@pytest.mark.control(40)
def test_seeds_are_not_to_be_guessed(grader: Grader, tmp_path: Path) -> None:
    path = save(tmp_path / "a.ipynb", [CLOCK + GUESS, TWICE, COUNT])
    assert earned(grader, path, draws.seeds(LAB, b"a class")) == 0
    assert earned(grader, path, dict.fromkeys(draws.seeds(LAB), f"{42:x}")) == 40


@pytest.mark.attack(40)
def test_the_notebook_and_the_grader_give_equal_code_equal_inputs(grader: Grader, tmp_path: Path) -> None:
    code = "def double(xs):\n    raise ValueError(xs)" + "\ndef count(t, c):\n    raise ValueError(t)"
    path = save(tmp_path / "a.ipynb", [code])
    runs = [grade.grade(path, LAB, grader.workers, (), draws.seeds(LAB, b"a class")) for _ in range(2)]
    assert runs[0].verdicts == runs[1].verdicts


@pytest.mark.attack(48)
def test_no_seed_is_in_reach_of_an_error_text(graded: Graded) -> None:
    result = graded([SEARCH, TWICE, COUNT])
    (outcome,) = result.verdicts[0].outcomes
    assert outcome.kind == "raised" and "raised ValueError: []" in outcome.hint


@pytest.mark.control(48)
def test_in_the_judges_process_the_seeds_are_in_reach() -> None:
    run = control("48")
    assert draws.seed_for("00_toy", "double") in json.loads(run.stdout)["said"], run


@pytest.mark.control(16)
def test_a_grader_that_keeps_output_is_flooded() -> None:
    run = control("16")
    assert json.loads(run.stdout)["kept"] > 199 << 20, run


@pytest.mark.control(76)
def test_without_a_sandbox_something_is_left() -> None:
    run = control("76")
    assert "AssertionError" in " ".join(json.loads(run.stdout)["found"]), run
