"""Exercise 1 of lab 04: attention of the last T of S positions, each to itself and those before it."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES, normal, whole

KERNELS = ("torch.nn.functional.scaled_dot_product_attention", "torch.nn.MultiheadAttention")


@exercise(minutes=20, difficulty=2, review=(*KERNELS, *LIBRARIES))
def causal_attention(q, k, v):
    (T, d), S = q.shape, len(k)
    scores = q @ k.T / math.sqrt(d)
    seen = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
    return weights @ v


@causal_attention.right
def loops(q, k, v):
    rows = []
    for t, query in enumerate(q.tolist()):
        keys = k.tolist()[: len(k) - len(q) + t + 1]
        scores = [sum(a * b for a, b in zip(query, key, strict=True)) / math.sqrt(len(query)) for key in keys]
        shares = [math.exp(score - max(scores)) for score in scores]
        columns = zip(*v.tolist()[: len(keys)], strict=True)
        rows.append([sum(s * a for s, a in zip(shares, column, strict=True)) / sum(shares) for column in columns])
    return torch.tensor(rows)


def attended(draw: Draw, T: int, S: int, d: int, e: int):
    """Draw queries, keys and values."""
    return normal(draw, T, d, scale=1.5), normal(draw, S, d, scale=1.5), normal(draw, S, e)


ADA = (
    torch.tensor([[0.0], [0.0], [math.log(2)]]),
    torch.tensor([[1.0], [0.0], [0.0]]),
    torch.tensor([[4.0, 0.0], [0.0, 4.0], [0.0, 0.0]]),
)


@causal_attention.part(
    6, "Print your weights for Ada's example: the rows should be 1, 0, 0; then ½, ½, 0; then ½, ¼, ¼."
)
def as_many_keys(draw: Draw):
    # Distinct sizes first, where mistakes differ most; Ada's zeros cannot tell a mask of zeros from none.
    yield attended(draw, 7, 7, 3, 2)
    yield ADA
    for T, d, e in ((7, 5, 3), (11, 4, 4), (3, 3, 3), (2, 2, 5), (1, 3, 2), (1, 1, 1)):
        yield attended(draw, T, T, d, e)


@causal_attention.part(
    3, "These scores are large, of both signs. What are your weights for the first rows?", "large scores"
)
def large(draw: Draw):
    # Products of whole numbers, and roots of 1, 4 and 16: all scores are exact. A first row that no exponential spoils.
    yield torch.tensor([[2**-6], [1.0], [1.0]]), torch.tensor([[1.0], [200.0], [100.0]]), normal(draw, 3, 3)
    # Where the past scores just above a finite mask, its future still gets a share.
    for size in (1e2, 1e3, 1e4):
        yield torch.ones(2, 1), torch.tensor([[1.0 - size], [0.0]]), normal(draw, 2, 3)
    for T, d, size in ((5, 4, 40), (7, 16, 20), (11, 4, 90)):
        yield whole(draw, T, d, largest=size), whole(draw, T, d, largest=size), normal(draw, T, 3)
    yield torch.full((3, 4), -50.0), torch.full((3, 4), 50.0), normal(draw, 3, 2)
    yield torch.ones(3, 1), torch.tensor([[0.0], [200.0], [30_000.0]]), normal(draw, 3, 2)


@causal_attention.part(
    5,
    "With one query, which stands last, all keys are seen. How many does each of several see?",
    "more keys than queries",
)
def more_keys(draw: Draw):
    yield attended(draw, 3, 5, 3, 2)
    yield ADA[0][2:], ADA[1], ADA[2]
    for T, S, d, e in ((1, 7, 3, 2), (2, 11, 5, 3), (5, 7, 4, 4), (1, 2, 1, 1)):
        yield attended(draw, T, S, d, e)


causal_attention.mistakes("""
Every position sees every other, the future included: where is the mask?
    scores.masked_fill(~seen, -math.inf) => scores
The rows do not add up to one: the future was taken out after the softmax, and its share is lost. -inf goes in before.
    scores.masked_fill(~seen, -math.inf).softmax(-1) => scores.softmax(-1) * seen
A score of 0 is no ban: e^0 is 1, so the future keeps a share. Set its scores to -inf.
    -math.inf => 0.0
The future took so much that nothing is left to divide by: hide the scores before the softmax.
    scores.masked_fill(~seen, -math.inf).softmax(-1) => scores.softmax(-1) * seen && weights @ v => weights / weights.sum(-1, keepdim=True) @ v
exp overflows: subtract the largest score of a row first, which changes no weight, or use torch.softmax.
    .softmax(-1) => .exp() && weights @ v => weights / weights.sum(-1, keepdim=True) @ v
All of it is nan: -inf times 0 is nan, and so is the softmax of a row that is -inf throughout.
    scores.masked_fill(~seen, -math.inf) => (scores + -math.inf * (~seen).float())
The mask is a large negative number here, and scores can be lower: use -inf.
    -math.inf => -100.0
    -math.inf => -1e4
The queries are the last of the keys' positions, not the first, as is_causal=True has it: query t is at S - T + t.
    .tril(S - T) => .tril()
Only the last T keys are read: the queries see all that came before them, too.
    (T, d), S = q.shape, len(k) => k, v = k[-len(q) :], v[-len(q) :]\\n    (T, d), S = q.shape, len(k)
The scores have a row for each of the T queries and a column for each of the S keys, and so has the mask.
    torch.ones(T, S => torch.ones(T, T && .tril(S - T) => .tril()
The mask is turned round: a query sees itself and what came before it, and -inf goes where it may not look.
    ~seen => seen
    .tril(S - T) => .triu(S - T)
A token sees itself too: the diagonal is allowed.
    .tril(S - T) => .tril(S - T - 1)
A token sees its successor: the mask is off by one.
    .tril(S - T) => .tril(S - T + 1)
The scale is missing: divide the scores, before the softmax, by the root of d.
    / math.sqrt(d) =>
Divided by d: it is the *root* of d, since that is how the scores' spread grows.
    math.sqrt(d) => d
Multiplied by the root of d: divide.
    / math.sqrt(d) => * math.sqrt(d)
The scale is the root of d, the columns of a query: not of the number of keys.
    math.sqrt(d) => math.sqrt(S)
The softmax runs over the queries: each query's weights over the keys add up to one.
    .softmax(-1) => .softmax(0)
Keys and queries have changed places: a score is q of the row, k of the column.
    q @ k.T => k @ q.T
-inf was put in after the softmax: it goes before.
    scores.masked_fill(~seen, -math.inf).softmax(-1) => scores.softmax(-1).masked_fill(~seen, -math.inf)
This is the plain mean of what came before: where are the scores?
    scores.masked_fill(~seen, -math.inf).softmax(-1) => seen / seen.sum(-1, keepdim=True)
These are the weights: they have not met the values yet.
    weights @ v => weights
""")
