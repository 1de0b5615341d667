"""Keep the keys and values of the tokens so far, and run a decoder on the new ones alone.

>>> from fullstack_llm import models
>>> from fullstack_llm.transformer import from_llama
>>> llama, tokenizer = models.load("base")
>>> model = from_llama(llama)
>>> ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer("Ada lives").input_ids]])
>>> kept = Buffer(model.shape, size=64)
>>> tokenizer.decode(generate(model, ids, kept, count=6)), kept.length
(' on Lantern R', 10)

A cache has `length`, the number of tokens that it holds; `update`, which stores the keys and values of a layer and
returns all of that layer; and `advance`, once for each pass, when all layers have stored theirs.
"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fullstack_llm.transformer import Decoder, Shape, positions
from fullstack_llm.transformer.attention import fused
from fullstack_llm.transformer.decoder import Attention, Block

KV = Float[Tensor, "B K T d"]


class Cache(Protocol):
    """Say what a cache must have for `forward`."""

    @property
    def length(self) -> int:
        """Return how many tokens are kept."""

    def update(self, layer: int, k: KV, v: KV) -> tuple[KV, KV]:
        """Store the keys and values of new tokens, and return those of all."""

    def advance(self, count: int) -> None:
        """Count the new tokens as kept."""


class Growing:
    """Hold a pair of tensors for each layer, which every token makes anew, longer by one.

    >>> kept = Growing(layers=1)
    >>> one = torch.ones(1, 2, 3, 4)
    >>> kept.update(0, one, one)[0].shape, kept.update(0, one, one)[0].shape
    (torch.Size([1, 2, 3, 4]), torch.Size([1, 2, 6, 4]))
    """

    def __init__(self, layers: int) -> None:
        self.pairs: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.length = 0

    def update(self, layer: int, k: KV, v: KV) -> tuple[KV, KV]:
        """Join the new keys and values to the old ones, and return both."""
        old = self.pairs[layer]
        both = (k, v) if old is None else (torch.cat([old[0], k], dim=2), torch.cat([old[1], v], dim=2))
        self.pairs[layer] = both
        return both

    def advance(self, count: int) -> None:
        """Count the new tokens as kept."""
        self.length += count


class Buffer:
    """Hold room for `size` tokens in all layers from the beginning, and write new keys and values into it.

    >>> shape = Shape(vocab_size=5, hidden_size=8, intermediate_size=8, num_layers=1, num_heads=2, num_kv_heads=1)
    >>> kept = Buffer(shape, size=3)
    >>> kept.keys.shape, kept.nbytes
    (torch.Size([1, 1, 1, 3, 4]), 96)
    >>> one = torch.ones(1, 1, 2, 4)
    >>> kept.update(0, one, one)[0].shape, kept.length
    (torch.Size([1, 1, 2, 4]), 0)
    >>> kept.advance(2)
    >>> kept.rewind(1)
    >>> kept.length
    1
    """

    def __init__(
        self,
        shape: Shape,
        size: int,
        batch: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        sizes = (shape.num_layers, batch, shape.num_kv_heads, size, shape.head_dim)
        self.keys = torch.zeros(sizes, dtype=dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self.length, self.size = 0, size

    @property
    def nbytes(self) -> int:
        """Return the bytes of the whole buffer, filled or not."""
        return self.keys.nbytes + self.values.nbytes

    def update(self, layer: int, k: KV, v: KV) -> tuple[KV, KV]:
        """Write new keys and values behind the old ones, and return a view of both; ValueError if they do not fit."""
        end = self.length + k.shape[2]
        if end > self.size:
            raise ValueError(f"{end} tokens do not fit into a buffer for {self.size}")
        keys, values = self.keys[layer], self.values[layer]
        keys[:, :, self.length : end], values[:, :, self.length : end] = k, v
        return keys[:, :, :end], values[:, :, :end]

    def advance(self, count: int) -> None:
        """Count the new tokens as kept."""
        self.length += count

    def rewind(self, length: int) -> None:
        """Forget all tokens from position `length` on: the next ones are written over them."""
        if not 0 <= length <= self.length:
            raise ValueError(f"{self.length} tokens are kept, so the cache cannot be set back to {length}")
        self.length = length


def seen(new: int, before: int, device: torch.device | str = "cpu") -> Bool[Tensor, "T S"]:
    """Return the causal mask of `new` tokens that follow `before` others: its triangle ends in the lower right corner.

    >>> seen(new=2, before=3).int().tolist()
    [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    """
    query = torch.arange(before, before + new, device=device)
    return torch.arange(before + new, device=device) <= query[:, None]


@torch.no_grad()
def forward(
    model: Decoder,
    ids: Int[Tensor, "B T"],
    cache: Cache,
    start: int | None = None,
    mask: Bool[Tensor, "T S"] | None = None,
) -> Float[Tensor, "B T V"]:
    """Return the logits after each new token; the cache holds those before, and holds the new ones afterwards.

    `start` is the position of the first new token, and `mask` says what each may read; both follow from the length of
    the cache, and are arguments so that they can be wrong.
    """
    before, T = cache.length, ids.shape[1]
    rotation = positions.angles(
        T, model.shape.head_dim, model.shape.rope_theta, before if start is None else start, ids.device
    )
    mask = seen(T, before, ids.device) if mask is None else mask
    x = model.embed_tokens(ids)
    for layer, block in enumerate(model.layers):
        assert isinstance(block, Block)
        q, k, v = projected(block.self_attn, block.input_layernorm(x))
        q, k = (positions.rotate(part, *rotation).to(x.dtype) for part in (q, k))
        k, v = cache.update(layer, k, v)
        x = x + block.self_attn.o_proj(fused(q, k, v, mask).transpose(1, 2).flatten(2))
        x = x + block.mlp(block.post_attention_layernorm(x))
    cache.advance(T)
    return model.lm_head(model.norm(x))


def projected(attention: Attention, x: Float[Tensor, "B T D"]) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries (B, H, T, d), keys and values (B, K, T, d) of some tokens, not rotated."""
    B, T, _ = x.shape
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    q, k, v = (part(x).view(B, T, -1, attention.dim).transpose(1, 2) for part in parts)
    return q, k, v


def generate(model: Decoder, ids: Int[Tensor, "1 T"], cache: Cache, count: int, stop: int | None = None) -> list[int]:
    """Decode greedily: return up to `count` tokens, ending with `stop` if it comes.

    The last token is not put through the model, and so is not in the cache.
    """
    added: list[int] = []
    while len(added) < count and (not added or added[-1] != stop):
        new = forward(model, ids, cache)[:, -1].argmax(-1, keepdim=True)
        added.append(int(new))
        ids = new
    return added
