"""Which area of the tests a test belongs to, and what it used: CPU seconds of it and of the processes it started."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psutil
import pytest
from modules import owner

ROOT = Path(__file__).resolve().parents[1]
AREAS = [
    ("attacks", ("tests/grading/attacks",)),
    ("grading", ("tests/grading", "tests/worker", "src/fullstack_llm/grading", "src/fullstack_llm/worker")),
    ("checks", ("tests/checks", "src/fullstack_llm/checks")),
    ("labs", ("tests/labs", "src/fullstack_llm/labs")),
    ("browser", ("tests/browser",)),
    ("models and data", ("tests/models", "tests/hub", "tests/tinytown", "tests/corpus")),
    ("rules and site", ("tests/rules", "tests/site", "tests/tools")),
]


def key(test: str) -> tuple[str, str]:
    """The area of a test by its name, and the number of its module or "".

    A test of one module's package is a package test; what belongs to no module and to no other area is the house's.

    >>> key("tests/transformer/test_transformer_fit.py::test_x"), key("tests/test_expect.py::test_x")
    (('package tests', '04'), ('house', ''))
    """
    number = owner(ROOT, test)
    area = next((name for name, places in AREAS if test.startswith(places)), "package tests" if number else "house")
    return area, number


def used() -> float:
    """CPU seconds of this process and of all that it started, whether they still run or have been waited for."""
    total = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):  # it ended meanwhile; then its parent has its seconds
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


class Account:
    """What a process of pytest used, by area and module; read only where the next test is of another one."""

    def __init__(self) -> None:
        self.total: dict[tuple[str, str], float] = {}
        self.last = 0.0

    def close(self, of: tuple[str, str]) -> None:
        """Book what was used since the last time."""
        now = used()
        self.total[of] = self.total.get(of, 0.0) + max(now - self.last, 0.0)
        self.last = now

    def rows(self) -> list[dict[str, Any]]:
        """The account in the form of tools/seconds.py."""
        return [{"area": area, "module": number, "cpu": cpu} for (area, number), cpu in self.total.items()]


ACCOUNT = pytest.StashKey[Account]()
