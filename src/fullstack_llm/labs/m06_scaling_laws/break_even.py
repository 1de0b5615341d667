"""Exercise 4 of lab 06: from how many served tokens on a smaller model that is trained for longer is the cheaper one."""

import math

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m06_scaling_laws.inputs import LIBRARIES, Law, drawn_law, loss_of, optimum_of


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def break_even(law, large, small, dearness):
    N, D = large
    loss = law["E"] + law["A"] / N ** law["alpha"] + law["B"] / D ** law["beta"]
    room = loss - law["E"] - law["A"] / small ** law["alpha"]
    if room <= 0:
        return math.inf, math.inf
    tokens = (law["B"] / room) ** (1 / law["beta"])
    more = 6 * small * tokens - 6 * N * D
    saved = dearness * 2 * (N - small)
    return tokens, max(0.0, more / saved)


@break_even.right
def halving(law, large, small, dearness):
    # Both unknowns by bisection, the second one of the two bills.
    N, D = large

    def loss(N, D):
        return law["A"] * N ** -law["alpha"] + law["B"] * D ** -law["beta"]

    if loss(small, math.inf) >= loss(N, D):
        return math.inf, math.inf

    def root(wrong, low, high):
        for _ in range(400):
            middle = (low + high) / 2
            low, high = (middle, high) if wrong(middle) else (low, middle)
        return low

    tokens = 2.0 ** root(lambda power: loss(small, 2.0**power) > loss(N, D), -50.0, 900.0)

    def dearer(served):
        return 6 * small * tokens + 2 * dearness * small * served > 6 * N * D + 2 * dearness * N * served

    return tokens, 2.0 ** root(lambda power: dearer(2.0**power), -50.0, 900.0) if dearer(0.0) else 0.0


@break_even.right
def by_shares(law, large, small, dearness):
    import numpy as np

    (N, D), alpha, beta = large, law["alpha"], law["beta"]
    left = law["B"] * D**-beta + law["A"] * (N**-alpha - small**-alpha)
    if left <= 0:
        return float("inf"), float("inf")
    tokens = float(np.exp((np.log(law["B"]) - np.log(left)) / beta))
    served = 3 / dearness * (small * tokens - N * D) / (N - small)
    return tokens, float(np.clip(served, 0, None))


PLAIN: Law = {"E": 1.0, "A": 6.0, "B": 4.0, "alpha": 0.5, "beta": 0.5}


def models(draw: Draw, share: float, room: float = 0.2, rich: float = 1.0):
    """Draw a law, a model, and a smaller one of this share of its size, which can reach its loss with room to spare.

    `rich`: the large one has read so many times the tokens of the best run of its budget.
    """
    while True:
        C = 10 ** draw.uniform(18, 23)
        law = drawn_law(draw, *(math.sqrt(C / 6) * 10 ** draw.uniform(*far) for far in ((-1.5, -1), (0.5, 1))))
        N, D = optimum_of(law, C)
        D *= rich
        left = loss_of(law, N, D) - law["E"] - law["A"] / (share * N) ** law["alpha"]
        if left > room * law["B"] / D ** law["beta"]:
            return law, (N, D), share * N, draw.choice((2.0, 3.0, 0.7))


@break_even.part(
    6, "6 N D to train and 2 N a token to serve: write down both bills and set them equal.", "served", items=(1,),
    rtol=1e-3, whole=True,
)  # fmt: skip
@break_even.part(
    6, "Both reach the same loss. Compute it for the first, solve it for D of the second.", "tokens", items=(0,)
)
def pairs(draw: Draw):
    yield models(draw, 0.63)
    yield PLAIN, (36.0, 16.0), 16.0, 1.0
    for share in (0.5, 0.77, 0.91):
        yield *models(draw, share)[:3], 1.0
        yield models(draw, share)


@break_even.part(2, "Is there enough data in the world, or nothing to pay back?", "edges", rtol=1e-3)
def edges(draw: Draw):
    # A loss that the small one never reaches: by a little, and by far.
    law, large, _, dear = models(draw, 0.8)
    floor = (law["A"] / (loss_of(law, *large) - law["E"])) ** (1 / law["alpha"])
    for share in (0.99, 0.6):
        yield law, large, share * floor, dear
    yield PLAIN, (36.0, 16.0), 8.0, 1.0
    # The large one was too large for its budget: the small one costs less from the first token on.
    for share in (0.55, 0.8):
        yield models(draw, share, rich=0.02)
    yield PLAIN, (64.0, 4.0), 36.0, 2.0


