"""What a collective costs: bytes that a rank sends, and seconds by the α-β model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch


def sent(way: str, size: int, ranks: int) -> float:
    """Return the bytes that the busiest rank sends to sum `size` bytes over the ranks: star, whole or ring.

    >>> [sent(way, 1200, 4) for way in ("star", "whole", "ring")]
    [3600, 3600, 1800.0]
    """
    return {"star": (ranks - 1) * size, "whole": (ranks - 1) * size, "ring": 2 * (ranks - 1) * size / ranks}[way]


def seconds(way: str, size: float, ranks: int, alpha: float, beta: float) -> float:
    """Return the seconds of an all-reduce, with α seconds a message and β a byte: by a ring or by a tree.

    The tree adds up along pairs, whole tensors, and sends the sum back the same way: 2 log₂ N messages in a row.

    >>> seconds("ring", 4e6, 8, 1e-5, 1e-9) < seconds("tree", 4e6, 8, 1e-5, 1e-9)
    True
    >>> seconds("ring", 4e3, 8, 1e-5, 1e-9) < seconds("tree", 4e3, 8, 1e-5, 1e-9)
    False
    """
    if way == "ring":
        return 2 * (ranks - 1) * (alpha + beta * size / ranks)
    return 2 * math.ceil(math.log2(ranks)) * (alpha + beta * size)


def crossover(ranks: int, alpha: float, beta: float) -> float:
    """Return the bytes from which the ring is faster than the tree.

    >>> round(crossover(8, 1e-5, 1e-9))
    18824
    """
    ring, tree = ranks - 1, math.ceil(math.log2(ranks))
    return (ring - tree) * alpha / (beta * (tree - ring / ranks))


def fit(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """Return α and β of times = α + β · size, with each error taken relative to its time.

    >>> alpha, beta = fit([1e3, 1e5, 1e7], [1e-5 + 1e-9 * size for size in (1e3, 1e5, 1e7)])
    >>> round(alpha * 1e6, 3), round(beta * 1e9, 3)
    (10.0, 1.0)
    """
    size, time = (torch.tensor(list(values), dtype=torch.float64) for values in (sizes, times))
    scale = size.max()
    rows = torch.stack([1 / time, size / scale / time], 1)
    alpha, beta = torch.linalg.lstsq(rows, torch.ones(len(size), 1, dtype=torch.float64)).solution[:, 0].tolist()
    return alpha, beta / float(scale)
