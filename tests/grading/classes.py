"""Classes for the tests of gradebooks: scores without a grading, and the command line on the toy lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from submissions import TOY

from fullstack_llm.grading.cli.commands import main
from fullstack_llm.grading.gradebooks.scores import Score
from fullstack_llm.grading.intake.roster import Person


def report(earned: int, error: str = "", hint: str = "") -> dict[str, Any]:
    check = {"kind": "right" if earned == 100 else "wrong", "hint": hint}
    exercises = [] if error else [{"exercise": "double", "earned": earned, "points": 100, "checks": [check]}]
    return {"id": "s-0", "lab": "00_toy", "earned": earned, "points": 100, "error": error, "exercises": exercises}


def score(name: str, earned: int, email: str = "", error: str = "", hint: str = "") -> Score:
    return Score(Person(name, email=email), earned, 100, report(earned, error, hint))


def grading(*arguments: object) -> int:
    """The exit code of the command line, here in this process."""
    try:
        return main([str(one) for one in arguments])
    except SystemExit as stopped:
        return int(str(stopped.code))


def grade(folder: Path, out: Path, labs: Path, *more: object) -> int:
    """The exit code of `grade` on the toy lab."""
    return grading("grade", folder, "--lab", "00_toy", "--out", out, "--checks", TOY, "--labs", labs, *more)
