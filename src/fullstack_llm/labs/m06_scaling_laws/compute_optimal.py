"""Exercise 2 of lab 06: size and tokens of the lowest loss, from a budget, a limit to the data, and a step of sizes."""

import math

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m06_scaling_laws.inputs import LIBRARIES, Law, drawn_law, loss_of, optimum_of


def best_size(law, C):
    a, b = law["alpha"], law["beta"]
    return (a * law["A"] / (b * law["B"])) ** (1 / (a + b)) * (C / 6) ** (b / (a + b))


def trained(law, C, max_tokens, N):
    D = np.minimum(C / (6 * N), max_tokens)
    return N, D, law["E"] + law["A"] / N ** law["alpha"] + law["B"] / D ** law["beta"]


def beside(law, C, max_tokens, unit, N):
    steps = (int(N / unit), int(N / unit) + 1)
    return min((trained(law, C, max_tokens, k * unit) for k in steps if k > 0), key=lambda run: run[2])


# `beside` serves the mistakes alone: the better one of the two steps at a size.
@exercise(minutes=20, difficulty=3, review=LIBRARIES, uses=(best_size, trained, beside))
def compute_optimal(law, C, max_tokens, unit):
    # Every size up to far beyond the best one with all of the data, and the best one without a limit.
    count = 100 + int(3 * (best_size(law, C) + C / 6 / max_tokens) / unit)
    N, D, loss = trained(law, C, max_tokens, unit * np.arange(1, count))
    best = loss.argmin()
    return int(N[best]), float(D[best]), float(loss[best])


@compute_optimal.right
def three_candidates(law, C, max_tokens, unit):
    # The loss falls up to the best size and rises from there: the best step is beside it, or where the data end.
    a, b = law["alpha"], law["beta"]
    free = (a * law["A"] / (b * law["B"])) ** (1 / (a + b)) * (C / 6) ** (b / (a + b))
    least = C / (6 * max_tokens)
    near = {max(1, math.floor(N / unit) + more) for N in (free, least) for more in (0, 1)}

    def loss(k):
        D = min(C / 6 / (k * unit), max_tokens)
        return law["E"] + law["A"] * (k * unit) ** -a + law["B"] * D**-b

    k = min(near, key=loss)
    return k * unit, min(C / 6 / (k * unit), max_tokens), loss(k)


@compute_optimal.right
def downhill(law, C, max_tokens, unit):
    def loss(N):
        return law["E"] + law["A"] / N ** law["alpha"] + law["B"] / min(C / (6 * N), max_tokens) ** law["beta"]

    step, N = 1, unit
    while loss(N + unit * step) < loss(N):
        N, step = N + unit * step, 2 * step
    while step:
        for other in (N + unit * step, N - unit * step):
            if other > 0 and loss(other) < loss(N):
                N = other
                break
        else:
            step //= 2
    return N, float(min(C / (6 * N), max_tokens)), loss(N)


def budget(draw: Draw, steps: float, have: float | None = None, odd: bool = False):
    """Draw a law and a budget whose best size is so many units, with this share of the tokens that it would read.

    No two steps are as good as each other, so that rounding decides nothing. `odd`: the better step is not the nearest.
    """
    while True:
        C = 10 ** draw.uniform(17, 23)
        law = drawn_law(draw, *(math.sqrt(C / 6) * 10 ** draw.uniform(*far) for far in ((-1.5, -1), (0.5, 1))))
        N, D = optimum_of(law, C)
        unit = round(N / steps)
        limit = math.inf if have is None else have * D
        sizes = [k * unit for k in range(1, 60 + int(9 * steps))]
        losses = {N: loss_of(law, N, min(C / (6 * N), limit)) for N in sizes}
        first, second = sorted(sizes, key=losses.__getitem__)[:2]
        if losses[second] - losses[first] > 1e-7 and not (odd and first == unit * round(steps)):
            return law, C, limit, unit


PLAIN: Law = {"E": 1.0, "A": 6.0, "B": 4.0, "alpha": 0.5, "beta": 0.5}


