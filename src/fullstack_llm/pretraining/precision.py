"""Weights in 16 bits, and the updates that they lose.

>>> halfway(torch.tensor([1.0, 2.0, 3.0])).tolist()
[0.00390625, 0.0078125, 0.0078125]
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

DIGITS = 8  # binary digits of a bf16 number, the leading one among them


def halfway(w: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """Return half the distance from each weight's size to the next larger number of bf16.

    An update that is smaller leaves the weight where it is; below a power of two the distance is half as large.
    """
    return torch.ldexp(torch.ones_like(w), torch.frexp(w).exponent - DIGITS - 1)


def lost(w: Float[Tensor, ...], update: Float[Tensor, ...]) -> float:
    """Return the share of the updates, of those that are not zero, after which a weight in bf16 is what it was.

    >>> lost(torch.ones(3), torch.tensor([0.003, 0.004, 0.0]))
    0.5
    """
    w = w.bfloat16()
    stays = (w.float() + update).bfloat16() == w
    return (stays & (update != 0)).sum().item() / max(1, (update != 0).sum().item())


def stochastic(x: Float[Tensor, ...], generator: torch.Generator) -> Float[Tensor, ...]:
    """Round to bf16 up or down at random, so that the mean of many roundings is the number itself.

    A random 16-bit number is added to the bits that bf16 drops, and they are cut off.
    """
    bits = x.float().contiguous().view(torch.int32)
    noise = torch.randint(1 << 16, bits.shape, generator=generator, dtype=torch.int32)
    return ((bits + noise) & ~0xFFFF).view(torch.float32).bfloat16()
