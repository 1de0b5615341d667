"""Position encodings: RoPE in two layouts, sinusoids, and ALiBi. Without any, unmasked attention ignores order.

RoPE rotates each pair of columns by an angle that grows with the position (Su et al. 2021, arXiv 2104.09864), so that
the product of a query at position m and a key at position n depends on m - n alone.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def angles(
    length: int, dim: int, theta: float = 10_000.0, start: int = 0, device: torch.device | str = "cpu"
) -> tuple[Float[Tensor, "T P"], Float[Tensor, "T P"]]:
    """Return the cosine and sine of position · θ^(-2i/d) for each of the P = d / 2 pairs.

    >>> cos, sin = angles(length=2, dim=4)
    >>> torch.acos(cos[1]).round(decimals=2)
    tensor([1.0000, 0.0100])
    """
    frequency = 1.0 / theta ** (torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim)
    angle = torch.arange(start, start + length, dtype=torch.float32, device=device)[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x: Float[Tensor, "... T d"], cos: Tensor, sin: Tensor) -> Float[Tensor, "... T d"]:
    """Rotate the pairs of columns (i, i + d/2): the layout of Llama in `transformers` and of GPT-NeoX.

    >>> rotate(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), *angles(1, 4, start=1)).round(decimals=2)
    tensor([[0.5400, 0.0000, 0.8400, 0.0000]])
    """
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def rotate_interleaved(x: Float[Tensor, "... T d"], cos: Tensor, sin: Tensor) -> Float[Tensor, "... T d"]:
    """Rotate the pairs of columns (2i, 2i + 1): the layout of the paper and of Meta's own Llama.

    >>> rotate_interleaved(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), *angles(1, 4, start=1)).round(decimals=2)
    tensor([[0.5400, 0.8400, 0.0000, 0.0000]])
    """
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)


def to_half_layout(weight: Float[Tensor, "O I"], heads: int) -> Float[Tensor, "O I"]:
    """Reorder the rows of a query or key projection from the layout of `rotate_interleaved` to that of `rotate`."""
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def sinusoidal(length: int, dim: int) -> Float[Tensor, "T D"]:
    """Return sines in the even columns and cosines in the odd ones (Vaswani et al. 2017, section 3.5).

    >>> sinusoidal(2, 4).round(decimals=2)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8400, 0.5400, 0.0100, 1.0000]])
    """
    cos, sin = angles(length, dim)
    return torch.stack([sin, cos], dim=-1).flatten(-2)


def slopes(heads: int) -> Float[Tensor, " H"]:
    """Return ALiBi's slope of each head: 2^(-8/H), 2^(-16/H), ... (Press et al. 2022, arXiv 2108.12409).

    If the number of heads is no power of two, the slopes are those for the next lower power of two, followed by every
    other slope for the next higher power.

    >>> slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    """
    below = 2 ** math.floor(math.log2(heads))
    first = [2.0 ** (-8 * (i + 1) / below) for i in range(below)]
    more = [2.0 ** (-4 * (i + 1) / below) for i in range(0, 2 * (heads - below), 2)]
    return torch.tensor(first + more)


def alibi(length: int, heads: int) -> Float[Tensor, "H T T"]:
    """Return ALiBi's bias on the scores: minus the slope times the distance; later tokens need a mask.

    >>> alibi(3, 1)[0, 2].tolist()
    [-0.0078125, -0.00390625, -0.0]
    """
    at = torch.arange(length)
    return -slopes(heads)[:, None, None] * (at[:, None] - at[None, :]).clamp(min=0)
