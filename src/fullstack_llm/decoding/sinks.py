"""Read a stream without end with a cache of fixed size: a ring of the last tokens, and the first ones kept for ever.

Positions are places in the cache, not in the text, so that no distance grows beyond the cache (Xiao et al. 2024, arXiv
2309.17453). Keys are kept as they were before RoPE, and rotated when they are read.

>>> visible(5, window=3, sinks=1).int().tolist()
[[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 1, 1, 0], [1, 0, 0, 1, 1]]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullstack_llm.decoding.cache import projected
from fullstack_llm.transformer import masks, positions
from fullstack_llm.transformer.attention import fused
from fullstack_llm.transformer.decoder import Decoder


def visible(length: int, window: int, sinks: int) -> Bool[Tensor, "T T"]:
    """Return the mask of a cache of `window` tokens whose first `sinks` are those of the text."""
    seen = masks.causal(length)
    first = torch.arange(length) < sinks
    return seen & (masks.sliding(length, window - sinks) | first[None, :])


def slot(token: int, window: int, sinks: int) -> int:
    """Return where a token is kept: in order until the cache is full, then over the oldest that is no sink.

    >>> [slot(token, window=4, sinks=1) for token in range(9)]
    [0, 1, 2, 3, 1, 2, 3, 1, 2]
    """
    return token if token < sinks else sinks + (token - sinks) % (window - sinks)


def places(seen: int, window: int, sinks: int) -> Int[Tensor, " S"]:
    """Return for each slot the place of its token among those that are kept, the oldest first.

    >>> places(6, window=4, sinks=1).tolist()
    [0, 2, 3, 1]
    """
    if seen <= window:
        return torch.arange(seen)
    ring = torch.arange(window - sinks)
    oldest = (seen - sinks) % (window - sinks)
    return torch.cat([torch.arange(sinks), sinks + (ring - oldest) % (window - sinks)])


@dataclass
class Ring:
    """Hold the keys, not rotated, and the values of each layer: (layers, kv_heads, window, head_dim)."""

    model: Decoder
    window: int
    sinks: int = 0
    seen: int = 0
    keys: Float[Tensor, "L H W d"] = field(init=False)
    values: Float[Tensor, "L H W d"] = field(init=False)

    def __post_init__(self) -> None:
        """Make room for a window of tokens."""
        shape = self.model.shape
        size = (shape.num_layers, shape.num_kv_heads, self.window, shape.head_dim)
        where = self.model.embed_tokens.weight.device
        self.keys, self.values = torch.zeros(size, device=where), torch.zeros(size, device=where)

    @torch.no_grad()
    def read(self, token: int) -> Float[Tensor, " V"]:
        """Take one more token, and return the logits of the next."""
        at, self.seen = slot(self.seen, self.window, self.sinks), self.seen + 1
        where = places(self.seen, self.window, self.sinks).to(self.keys.device)
        kept, shape = len(where), self.model.shape
        cos, sin = positions.angles(kept, shape.head_dim, shape.rope_theta, device=self.keys.device)
        x = self.model.embed_tokens.weight[token][None, None]
        blocks: Any = self.model.layers
        for number, block in enumerate(blocks):
            q, k, v = projected(block.self_attn, block.input_layernorm(x))
            self.keys[number, :, at], self.values[number, :, at] = k[0, :, 0], v[0, :, 0]
            k = positions.rotate(self.keys[number, None, :, :kept], cos[where], sin[where])
            mixed = fused(positions.rotate(q, cos[-1:], sin[-1:]), k, self.values[number, None, :, :kept])
            x = x + block.self_attn.o_proj(mixed.transpose(1, 2).flatten(2))
            x = x + block.mlp(block.post_attention_layernorm(x))
        return self.model.lm_head(self.model.norm(x))[0, 0]


def streamed(ring: Ring, ids: Int[Tensor, " T"]) -> Float[Tensor, " T1"]:
    """Return the loss of every token but the first as the ring reads them one by one, in nats."""
    logits = torch.stack([ring.read(int(token)) for token in ids[:-1]])
    return cross_entropy(logits.cpu(), ids[1:].cpu(), reduction="none")
