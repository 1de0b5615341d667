"""Sums, with and without their steps written out, in one fixed format that a tiny model can learn.

>>> print(worked(Sum(38, "+", 47)))
38 + 47
8 + 7 = 15 write 5 carry 1
3 + 4 + 1 = 8 write 8
38 + 47 = 85

Each step is a fact about single digits, from the right; "write" gives the digits of the answer in reverse, and only
the last line puts them together. Whoever cannot see the steps must find all digits, the first one first, at once.

Split by rule: of the sums whose larger number is 19 or more (smaller ones occur as steps of others), one in ten is
`test`, by the checksum of both numbers; neither it nor its mirror image is written in anything that trains.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from fullstack_llm.tinytown.chance import between, bucket, pick
from fullstack_llm.tinytown.documents import Document
from fullstack_llm.tinytown.lore import CHARACTERS

OPERATIONS = ("+", "-", "*")
_STORIES = {
    "+": ("{n} adds {a} and {b}. The sum is {c}.", "{n} has {a} coins and gets {b} more. Now {n} has {c} coins."),
    "-": ("{n} takes {b} from {a}. The difference is {c}.", "{n} has {a} coins and pays {b}. Now {n} has {c} coins."),
    "*": ("{n} multiplies {a} by {b}. The product is {c}.", "{n} has {b} bags of {a} beans. That is {c} beans."),
}


class Sum(NamedTuple):
    """A problem: `Sum(12, "+", 34)`."""

    a: int
    op: str
    b: int


def expression(problem: Sum) -> str:
    """Write the problem.

    >>> expression(Sum(12, "+", 34))
    '12 + 34'
    """
    return f"{problem.a} {problem.op} {problem.b}"


def solve(problem: Sum) -> int:
    """Compute the exact answer.

    >>> solve(Sum(12, "-", 34))
    -22
    """
    if problem.op == "+":
        return problem.a + problem.b
    return problem.a - problem.b if problem.op == "-" else problem.a * problem.b


def direct(problem: Sum) -> str:
    """Write the problem with its answer and no steps.

    >>> direct(Sum(12, "+", 34))
    '12 + 34 = 46'
    """
    return f"{expression(problem)} = {solve(problem)}"


def steps(problem: Sum) -> tuple[str, ...]:
    """Return the written-out steps, without the problem and the last line.

    >>> steps(Sum(52, "-", 37))
    ('2 - 7 borrow 1: 12 - 7 = 5 write 5', '5 - 3 - 1 = 1 write 1')
    >>> steps(Sum(12, "*", 34))
    ('12 * 4 = 48', '12 * 3 = 36 and 0 makes 360', '48 and 360 make 408')
    """
    a, op, b = problem
    if a < 0 or b < 0:
        raise ValueError(f"Steps are written for numbers from 0 on, and you gave {expression(problem)}.")
    if op == "+":
        return _addition(a, b)
    if op == "-":
        return _subtraction(a, b) if a >= b else (f"{b} is more than {a}", *_subtraction(b, a), "minus")
    return _by_digit(a, b) if b < 10 else _by_number(a, b)


def worked(problem: Sum) -> str:
    """Write the problem, its steps and the answer, one line each.

    >>> worked(Sum(9, "+", 3)).splitlines()
    ['9 + 3', '9 + 3 = 12 write 2 carry 1', 'carry 1 write 1', '9 + 3 = 12']
    """
    return "\n".join([expression(problem), *steps(problem), direct(problem)])


def _digits(number: int, width: int) -> list[int]:
    return [int(digit) for digit in reversed(str(number).zfill(width))]


def _addition(a: int, b: int) -> tuple[str, ...]:
    lines, carry, width = [], 0, max(len(str(a)), len(str(b)))
    for x, y in zip(_digits(a, width), _digits(b, width), strict=True):
        total = x + y + carry
        left = f"{x} + {y} + 1" if carry else f"{x} + {y}"
        carry = total // 10
        lines.append(f"{left} = {total} write {total % 10}" + (" carry 1" if carry else ""))
    return (*lines, "carry 1 write 1") if carry else tuple(lines)


def _subtraction(a: int, b: int) -> tuple[str, ...]:
    lines, borrow, width = [], 0, len(str(a))
    for x, y in zip(_digits(a, width), _digits(b, width), strict=True):
        taken = f" - {y} - 1" if borrow else f" - {y}"
        short = x - y - borrow < 0
        result = x - y - borrow + 10 * short
        head = f"{x}{taken} borrow 1: {x + 10}{taken}" if short else f"{x}{taken}"
        lines.append(f"{head} = {result} write {result}")
        borrow = int(short)
    return tuple(lines)


def _by_digit(a: int, digit: int) -> tuple[str, ...]:
    lines, carry = [], 0
    for x in _digits(a, 1):
        total = x * digit + carry
        left = f"{x} * {digit} + {carry}" if carry else f"{x} * {digit}"
        carry = total // 10
        lines.append(f"{left} = {total} write {total % 10}" + (f" carry {carry}" if carry else ""))
    return (*lines, f"carry {carry} write {carry}") if carry else tuple(lines)


def _by_number(a: int, b: int) -> tuple[str, ...]:
    lines, total = [], 0
    for place, digit in enumerate(_digits(b, 1)):
        part = a * digit * 10**place
        zeros = f" and {'0' * place} makes {part}" if place else ""
        lines.append(f"{a} * {digit} = {a * digit}{zeros}")
        if place:
            lines.append(f"{total} and {part} make {total + part}")
        total += part
    return tuple(lines)


def is_test(problem: Sum) -> bool:
    """Say whether the problem is held out of everything that trains.

    >>> is_test(Sum(11, "+", 2)), is_test(Sum(12, "+", 11)), is_test(Sum(11, "+", 12)), is_test(Sum(4, "+", 7))
    (False, False, False, False)
    """
    small, large = sorted((problem.a, problem.b))
    return large > 18 and bucket(f"{small} {large}", 10) == 3


def draw(rng: random.Random, digits: int, op: str = "+", split: str = "train") -> Sum:
    """Draw a problem whose first number has exactly `digits` digits and whose answer is not negative.

    >>> from fullstack_llm.tinytown.chance import stream
    >>> is_test(draw(stream(0), 2, "+", "test"))
    True

    The second number has at most as many digits; a factor has one digit, or two where the first has two.
    """
    if split == "test" and digits < 2:
        raise ValueError("Sums of one digit are all for training: ask for 2 digits or more.")
    low, high = (0, 9) if digits == 1 else (10 ** (digits - 1), 10**digits - 1)
    while True:
        a = between(rng, low, high)
        if op == "*":
            b = between(rng, 0, 9) if digits != 2 or rng.random() < 0.7 else between(rng, 10, 99)
        else:
            b = between(rng, low, high) if rng.random() < 0.8 else between(rng, 0, high)
        if op == "-" and b > a:
            a, b = b, a
        problem = Sum(a, op, b)
        if is_test(problem) != (split == "test"):
            continue
        # The partial products are problems too, and must be of the same split where we train.
        if split == "train" and op == "*" and b > 9 and any(is_test(Sum(a, "*", int(d))) for d in str(b)):
            continue
        return problem


def sums(rng: random.Random, with_steps: bool) -> Iterator[Document]:
    """Yield training documents: worked problems one by one, or direct ones three to six at a time, some as stories.

    Three in five are additions: of those, half have two digits, one and three digits a quarter each.
    """
    kind = "sum_steps" if with_steps else "sum_direct"
    while True:
        lines = []
        for _ in range(1 if with_steps else between(rng, 3, 6)):
            op = pick(rng, ("+", "+", "+", "-", "*"))
            problem = draw(rng, pick(rng, (1, 2, 2, 3) if op != "*" else (1, 2)), op)
            if with_steps:
                lines.append(worked(problem))
            elif rng.random() < 0.3:
                story = pick(rng, _STORIES[op])
                name = pick(rng, tuple(CHARACTERS))
                lines.append(story.format(n=name, a=problem.a, b=problem.b, c=solve(problem)))
            else:
                lines.append(direct(problem))
        yield Document(kind, "\n".join(lines))


def find_sums(text: str) -> list[Sum]:
    """Find every problem that is written in a text, also as a story; the search for leaks uses this.

    >>> find_sums("38 + 47\\n8 + 7 = 15 write 5 carry 1. Bo takes 3 from 5.")
    [Sum(a=38, op='+', b=47), Sum(a=8, op='+', b=7), Sum(a=5, op='-', b=3)]
    """
    found = [Sum(int(a), op, int(b)) for a, op, b in _WRITTEN.findall(text)]
    for op, pattern, swapped in _TOLD:
        for one, two in pattern.findall(text):
            found.append(Sum(int(two), op, int(one)) if swapped else Sum(int(one), op, int(two)))
    return found


_WRITTEN = re.compile(r"(?<![0-9] [-+*] )\b([0-9]+) ([-+*]) ([0-9]+)\b(?! [-+*])")
_TOLD = (
    ("+", re.compile(r"adds ([0-9]+) and ([0-9]+)"), False),
    ("+", re.compile(r"has ([0-9]+) coins and gets ([0-9]+)"), False),
    ("-", re.compile(r"takes ([0-9]+) from ([0-9]+)"), True),
    ("-", re.compile(r"has ([0-9]+) coins and pays ([0-9]+)"), False),
    ("*", re.compile(r"multiplies ([0-9]+) by ([0-9]+)"), False),
    ("*", re.compile(r"has ([0-9]+) bags of ([0-9]+)"), True),
)
