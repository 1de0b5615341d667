"""Exercise 6 of lab 01, checking a gradient that somebody claims: inputs, and named wrong answers."""

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from fullstack_llm.checks import Draw, same
from fullstack_llm.checks import frameworks_oracles as oracle
from fullstack_llm.checks.frameworks_cases import BO, draw_program
from fullstack_llm.checks.frameworks_oracles import Program

Mistakes = list[tuple[Any, str]]
Check = tuple[Program, list[float], list[float], float, float]

# A difference of two values near 20 keeps 15 digits less what dividing by eps takes.
RTOL, ATOL = 1e-8, 1e-9

LIMIT = "a claim is right within tolerance * max(1, |c|, |d|), with the tolerance that was handed in, and wrong beyond"
ABSOLUTE = "A claim may be too small as well as too large: take the absolute value of the error."
THREE = "The maximum is over three numbers: 1, |c| and |d|."


def checks(draw: Draw) -> list[Check]:
    """Claims within the tolerance, at it, and beyond; of several tolerances, and an `eps` that shows."""
    right = oracle.gradient(*BO)
    product: Program = [("input", 0), ("input", 1), ("input", 2), ("mul", 0, 1), ("mul", 3, 2)]
    cases: list[Check] = [
        (*BO, right, 1e-3, 1e-4),
        (*BO, right[::-1], 1e-3, 1e-4),
        (product, [0.25, 1.0, 1.0], [1.007, 0.243, 0.25], 1e-3, 1e-2),
        (product, [0.25, 1.0, 1.0], [1 + 1.5e-6, 0.25 - 1.15e-6, 0.25], 1e-3, 1e-6),
    ]
    # x**3 - y, in numbers that are exact in binary: the first claim lies at the limit, which is still right.
    cubic: Program = [("input", 0), ("input", 1), ("mul", 0, 0), ("mul", 2, 0), ("sub", 3, 1)]
    eps, tolerance = 2.0**-3, 2.0**-7
    cases.append((cubic, [0.5, 2.0], [0.75 + eps**2 + tolerance, -1 + 1.5 * tolerance], eps, tolerance))
    for num, eps, tolerance in ((7, 1e-3, 1e-2), (7, 5e-4, 1e-6), (5, 1e-3, 1e-4)):
        program, inputs = draw_program(draw, num, 5, shared=True)
        found = oracle.difference(program, inputs, eps)
        beyond = draw.sample((0.0, 0.7, -0.7, 1.5, -1.5, 300.0, -300.0), num)
        claims = [d + times * tolerance * max(1.0, abs(d)) for d, times in zip(found, beyond, strict=True)]
        cases.append((program, inputs, claims, eps, tolerance))
    cases.append((product, [0.01, 0.02, 100.0], [2.0, 1.0, 0.00021], 1e-3, 1e-4))
    cases.append((product, [0.0, 3.0, 100.0], [300.02, 0.0, 0.00005], 1e-3, 1e-4))
    # The differences are 4, -2 and -8. With so large a tolerance it matters whether |c| or |d| is the larger.
    cases.append((product, [-2.0, 4.0, 1.0], [5.1, -1.58, -11.5], 1e-3, 0.25))
    return cases


def checks_not_finite(draw: Draw) -> list[Check]:
    """Claims that are no finite numbers, beside right ones."""
    program, inputs = draw_program(draw, 5, 5, shared=True)
    claims = oracle.gradient(program, inputs)
    for i, bad in zip(draw.sample(range(5), 3), (math.nan, math.inf, -math.inf), strict=True):
        claims[i] = bad
    return [(program, inputs, claims, 1e-3, 1e-4), (*BO, [math.nan, -0.5], 1e-3, 1e-4)]


def _verdicts(claimed: list[float], wrong: list[int]) -> Mistakes:
    # Every other verdict, with the first claim that it gets wrong; claims that are no numbers have hints of their own.
    found: Mistakes = []
    for size in range(len(claimed) + 1):
        for verdict in map(list, combinations(range(len(claimed)), size)):
            passed = [i for i in wrong if i not in verdict]
            listed = [i for i in verdict if i not in wrong]
            if any(not math.isfinite(claimed[i]) for i in passed):
                continue
            if passed:
                found.append((verdict, f"Claim {passed[0]} is wrong, and passes: {LIMIT}."))
            elif listed:
                found.append((verdict, f"Claim {listed[0]} is right, and is listed: {LIMIT}."))
    return found


