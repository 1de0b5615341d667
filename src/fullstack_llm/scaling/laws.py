"""Describe how the loss of a model falls with its parameters and its tokens, and which of both a budget should buy.

The form is that of Hoffmann et al. (2022): what no model gets below, what is lost because the model is finite, and what
is lost because the data are. N counts all parameters, D tokens, C floating-point operations, and L nats a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)
FLOP = 6  # a parameter and a token: two in the forward pass, four in the backward one


@dataclass(frozen=True)
class Law:
    """Give the loss E + A / N^alpha + B / D^beta of a model of N parameters that has read D tokens.

    >>> law = Law(E=1.0, A=6.0, B=4.0, alpha=0.5, beta=0.5)
    >>> law.loss(36, 64)
    2.5
    >>> law.optimum(6 * 24 * 24)
    (36.0, 16.0)
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, parameters: Number, tokens: Number) -> Number:
        """Return the loss, in nats a token; for arrays of sizes and tokens an array.

        >>> Law(E=1.0, A=6.0, B=4.0, alpha=0.5, beta=0.5).loss(np.array([36.0, 144.0]), np.array([64.0, 64.0]))
        array([2.5, 2. ])
        """
        return self.E + self.A / parameters**self.alpha + self.B / tokens**self.beta

    @property
    def exponent(self) -> float:
        """Return the power of the compute with which the best size grows; that of the tokens is 1 minus it.

        >>> Law(E=1.0, A=6.0, B=4.0, alpha=0.6, beta=0.2).exponent
        0.25
        """
        return self.beta / (self.alpha + self.beta)

    def optimum(self, flop: float) -> tuple[float, float]:
        """Return the parameters and tokens with the lowest loss where 6 N D is `flop` (equation 4 of the paper)."""
        balance = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        return balance * (flop / FLOP) ** self.exponent, (flop / FLOP) ** (1 - self.exponent) / balance
