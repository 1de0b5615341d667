"""Checks in a notebook: `check = lab("03_tokenization")` once, then `check(merge)` after each answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import calling, registry
from .judging import judge_exercise
from .registry import Check
from .verdict import Verdict


class _InProcess:
    """The student's function in this process, behind the same frames as in the grader."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def start(self, check: Check) -> None:
        """A notebook has no limits: the student can interrupt it."""

    def call(self, name: str, values: bytes) -> bytes:
        return calling.call(self.function, values)


class Lab:
    """A lab in a notebook: call it with an answer to get the verdict; it keeps the points so far."""

    def __init__(self, checks: registry.LabChecks) -> None:
        self.checks = checks
        self.verdicts: dict[str, Verdict] = {}

    def __call__(self, function: Callable[..., Any]) -> Verdict:
        """The verdict on the student's function, which names its exercise by its own name."""
        name = getattr(function, "__name__", None)
        names = ", ".join(self.checks.exercises)
        if not callable(function) or name is None:
            raise TypeError(f"check() takes a function itself, as in check({self.checks.exercises[0]})")
        if name not in self.checks.exercises:
            raise ValueError(f"lab {self.checks.slug} has no exercise {name!r}; its exercises are: {names}")
        self.verdicts[name] = judge_exercise(self.checks, name, _InProcess(function))
        return replace(self.verdicts[name], total=self.total)

    @property
    def total(self) -> str:
        """Points so far, over the exercises that were checked since the notebook started."""
        earned = sum(one.earned for one in self.verdicts.values())
        done, of = len(self.verdicts), len(self.checks.exercises)
        return f"Lab so far: {earned} of {self.checks.points()} points, {done} of {of} exercises checked."


def lab(slug: str) -> Lab:
    """The checks of a lab, for its set-up cell: `check = lab("03_tokenization")`."""
    return Lab(registry.find(slug))
