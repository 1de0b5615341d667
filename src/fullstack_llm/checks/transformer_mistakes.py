"""Attention and positions of lab 04 that are wrong as people are wrong: each value with the hint that names it."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Mistakes = list[tuple[Any, str]]

AFTER = (
    "The rows do not add up to one: the future was taken out after the softmax, and its share is lost. "
    "Set its scores to -inf before."
)
RENORMALISED = (
    "Taken out after the softmax and divided by what is left: the same on paper, but where the future takes all of "
    "the softmax nothing is left to divide. (The same if the largest score was sought among hidden ones too, or over "
    "all rows at once.) "
    "Set its scores to -inf before."
)
ZEROED = "A score of 0 is no ban: e^0 is 1, so the future keeps a share. Set its scores to -inf."
TOP_LEFT = (
    "The queries are the last of the keys' positions, not the first: query t stands at position S - T + t. "
    "(The library's is_causal=True has the same gap.)"
)
OVERFLOW = "exp overflows: subtract the largest score of a row first, which changes no weight, or use torch.softmax."
ALL_NAN = "All of it is nan: -inf times 0 is nan, and so is the softmax of a row that is -inf throughout."
FINITE = "A mask of -{size} is a number like others, and scores can be lower: use -inf."


def causal_attention(q: Float[Tensor, "T d"], k: Float[Tensor, "S d"], v: Float[Tensor, "S e"]) -> Mistakes:
    """Wrong masks, wrong scales, wrong axes, and exponentials that overflow."""
    (T, d), S = q.shape, len(k)
    raw = q @ k.T
    scores = raw / math.sqrt(d)
    seen = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    corner = torch.ones(T, S, dtype=torch.bool).tril()
    shares = scores.softmax(-1)
    kept = shares * seen

    def masked(these: Tensor, mask: Tensor = seen, fill: float = -math.inf, axis: int = -1) -> Tensor:
        return these.masked_fill(~mask, fill).softmax(axis) @ v

    hidden = scores.masked_fill(~seen, -math.inf)
    powers = hidden.exp()
    found: Mistakes = [
        (kept / kept.sum(-1, keepdim=True) @ v, RENORMALISED),
        (powers / powers.sum(-1, keepdim=True) @ v, OVERFLOW),
        (masked(scores) * math.nan, ALL_NAN),
        (hidden.softmax(-1), "These are the weights: they have not met the values yet."),
        (
            scores[:, -T:].masked_fill(~seen[:, -T:], -math.inf).softmax(-1) @ v[-T:] if T < S else None,
            "Only the last T keys are read: the queries see all that came before them, too.",
        ),
        (
            shares @ v,
            "Every position sees every other, the future included: where is the mask? Or are masked scores 0? "
            "That is no ban, -inf is.",
        ),
        (masked(scores, corner), TOP_LEFT),
        (kept @ v, AFTER),
        (masked(scores, fill=0.0), ZEROED),
        ((scores * seen).softmax(-1) @ v, ZEROED),
        (masked(scores, ~seen), "The mask is turned round: -inf goes where a query may not look."),
        (masked(scores, seen.mT) if T == S else None, "The mask is turned round: a query sees what came before it."),
        (masked(scores, seen.tril(S - T - 1)), "A token sees itself too: the diagonal is allowed."),
        (masked(scores, torch.ones_like(seen).tril(S - T + 1)), "A token sees its successor: the mask is off by one."),
        (masked(raw), "The scale is missing: divide the scores by the root of d."),
        (masked(raw / d), "Divided by d: it is the *root* of d, since that is how the scores' spread grows."),
        (masked(raw * math.sqrt(d)), "Multiplied by the root of d: divide."),
        (masked(raw / math.sqrt(S)), "The scale is the root of d, the columns of a query, not of the number of keys."),
        (masked(raw / math.sqrt(v.shape[1])), "The scale is the root of the columns of a *query*, not of a value."),
        (
            masked(scores, axis=0),
            "The softmax runs over the queries: each query's weights over the keys add up to one.",
        ),
        (shares.mT @ v if T == S else None, "Keys and queries have changed places."),
        (
            masked(scores.mT) if T == S else None,
            "Keys and queries have changed places: a score is q of the row, k of the column.",
        ),
        (shares.masked_fill(~seen, -math.inf) @ v, "-inf was put in after the softmax: it goes before."),
        (seen / seen.sum(-1, keepdim=True) @ v, "This is the plain mean of what came before: where are the scores?"),
        (v[-T:] if T <= S else v, "These are the values themselves."),
    ]
    finite = [(masked(scores, fill=-size), FINITE.format(size=f"{size:,.0f}")) for size in (10.0, 100.0, 1e3, 1e4)]
    return [*found, *finite]


LAYOUT = "The pairs are those of the other layout: half turns (i, i + d/2), interleaved turns (2i, 2i + 1)."
MIXED = (
    "The pairs are right, the angles are not those of the pairs: both columns of pair i take angle i. Each layout "
    "repeats its angles in an order of its own."
)
HALF_BITS = (
    "These are angles of positions rounded to 16 bits: there 257 is no number, so neighbours get the same angle. "
    "Compute angles in 32 bits."
)


def turned(x: Tensor, angle: Float[Tensor, "T P"], pairs: str, order: str | None = None) -> Tensor:
    """Pairs of one layout turned by angles that were spread over the columns in the order of another."""
    spread = torch.cat([angle, angle], -1) if (order or pairs) == "half" else angle.repeat_interleave(2, -1)
    if pairs == "half":
        a, b = x.chunk(2, -1)
        crossed = torch.cat([-b, a], -1)
    else:
        crossed = torch.stack([-x[:, 1::2], x[:, 0::2]], -1).flatten(-2)
    return (x * spread.cos() + crossed * spread.sin()).to(x.dtype)


def rope(x: Float[Tensor, "T d"], start: int, theta: float, layout: str) -> Mistakes:
    """Other pairs, other angles, other positions."""
    T, d = x.shape
    at, pair = torch.arange(start, start + T, dtype=torch.float32)[:, None], torch.arange(d // 2)
    frequency = theta ** (-2 * pair / d)
    wide, other = x.float(), "half" if layout == "interleaved" else "interleaved"
    rounded = [at.bfloat16() * frequency.bfloat16(), at.bfloat16() * frequency, at * frequency.bfloat16()]
    half_bits = [one.float() for one in (*rounded, (at * frequency).bfloat16())] if x.dtype != torch.float32 else []

    def by(angle: Tensor, pairs: str = layout, order: str | None = None) -> Tensor:
        return turned(wide, angle, pairs, order).to(x.dtype)

    right = by(at * frequency)
    apart = (right[:, 0::2], right[:, 1::2]) if other == "half" else right.chunk(2, -1)
    back = torch.cat(apart, -1) if other == "half" else torch.stack(apart, -1).flatten(-2)
    a, b = (wide[:, 0::2], wide[:, 1::2]) if layout == "interleaved" else wide.chunk(2, -1)
    cos, sin = (at * frequency).cos(), (at * frequency).sin()
    early = a * cos - b * sin

    def laid(*pair: Tensor) -> Tensor:
        return (torch.cat(pair, -1) if layout == "half" else torch.stack(pair, -1).flatten(-2)).to(x.dtype)

    signs = "Each row has changed its length, and a rotation keeps it: of the four products one is taken off, b sin."
    found: Mistakes = [
        (laid(early, early * sin + b * cos), "b was turned with the new a: both sums are made of the old a and b."),
        (laid(a * cos - (b * cos + a * sin) * sin, b * cos + a * sin), "a was turned with the new b: use the old one."),
        (laid(a * cos + b * sin, b * cos + a * sin), signs),
        (laid(a * cos - b * sin, b * cos - a * sin), signs),
        (back, f"The pairs are turned as they should be, and put back in the order of the other layout, {other}."),
        (by(at * frequency, other), LAYOUT),
        (by(at * frequency, order=other), MIXED),
        (by(at * frequency, other, order=layout), MIXED),
        (by((at - start) * frequency), "The first row stands at position `start`, not at 0."),
        (by((at + 1) * frequency), "Positions are counted from 0, so the first row stands at `start` itself."),
        (by((at - start + 1) * frequency), "The first row stands at position `start`, not at 1."),
        (by(-at * frequency), "Turned the wrong way: (a, b) becomes (a cos - b sin, a sin + b cos)."),
        (by(at * theta ** (-pair / d)), "The exponent is -2i/d for pair i: this one has -i/d."),
        (
            by(at * theta ** (-4 * pair / d)),
            "The exponent is -2i/d with i counting pairs: this one counts columns, twice.",
        ),
        (
            by(at * theta ** (-2 * (pair + 1) / d)),
            "Pairs are counted from 0: the first one turns by the position itself.",
        ),
        (by(at * theta ** (2 * pair / d)), "The exponent is negative: later pairs turn more slowly."),
        (by(at / theta * torch.ones(d // 2)), "Each pair has a frequency of its own, theta^(-2i/d)."),
        (by(at * torch.ones(d // 2)), "Each pair has a frequency of its own, theta^(-2i/d)."),
        (by(at * 10_000.0 ** (-2 * pair / d)), "The base is `theta`, not always 10,000."),
        *((by(angle), HALF_BITS) for angle in half_bits),
        *((turned(x, angle.to(x.dtype), layout), HALF_BITS) for angle in half_bits),
        (right.float() if x.dtype != torch.float32 else None, f"The result has the dtype of x, {x.dtype}."),
        (right.double(), f"The result has the dtype of x, {x.dtype}."),
        (x, "Nothing is turned, or all rows by `start` alone: row t stands at start + t."),
        (by(start * torch.ones(T, 1) * frequency), "All rows turn alike: row t stands at start + t."),
        (by(torch.deg2rad(at * frequency)), "Angles are in radians."),
    ]
    return found


TILED = (
    "Query head h reads key-value head h % K here. Neighbours share a head: h // (H / K). "
    "That is repeat_interleave, not repeat."
)
SIDE = "The heads must lie side by side: bring the tokens to the front, then reshape. A reshape alone mixes tokens."


def grouped_query_attention(
    q: Float[Tensor, "H T d"], k: Float[Tensor, "K T d"], v: Float[Tensor, "K T d"]
) -> Mistakes:
    """Wrong partners, wrong order of the result."""
    (H, T, d), K = q.shape, len(k)
    wide_k, wide_v = (one.repeat_interleave(H // K, 0) for one in (k, v))
    tiled_k, tiled_v = (one.repeat(H // K, 1, 1) for one in (k, v))

    def heads(q: Tensor, k: Tensor, v: Tensor, **how: Any) -> Tensor:
        return scaled_dot_product_attention(q, k, v, **({"is_causal": True} | how))

    def beside(found: Tensor) -> Tensor:
        return found.transpose(0, 1).reshape(found.shape[1], -1)

    right = heads(q, wide_k, wide_v)
    by_kv = (torch.arange(H) // K).clamp(max=K - 1)
    few = [heads(q.view(K, H // K, T, d).mean(1), k, v), heads(q[:K], k, v)]
    return [
        (beside(heads(q, tiled_k, tiled_v)), TILED),
        (beside(heads(q, wide_k, tiled_v)), f"Keys are right, values are not. {TILED}"),
        (beside(heads(q, tiled_k, wide_v)), f"Values are right, keys are not. {TILED}"),
        (right.reshape(T, H * d), SIDE),
        (heads(q, tiled_k, tiled_v).reshape(T, H * d), f"{SIDE} And: {TILED}"),
        (
            right.permute(1, 2, 0).reshape(T, H * d),
            "Side by side means head after head: here columns of all heads alternate.",
        ),
        (right, "The heads come back apart: put them side by side, (T, H * d)."),
        (right.transpose(0, 1), "The heads come back apart: put them side by side, (T, H * d)."),
        (beside(heads(q, wide_k, wide_v, is_causal=False)), "Every position sees every other: the mask is missing."),
        (beside(heads(q, wide_k, wide_v, scale=1.0)), "The scale is missing: divide the scores by the root of d."),
        (beside(heads(q, wide_k, wide_v, scale=(H * d) ** -0.5)), "The scale is the root of a *head's* columns, d."),
        (
            beside(heads(q, k[:1].expand_as(q), v[:1].expand_as(q))),
            "All query heads read key-value head 0 here." + " (So does h // K, where K is H.)" * (H == K),
        ),
        (beside(few[0]), "Query heads stay H: they share keys and values, they are not averaged."),
        (beside(few[1]), "Only the first K query heads are here: all H of them attend."),
        (
            beside(heads(q, k[by_kv], v[by_kv])),
            "This divides h by K: H / K neighbours share, so query head h reads head h // (H / K).",
        ),
        (beside(right.flip(0)), "The heads are in falling order: head 0 comes first."),
        (right.reshape(H * T, d), "The heads are stacked as rows: they belong side by side, (T, H * d)."),
        (right.mean(0), "The heads are averaged: put them side by side, (T, H * d)."),
        (right.sum(0), "The heads are added up: put them side by side, (T, H * d)."),
    ]
