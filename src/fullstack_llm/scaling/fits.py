"""Fit laws to a table of runs in three ways: by a formula, by parabolas at equal compute, by the envelope of curves.

A row is what `scaling.runs.fit` returns: `parameters`, `tokens`, `flop`, `loss` and `curve`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from fullstack_llm.scaling.laws import FLOP, Law

Rows = Sequence[Mapping[str, Any]]
DELTA = 1e-3  # where the Huber loss turns from squares to absolute values, of Hoffmann et al.
# Starts: the logarithms of A, B and E, then alpha and beta.
STARTS = tuple(product((4.0, 12.0), (4.0, 12.0), (-1.0, 0.5), (0.3, 1.0), (0.3, 1.0)))


class Power(NamedTuple):
    """Give `factor` times the compute to the power of `exponent`."""

    factor: float
    exponent: float

    def at(self, flop: float) -> float:
        """Return the value for a compute."""
        return self.factor * flop**self.exponent


class Optimum(NamedTuple):
    """Give what a compute buys at best: the number of parameters, and the loss, in nats a token."""

    flop: float
    parameters: float
    loss: float


def columns(rows: Rows, *names: str) -> list[Float[np.ndarray, " R"]]:
    """Return columns of a table as arrays."""
    return [np.array([row[name] for row in rows], float) for name in names]


def huber(
    point: Float[np.ndarray, " 5"],
    n: Float[np.ndarray, " R"],
    d: Float[np.ndarray, " R"],
    y: Float[np.ndarray, " R"],
    delta: float,
) -> tuple[float, Float[np.ndarray, " 5"]]:
    """Return the sum of Huber losses of log(predicted) - log(measured), and its gradient.

    `point` is log A, log B, log E, alpha, beta, so that A, B and E stay positive; n, d and y are the logarithms of
    parameters, tokens and losses. The sum, not the mean: a stopping rule that compares with 1 sees larger numbers.
    """
    a, b, e, alpha, beta = point
    terms = np.stack([a - alpha * n, b - beta * d, np.full_like(n, e)])
    top = terms.max(0)
    parts = np.exp(terms - top)
    total = parts.sum(0)
    residual = top + np.log(total) - y
    size = np.abs(residual)
    value = np.where(size < delta, residual**2 / 2, delta * (size - delta / 2)).sum()
    pull = np.clip(residual, -delta, delta) * parts / total
    return float(value), np.array([*pull.sum(1), -(pull[0] * n).sum(), -(pull[1] * d).sum()])


def descend(
    start: Sequence[float],
    data: tuple[np.ndarray, np.ndarray, np.ndarray],
    delta: float = DELTA,
    options: Mapping[str, Any] | None = None,
) -> tuple[float, Float[np.ndarray, " 5"]]:
    """Run L-BFGS from one start on logarithms of parameters, tokens and losses; return its value and where it ended.

    Values and gradients of this loss are tiny, so the two tolerances are set near nothing unless `options` says more.
    """
    tight = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1_500, "maxfun": 2_000, "maxcor": 20}
    found = minimize(huber, start, (*data, delta), "L-BFGS-B", jac=True, options=tight if options is None else options)
    return float(found.fun), found.x


def parametric(rows: Rows, *, delta: float = DELTA, starts: Iterable[Sequence[float]] = STARTS) -> Law:
    """Fit E + A / N^alpha + B / D^beta to the rows: Hoffmann's third approach, from each of `starts`; the best is kept.

    >>> law = Law(E=1.0, A=100.0, B=900.0, alpha=0.4, beta=0.5)
    >>> sizes = [(n, d) for n in (1e4, 1e5, 1e6) for d in (1e5, 1e6, 1e7)]
    >>> found = parametric([{"parameters": n, "tokens": d, "loss": law.loss(n, d)} for n, d in sizes])
    >>> round(found.alpha, 3), round(found.beta, 3), round(found.E, 3)
    (0.4, 0.5, 1.0)
    """
    if len(rows) < 6:
        raise ValueError(f"Five numbers are fitted, and there are {len(rows)} rows; give six or more.")
    n, d, y = (np.log(column) for column in columns(rows, "parameters", "tokens", "loss"))
    _, best = min((descend(start, (n, d, y), delta) for start in starts), key=lambda found: found[0])
    return from_point(best)


def from_point(point: Iterable[float]) -> Law:
    """Return the law whose log A, log B, log E, alpha and beta these are."""
    a, b, e, alpha, beta = (float(value) for value in point)
    return Law(E=float(np.exp(e)), A=float(np.exp(a)), B=float(np.exp(b)), alpha=alpha, beta=beta)


def to_point(law: Law) -> tuple[float, ...]:
    """Return log A, log B, log E, alpha and beta of a law."""
    return (float(np.log(law.A)), float(np.log(law.B)), float(np.log(law.E)), law.alpha, law.beta)


def profiles(rows: Rows, apart: float = 1.3) -> list[list[dict[str, float]]]:
    """Return the rows of each budget by size, seeds averaged; budgets are at least `apart` times one another.

    >>> rows = [{"flop": c, "parameters": n, "loss": 2.0} for c in (1e9, 9e9) for n in (10, 20, 20)]
    >>> [[row["parameters"] for row in profile] for profile in profiles(rows)]
    [[10.0, 20.0], [10.0, 20.0]]
    """
    groups: list[list[Mapping[str, Any]]] = []
    for row in sorted(rows, key=lambda row: row["flop"]):
        if not groups or row["flop"] > apart * groups[-1][-1]["flop"]:
            groups.append([])
        groups[-1].append(row)
    found = []
    for group in groups:
        sizes = sorted({row["parameters"] for row in group})
        same = [[row for row in group if row["parameters"] == size] for size in sizes]
        names = ("flop", "parameters", "loss")
        found.append([{name: float(np.mean([row[name] for row in few])) for name in names} for few in same])
    return found


def lowest(profile: Rows) -> Optimum:
    """Return the run with the lowest loss of a profile: the size is one of those that were trained."""
    best = min(profile, key=lambda row: row["loss"])
    return Optimum(best["flop"], best["parameters"], best["loss"])


def vertex(profile: Rows, around: int = 2) -> Optimum:
    """Return the lowest point of a parabola in log N through the lowest run and `around` sizes on either side of it.

    Raises ValueError where the lowest run is the smallest or the largest: then the valley lies outside of the sizes.
    """
    place = min(range(len(profile)), key=lambda i: profile[i]["loss"])
    near = profile[max(0, place - around) : place + around + 1]
    if place in (0, len(profile) - 1):
        raise ValueError("The lowest loss is at the end of the sizes; train sizes beyond it.")
    n, loss, flop = columns(near, "parameters", "loss", "flop")
    middle = np.log(n).mean()
    square, line, level = np.polyfit(np.log(n) - middle, loss, 2)
    at = -line / (2 * square)
    return Optimum(float(flop.mean()), float(np.exp(middle + at)), float(level - square * at**2))


def power(flop: Sequence[float], values: Sequence[float]) -> Power:
    """Fit a straight line to the logarithms of both.

    >>> round(power([1e2, 1e4, 1e6], [3.0, 30.0, 300.0]).exponent, 6)
    0.5
    """
    exponent, level = np.polyfit(np.log(flop), np.log(values), 1)
    return Power(float(np.exp(level)), float(exponent))


def isoflop(rows: Rows) -> list[Optimum]:
    """Return the best size and loss at each budget by a parabola: Hoffmann's second approach.

    A budget with fewer than five sizes, or with its lowest run at the end of the sizes, is left out.
    """
    found = []
    for profile in profiles(rows):
        losses = [row["loss"] for row in profile]
        if len(profile) >= 5 and 0 < losses.index(min(losses)) < len(losses) - 1:
            found.append(vertex(profile))
    return found


def envelope(rows: Rows, budgets: Sequence[float], size: str = "parameters") -> list[Optimum]:
    """Return at each compute the run whose training curve is lowest there: Hoffmann's first approach, and Kaplan's.

    A curve's compute is 6 times `size` times the tokens so far. Between its points it is a straight line in logarithms.
    """
    curves = []
    for row in rows:
        steps, losses = np.array(row["curve"], float).T
        compute = FLOP * row[size] * row["tokens"] * steps / steps[-1]
        curves.append((row[size], np.log(compute), np.log(losses)))
    found = []
    for flop in budgets:
        x = np.log(flop)
        passing = [(float(np.interp(x, c, y)), n) for n, c, y in curves if c[0] <= x <= c[-1] + 1e-3]
        if passing:
            loss, n = min(passing)
            found.append(Optimum(flop, float(n), float(np.exp(loss))))
    return found
