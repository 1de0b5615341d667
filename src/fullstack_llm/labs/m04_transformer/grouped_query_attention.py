"""Exercise 3 of lab 04: many query heads, and fewer heads of keys and values."""

import math

import torch
import torch.nn.functional as F

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES, normal


@exercise(minutes=15, difficulty=2, review=LIBRARIES)
def grouped_query_attention(q, k, v):
    (H, T, d), K = q.shape, len(k)
    head = torch.arange(H) // (H // K)
    scores = q @ k[head].mT / math.sqrt(d)
    seen = torch.ones(T, T, dtype=torch.bool).tril()
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
    heads = weights @ v[head]
    return heads.transpose(0, 1).flatten(1)


@grouped_query_attention.right
def library(q, k, v):
    out = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)
    return out[0].transpose(0, 1).flatten(1)


@grouped_query_attention.right
def loops(q, k, v):
    H, T, d = q.shape
    out = torch.empty(T, H * d)
    for h in range(H):
        partner = h * len(k) // H
        for t in range(T):
            scores = [float(q[h, t] @ k[partner, s]) / math.sqrt(d) for s in range(t + 1)]
            shares = [math.exp(score - max(scores)) for score in scores]
            out[t, h * d : (h + 1) * d] = sum(w * v[partner, s] for s, w in enumerate(shares)) / sum(shares)
    return out


def drawn(draw: Draw, *sizes: tuple[int, int, int, int]):
    """Draw queries, keys and values for heads, key-value heads, tokens and columns."""
    for H, K, T, d in sizes:
        yield normal(draw, H, T, d), normal(draw, K, T, d), normal(draw, K, T, d)


@grouped_query_attention.part(
    4, "Row t holds token t's heads side by side, head 0 first, each causal.", "as many heads"
)
def as_many_heads(draw: Draw):
    yield from drawn(draw, (3, 3, 5, 2), (2, 2, 3, 2), (3, 3, 3, 3), (1, 1, 4, 3), (5, 5, 1, 3))


@grouped_query_attention.part(8, "With H = 6 and K = 2, query heads read heads 0, 0, 0, 1, 1, 1.", "shared heads")
def shared_heads(draw: Draw):
    # With H = 4 and K = 2, H / K is K, and some mistakes do not show.
    yield from drawn(draw, (6, 3, 5, 2), (6, 2, 7, 3), (4, 2, 5, 3), (5, 1, 3, 2), (4, 2, 1, 3))


grouped_query_attention.mistakes("""
Query head h reads key-value head h % K here. Neighbours share: h // (H / K). That is repeat_interleave, not repeat.
    torch.arange(H) // (H // K) => torch.arange(H) % K
Query head h reads h // K here, the same where K is H / K. Neighbours share: h // (H / K).
    torch.arange(H) // (H // K) => torch.arange(H) // K
The heads must lie side by side: bring the tokens to the front, then reshape. A reshape alone mixes tokens.
    heads.transpose(0, 1).flatten(1) => heads.reshape(T, H * d)
Side by side means head after head: here columns of all heads alternate.
    heads.transpose(0, 1) => heads.permute(1, 2, 0)
The heads come back apart, or as rows: put them side by side, (T, H * d).
    heads.transpose(0, 1).flatten(1) => heads
    heads.transpose(0, 1).flatten(1) => heads.transpose(0, 1)
    heads.transpose(0, 1).flatten(1) => heads.flatten(0, 1)
Every position sees every other: the mask is missing.
    scores.masked_fill(~seen, -math.inf) => scores
The mask is turned round: a query sees itself and what came before it.
    .tril() => .triu()
The scale is missing: divide the scores by the root of d.
    / math.sqrt(d) =>
The scale is the root of a *head's* columns, d, not of all heads' together.
    math.sqrt(d) => math.sqrt(H * d)
All H query heads attend: they share keys and values, and are not averaged.
    (H, T, d), K = q.shape, len(k) => q = q.unflatten(0, (len(k), -1)).mean(1)\\n    (H, T, d), K = q.shape, len(k)
The heads are added up: put them side by side, (T, H * d).
    heads.transpose(0, 1).flatten(1) => heads.sum(0)
H query heads have met K key-value heads: each query head needs its own pair of keys and values first.
    k[head] => k
""")