@compute_optimal.part(6, "Many sizes, all with 6 N D = C: which of them has the lowest loss?", "no limit", rtol=1e-6)
def free(draw: Draw):
    yield budget(draw, 30.5)
    yield PLAIN, 6 * 36 * 16, math.inf, 1
    for steps in (17.3, 41.7, 29.1):
        yield budget(draw, steps)
    yield {**PLAIN, "alpha": 0.3, "beta": 0.6}, 1e6, math.inf, 1


@compute_optimal.part(
    4, "Compare the losses of the steps on both sides, and there is no size 0.", "few steps", rtol=1e-6
)
def coarse(draw: Draw):
    # Almost a whole step: a wrong formula fails here, and no rule for rounding but one.
    yield budget(draw, 25.02)
    # Where the nearest step and the better one differ: the loss rises faster on the side of the small models.
    yield PLAIN, 6 * 36 * 16, math.inf, 10
    for near in (1.46, 2.46, 1.48):
        yield budget(draw, near, odd=True)
    for steps in (0.2, 0.7, 1.3, 1.7, 2.3, 2.6, 3.5):
        yield budget(draw, steps)


@compute_optimal.part(6, "Print 6 N D: what is left of the budget where the data end?", "little data", rtol=1e-6)
def limited(draw: Draw):
    yield budget(draw, 20.5, 0.31)
    yield PLAIN, 6 * 36 * 16, 8.0, 1
    for steps, have in ((7.3, 0.6), (3.1, 0.2), (0.4, 0.5), (19.2, 0.97), (11.4, 1.5), (2.2, 0.45), (1.7, 0.37)):
        yield budget(draw, steps, have)


BALANCE = "The balance is alpha A over beta B, to the power 1 / (alpha + beta), times C / 6 to beta / (alpha + beta)."
TWENTY = "Twenty tokens a parameter is one law's advice at one budget: let this law decide, by its loss."
NOTHING = "Size 0 is no model: one unit is the smallest."

compute_optimal.mistakes("""
Each parameter costs six FLOP a token, two forwards and four backwards: D = C / (6 N).
    C / (6 * N) => C / N
    C / (6 * N) => C / (2 * N)
    C / (6 * N) => C / (4 * N)
Parameters and tokens have changed places: A and alpha belong to N, B and beta to D.
    law["A"] / N ** law["alpha"] + law["B"] / D ** law["beta"] => law["A"] / D ** law["alpha"] + law["B"] / N ** law["beta"]
    return int(N[best]), float(D[best]), => return int(D[best]), float(N[best]),
alpha and beta have changed places.
    N ** law["alpha"] => N ** law["beta"] && D ** law["beta"] => D ** law["alpha"]
The loss has a floor: E is missing in what is returned.
    float(loss[best]) => float(loss[best]) - law["E"]
    law["E"] + law["A"] / N => law["A"] / N
The tokens end at max_tokens: more of them were read here than there are.
    D = np.minimum(C / (6 * N), max_tokens) => D = C / (6 * N)
The loss was compared as if there were more data than max_tokens, and only then were the tokens cut: compare with the cut.
    float(D[best]), float(loss[best]) => min(float(D[best]), max_tokens), float(loss[best]) && D = np.minimum(C / (6 * N), max_tokens) => D = C / (6 * N)
The size is an int, a whole number of parameters.
    int(N[best]) => float(N[best])
    int(N[best]) => int(N[best]) // unit
This spends the budget on all of max_tokens and on as large a model as that allows, whether or not fewer tokens are better.
    loss.argmin() => np.flatnonzero(D == D[0])[-1] if max_tokens < np.inf else loss.argmin()
""")


@compute_optimal.mistake("The nearest step is not always the better one: compare the losses of both.")
def nearest(law, C, max_tokens, unit):
    N = max(1, round(max(best_size(law, C), C / 6 / max_tokens) / unit)) * unit
    return trained(law, C, max_tokens, N)


