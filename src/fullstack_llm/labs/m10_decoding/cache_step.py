"""Exercise 1 of lab 10: a cache whose rows rewind and grow each by its own number of tokens."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m10_decoding.inputs import LIBRARIES, normal, turned


@exercise(minutes=20, difficulty=3, review=LIBRARIES, uses=(turned,))
def cache_step(keys, values, lengths, dropped, q, k, v, new):
    keys, values, lengths = keys.clone(), values.clone(), lengths - dropped
    out = torch.zeros_like(q)
    for b in range(len(q)):
        # As if the tokens came one at a time.
        for t in range(int(new[b])):
            at = lengths[b].clone()
            keys[b, at] = turned(k[b, t], at)
            values[b, at] = v[b, t]
            lengths[b] += 1
            scores = keys[b, : lengths[b]] @ turned(q[b, t], at) / q.shape[2] ** 0.5
            out[b, t] = scores.softmax(0) @ values[b, : lengths[b]]
    return out, keys, values, lengths


@cache_step.right
def with_one_mask(keys, values, lengths, dropped, q, k, v, new):
    B, T, d = q.shape
    S = keys.shape[1]
    start = lengths - dropped
    at = start[:, None] + torch.arange(T)
    real = torch.arange(T) < new[:, None]
    row, column = real.nonzero(as_tuple=True)
    keys, values = keys.clone(), values.clone()
    keys[row, at[row, column]] = turned(k, at)[real]
    values[row, at[row, column]] = v[real]
    mask = torch.arange(S) <= at[:, :, None]
    out = torch.nn.functional.scaled_dot_product_attention(turned(q, at), keys, values, attn_mask=mask)
    return out * real[..., None], keys, values, start + new


def step(draw: Draw, d: int, S: int, T: int, rows: list[tuple[int, int, int]]):
    """Draw a step of rows (length, dropped, new); beyond a row's length lies what somebody left there."""
    lengths, dropped, new = (torch.tensor(column) for column in zip(*rows, strict=True))
    keys, values = (normal(draw, len(rows), S, d, scale=2.0) for _ in range(2))
    q, k, v = (normal(draw, len(rows), T, d) for _ in range(3))
    return keys, values, lengths, dropped, q, k, v, new


@cache_step.part(
    12, "Take one row alone, and one of its tokens. Which slots does it see, and by how much are it and they turned?",
    "out", items=(0,),
)  # fmt: skip
@cache_step.part(
    6, "Take one row alone: where does it go on writing after the rewind, how many tokens, and what is its length then?",
    "kept", items=(1, 2, 3),
)  # fmt: skip
def steps(draw: Draw):
    # Rows of one length first; nothing dropped and no padding; then one of each, and then all of them.
    yield step(draw, 4, 11, 3, [(0, 0, 3), (0, 0, 3)])
    yield step(draw, 6, 13, 3, [(5, 0, 3), (2, 0, 3), (9, 0, 3)])
    yield step(draw, 4, 13, 1, [(7, 2, 1), (3, 3, 1), (6, 0, 1)])
    yield step(draw, 6, 11, 5, [(2, 0, 5), (4, 0, 2), (7, 0, 4), (3, 0, 0)])
    yield step(draw, 4, 17, 5, [(9, 4, 3), (2, 1, 5), (12, 0, 5), (6, 3, 1), (4, 4, 0)])
    yield step(draw, 2, 3, 3, [(0, 0, 3)])
    rows = [(draw.randint(4, 8), draw.randint(0, 4), draw.randint(0, 3)) for _ in range(5)]
    yield step(draw, 8, 11, 3, rows)


