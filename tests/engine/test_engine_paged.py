"""Attention over block tables is attention over each sequence by itself, and a model cannot tell the difference."""

from __future__ import annotations

import random
from typing import Any

import engines
import pytest
import torch
from torch import Tensor

from fullstack_llm.engine.blocks import Copy
from fullstack_llm.engine.paged import PagedCache, Row, Span, arrange, attend, forward
from fullstack_llm.transformer.attention import attention

CPU = torch.device("cpu")


def one_by_one(q: Tensor, keys: Tensor, values: Tensor, spans: list[Span], scale: float, window: int | None) -> Tensor:
    """The naive version: query by query, over the keys and values of its own sequence, as the formula says."""
    rows = []
    for blocks, start, size in spans:
        k, v = (torch.cat([stored[block] for block in blocks]) for stored in (keys, values))
        for position in range(start, start + size):
            first = 0 if window is None else max(position - window + 1, 0)
            seen_k, seen_v = (x[first : position + 1].transpose(0, 1)[None] for x in (k, v))
            query = q[len(rows)][None, :, None] * scale * q.shape[-1] ** 0.5
            rows.append(attention(query, seen_k, seen_v)[0, :, 0])
    return torch.stack(rows)


def some_spans(rng: random.Random, blocks: int, size: int) -> list[Span]:
    """Sequences that decode, that read prompts, and that begin; some share their first block."""
    free = list(range(1, blocks))
    rng.shuffle(free)
    spans = []
    for count in (1, 1, 1, 3, 3, 5, 11):
        start = rng.choice([0, 1, 6, 13])
        table = [0] + [free.pop() for _ in range(-(-(start + count) // size) - 1)]
        spans.append(Span(table, start, count))
    rng.shuffle(spans)
    return spans


@pytest.mark.parametrize("window", [None, 1, 5])
@pytest.mark.parametrize("seed", range(4))
def test_paged_attention_is_attention_one_by_one(seed: int, window: int | None) -> None:
    torch.manual_seed(seed)
    blocks, size, heads, kv_heads, width = 53, 3, 6, 2, 7
    spans = some_spans(random.Random(seed), blocks, size)
    q = torch.randn(sum(span.size for span in spans), heads, width, dtype=torch.float64)
    keys, values = torch.randn(2, blocks, size, kv_heads, width, dtype=torch.float64)
    want = one_by_one(q, keys, values, spans, 0.3, window)
    row = arrange(spans, size, CPU)
    torch.testing.assert_close(attend(q, keys, values, row, 0.3, window), want, rtol=0, atol=1e-12)

    # Controls: tables that name other blocks, and a window that is one wider.
    moved = [span._replace(blocks=[(block + 1) % blocks for block in span.blocks]) for span in spans]
    assert (attend(q, keys, values, arrange(moved, size, CPU), 0.3, window) - want).abs().max() > 1e-3
    if window is not None:
        assert (attend(q, keys, values, row, 0.3, window + 1) - want).abs().max() > 1e-3


def test_what_no_table_names_is_not_read() -> None:
    """Whatever stands in other blocks, and behind the last token in its own block, changes nothing."""
    torch.manual_seed(0)
    spans = [Span([3, 1], 3, 1), Span([2], 0, 2)]
    row = arrange(spans, 3, CPU)
    q, (keys, values) = torch.randn(3, 4, 5), torch.randn(2, 6, 3, 2, 5)
    before = attend(q, keys, values, row, 0.5)
    for stored in (keys, values):
        stored[[0, 4, 5]] += 100
        stored[1, 1:] += 100
        stored[2, 2] += 100
    assert torch.equal(attend(q, keys, values, row, 0.5), before)
    keys[1, 0] += 1
    assert not torch.equal(attend(q, keys, values, row, 0.5), before)


def run(model: Any, cache: PagedCache, parts: list[tuple[list[int], list[int], int, int]]) -> list[Tensor]:
    """Put parts (tokens, table, from, to) through the model in one step, and return the logits of each part."""
    spans = [Span(table, start, end - start) for _, table, start, end in parts]
    tokens = torch.tensor([token for ids, _, start, end in parts for token in ids[start:end]])
    row = arrange(spans, cache.keys.shape[2], CPU)
    return list(forward(model, cache, tokens, row, torch.arange(len(tokens))).split([span.size for span in spans]))


@pytest.mark.parametrize("name", engines.NAMES)
def test_logits_in_parts_are_the_logits_of_the_whole(name: str) -> None:
    """Two prompts, read in parts of different sizes side by side, have the logits of a plain forward pass."""
    model, rng = engines.model(name), random.Random(5)
    one, two = ([rng.randrange(512) for _ in range(length)] for length in (29, 17))
    cache = PagedCache(model.config, 13, 4, next(model.parameters()))
    a, b = [4, 0, 11, 7, 2, 9, 1, 5], [3, 10, 6, 8, 12]
    steps = [[(one, a, 0, 13)], [(one, a, 13, 14), (two, b, 0, 16)], [(two, b, 16, 17), (one, a, 14, 29)]]
    found = [run(model, cache, step) for step in steps]
    with torch.inference_mode():
        wants = [model(torch.tensor([ids])).logits[0] for ids in (one, two)]
    torch.testing.assert_close(torch.cat([found[0][0], found[1][0], found[2][1]]), wants[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat([found[1][1], found[2][0]]), wants[1], rtol=1e-4, atol=1e-4)


def test_copies_are_made_in_order_in_all_layers() -> None:
    config = engines.model("llama").config
    cache = PagedCache(config, 4, 2, torch.zeros(1))
    for block in range(4):
        cache.keys[:, block], cache.values[:, block] = block, -block
    cache.copy([Copy(1, 2), Copy(2, 3), Copy(0, 1)])
    assert cache.keys[:, :, 0, 0, 0].tolist() == [[0, 0, 1, 1]] * config.num_hidden_layers
    assert torch.equal(cache.values, -cache.keys)


def test_the_rest_of_the_row_is_not_read() -> None:
    """A sequence's logits do not depend on who else is in the row."""
    model, rng = engines.model("qwen3"), random.Random(3)
    ids, other = ([rng.randrange(512) for _ in range(9)] for _ in range(2))
    cache = PagedCache(model.config, 8, 4, next(model.parameters()))
    alone = run(model, cache, [(ids, [0, 1, 2], 0, 9)])[0]
    beside = run(model, cache, [(other, [3, 4, 5], 0, 9), (ids, [0, 1, 2], 0, 9)])[1]
    torch.testing.assert_close(alone, beside, rtol=1e-5, atol=1e-5)


def test_a_row_knows_where_its_tokens_stand() -> None:
    row: Row = arrange([Span([5], 1, 1), Span([2, 0], 3, 2), Span([1], 0, 1)], 4, CPU)
    assert [each.queries.tolist() for each in row.rectangles] == [[[0], [3]], [[1, 2]]]
    assert row.slots.tolist() == [21, 11, 0, 4]
    assert row.rectangles[0].mask[:, 0, 0].sum(-1).tolist() == [2, 1]
