"""A remembered right answer changes nothing but the time: the same calls, in the same order, and the same verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fullstack_llm.checks.draws import draw_from
from fullstack_llm.checks.judging import NoValue, judge_check, require
from fullstack_llm.checks.memory import Memory
from fullstack_llm.checks.registry import Check
from fullstack_llm.worker import calling

SEED = "7"


class Here:
    """A transport to a function in this process, which counts its calls."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function, self.calls, self.started = function, list[bytes](), 0

    def start(self, check: Check) -> None:
        self.started += 1

    def call(self, name: str, values: bytes) -> bytes:
        self.calls.append(values)
        if self.function is None:
            raise NoValue("died", "it is gone")
        return calling.call(self.function, values)


judged = []


def doubles(student, draw):
    judged.append(1)
    for _ in range(4):
        x = draw.randrange(10, 1000)
        require(student(x), 2 * x, case={"x": x}, hint="Twice.")


CHECK = Check("double", "", 5, 1, 1, 10.0, doubles)


def verdict(function, memory=None, check=CHECK):
    here = Here(function)
    before = len(judged)
    outcome = judge_check(check, here, draw_from(SEED), memory)
    return outcome, here, len(judged) - before


def right(x):
    return x + x


def late(x, seen=[]):  # noqa: B006
    seen.append(x)
    return 2 * x if len(seen) % 4 else 0


@pytest.mark.parametrize("function", [right, lambda x: 2 * x + (x > 500), lambda x: None, lambda x: 1 / 0, None, late])
def test_the_verdict_is_the_same_as_without(function):
    memory = Memory()
    verdict(right, memory)
    alone, called, _ = verdict(function)
    remembered, recalled, _ = verdict(function, memory)
    assert remembered == alone
    assert recalled.calls == called.calls and recalled.started == called.started == 1


def test_a_right_answer_is_judged_once():
    memory = Memory()
    assert [verdict(right, memory)[2] for _ in range(3)] == [1, 0, 0]


def test_a_wrong_answer_is_never_remembered():
    memory = Memory()
    for _ in range(2):
        outcome, _, times = verdict(lambda x: 0, memory)
        assert (outcome.kind, times) == ("wrong", 1)
    assert not memory.right


def test_an_answer_that_is_right_in_another_type_is_judged_by_the_check():
    """Another reply may be as right: the check decides, not the memory."""

    def about(student, draw):
        x = draw.random()
        require(student(x), 2 * x, case={"x": x}, hint="Twice.", rtol=1e-6)

    check, memory = Check("double", "", 5, 1, 1, 10.0, about), Memory()
    first, _, _ = verdict(right, memory, check)
    other, _, _ = verdict(lambda x: 2 * x * (1 + 1e-12), memory, check)
    wrong, _, _ = verdict(lambda x: 2 * x * 1.01, memory, check)
    assert (first.earned, other.earned, wrong.earned) == (5, 5, 0)


def test_a_check_that_asks_differently_each_time_is_found_out():
    asked = iter(range(100))

    def restless(student, draw):
        student(next(asked))

    check, memory = Check("double", "", 5, 1, 1, 10.0, restless), Memory()
    assert verdict(right, memory, check)[0].kind == "right"
    outcome, _, _ = verdict(lambda x: x + 1, memory, check)
    assert outcome.kind == "check failed" and "draw and the replies" in outcome.hint
