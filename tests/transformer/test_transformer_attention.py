"""Attention three ways, against loops in 64 bits; and what each needs beside its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from allocator import allocated
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fullstack_llm.measure import peak_bytes
from fullstack_llm.transformer import masks
from fullstack_llm.transformer.attention import attention, fused, repeat, tiled, weights


def by_hand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """One number after the other, with Python's own floats."""
    B, H, T, d = q.shape
    group, out = H // k.shape[1], torch.zeros_like(q, dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            for t in range(T):
                scores = {}
                for s in range(k.shape[2]):
                    if mask is None or bool(mask.expand(B, H, T, k.shape[2])[b, h, t, s]):
                        products = zip(q[b, h, t].tolist(), k[b, h // group, s].tolist(), strict=True)
                        scores[s] = math.fsum(x * y for x, y in products) / math.sqrt(d)
                        if bias is not None:
                            scores[s] += float(bias.expand(B, H, T, k.shape[2])[b, h, t, s])
                highest = max(scores.values(), default=0.0)
                shares = {s: math.exp(score - highest) for s, score in scores.items()}
                for s, share in shares.items():
                    out[b, h, t] += share / math.fsum(shares.values()) * v[b, h // group, s].double()
    return out


def inputs(
    heads: int, kv_heads: int, queries: int, keys: int, scale: float, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(2, heads, queries, 5, generator=generator) * scale
    k, v = (torch.randn(2, kv_heads, keys, 5, generator=generator) for _ in range(2))
    return q, k * scale, v


def make_mask(kind: str, queries: int, keys: int, seed: int) -> Tensor | None:
    if kind == "none":
        return None
    if kind == "causal":
        return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    generator = torch.Generator().manual_seed(seed)
    if kind == "blind":  # every third query may look at nothing
        return (torch.rand(queries, keys, generator=generator) < 0.6) & (torch.arange(queries) % 3 != 1)[:, None]
    return torch.rand(2, 1, queries, keys, generator=generator) < 0.5


CASES = st.tuples(
    st.sampled_from([(1, 1), (3, 3), (6, 2), (4, 1)]),
    st.integers(1, 13),
    st.integers(1, 13),
    st.sampled_from(["none", "causal", "blind", "random"]),
    st.sampled_from([0.01, 1.0, 40.0]),
    st.integers(0, 1000),
)


@settings(max_examples=50)
@given(CASES, st.sampled_from([1, 2, 3, 5, 64]))
@example(((6, 2), 7, 7, "blind", 40.0, 0), 3)
@example(((1, 1), 1, 1, "none", 1.0, 0), 64)
def test_three_ways_agree_with_loops(case: tuple, tile: int) -> None:
    (heads, kv_heads), T, S, kind, scale, seed = case
    q, k, v = inputs(heads, kv_heads, T, S, scale, seed)
    mask = make_mask(kind, T, S, seed)
    right = by_hand(q, k, v, mask)
    # Scores of several thousand have errors of 1e-4 in 32 bits, and shares inherit them.
    close = {"rtol": 1e-4, "atol": 2e-2 if scale > 1 else 1e-5}
    for way in (attention(q, k, v, mask), tiled(q, k, v, mask, tile), fused(q, k, v, mask)):
        assert way.isfinite().all()
        torch.testing.assert_close(way.double(), right, **close)
    doubles = [x.double() for x in (q, k, v)]
    for way in (attention(*doubles, mask), tiled(*doubles, mask, tile)):
        torch.testing.assert_close(way, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", [attention, fused])
def test_a_bias_is_added_to_the_scores(way: Callable[..., Tensor]) -> None:
    q, k, v = inputs(6, 2, 7, 7, 1.0, 1)
    bias, mask = torch.randn(6, 7, 7, generator=torch.Generator().manual_seed(2)), masks.causal(7)
    torch.testing.assert_close(way(q, k, v, mask, bias).double(), by_hand(q, k, v, mask, bias), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(way(q, k, v, mask, bias), way(q, k, v, mask), atol=1e-2)


def test_causal_is_the_triangle() -> None:
    q, k, v = inputs(6, 2, 11, 11, 1.0, 1)
    torch.testing.assert_close(fused(q, k, v, causal=True), attention(q, k, v, masks.causal(11)))


def test_a_query_that_may_look_at_nothing_gets_zeros() -> None:
    q, k, v = inputs(3, 3, 5, 5, 1.0, 0)
    mask = masks.causal(5)
    mask[2] = False
    for out in (attention(q, k, v, mask), tiled(q, k, v, mask, 2), fused(q, k, v, mask)):
        assert (out[:, :, 2] == 0).all()
        assert (out[:, :, [0, 1, 3, 4]] != 0).all()
    assert (weights(q, k, mask)[:, :, 2] == 0).all()
    # Control: the softmax alone makes no number of such a row.
    assert (q @ k.mT).masked_fill(~mask, -torch.inf).softmax(-1)[:, :, 2].isnan().all()


def test_weights_add_up_to_one_and_do_not_overflow() -> None:
    q, k, _ = inputs(6, 2, 9, 9, 200.0, 5)
    found = weights(q, k, masks.causal(9))
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 6, 9))
    assert (found.triu(1) == 0).all()
    # Control: exponentials without the maximum taken off first.
    scores = (q @ repeat(k, 6).mT / math.sqrt(5)).exp()
    assert not (scores / scores.sum(-1, keepdim=True)).isfinite().all()


def test_a_mask_after_the_softmax_would_leak() -> None:
    q, k, v = inputs(3, 3, 8, 8, 1.0, 0)
    later = k.clone()
    later[:, :, 7] += 1.0
    torch.testing.assert_close(
        attention(q, k, v, masks.causal(8))[:, :, :7], attention(q, later, v, masks.causal(8))[:, :, :7]
    )
    zeroed = [(weights(q, keys) * masks.causal(8)) @ v for keys in (k, later)]
    assert (zeroed[0] - zeroed[1])[:, :, :7].abs().max() > 0.01


def test_query_heads_read_their_own_key_value_head() -> None:
    q, k, v = inputs(6, 2, 5, 5, 1.0, 0)
    changed = v.clone()
    changed[:, 1] += 1.0
    moved = (attention(q, k, v) - attention(q, k, changed)).abs().amax(dim=(0, 2, 3)) > 0.1
    assert moved.tolist() == [False, False, False, True, True, True]
    assert torch.equal(repeat(k, 6)[:, 2], k[:, 0])
    # Control: tiled heads would give the second to every other query head.
    assert not torch.equal(k.repeat(1, 3, 1, 1)[:, 2], k[:, 1])


@pytest.mark.parametrize("kind", ["causal", "blind"])
def test_tiles_give_the_same_gradients(kind: str) -> None:
    mask, found = make_mask(kind, 13, 13, 0), []
    for way in (attention, lambda *a: tiled(*a, 4), fused):
        leaves = [x.requires_grad_() for x in inputs(6, 2, 13, 13, 1.0, 3)]
        found.append(torch.autograd.grad(way(*leaves, mask).square().sum(), leaves))
        assert all(gradient.isfinite().all() for gradient in found[-1])
    for gradients in found[1:]:
        for ours, right in zip(gradients, found[0], strict=True):
            torch.testing.assert_close(ours, right, rtol=1e-4, atol=1e-5)


def test_a_tile_that_nobody_may_look_at_is_not_computed() -> None:
    q, k, v = inputs(1, 1, 8, 8, 1.0, 0)
    k[:, :, 4:] = torch.nan
    assert tiled(q, k, v, masks.causal(8), 4)[:, :, :4].isfinite().all()
    # Control: with the triangle off, the same keys are read.
    assert tiled(q, k, v, None, 4)[:, :, :4].isnan().all()


def test_peak_bytes_is_what_the_allocator_says() -> None:
    q, k, v = (torch.randn(1, 2, 64, 8) for _ in range(3))
    mask = masks.causal(64)
    works = {
        "naive": lambda: attention(q, k, v, mask),
        "tiled": lambda: tiled(q, k, v, mask, 16),
        "chain": lambda: q.exp().exp().exp(),
        "view": lambda: q.mT,
    }
    assert {name: peak_bytes(work) for name, work in works.items()} == {
        name: allocated(work) for name, work in works.items()
    }
    # What a kernel allocates inside is the one thing that is not seen.
    assert allocated(lambda: fused(q, k, v, causal=True)) > peak_bytes(lambda: fused(q, k, v, causal=True))


def test_naive_memory_grows_with_the_square_and_tiles_with_the_length() -> None:
    peaks: dict[str, list[int]] = {"attention": [], "tiled": []}
    for length in (128, 256):
        q, k, v = (torch.randn(1, 2, length, 8) for _ in range(3))
        mask = masks.causal(length)
        peaks["attention"].append(peak_bytes(lambda q=q, k=k, v=v, mask=mask: attention(q, k, v, mask)))
        peaks["tiled"].append(peak_bytes(lambda q=q, k=k, v=v, mask=mask: tiled(q, k, v, mask, 16)))
    assert peaks["attention"][1] / peaks["attention"][0] > 3.8
    assert peaks["tiled"][1] / peaks["tiled"][0] < 2.1


def test_peak_bytes_forgets_what_has_gone_and_does_not_count_views() -> None:
    x = torch.zeros(100)
    assert peak_bytes(lambda: [x + 1, x + 2]) == 800
    assert peak_bytes(lambda: (x + 1).sum()) == 404
    assert peak_bytes(lambda: x.view(10, 10).T[2:]) == 0
    assert peak_bytes(lambda: x.add_(1)) == 0