CLONES, AT = "lengths = keys.clone(), values.clone(), lengths - dropped", "at = lengths[b].clone()"
SCORES, KEY = "keys[b, : lengths[b]] @ turned(q[b, t], at)", "turned(k[b, t], at)"
OUT = "scores.softmax(0) @ values[b, : lengths[b]]"
cache_step.mistakes(f"""
The rewind is missing: each row first gives up its last `dropped` tokens, so that new ones take their slots.
    {CLONES} => lengths = keys.clone(), values.clone(), lengths.clone()
Each row gives up its own number of tokens, `dropped`: here all gave up as many.
    lengths - dropped => lengths - dropped.max()
    lengths - dropped => lengths - dropped[0]
    lengths - dropped => lengths - dropped.sum()
The rewind comes first, and only then are tokens written: here it was the other way round.
    lengths - dropped => lengths.clone() && return out, keys => lengths = lengths - dropped\\n    return out, keys
    lengths - dropped => lengths.clone() && return out, keys => lengths = (lengths - dropped).clamp(min=0)\\n    return out, keys
The first slots were dropped: a row gives up its last tokens.
    {CLONES} => lengths = keys.clone(), values.clone(), lengths - dropped\\n    for b, n in enumerate(dropped.tolist()):\\n        keys[b], values[b] = keys[b].roll(-n, 0), values[b].roll(-n, 0)
What was dropped need not be erased: a slot that nobody writes to stays as it came.
    out = torch.zeros_like(q) => out = torch.zeros_like(q)\\n    for b in range(len(q)):\\n        keys[b, lengths[b] :], values[b, lengths[b] :] = 0, 0
    out = torch.zeros_like(q) => out = torch.zeros_like(q)\\n    for b in range(len(q)):\\n        keys[b, lengths[b] : lengths[b] + dropped[b]], values[b, lengths[b] : lengths[b] + dropped[b]] = 0, 0
Each row goes on at its own length: here rows of other lengths were written at one place.
    {CLONES} => lengths = keys.clone(), values.clone(), lengths - dropped\\n    lengths = 0 * lengths + lengths.max()
    {CLONES} => lengths = keys.clone(), values.clone(), lengths - dropped\\n    lengths = 0 * lengths + lengths[0]
New tokens see what the row holds already, and not only each other: here the cache is not attended to.
    {SCORES} => keys[b, lengths[b] - t - 1 : lengths[b]] @ turned(q[b, t], at) && {OUT} => scores.softmax(0) @ values[b, lengths[b] - t - 1 : lengths[b]]
The buffers were overwritten from slot 0: new tokens come after those that the row holds.
    {CLONES} => lengths = keys.clone(), values.clone(), 0 * lengths
Of a row's T tokens only the first `new` are real: the others are padding, and are not kept.
    range(int(new[b])) => range(min(q.shape[1], keys.shape[1] - int(lengths[b])))
    return out, keys => lengths = lengths - new + q.shape[1]\\n    return out, keys
A row's real tokens are its first ones: here the last ones were taken.
    for t in range(int(new[b])) => for t in range(q.shape[1] - int(new[b]), q.shape[1])
A padding token is no query: its output is zeros.
    return out, keys => for b in range(len(q)):\\n        for t in range(int(new[b]), q.shape[1]):\\n            at = lengths[b] - new[b] + t\\n            out[b, t] = (torch.cat([keys[b, : lengths[b]], turned(k[b, int(new[b]) : t + 1], at - t + torch.arange(int(new[b]), t + 1))]) @ turned(q[b, t], at) / q.shape[2] ** 0.5).softmax(0) @ torch.cat([values[b, : lengths[b]], v[b, int(new[b]) : t + 1]])\\n    return out, keys
    return out, keys => for b in range(len(q)):\\n        for t in range(int(new[b]), q.shape[1]):\\n            out[b, t] = (keys[b, : lengths[b]] @ turned(q[b, t], lengths[b] - new[b] + t) / q.shape[2] ** 0.5).softmax(0) @ values[b, : lengths[b]]\\n    return out, keys
    return out, keys => for b in range(len(q)):\\n        for t in range(int(new[b]), q.shape[1]):\\n            at = lengths[b] - new[b] + t\\n            out[b, t] = (keys[b, : at + 1] @ turned(q[b, t], at) / q.shape[2] ** 0.5).softmax(0) @ values[b, : at + 1]\\n    return out, keys
    return out, keys => for b in range(len(q)):\\n        out[b, int(new[b]) :] = float("nan")\\n    return out, keys
The lengths returned are those after the step: rewound, and grown by the new tokens.
    return out, keys, values, lengths => return out, keys, values, lengths - new
    return out, keys, values, lengths => return out, keys, values, lengths + dropped
    return out, keys, values, lengths => return out, keys, values, lengths + dropped - new
The cache holds keys that are turned, each by its position: these are not.
    keys[b, at] = {KEY} => keys[b, at] = k[b, t]
    keys[b, at] = {KEY} => keys[b, at] = k[b, t] && {SCORES} => keys[b, : lengths[b]] @ q[b, t]
    keys[b, at] = {KEY} => keys[b, at] = k[b, t] && {SCORES} => turned(keys[b, : lengths[b]], torch.arange(int(lengths[b]))) @ turned(q[b, t], at)
Positions restart: the first new token has the position of the slot that it goes to, not 0.
    keys[b, at] = {KEY} => keys[b, at] = turned(k[b, t], torch.tensor(t))
    keys[b, at] = {KEY} => keys[b, at] = turned(k[b, t], torch.tensor(t)) && turned(q[b, t], at) => turned(q[b, t], torch.tensor(t))
    turned(q[b, t], at) => turned(q[b, t], torch.tensor(t))
Positions count what was dropped: after the rewind they go on from the row's new length, as the slots do.
    keys[b, at] = {KEY} => keys[b, at] = turned(k[b, t], at + dropped[b]) && turned(q[b, t], at) => turned(q[b, t], at + dropped[b])
    keys[b, at] = {KEY} => keys[b, at] = turned(k[b, t], at + dropped[b])
    turned(q[b, t], at) => turned(q[b, t], at + dropped[b])
The first new token stands at the row's length, for positions begin at 0: here they are one off.
    keys[b, at] = {KEY} => keys[b, at] = turned(k[b, t], at + 1) && turned(q[b, t], at) => turned(q[b, t], at + 1)
    turned(q[b, t], at) => turned(q[b, t], at + 1)
    turned(q[b, t], at) => turned(q[b, t], at - 1)
Positions are those of the row itself: here they are another row's.
    {AT} => {AT}\\n            far = int((torch.cat([lengths[:b] - new[:b], lengths[b : b + 1] - t, lengths[b + 1 :]])).max()) + t && keys[b, at] = {KEY} => keys[b, at] = turned(k[b, t], torch.tensor(far)) && turned(q[b, t], at) => turned(q[b, t], torch.tensor(far))
Queries are turned too, each by the position of its token.
    turned(q[b, t], at) => q[b, t]
Values are not turned: only queries and keys are.
    values[b, at] = v[b, t] => values[b, at] = turned(v[b, t], at)
A token sees the future: of the tokens that come with it, it sees itself and those before it.
    for t in range(int(new[b])): => for t in range(int(new[b])):\\n            pass\\n        for t, at in enumerate(range(int(lengths[b]), int(lengths[b] + new[b]))):\\n            keys[b, at], values[b, at] = turned(k[b, t], torch.tensor(at)), v[b, t]\\n        lengths[b] += new[b]\\n        for t in range(int(new[b])): && {AT} => at = lengths[b] - new[b] + t && keys[b, at] = {KEY}\\n => \\n && values[b, at] = v[b, t]\\n            lengths[b] += 1 =>
A token sees the tokens that come with it too, itself and those before it: here it sees only what was held before.
    {SCORES} => keys[b, : lengths[b] - t - 1] @ turned(q[b, t], at) && {OUT} => scores.softmax(0) @ values[b, : lengths[b] - t - 1]
A token sees itself: here it sees only those before it.
    {SCORES} => keys[b, : lengths[b] - 1] @ turned(q[b, t], at) && {OUT} => scores.softmax(0) @ values[b, : lengths[b] - 1]
What lies beyond a row's length is not the row's, and is not attended to: dropped tokens and empty slots too.
    {SCORES} => keys[b] @ turned(q[b, t], at) && {OUT} => scores.softmax(0) @ values[b]
    {SCORES} => keys[b, : lengths[b] + dropped[b]] @ turned(q[b, t], at) && {OUT} => scores.softmax(0) @ values[b, : lengths[b] + dropped[b]]
    {SCORES} => keys[b, : int(lengths.max())] @ turned(q[b, t], at) && {OUT} => scores.softmax(0) @ values[b, : int(lengths.max())]
What is hidden has no weight at all: a score of 0 is a weight like another.
    {OUT} => torch.cat([scores, torch.zeros(keys.shape[1] - len(scores))]).softmax(0) @ values[b]
    {OUT} => torch.cat([scores, torch.zeros(keys.shape[1] - len(scores))]).softmax(0)[: len(scores)] @ values[b, : lengths[b]]
The hidden weights were set to 0 after the softmax, so that the others do not add up to one.
    {OUT} => (keys[b] @ turned(q[b, t], at) / q.shape[2] ** 0.5).softmax(0)[: len(scores)] @ values[b, : lengths[b]]
Scores are divided by the root of d.
    / q.shape[2] ** 0.5 => / 1.0
    / q.shape[2] ** 0.5 => / q.shape[2]
    / q.shape[2] ** 0.5 => / keys.shape[1] ** 0.5
    / q.shape[2] ** 0.5 => / int(lengths[b]) ** 0.5
Scores become weights by a softmax over the keys: here there is none.
    scores.softmax(0) => scores
""")
