"""Weigh the domains of a corpus: how often each is read for a mix, and the weights that DoReMi's rule would choose.

>>> epochs({"town": 0.5, "sums": 0.5}, {"town": 1_000, "sums": 100}, 1_000)
{'town': 0.5, 'sums': 5.0}
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def epochs(shares: Mapping[str, float], sizes: Mapping[str, int], tokens: int) -> dict[str, float]:
    """Return how often each domain is read, if `tokens` are drawn by shares from domains of these sizes."""
    total = sum(shares.values())
    return {name: share / total * tokens / sizes[name] for name, share in shares.items()}


def tempered(sizes: Mapping[str, int], exponent: float) -> dict[str, float]:
    """Return shares in proportion to a power of the sizes: 1 as they are, 0 all alike.

    >>> tempered({"en": 900, "sw": 100}, 0.5)
    {'en': 0.75, 'sw': 0.25}
    """
    powers = {name: size**exponent for name, size in sizes.items()}
    return {name: power / sum(powers.values()) for name, power in powers.items()}


def reweighted(
    weights: Float[ndarray, " K"], excess: Float[ndarray, " K"], rate: float = 1.0, smoothing: float = 1e-3
) -> Float[ndarray, " K"]:
    """Return the next weights of the domains: multiplied by e to the rate times the excess loss, then smoothed.

    The excess is the proxy's loss above the reference's, and counts as 0 where it is negative (Xie et al. 2023,
    arXiv 2305.10429, algorithm 1).

    >>> reweighted(np.array([0.5, 0.5]), np.array([np.log(3), -1.0]), smoothing=0.0).round(6).tolist()
    [0.75, 0.25]
    """
    grown = weights * np.exp(rate * np.maximum(excess, 0.0))
    return (1 - smoothing) * grown / grown.sum() + smoothing / len(weights)
