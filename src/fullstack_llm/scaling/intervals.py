"""Say how far a prediction may be wrong: by drawing the table again, by its residuals, and by earlier predictions.

Predictions are compared with measurements in logarithms, so an error of 0.05 is one of five per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fullstack_llm.scaling.fits import Rows, columns, parametric, to_point
from fullstack_llm.scaling.laws import Law

Fit = Callable[[Rows], Law]


class Interval(NamedTuple):
    """Give the ends of an interval."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Return whether a value lies in it."""
        return self.low <= value <= self.high


def errors(law: Law, rows: Rows) -> Float[np.ndarray, " R"]:
    """Return log(measured) - log(predicted) of each row."""
    n, d, loss = columns(rows, "parameters", "tokens", "loss")
    return np.log(loss) - np.log(law.loss(n, d))


def bootstrap(rows: Rows, times: int = 100, seed: int = 0) -> list[Law]:
    """Return laws fitted to `times` tables, each of as many rows drawn from this one with repeats."""
    n, d, e, *powers = to_point(parametric(rows))
    # From an E of nearly 0 no descent would come back, since the slope there is nearly 0 too.
    starts = [(n, d, max(e, -2.0), *powers)]
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(rows), size=(times, len(rows)))
    return [parametric([rows[i] for i in draw], starts=starts) for draw in draws]


def interval(values: Sequence[float] | np.ndarray, level: float = 0.9) -> Interval:
    """Return the middle part of the values, `level` of them.

    >>> interval(range(5), 0.5)
    Interval(low=1.0, high=3.0)
    """
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def of_law(laws: Sequence[Law], parameters: float, tokens: float, level: float = 0.9) -> Interval:
    """Return where the law itself may lie at a size and a number of tokens, by laws that `bootstrap` drew."""
    return interval([law.loss(parameters, tokens) for law in laws], level)


def of_run(
    laws: Sequence[Law], residuals: np.ndarray, parameters: float, tokens: float, level: float = 0.9
) -> Interval:
    """Return where the loss of one more run may lie: each drawn law with each residual of the fitted one.

    A fit of five numbers takes some of the scatter away, so residuals are multiplied by sqrt(R / (R - 5)).
    """
    wider = residuals * sqrt(len(residuals) / (len(residuals) - 5))
    middle = np.log([law.loss(parameters, tokens) for law in laws])
    return interval(np.exp(middle[:, None] + wider[None, :]).ravel(), level)


def rolling(rows: Rows, budgets: Sequence[float], fit: Fit = parametric) -> list[Float[np.ndarray, " K"]]:
    """Return how wrong a fit of all smaller budgets was at each budget from the third on, in logarithms."""
    found = []
    for before, now in pairwise(budgets[1:]):
        law = fit([row for row in rows if row["flop"] < 1.3 * before])
        found.append(errors(law, [row for row in rows if now / 1.3 < row["flop"] < 1.3 * now]))
    return found


def of_record(law: Law, past: np.ndarray, parameters: float, tokens: float, level: float = 0.9) -> Interval:
    """Return an interval around a prediction that would have held `level` of the `past` errors, in logarithms.

    Of R past errors it takes the ceil(level (R + 1))-th smallest by absolute value: split conformal prediction.
    """
    place = min(len(past), int(np.ceil(level * (len(past) + 1))))
    wide = float(np.sort(np.abs(past))[place - 1])
    middle = law.loss(parameters, tokens)
    return Interval(float(middle * np.exp(-wide)), float(middle * np.exp(wide)))


def drawn(law: Law, rows: Rows, noise: float, seed: int) -> list[dict[str, float]]:
    """Return a table with the sizes and tokens of `rows`, whose losses are a law's times the exponential of noise."""
    n, d, flop = columns(rows, "parameters", "tokens", "flop")
    loss = law.loss(n, d) * np.exp(np.random.default_rng(seed).normal(0, noise, len(rows)))
    names = ("parameters", "tokens", "flop", "loss")
    return [dict(zip(names, map(float, values), strict=True)) for values in zip(n, d, flop, loss, strict=True)]
