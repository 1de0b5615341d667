"""Normalisation: RMSNorm as in Llama, and the choice between RMSNorm and PyTorch's LayerNorm."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .shape import Shape


def rms_norm(x: Float[Tensor, "... D"], gain: Float[Tensor, " D"], eps: float = 1e-6) -> Float[Tensor, "... D"]:
    """Return x / √(mean of x² + eps) · gain, computed in 32 bits (Zhang and Sennrich 2019, arXiv 1910.07467).

    >>> rms_norm(torch.tensor([3.0, 4.0]), torch.ones(2)).round(decimals=2)
    tensor([0.8500, 1.1300])
    """
    wide = x.float()
    return gain * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


class RMSNorm(nn.Module):
    """RMSNorm with a learned gain."""

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Normalise the last dimension."""
        return rms_norm(x, self.weight, self.eps)


def norm(shape: Shape) -> nn.Module:
    """Return the normalisation layer of a shape; LayerNorm, unlike RMSNorm, subtracts the mean and adds a bias."""
    kinds = {"rms": RMSNorm, "layer": nn.LayerNorm}
    return kinds[shape.norm](shape.hidden_size, eps=shape.eps)
