"""Measured values with their confidence intervals.

>>> found = share([True] * 95 + [False] * 5)
>>> f"{found.value:.2f} [{found.low:.3f}, {found.high:.3f}]"
'0.95 [0.888, 0.979]'
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_Z = 1.959964


@dataclass(frozen=True)
class Score:
    """Hold a value measured over a number of items; `low` and `high` bound it with 95 % confidence."""

    value: float
    low: float
    high: float
    items: int


def share(right: Sequence[bool]) -> Score:
    """Return the share of items that are right, with Wilson's interval (1927).

    >>> share([True] * 100).low > 0.96, share([True] * 100).high
    (True, 1.0)

    Raises ValueError where there are no items.
    """
    n = len(right)
    if not n:
        raise ValueError("A share needs at least one item.")
    p = sum(right) / n
    centre = (n * p + _Z**2 / 2) / (n + _Z**2)
    half = _Z * math.sqrt(p * (1 - p) * n + _Z**2 / 4) / (n + _Z**2)
    low, high = (centre - half if p else 0.0), (centre + half if p < 1 else 1.0)
    return Score(round(p, 4), round(low, 4), round(high, 4), n)


def mean(values: Sequence[float]) -> Score:
    """Return the mean of two or more values, with the interval of the normal approximation.

    >>> mean([1.0, 3.0, 2.0, 2.0])
    Score(value=2.0, low=1.1998, high=2.8002, items=4)
    """
    middle = statistics.fmean(values)
    half = _Z * statistics.stdev(values) / math.sqrt(len(values))
    return Score(round(middle, 4), round(middle - half, 4), round(middle + half, 4), len(values))
