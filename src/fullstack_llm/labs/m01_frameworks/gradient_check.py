"""Exercise 6 of lab 01: test a gradient that somebody claims."""

import math

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import BO, FRAMEWORKS, draw_program, evaluate


@exercise(minutes=15, difficulty=2, review=FRAMEWORKS, uses=(evaluate,))
def gradient_check(program, inputs, claimed, eps, tolerance):
    found = []
    for i in range(len(inputs)):
        up, down = list(inputs), list(inputs)
        up[i] += eps
        down[i] -= eps
        found.append((evaluate(program, up)[-1] - evaluate(program, down)[-1]) / (2 * eps))
    wrong = []
    for i, (c, d) in enumerate(zip(claimed, found)):
        if not (math.isfinite(c) and abs(c - d) <= tolerance * max(1.0, abs(c), abs(d))):
            wrong.append(i)
    return found, wrong


@gradient_check.right
def vectors(program, inputs, claimed, eps, tolerance):
    import numpy as np

    x, c = np.array(inputs), np.array(claimed)
    up, down = ([evaluate(program, list(x + move))[-1] for move in sign * eps * np.eye(len(x))] for sign in (1, -1))
    d = np.subtract(up, down) / (2 * eps)
    with np.errstate(invalid="ignore"):
        error = np.abs(c - d) - tolerance * np.maximum(1, np.maximum(np.abs(c), np.abs(d)))
    return d.tolist(), np.flatnonzero(~(np.isfinite(c) & (error <= 0))).tolist()


def with_derivatives(*wanted):
    """Return the program x0 * x1 + x2 * x3 + ... and inputs where it has these derivatives, exactly."""
    num = len(wanted)
    steps = [("mul", i, i + 1) for i in range(0, num, 2)]
    sums = [("add", num + len(steps) + i - 1 if i else num, num + i + 1) for i in range(len(steps) - 1)]
    return [*(("input", i) for i in range(num)), *steps, *sums], [wanted[i ^ 1] for i in range(num)]


@gradient_check.part(8, "Wrong is what is not |c - d| <= tolerance * max(1, |c|, |d|), d the central difference.")
def finite_claims(draw: Draw):
    # The cube of a sum: each difference is 0.8125, and the derivative 0.75.
    inputs = [("input", i) for i in range(4)]
    cube = [*inputs, ("add", 0, 1), ("add", 4, 2), ("add", 5, 3), ("mul", 6, 6), ("mul", 7, 6)]
    yield cube, [0.125] * 4, [0.75, 0.8125, 0.5, 1.0], 2.0**-2, 2.0**-8
    yield BO, [1.0, 1.0], [0.5, -0.5], 1e-3, 1e-4
    # All is exact in binary. Each wrong rule that is known gives another list here: claims lie at the limit, far above
    # and below, and where only |c|, only |d|, only a sum of them or only a relative error would let them pass.
    t = 2.0**-6
    program, inputs = with_derivatives(0.5, 64.0, 2.0**-7, 64.0, 64.0, 0.25, 0.5, 0.5, 0.5, 64.0, -64.0, 0.5)
    claims = [0.5 + t, 64 + 32 * t, 2.0**-7 + t / 2, 64 - 127 / 128, 64 + 129 / 128, 0.25 + 1.125 * t, 0.5 - 3 * t]
    claims += [0.5 + 1.75 * t, 0.5 + 300 * t, 65.5, -64.5, 0.5]
    yield program, inputs, claims, 2.0**-4, t
    for num, eps, tolerance in ((7, 1e-3, 1e-2), (7, 5e-4, 1e-6), (5, 1e-3, 1e-4)):
        program, inputs = draw_program(draw, num, 5, shared=True)
        found, _ = gradient_check(program, inputs, [0.0] * num, eps, tolerance)
        beyond = draw.sample((0.0, 0.7, -0.7, 1.5, -1.5, 300.0, -300.0), num)
        claims = [d + times * tolerance * max(1.0, abs(d)) for d, times in zip(found, beyond)]
        yield program, inputs, claims, eps, tolerance


