"""Read the sweeps of part 15b: the best rate of a line of runs, and by how much two lines differ, seed by seed.

>>> apart([1.0, 2.0, 3.0], [0.5, 1.5, 2.0])
Gap(value=0.6667, low=-0.0504, high=1.3838, items=3)
>>> round(vertex([0.001, 0.003, 0.01], [0.2, 0.16, 0.21]), 4)
0.003
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import t as student

Row = dict[str, Any]
Line = dict[float, list[Row]]
LEVEL = 0.19  # nats: a loss that every line with the best rate inside its sweep passes on the way down
SANE = 1.0  # nats: a run that ends above has lost what it knew, and no parabola should go through it


@dataclass(frozen=True)
class Gap:
    """Hold a mean over pairs; `low` and `high` bound it with 95 % confidence, by Student's t."""

    value: float
    low: float
    high: float
    items: int


def mean(values: Sequence[float], digits: int = 4) -> Gap:
    """Return the mean of two or more values with the interval of Student's t, the right one for few values."""
    middle, n = statistics.fmean(values), len(values)
    half = float(student.ppf(0.975, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return Gap(round(middle, digits), round(middle - half, digits), round(middle + half, digits), n)


def apart(ours: Sequence[float], theirs: Sequence[float]) -> Gap:
    """Return how much more the first has than the second, paired: by seed, or by split."""
    return mean([a - b for a, b in zip(ours, theirs, strict=True)])


def line(rows: Sequence[Row], **settings: Any) -> Line:
    """Return the runs with these settings by rate, each rate's in the order of their seeds.

    Raises ValueError where there are none.
    """
    found: Line = {}
    for row in sorted(rows, key=lambda row: (row["lr"], row["seed"])):
        if all(row[key] == value for key, value in settings.items()):
            found.setdefault(row["lr"], []).append(row)
    if not found:
        raise ValueError(f"No run has the settings {settings}.")
    return found


def tried(runs: Line) -> list[float]:
    """Return the rates that every seed has run."""
    most = max(map(len, runs.values()))
    return [rate for rate in sorted(runs) if len(runs[rate]) == most]


def best(runs: Line, key: str = "loss") -> list[float]:
    """Return what each seed has at the rate whose mean loss is least; by default that loss."""
    rate = min(tried(runs), key=lambda rate: statistics.fmean(row["loss"] for row in runs[rate]))
    return [row[key] for row in runs[rate]]


def vertex(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the rate at the bottom of the parabola through three losses, in the logarithm of the rate.

    Where the bottom lies outside the three rates, or a loss is above `SANE`, there is nothing to say: None.
    """
    places = np.log(rates)
    a, b, _ = np.polyfit(places, losses, 2)
    if a <= 0 or max(losses) > SANE or not places[0] <= -b / (2 * a) <= places[-1]:
        return None
    return float(np.exp(-b / (2 * a)))


def vertices(runs: Line) -> list[float] | None:
    """Return each seed's best rate, or None where one of them cannot be told."""
    rates = tried(runs)
    if len(rates) != 3:
        return None
    found = [vertex(rates, [runs[rate][seed]["loss"] for rate in rates]) for seed in range(len(runs[rates[0]]))]
    kept = [rate for rate in found if rate is not None]
    return kept if len(kept) == len(found) else None


def times(low: Line, full: Line) -> Gap | None:
    """Return the first line's best rate over the second's: the geometric mean over seeds, with its interval."""
    ours, theirs = vertices(low), vertices(full)
    if ours is None or theirs is None:
        return None
    found = apart([math.log(rate) for rate in ours], [math.log(rate) for rate in theirs])
    value, low_end, high_end = (round(math.exp(x), 2) for x in (found.value, found.low, found.high))
    return Gap(value, low_end, high_end, found.items)


def kept_at(runs: Line, seed: int, level: float = LEVEL) -> float | None:
    """Return the loss on pretraining's documents where a seed's held-out loss comes down to `level`.

    Between two neighbouring rates it is interpolated; None where no two of them enclose the level.
    """
    points = [(row["loss"], row["kept"]) for rate in sorted(runs) for row in runs[rate] if row["seed"] == seed]
    for (above, before), (below, after) in pairwise(points):
        if above >= level >= below:
            return float(before + (above - level) / (above - below) * (after - before))
    return None
