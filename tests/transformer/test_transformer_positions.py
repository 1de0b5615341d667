"""Positions: RoPE's property, layouts and the library's own, ALiBi's slopes, sinusoids."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from fullstack_llm.transformer import masks, positions
from fullstack_llm.transformer.positions import angles, rotate, rotate_interleaved, to_half_layout

LAYOUTS = {"half": rotate, "interleaved": rotate_interleaved}


def random(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(x: list[float], position: int, theta: float, layout: str) -> list[float]:
    """Each pair turned as a complex number."""
    d, out = len(x), list(x)
    for i in range(d // 2):
        a, b = (i, i + d // 2) if layout == "half" else (2 * i, 2 * i + 1)
        turned = complex(x[a], x[b]) * complex(
            math.cos(position * theta ** (-2 * i / d)), math.sin(position * theta ** (-2 * i / d))
        )
        out[a], out[b] = turned.real, turned.imag
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(0, 300), st.sampled_from([100.0, 10_000.0, 500_000.0]))
def test_rope_turns_pairs_as_complex_numbers(layout: str, pairs: int, start: int, theta: float) -> None:
    x = random(3, 2 * pairs)
    right = [by_hand(row, start + t, theta, layout) for t, row in enumerate(x.tolist())]
    found = LAYOUTS[layout](x, *angles(3, 2 * pairs, theta, start))
    # Angles are computed in 32 bits: at position 300 they are off by up to 2e-5.
    torch.testing.assert_close(found, torch.tensor(right, dtype=torch.float64), rtol=0, atol=2e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rope_sees_only_the_distance(layout: str) -> None:
    turn = LAYOUTS[layout]
    q, k = random(1, 10, seed=1), random(1, 10, seed=2)

    def score(m: int, n: int) -> float:
        return (turn(q, *angles(1, 10, start=m)) @ turn(k, *angles(1, 10, start=n)).T).item()

    for m, n in ((3, 0), (9, 2), (40, 31)):
        for shift in (1, 17, 200):
            assert score(m + shift, n + shift) == pytest.approx(score(m, n), abs=1e-3)
    # Controls: distance does matter, and so do two layouts mixed.
    assert abs(score(5, 0) - score(3, 0)) > 0.05
    mixed = [
        (rotate(q, *angles(1, 10, start=s + 7)) @ rotate_interleaved(k, *angles(1, 10, start=s)).T).item()
        for s in (0, 9)
    ]
    assert abs(mixed[0] - mixed[1]) > 0.05


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rope_keeps_lengths_and_leaves_position_zero(layout: str) -> None:
    x = random(7, 6)
    turned = LAYOUTS[layout](x, *angles(7, 6))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-6, atol=1e-6)
    assert torch.equal(turned[0], x[0])
    assert not torch.allclose(turned[1:], x[1:], atol=1e-2)


def test_rope_is_the_librarys() -> None:
    q, k = random(2, 3, 11, 8).float(), random(2, 1, 11, 8, seed=1).float()
    cos, sin = angles(11, 8)
    theirs = apply_rotary_pos_emb(q, k, *(torch.cat([x, x], -1)[None] for x in (cos, sin)))
    for ours, right in zip((rotate(q, cos, sin), rotate(k, cos, sin)), theirs, strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-6, atol=1e-6)
    assert (rotate_interleaved(q, cos, sin) - theirs[0]).abs().max() > 0.1


@pytest.mark.parametrize(("heads", "dim"), [(1, 2), (3, 10), (4, 6)])
def test_permuted_weights_give_the_same_scores_in_the_other_layout(heads: int, dim: int) -> None:
    x, wq, wk = random(5, 9), random(heads * dim, 9, seed=1), random(heads * dim, 9, seed=2)
    turn = angles(5, dim)

    def scores(a: torch.Tensor, b: torch.Tensor, layout: str) -> torch.Tensor:
        q, k = (LAYOUTS[layout]((x @ w.T).view(5, heads, dim).transpose(0, 1), *turn) for w in (a, b))
        return q @ k.mT

    right = scores(wq, wk, "interleaved")
    torch.testing.assert_close(scores(to_half_layout(wq, heads), to_half_layout(wk, heads), "half"), right)
    if dim > 2:
        # Control: the weights as they were.
        assert (scores(wq, wk, "half") - right).abs().max() > 0.1
    assert sorted(to_half_layout(wq, heads)[:, 0].tolist()) == sorted(wq[:, 0].tolist())


def test_sinusoids_are_those_of_the_paper() -> None:
    found = positions.sinusoidal(7, 6)
    for t in range(7):
        for i in range(3):
            assert found[t, 2 * i].item() == pytest.approx(math.sin(t / 10_000 ** (2 * i / 6)), abs=1e-6)
            assert found[t, 2 * i + 1].item() == pytest.approx(math.cos(t / 10_000 ** (2 * i / 6)), abs=1e-6)


def slopes_of_the_paper(heads: int) -> list[float]:
    """Section 3: a geometric sequence; where it has no power of two, footnote and published code take every other."""
    if math.log2(heads).is_integer():
        ratio = 2 ** (-(2 ** -(math.log2(heads) - 3)))
        return [ratio * ratio**i for i in range(heads)]
    closest = 2 ** math.floor(math.log2(heads))
    return slopes_of_the_paper(closest) + slopes_of_the_paper(2 * closest)[0::2][: heads - closest]


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 16, 20])
def test_slopes_are_those_of_the_paper(heads: int) -> None:
    assert positions.slopes(heads).tolist() == pytest.approx(slopes_of_the_paper(heads))
    if heads == 8:
        assert positions.slopes(8).tolist() == [2.0**-i for i in range(1, 9)]


def test_alibi_takes_off_the_distance_times_the_slope() -> None:
    found, slopes = positions.alibi(5, 6), positions.slopes(6)
    for h in range(6):
        for t in range(5):
            for s in range(t + 1):
                assert found[h, t, s].item() == pytest.approx(-slopes[h].item() * (t - s))
    assert (found.masked_fill(masks.causal(5), 0.0) == 0).all()
