"""Scaled dot-product attention in three implementations: as the formula says, in tiles, and by PyTorch's kernel.

All take queries (B, H, T, d), keys and values (B, K, S, d), where K divides H: query head h reads key-value head
h // (H / K). A `mask` is True where a query may attend to a key; a `bias` is added to the scores. A query that may
attend to no key gets zeros.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Q = Float[Tensor, "B H T d"]
KV = Float[Tensor, "B K S d"]
Mask = Bool[Tensor, "*#B T S"] | None
Bias = Float[Tensor, "*#B T S"] | None


def weights(q: Q, k: KV, mask: Mask = None, bias: Bias = None) -> Float[Tensor, "B H T S"]:
    """Return the weights softmax(q kᵀ / √d), row by row (Vaswani et al. 2017, arXiv 1706.03762, equation 1)."""
    scores = q @ repeat(k, q.shape[1]).transpose(-1, -2) / math.sqrt(q.shape[-1])
    if bias is not None:
        scores = scores + bias
    if mask is None:
        return scores.softmax(-1)
    # The softmax of a row of -inf is NaN, and so is its gradient: such a row is left unmasked, and zeroed afterwards.
    blind = ~mask.any(-1, keepdim=True)
    return scores.masked_fill(~(mask | blind), -torch.inf).softmax(-1).masked_fill(blind, 0.0)


def attention(q: Q, k: KV, v: KV, mask: Mask = None, bias: Bias = None) -> Q:
    """Compute attention as the formula says, with all T × S scores at once.

    >>> q = k = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    >>> attention(q, k, v=torch.tensor([[[[1.0, 0.0], [3.0, 4.0]]]])).round(decimals=2)
    tensor([[[[1.6600, 1.3200],
              [2.3400, 2.6800]]]])
    """
    return weights(q, k, mask, bias) @ repeat(v, q.shape[1])


def repeat(x: KV, heads: int) -> Float[Tensor, "B H S d"]:
    """Repeat key-value heads until there is one for each query head (Ainslie et al. 2023, arXiv 2305.13245)."""
    return x.repeat_interleave(heads // x.shape[1], dim=1)


def tiled(q: Q, k: KV, v: KV, mask: Mask = None, tile: int = 64) -> Q:
    """Compute attention tile by tile with a running maximum and a running sum, without the full matrix of scores.

    The running maximum and sum are those of Milakov and Gimelshein 2018 (arXiv 1805.02867), the running mix of values
    that of Rabe and Staats 2021 (arXiv 2112.05682), the tiling that of Dao et al. 2022 (arXiv 2205.14135). Without
    gradients, memory grows with T and not with T²; a tile that is masked completely is never computed.
    """
    k, v = repeat(k, q.shape[1]), repeat(v, q.shape[1])
    out = torch.empty_like(q)
    for top in range(0, q.shape[2], tile):
        rows = q[:, :, top : top + tile] / math.sqrt(q.shape[-1])
        highest = rows.new_full((*rows.shape[:-1], 1), -torch.inf)
        total, mixed = torch.zeros_like(highest), torch.zeros_like(rows)
        for left in range(0, k.shape[2], tile):
            columns = slice(left, left + tile)
            seen = mask[..., top : top + tile, columns] if mask is not None else None
            if seen is not None and not seen.any():
                continue
            scores = rows @ k[:, :, columns].transpose(-1, -2)
            if seen is not None:
                scores = scores.masked_fill(~seen, -torch.inf)
            now = torch.maximum(highest, scores.amax(-1, keepdim=True))
            # While all scores of a row are masked its maximum is -inf, and -inf minus -inf is NaN.
            base = now.masked_fill(now == -torch.inf, 0.0)
            shares, old = (scores - base).exp(), (highest - base).exp()
            total = total * old + shares.sum(-1, keepdim=True)
            mixed = mixed * old + shares @ v[:, :, columns]
            highest = now
        out[:, :, top : top + tile] = mixed / total.masked_fill(total == 0, 1.0)
    return out


def fused(q: Q, k: KV, v: KV, mask: Mask = None, bias: Bias = None, causal: bool = False) -> Q:
    """Call PyTorch's `scaled_dot_product_attention`, which uses a kernel that never stores the scores, if it has one.

    With `causal` and neither mask nor bias, the kernel applies the causal mask by itself, and no mask is stored.
    """
    both = bias if mask is None else mask if bias is None else bias.masked_fill(~mask, -torch.inf)
    grouped = q.shape[1] != k.shape[1]
    return scaled_dot_product_attention(q, k, v, attn_mask=both, is_causal=causal and both is None, enable_gqa=grouped)
