"""Checks in a notebook: `check = lab("03_tokenization")` once, then `check(merge)` after each answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fullstack_llm.worker import calling

from . import declared
from .declared import Check, LabChecks
from .judge import judge_exercise, too_long
from .limits import WALL, limit
from .verdict import Verdict


class _InProcess:
    """The student's function in this process, behind the same frames and with the same seconds as in the grader."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seconds = self.left = self.wall = 0.0

    def start(self, check: Check) -> None:
        """Begin a check: its seconds count from here."""
        self.seconds = self.left = check.seconds
        self.wall = check.seconds * WALL

    def call(self, name: str, values: bytes) -> bytes:
        """Return the reply to one call; raise `NoValue` when the check's seconds are used up."""
        cpu, begin = time.thread_time(), time.monotonic()
        frame = b""
        with limit(self.left, self.wall) as late:
            frame = calling.call(self.function, values)
        self.left -= time.thread_time() - cpu
        self.wall -= time.monotonic() - begin
        if late:
            raise too_long(name, self.seconds)
        return frame


class Lab:
    """A lab in a notebook: call it with an answer to get the verdict; it keeps the points so far."""

    def __init__(self, checks: LabChecks) -> None:
        self.checks = checks
        self.verdicts: dict[str, Verdict] = {}

    def __call__(self, function: Callable[..., Any]) -> Verdict:
        """Return the verdict on the student's function, which names its exercise by its own name."""
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
        """Say how many points there are so far, over the exercises that were checked since the notebook started."""
        earned = sum(one.earned for one in self.verdicts.values())
        done, of = len(self.verdicts), len(self.checks.exercises)
        return f"Lab so far: {earned} of {self.checks.points()} points, {done} of {of} exercises checked."


def lab(slug: str) -> Lab:
    """Return the checks of a lab, for its set-up cell: `check = lab("03_tokenization")`."""
    return Lab(declared.find(slug))
