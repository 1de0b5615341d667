"""A linear recurrence h_t = a_t h_{t-1} + b_t: step by step, and in about log2 T rounds, since it is associative.

Two steps in a row are one: (a, b) and then (a', b') is (a a', a' b + b'). That is what state-space models rest on
(Martin and Cundy 2018, arXiv 1709.04057; Gu and Dao 2023, arXiv 2312.00752).

>>> a, b = torch.full((5, 1), 0.5), torch.ones(5, 1)
>>> loop(a, b)[:, 0].tolist()
[1.0, 1.5, 1.75, 1.875, 1.9375]
>>> torch.equal(loop(a, b), scan(a, b))
True
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def loop(a: Float[Tensor, "T ..."], b: Float[Tensor, "T ..."]) -> Float[Tensor, "T ..."]:
    """Return all states, one after another, from h_{-1} = 0."""
    h, found = torch.zeros_like(b[0]), []
    for decay, step in zip(a, b, strict=True):
        h = decay * h + step
        found.append(h)
    return torch.stack(found)


def scan(a: Float[Tensor, "T ..."], b: Float[Tensor, "T ..."]) -> Float[Tensor, "T ..."]:
    """Return all states in about log2 T rounds, each over all places at once (Hillis and Steele 1986).

    After round r each place holds the 2^r steps that end there, as one step.
    """
    reach = 1
    while reach < len(a):
        # A place before the first joins with the step that changes nothing: decay 1 and nothing added.
        before_a = torch.cat([torch.ones_like(a[:reach]), a[:-reach]])
        before_b = torch.cat([torch.zeros_like(b[:reach]), b[:-reach]])
        a, b = before_a * a, a * before_b + b
        reach *= 2
    return b