break_even.mistakes("""
The loss of the large model lacks its floor, and from the small one's it is taken off: both have the same E.
    loss = law["E"] + law["A"] / N => loss = law["A"] / N
E is left in what the data may cost: take it off, too.
    loss - law["E"] - law["A"] / small => loss - law["A"] / small
The small model reads as many tokens as the large one here: it loses more by its size, so that less is left for its data.
    - law["A"] / small ** law["alpha"] => - law["A"] / N ** law["alpha"]
    tokens = (law["B"] / room) ** (1 / law["beta"]) => tokens = D
The small model gets the same budget here: to reach the same loss it needs more.
    tokens = (law["B"] / room) ** (1 / law["beta"]) => tokens = N * D / small
Solve room = B / D^beta for D: the other way up, and to the power 1 / beta.
    (law["B"] / room) ** (1 / law["beta"]) => (room / law["B"]) ** (1 / law["beta"])
    (law["B"] / room) ** (1 / law["beta"]) => (law["B"] / room) ** law["beta"]
    (law["B"] / room) ** (1 / law["beta"]) => law["B"] / room ** (1 / law["beta"])
    (law["B"] / room) ** (1 / law["beta"]) => law["B"] / room
The exponent of the data is beta.
    (1 / law["beta"]) => (1 / law["alpha"])
Training costs 6 N D, serving a token 2 N: the two here are otherwise.
    - 6 * N * D => - 2 * N * D && 6 * small * tokens => 2 * small * tokens
    2 * (N - small) => 6 * (N - small)
    2 * (N - small) => (N - small)
The served tokens pay back what training costs *more*: take the large model's training off.
    - 6 * N * D =>
Each served token saves the difference of the sizes: the small model is not free either.
    2 * (N - small) => 2 * N
    2 * (N - small) => 2 * small
Each FLOP of serving costs dearness times one of training: the dearer it is, the earlier the small model pays.
    saved = dearness * 2 => saved = 2
    saved = dearness * 2 * (N - small) => saved = 2 * (N - small) / dearness
Only more tokens of training are counted, not their FLOP: 6 N for each.
    more = 6 * small * tokens - 6 * N * D => more = tokens - D
The two bills are compared for training as if both models were of one size.
    6 * small * tokens - 6 * N * D => 6 * N * (tokens - D)
    6 * small * tokens - 6 * N * D => 6 * small * (tokens - D)
The difference is turned round: the small model's training costs more, the large model's serving does.
    max(0.0, more / saved) => -more / saved
    max(0.0, more / saved) => abs(more / saved)
These are the tokens of the small model once more, or its training's FLOP: how many does it have to serve?
    max(0.0, more / saved) => tokens
    max(0.0, more / saved) => more
    max(0.0, more / saved) => 6 * small * tokens
Less than nothing is paid back: where the small model is the cheaper one to train, too, that is 0.0.
    max(0.0, more / saved) => more / saved
    max(0.0, more / saved) => more / saved if more > 0 else math.inf
Nothing left for the data, or less: no number of tokens brings the small model there. Return infinity, twice.
    if room <= 0: => if room == 0:
    if room <= 0: => if False:
    return math.inf, math.inf => return 0.0, 0.0
    return math.inf, math.inf => return -1.0, -1.0
    return math.inf, math.inf => return math.nan, math.nan
    return math.inf, math.inf => return None, None
    return math.inf, math.inf => return math.inf, 0.0
    room = loss - => room = 1e-12 + loss * 0 + abs(loss - && / small ** law["alpha"] => / small ** law["alpha"])
    room = loss - => room = max(1e-9, loss - && / small ** law["alpha"] => / small ** law["alpha"])
    room = loss - => room = max(1e-12, loss - && / small ** law["alpha"] => / small ** law["alpha"])
Where nothing is reached there is no second number either: infinity, not a training that never ends, over something.
    return math.inf, math.inf => return math.inf, math.nan
""")
