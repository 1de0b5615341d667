"""Draw laws and profiles for lab 06, and name what an answer is asked not to use."""

import numpy as np

from fullstack_llm.checks import Draw

# The lab's text says: neither of the two in any answer.
LIBRARIES = ("fullstack_llm.scaling", "fullstack_llm.transformer")

Law = dict[str, float]


def loss_of(law: Law, N, D):
    """Return the loss of a law, of numbers or arrays."""
    return law["E"] + law["A"] / N ** law["alpha"] + law["B"] / D ** law["beta"]


def optimum_of(law: Law, C: float) -> tuple[float, float]:
    """Return the parameters and tokens of the lowest loss with 6 N D = C."""
    total = law["alpha"] + law["beta"]
    N = (law["alpha"] * law["A"] / (law["beta"] * law["B"])) ** (1 / total) * (C / 6) ** (law["beta"] / total)
    return N, C / (6 * N)


def drawn_law(draw: Draw, N: float, D: float) -> Law:
    """Draw a law in which a model of N parameters that has read D tokens loses about as much by its size as by its data."""
    alpha, beta = draw.uniform(0.28, 0.34), draw.uniform(0.36, 0.45)
    if draw.random() < 0.5:
        alpha, beta = beta, alpha
    A, B = draw.uniform(0.5, 1.0) * N**alpha, draw.uniform(0.5, 1.0) * D**beta
    return {"E": draw.uniform(1.2, 2.0), "A": A, "B": B, "alpha": alpha, "beta": beta}


def profiles(draw: Draw, count: int, three: int, short: bool = False):
    """Draw budgets, and runs of a law without noise, whose sizes lie higher or lower about the best from budget to budget.

    The budget number `three` has three runs. `short`: the lowest run of two budgets is the smallest or the largest one, and a third budget has two runs.
    """
    C = 10 ** draw.uniform(17, 19)
    law = drawn_law(draw, *(np.sqrt(C / 6) * 10 ** draw.uniform(*far) for far in ((-0.9, -0.5), (0.3, 0.6))))
    budgets = [C * 10 ** (0.6 * i + draw.uniform(-0.1, 0.1)) for i in range(count)]
    ends = draw.sample([i for i in range(count) if i != three], 3) if short else []
    start, drift = draw.uniform(-0.3, 0.3), draw.choice((-1, 1)) * draw.uniform(0.5, 0.8) / count
    sizes, losses = [], []
    for i, C in enumerate(budgets):
        best, _ = optimum_of(law, C)
        places = np.arange(-3, 4 - i % 2) + start + drift * i + [draw.uniform(-0.2, 0.2) for _ in range(7 - i % 2)]
        if i in ends[:2]:
            places = abs(places) * (1 if i == ends[0] else -1) + (0.3 if i == ends[0] else -0.3)
        if i in ends[2:]:
            places = places[2:4]
        if i == three:
            places = np.array([-1.2, 0.0, 1.1]) + draw.uniform(-0.4, 0.4)
        N = best * 2.0 ** np.array(draw.sample(list(places), len(places)))
        sizes.append(N)
        losses.append(loss_of(law, N, C / (6 * N)))
    return budgets, sizes, losses
