"""Say what a token is worth that has been read before, as Muennighoff et al. (2023, equation 5) describe it.

The first time a token counts whole. Of U different tokens read k times, what counts is U + U R (1 - exp(-(k - 1) / R)):
each further time counts less, and all further times together never more than R times the first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from fullstack_llm.scaling.fits import Rows
from fullstack_llm.scaling.laws import Law

SHORTEST, LONGEST = 0.05, 1_000.0  # between these R is looked for


def effective(tokens: float, unique: float = math.inf, worth: float = math.inf) -> float:
    """Return how many fresh tokens are worth as much as `tokens`, of which only `unique` are different.

    `worth` is R: all repeats together are worth R times the unique tokens.

    >>> effective(100, unique=200, worth=5), round(effective(400, unique=100, worth=5), 1)
    (100, 325.6)
    >>> round(effective(1e9, unique=100, worth=5))
    600
    """
    if tokens <= unique or math.isinf(worth):
        return tokens
    return unique + unique * worth * -math.expm1(-(tokens / unique - 1) / worth)


class Worth(NamedTuple):
    """Give R, what was added to the law at this size of model, and the root of the mean square of what is left over."""

    worth: float
    shift: float
    error: float


def predicted(law: Law, row: Mapping[str, Any], worth: float) -> float:
    """Return the loss that the law gives to a run for the fresh tokens that its tokens are worth."""
    return law.loss(row["parameters"], effective(row["tokens"], row["tokens"] / row["epochs"], worth))


def fit(rows: Rows, law: Law) -> Worth:
    """Fit R to runs with different numbers of `epochs`, by least squares in nats.

    A constant is fitted beside it, since a law that holds for all sizes may be off at this one.

    >>> law, same = Law(E=1.0, A=100.0, B=900.0, alpha=0.4, beta=0.5), {"parameters": 1e5, "tokens": 1e6}
    >>> rows = [same | {"epochs": e} for e in (1, 2, 4, 8, 16)]
    >>> found = fit([row | {"loss": predicted(law, row, 6.0) + 0.01} for row in rows], law)
    >>> round(found.worth, 3), round(found.shift, 3)
    (6.0, 0.01)
    """
    if len({row["epochs"] for row in rows}) < 3:
        raise ValueError("R needs runs with three numbers of epochs or more.")

    def left(log_worth: float) -> np.ndarray:
        return np.array([row["loss"] - predicted(law, row, math.exp(log_worth)) for row in rows])

    bounds = (math.log(SHORTEST), math.log(LONGEST))
    found = minimize_scalar(lambda x: float(left(x).var()), bounds=bounds, method="bounded", options={"xatol": 1e-6})
    rest = left(found.x)
    return Worth(math.exp(found.x), float(rest.mean()), float(rest.std()))


def redrawn(rows: Rows, laws: Sequence[Law], seed: int = 0) -> list[float]:
    """Return R once for each law, each from runs drawn anew, with repeats, among those of the same epochs."""
    draw = np.random.default_rng(seed)
    groups = [[row for row in rows if row["epochs"] == e] for e in sorted({row["epochs"] for row in rows})]
    found = []
    for law in laws:
        again = [group[i] for group in groups for i in draw.integers(len(group), size=len(group))]
        found.append(fit(again, law).worth)
    return found
