"""Store keys and values in blocks, and compute attention over block tables, for any model of `transformers`.

The tokens of all sequences that take part in a step lie in one row, one sequence after the other: one token of a
sequence that decodes, many of a prompt that is read. Everything in the model but attention treats tokens alone. In
attention each query reads the keys and values of its own sequence, which its table finds:

>>> spans = [Span([2], start=1, size=1), Span([0, 3], start=0, size=3)]
>>> row = arrange(spans, block_size=2, device=torch.device("cpu"))
>>> row.positions.tolist(), row.slots.tolist()
([1, 0, 1, 2], [5, 0, 1, 6])
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedConfig, PreTrainedModel

from fullstack_llm.engine.blocks import Copy

NAME = "fullstack_llm_paged"  # under which the model finds this attention

Stored = Float[Tensor, "blocks block_size K d"]


class Span(NamedTuple):
    """Name the tokens of a sequence in a step: its blocks, the position of the first token, and how many there are."""

    blocks: Sequence[int]
    start: int
    size: int


class Rectangle(NamedTuple):
    """Hold sequences with equally many queries: where these stand in the row, the tables, and what each may read.

    A table that is shorter than the longest is filled up with its own last block, and the mask hides what is too much.
    It would hide another sequence's block as well, but not if NaN stood there: a weight of 0 times NaN is NaN.
    What is filled up is work for nothing, so a rectangle holds tables of similar length.
    """

    queries: Int[Tensor, "S T"]
    tables: Int[Tensor, "S b"]
    positions: Int[Tensor, "S T 1"]
    mask: Bool[Tensor, "S 1 T L"]


class Row(NamedTuple):
    """Hold what a step needs to know of its tokens: positions, slots in the cache, and sequences for attention."""

    positions: Int[Tensor, " N"]
    slots: Int[Tensor, " N"]
    rectangles: list[Rectangle]


def arrange(spans: Sequence[Span], block_size: int, device: torch.device) -> Row:
    """Return positions and slots of the tokens of all sequences, and the sequences ordered into rectangles."""
    positions, slots = list[int](), list[int]()
    alike = defaultdict[tuple[int, int], list[tuple[int, Span]]](list)
    for span in spans:
        # Up to four blocks, then up to eight, sixteen, ...: at most half of a longer table is filled up.
        alike[span.size, max((len(span.blocks) - 1).bit_length(), 2)].append((len(positions), span))
        now = range(span.start, span.start + span.size)
        positions += now
        slots += [span.blocks[at // block_size] * block_size + at % block_size for at in now]
    rectangles = [_rectangle(members, size, block_size, device) for (size, _), members in alike.items()]
    return Row(torch.tensor(positions, device=device), torch.tensor(slots, device=device), rectangles)


def _rectangle(members: list[tuple[int, Span]], size: int, block_size: int, device: torch.device) -> Rectangle:
    """Return the rectangle of some sequences with `size` queries each, given with their first places in the row."""
    offsets = torch.tensor([first for first, _ in members], device=device)
    starts = torch.tensor([span.start for _, span in members], device=device)
    width = max(-(-(span.start + size) // block_size) for _, span in members)
    tables = [[*span.blocks[:width], *[span.blocks[-1]] * (width - len(span.blocks))] for _, span in members]
    steps = torch.arange(size, device=device)
    positions = (starts[:, None] + steps)[:, :, None]
    mask = torch.arange(width * block_size, device=device) <= positions
    return Rectangle(offsets[:, None] + steps, torch.tensor(tables, device=device), positions, mask[:, None])


class PagedCache:
    """Hold the keys and values of all layers, in blocks."""

    def __init__(self, config: PreTrainedConfig, blocks: int, block_size: int, like: Tensor) -> None:
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, blocks, block_size, config.num_key_value_heads, width)
        # Zeros and not whatever was there, which might be NaN.
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)

    def copy(self, copies: Sequence[Copy]) -> None:
        """Copy blocks in all layers, one after the other: a block may be a target and later a source."""
        for source, target in copies:
            self.keys[:, target] = self.keys[:, source]
            self.values[:, target] = self.values[:, source]

    def broken(self, blocks: Sequence[int]) -> list[int]:
        """Return those of some blocks that hold what is not a finite number."""
        return [at for at in blocks if not (self.keys[:, at].isfinite().all() and self.values[:, at].isfinite().all())]

    def clear(self, blocks: Sequence[int]) -> None:
        """Write zeros over some blocks."""
        self.keys[:, blocks], self.values[:, blocks] = 0, 0


def attend(
    q: Float[Tensor, "N H d"], keys: Stored, values: Stored, row: Row, scale: float, window: int | None = None
) -> Float[Tensor, "N H d"]:
    """Compute the attention of all queries, rectangle by rectangle: gather blocks, then one masked product.

    With a `window`, a query reads the last `window` positions only, its own among them.
    """
    out = torch.empty_like(q)
    for queries, tables, positions, mask in row.rectangles:
        k, v = (_gather(stored, tables).transpose(1, 2) for stored in (keys, values))
        if window is not None:
            near = torch.arange(k.shape[2], device=q.device) > positions - window
            mask = mask & near[:, None]
        rows = q[queries].transpose(1, 2)
        mixed = scaled_dot_product_attention(rows, k, v, attn_mask=mask, scale=scale, enable_gqa=True)
        out[queries] = mixed.transpose(1, 2)
    return out


def _gather(stored: Stored, tables: Int[Tensor, "S b"]) -> Float[Tensor, "S L K d"]:
    """Return the content of the blocks in the tables; whole blocks are copied, several times as fast as by indexing."""
    return stored.flatten(1).index_select(0, tables.flatten()).view(len(tables), -1, *stored.shape[2:])


def forward_attention(
    module: Any,
    query: Float[Tensor, "1 H N d"],
    key: Float[Tensor, "1 K N d"],
    value: Float[Tensor, "1 K N d"],
    attention_mask: None,
    scaling: float,
    cache: PagedCache,
    row: Row,
    sliding_window: int | None = None,
    **unused: Any,
) -> tuple[Float[Tensor, "1 N H d"], None]:
    """Store the new keys and values of a layer, then attend; this is what the model calls instead of its own."""
    keys, values = cache.keys[module.layer_idx], cache.values[module.layer_idx]
    keys.flatten(0, 1).index_copy_(0, row.slots, key[0].transpose(0, 1))
    values.flatten(0, 1).index_copy_(0, row.slots, value[0].transpose(0, 1))
    return attend(query[0].transpose(0, 1), keys, values, row, scaling, sliding_window)[None], None


AttentionInterface.register(NAME, forward_attention)


@contextmanager
def paged(model: PreTrainedModel) -> Iterator[None]:
    """Let a model attend over block tables for a while; its own attention is there again afterwards."""
    before = model.config._attn_implementation
    model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = before


@torch.inference_mode()
def forward(
    model: PreTrainedModel, cache: PagedCache, tokens: Int[Tensor, " N"], row: Row, wanted: Int[Tensor, " R"]
) -> Float[Tensor, "R V"]:
    """Run the tokens of a step through the model, and return the logits at the `wanted` places of the row."""
    with paged(model):
        out = model(
            input_ids=tokens[None],
            position_ids=row.positions[None],
            use_cache=False,
            logits_to_keep=wanted,
            cache=cache,
            row=row,
        )
    return out.logits[0]
