"""Sums: right answers, right steps, and held-out problems that stay out."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullstack_llm.tinytown.arithmetic import OPERATIONS, Sum, draw, find_sums, is_test, solve, steps, sums, worked
from fullstack_llm.tinytown.chance import stream

NUMBER = st.integers(0, 10**6)
EQUATION = re.compile(r"((?:[0-9]+ [-+*] )+[0-9]+) = ([0-9]+)")


@given(NUMBER, st.sampled_from(OPERATIONS), NUMBER)
def test_steps_are_right(a: int, op: str, b: int) -> None:
    problem = Sum(a, op, b)
    text = worked(problem)
    assert text.splitlines()[-1] == f"{a} {op} {b} = {solve(problem)}"
    for left, right in EQUATION.findall(text):
        assert _value(left) == int(right)
    written = re.findall(r"write ([0-9]+)", text)
    if written:
        assert int("".join(reversed(written))) == abs(solve(problem))
    else:
        assert op == "*"
        partial = re.findall(r"(?:makes|make) ([0-9]+)", text)
        assert int(partial[-1]) == solve(problem)


def _value(expression: str) -> int:
    """Evaluate 3 + 4 + 1, 5 - 3 - 1 or 3 * 4 + 2 from the left, which is also right for these."""
    first, *rest = expression.split(" ")
    total = int(first)
    for op, number in zip(rest[::2], rest[1::2], strict=True):
        total = solve(Sum(total, op, int(number)))
    return total


@given(NUMBER, NUMBER)
def test_additions_use_single_digits(a: int, b: int) -> None:
    for line in steps(Sum(a, "+", b)):
        assert re.fullmatch(r"[0-9] \+ [0-9](?: \+ 1)? = 1?[0-9] write [0-9](?: carry 1)?|carry 1 write 1", line)


def test_negative_numbers_have_no_steps() -> None:
    with pytest.raises(ValueError, match="from 0 on"):
        steps(Sum(-1, "+", 2))


@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from(OPERATIONS), st.sampled_from(["train", "test"]))
def test_draws_are_of_their_split_and_size(seed: int, digits: int, op: str, split: str) -> None:
    problem = draw(stream(seed), digits, op, split)
    assert is_test(problem) == (split == "test")
    assert is_test(problem) == is_test(Sum(problem.b, problem.op, problem.a))
    assert solve(problem) >= 0
    if op != "-":
        assert len(str(problem.a)) == digits


def test_a_tenth_is_held_out() -> None:
    share = sum(is_test(Sum(a, "+", b)) for a in range(10, 100) for b in range(10, 100)) / 8100
    assert 0.08 < share < 0.12
    with pytest.raises(ValueError, match="2 digits or more"):
        draw(stream(0), 1, "+", "test")


@pytest.mark.parametrize("with_steps", [False, True])
def test_documents_hold_no_test_sum(with_steps: bool) -> None:
    for document in itertools.islice(sums(stream(0), with_steps), 3000):
        found = find_sums(document.text)
        assert found
        assert not any(is_test(problem) for problem in found), document.text


def test_control_a_test_sum_is_found_in_any_form() -> None:
    problem = draw(stream(0), 2, "+", "test")
    a, b = problem.a, problem.b
    for text in (
        worked(problem),
        f"{a} + {b} = {a + b}",
        f"Ada adds {a} and {b}.",
        f"Bo has {a} coins and gets {b} more.",
    ):
        assert any(is_test(found) for found in find_sums(text)), text
