"""Checks in a notebook: `check = lab("03_tokenization")` once, then `check(merge)` after each answer."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from fullstack_llm.worker import calling

from . import registry
from .judging import judge_exercise, too_long
from .registry import Check
from .verdict import Verdict


class _TooLongError(BaseException):
    """Raised in the midst of a call that has used up its seconds; no `except Exception` holds it."""


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[list[bool]]:
    """Interrupt what runs inside after some seconds, and say whether that was necessary.

    Only the main thread of a Unix process can be interrupted so; elsewhere a student stops an endless loop by hand.
    """
    rang: list[bool] = []

    def ring(*_: object) -> None:
        rang.append(True)
        raise _TooLongError

    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield rang
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), 1.0)  # again each second: a bare `except` may swallow one
    try:
        yield rang
    except _TooLongError:
        pass  # it came between the call's end and the next line
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _InProcess:
    """The student's function in this process, behind the same frames and with the same seconds as in the grader."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.left = self.seconds = 0.0

    def start(self, check: Check) -> None:
        """Begin a check: its seconds count from here."""
        self.left = self.seconds = check.seconds

    def call(self, name: str, values: bytes) -> bytes:
        """The reply to one call; raises `NoValue` when the check's seconds are used up."""
        begin = time.monotonic()
        frame = b""
        with _alarm(self.left) as rang:
            frame = calling.call(self.function, values)
        self.left -= time.monotonic() - begin
        if rang:
            raise too_long(name, self.seconds)
        return frame


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