@compute_optimal.mistake("The step below is not always the better one: compare the losses of both.")
def below(law, C, max_tokens, unit):
    N = max(1, int(max(best_size(law, C), C / 6 / max_tokens) / unit)) * unit
    return trained(law, C, max_tokens, N)


@compute_optimal.mistake("The step above spends the whole budget, and may be worse than the one below, which does not.")
def spent(law, C, max_tokens, unit):
    N = compute_optimal(law, C, float("inf"), unit)[0]
    if C / 6 / max_tokens > N:
        N = -int(-C / 6 / max_tokens // unit) * unit
    return trained(law, C, max_tokens, N)


@compute_optimal.mistake("The step above is not always the better one: compare the losses of both.")
def over(law, C, max_tokens, unit):
    N = -int(-max(best_size(law, C), C / 6 / max_tokens) // unit) * unit
    return trained(law, C, max_tokens, N)


@compute_optimal.mistake("The tokens were cut, and the size was not: the rest of the budget buys a larger model.")
def unspent(law, C, max_tokens, unit):
    N = compute_optimal(law, C, float("inf"), unit)[0]
    return trained(law, C, max_tokens, N)


@compute_optimal.mistake(TWENTY)
def twenty(law, C, max_tokens, unit):
    N = max(1, round((C / 120) ** 0.5 / unit)) * unit
    return trained(law, C, max_tokens, N)


@compute_optimal.mistake("The size must be a whole number of units, at least one: compare the two steps beside it.")
def between(law, C, max_tokens, unit):
    N = best_size(law, C)
    return int(N), *trained(law, C, max_tokens, N)[1:]


@compute_optimal.mistake(BALANCE)
def swapped(law, C, max_tokens, unit):
    a, b = law["alpha"], law["beta"]
    N = (a * law["A"] / (b * law["B"])) ** (1 / (a + b)) * (C / 6) ** (a / (a + b))
    return beside(law, C, max_tokens, unit, N)


@compute_optimal.mistake(BALANCE)
def upside_down(law, C, max_tokens, unit):
    a, b = law["alpha"], law["beta"]
    N = (b * law["B"] / (a * law["A"])) ** (1 / (a + b)) * (C / 6) ** (b / (a + b))
    return beside(law, C, max_tokens, unit, N)


@compute_optimal.mistake(BALANCE)
def without_exponents(law, C, max_tokens, unit):
    a, b = law["alpha"], law["beta"]
    return beside(law, C, max_tokens, unit, (law["A"] / law["B"]) ** (1 / (a + b)) * (C / 6) ** (b / (a + b)))


@compute_optimal.mistake(BALANCE)
def without_six(law, C, max_tokens, unit):
    return beside(law, C, max_tokens, unit, best_size(law, 6 * C))


@compute_optimal.mistake(BALANCE)
def wrong_power(law, C, max_tokens, unit):
    a, b = law["alpha"], law["beta"]
    return beside(law, C, max_tokens, unit, (a * law["A"] / (b * law["B"])) ** (a + b) * (C / 6) ** (b / (a + b)))


@compute_optimal.mistake(TWENTY)
def twenty_times(law, C, max_tokens, unit):
    N, _, loss = compute_optimal(law, C, max_tokens, unit)
    return N, 20.0 * N, loss


@compute_optimal.mistake("This is the loss of the best size between the steps: N, D and loss belong to one run.")
def loss_between(law, C, max_tokens, unit):
    N = best_size(law, C)
    return compute_optimal(law, C, max_tokens, unit)[0], *trained(law, C, float("inf"), N)[1:]


@compute_optimal.mistake(NOTHING)
def nothing(law, C, max_tokens, unit):
    k = round(best_size(law, C) / unit)
    return compute_optimal(law, C, max_tokens, unit) if k else (0, float(max_tokens), float("inf"))


@compute_optimal.mistake(NOTHING)
def divided_by_nothing(law, C, max_tokens, unit):
    k = int(best_size(law, C) / unit)
    return compute_optimal(law, C / k * k, max_tokens, unit)