@gradient_check.part(4, "A claim that is not finite is always wrong; the others are judged as before.", "not finite")
def claims_that_are_no_numbers(draw: Draw):
    yield BO, [1.0, 1.0], [math.nan, -0.5], 1e-3, 1e-4
    yield BO, [1.0, 1.0], [0.5, math.inf], 1e-3, 1e-4
    program, inputs = draw_program(draw, 5, 5, shared=True)
    claims, _ = gradient_check(program, inputs, [0.0] * 5, 1e-3, 1e-4)
    for i, bad in zip(draw.sample(range(5), 4), (math.nan, math.inf, -math.inf, 0.5 + claims[0])):
        claims[i] = bad
    yield program, inputs, claims, 1e-3, 1e-4


@gradient_check.mistake("A claim is held against the central difference with the given eps, not the derivative itself.")
def held_against_derivatives(program, inputs, claimed, eps, tolerance):
    found, _ = gradient_check(program, inputs, claimed, eps, tolerance)
    finer, _ = gradient_check(program, inputs, claimed, eps / 2, tolerance)
    exact = [(4 * half - whole) / 3 for half, whole in zip(finer, found)]
    close = [abs(c - d) <= tolerance * max(1, abs(c), abs(d)) < math.inf for c, d in zip(claimed, exact)]
    return found, [i for i in range(len(found)) if not close[i]]


TEST = "abs(c - d) <= tolerance * max(1.0, abs(c), abs(d))"
SCALE = "max(1.0, abs(c), abs(d))"
OWN = [f"1e-{power}" for power in range(2, 9)]
OTHER_EPS = "\n".join(f"    found = [] => found, eps = [], {own}" for own in OWN)
OTHER_TOLERANCE = "\n".join(f"    <= tolerance * => <= {own} *" for own in (*OWN, "10 * tolerance", "0.1 * tolerance"))
gradient_check.mistakes(f"""
This goes one way only: the central difference has f(x + eps) - f(x - eps) above 2 eps.
    down[i] -= eps => && (2 * eps) => eps
    down[i] -= eps =>
From x - eps to x + eps it is 2 eps.
    / (2 * eps) => / eps
An input that was moved must be put back before the next one is: here it stays moved.
    up, down = list(inputs), list(inputs)\\n        up[i] += eps\\n        down[i] -= eps => inputs[i] += eps\\n        up = list(inputs)\\n        inputs[i] -= 2 * eps\\n        down = inputs
At the limit itself a claim is still right: <=, not <.
    abs(c - d) <= => abs(c - d) <
eps is an argument: another one was used here.
{OTHER_EPS}
A claim may be too small as well as too large: take the absolute value of the error.
    abs(c - d) <= => c - d <=
    abs(c - d) <= => d - c <=
A large derivative may be off by more: the tolerance is multiplied by max(1, |c|, |d|).
    * {SCALE} =>
Near zero a relative error means nothing: the tolerance is multiplied by max(1, |c|, |d|).
    {SCALE} => abs(d)
    {SCALE} => max(abs(c), abs(d))
The maximum is over three numbers, 1, |c| and |d|: here |c| or |d| is left out.
    {SCALE} => max(1.0, abs(c))
    {SCALE} => max(1.0, abs(d))
The largest of 1, |c| and |d| counts, not a sum of them.
    {SCALE} => (1 + abs(c) + abs(d))
    {SCALE} => (1 + abs(d))
The tolerance is an argument: another one was used here.
{OTHER_TOLERANCE}
These are the positions of the right claims: list the wrong ones.
    if not (math => if (math
List the positions of the wrong claims: not the claims, and no verdict for each.
    return found, wrong => return found, [i in wrong for i in range(len(found))]
    wrong.append(i) => wrong.append(c)
Infinity is within a tolerance of infinity: a claim that is not finite is always wrong.
    math.isfinite(c) and =>
    math.isfinite(c) => not math.isnan(c)
nan > anything is False, so a claim of nan passes: ask whether the claim *is* within the tolerance.
    not (math.isfinite(c) and {TEST}) => {TEST.replace("<=", ">")}
""")