def check_mistakes(
    program: Program, inputs: list[float], claimed: list[float], eps: float, tolerance: float
) -> Mistakes:
    """Wrong differences with the verdict on them, and wrong verdicts on right differences."""
    found = oracle.difference(program, inputs, eps)
    wrong = oracle.suspects(claimed, found, tolerance)
    # Of a linear program the slips in the difference do not show.
    differences = [one for one in _differences(program, inputs, found, eps) if not same(one[0], found, RTOL, ATOL)]

    def beyond(error: Callable[[float, float], float], scale: Callable[[float, float], float]) -> list[int]:
        pairs = enumerate(zip(claimed, found, strict=True))
        return [i for i, (c, d) in pairs if not (error(c, d) <= tolerance * scale(c, d) and math.isfinite(c))]

    def gap(c: float, d: float) -> float:
        return abs(c - d)

    def largest(c: float, d: float) -> float:
        return max(1.0, abs(c), abs(d))

    everyone = range(len(claimed))
    scaled = "the tolerance is multiplied by max(1, |claimed|, |numerical|)."
    at_limit = [i for i in everyone if gap(claimed[i], found[i]) == tolerance * largest(claimed[i], found[i])]
    verdicts: Mistakes = [
        (_comparing(claimed, found, tolerance), NAN),
        ([i for i in everyone if i not in wrong], "These are the right claims: list the wrong ones."),
        (
            [i for i in everyone if not math.isfinite(claimed[i])] or None,
            "Only claims of nan and infinity are listed here: a finite one may be wrong as well.",
        ),
        (wrong[::-1], "List the positions in rising order."),
        (sorted([*wrong, *at_limit]), "At the limit itself a claim is still right: <=, not <."),
        (beyond(lambda c, d: c - d, largest), ABSOLUTE),
        (beyond(lambda c, d: d - c, largest), ABSOLUTE),
        (beyond(gap, lambda c, d: max(1.0, abs(d))), THREE),
        (beyond(gap, lambda c, d: max(1.0, abs(c))), THREE),
        (beyond(gap, lambda c, d: 1.0), f"A large derivative may be off by more: {scaled}"),
        (beyond(gap, lambda c, d: abs(d)), f"Near zero a relative error means nothing: {scaled}"),
        (beyond(gap, lambda c, d: max(abs(c), abs(d))), f"Near zero a relative error means nothing: {scaled}"),
        ([claimed[i] for i in wrong], "List the positions of wrong claims, not the claims."),
        (not wrong, "List the positions of wrong claims; an empty list if there is none."),
        *_verdicts(claimed, wrong),
    ]
    return [
        *(((mine, oracle.suspects(claimed, mine, tolerance)), hint) for mine, hint in differences),
        *(((mine, _comparing(claimed, mine, tolerance)), hint) for mine, hint in differences),
        *(((found, mine), hint) for mine, hint in verdicts),
        (found, "Return a tuple of two: the differences, and the positions of wrong claims."),
        (wrong, "Return a tuple of two: the differences, and the positions of wrong claims."),
    ]


NAN = "nan > anything is False, so a claim of nan passes: ask whether it *is* within tolerance."
ONE_WAY = "This goes one way only: the central difference has f(x + eps) - f(x - eps) above 2 eps."


def _differences(
    program: Program, inputs: list[float], found: list[float], eps: float
) -> list[tuple[list[float], str]]:
    def value(at: list[float]) -> float:
        return oracle.run(program, at)[0][-1].item()

    moved = [[x + eps * (i == k) for k, x in enumerate(inputs)] for i in range(len(inputs))]
    here = value(inputs)
    one_sided = [(value(up) - here) / eps for up in moved]
    downward = [(here - value([2 * x - u for x, u in zip(inputs, up, strict=True)])) / eps for up in moved]
    kept, at = [], list(inputs)
    for i in range(len(at)):
        at[i] += eps
        above = value(at)
        at[i] -= 2 * eps
        kept.append((above - value(at)) / (2 * eps))
    fixed = [(own, oracle.difference(program, inputs, own)) for own in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6) if own != eps]
    return [
        (one_sided, ONE_WAY),
        (downward, ONE_WAY),
        ([2 * d for d in found], "From x - eps to x + eps it is 2 eps, not eps."),
        ([d * eps for d in found], "The difference is divided by 2 eps."),
        (kept, "An input that was moved must be put back before the next one is: here it stays moved."),
        ([-d for d in found], "The sign: f(x + eps) comes first."),
        *((mine, f"eps is an argument: here it is always {own:g}.") for own, mine in fixed),
    ]


def _comparing(claimed: list[float], found: list[float], tolerance: float) -> list[int]:
    # What a test finds that asks whether the error is too large: nan and infinity pass it.
    pairs = enumerate(zip(claimed, found, strict=True))
    with np.errstate(all="ignore"):
        return [i for i, (c, d) in pairs if abs(c - d) > tolerance * max(1.0, abs(c), abs(d))]
