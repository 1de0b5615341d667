"""Draw tokens, and ask whether what was drawn fits the shares.

>>> shares = torch.tensor([0.5, 0.3, 0.2])
>>> drawn = gumbel(shares.log().expand(9999, 3), torch.rand(9999, 3, generator=torch.Generator().manual_seed(0)))
>>> surprise(drawn.bincount(minlength=3), shares) > 1e-6, surprise(drawn.bincount(minlength=3), shares.flip(0)) > 1e-6
(True, False)
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def gumbel(scores: Float[Tensor, "B V"], uniform: Float[Tensor, "B V"]) -> Int[Tensor, " B"]:
    """Draw with a number for each token: the largest score after noise -log(-log u) is added to each.

    It needs neither the softmax nor a sum, and draws from the same shares.

    >>> gumbel(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.1, 0.9]])).tolist()
    [1]
    """
    return (scores - (-uniform.double().log()).log()).argmax(-1)


def surprise(found: Int[Tensor, " V"], shares: Float[Tensor, " V"]) -> float:
    """Return how likely counts at least as odd as these are, if tokens are drawn with these shares (Pearson 1900).

    Tokens that are expected fewer than five times count as one. A token of share zero that was drawn gives 0.

    >>> round(surprise(torch.tensor([48, 52]), torch.tensor([0.5, 0.5])), 3)
    0.689
    """
    if found[shares == 0].any():
        return 0.0
    draws = int(found.sum())
    expected, found = shares.double() * draws, found.double()
    rare = expected < 5
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    found = torch.cat([found[~rare], found[rare].sum()[None]])
    used = expected > 0
    statistic = ((found - expected)[used].square() / expected[used]).sum()
    freedom = torch.tensor(float(used.sum() - 1), dtype=torch.float64)
    return float(torch.special.gammaincc(freedom / 2, statistic / 2))
