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
        start, real = int(lengths[b]), int(new[b])
        for t in range(real):
            at = start + t
            keys[b, at] = turned(k[b, t], torch.tensor(at))
            values[b, at] = v[b, t]
        for t in range(real):
            at, end = start + t, start + t + 1
            scores = keys[b, :end] @ turned(q[b, t], torch.tensor(at)) / q.shape[2] ** 0.5
            out[b, t] = scores.softmax(0) @ values[b, :end]
        lengths[b] = start + real
    return out, keys, values, lengths


@cache_step.right
def with_one_mask(keys, values, lengths, dropped, q, k, v, new):
    T, S = q.shape[1], keys.shape[1]
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
    # Nothing dropped and no padding first; then one of each, and then all; a row that is filled up, and one that is empty.
    yield step(draw, 6, 13, 3, [(5, 0, 3), (2, 0, 3), (9, 0, 3)])
    yield step(draw, 4, 11, 3, [(0, 0, 3), (0, 0, 3)])
    yield step(draw, 4, 13, 1, [(7, 2, 1), (3, 3, 1), (6, 0, 1)])
    yield step(draw, 6, 17, 5, [(2, 0, 5), (4, 0, 2), (7, 0, 4), (3, 0, 0)])
    yield step(draw, 4, 19, 5, [(9, 4, 3), (2, 1, 5), (12, 0, 5), (6, 3, 1), (4, 4, 0)])
    yield step(draw, 2, 3, 3, [(0, 0, 3)])
    rows = [(draw.randint(4, 8), draw.randint(0, 4), draw.randint(0, 3)) for _ in range(5)]
    yield step(draw, 8, 11, 3, rows)


REWIND, KEY, QUERY = "lengths - dropped", "turned(k[b, t], torch.tensor(at))", "turned(q[b, t], torch.tensor(at))"
START, OUT = "start, real = int(lengths[b]), int(new[b])", "scores.softmax(0) @ values[b, :end]"
BACK = "return out, keys, values, lengths"
cache_step.mistakes(f"""
The rewind is missing: each row first gives up its last `dropped` tokens, so that new ones take their slots.
    {REWIND} => lengths.clone()
Each row gives up its own number of tokens, `dropped`: here all gave up as many.
    {REWIND} => lengths - dropped.max()
    {REWIND} => lengths - dropped[0]
    {REWIND} => (lengths - dropped - 1).clamp(min=0)
The rewind comes first, and only then are tokens written: here it was the other way round.
    {REWIND} => lengths.clone() && {BACK} => {BACK} - dropped
The first slots were dropped: a row gives up its last tokens.
    {START} => {START}\\n        keys[b], values[b] = keys[b].roll(-int(dropped[b]), 0), values[b].roll(-int(dropped[b]), 0)
What was dropped need not be erased: a slot that nobody writes to stays as it came.
    {START} => {START}\\n        keys[b, start:], values[b, start:] = 0, 0
    {START} => {START}\\n        keys[b, start : start + dropped[b]], values[b, start : start + dropped[b]] = 0, 0
Each row goes on at its own length: here rows of other lengths were written at one place.
    {START} => start, real = int((lengths - new * (torch.arange(len(new)) < b)).max()), int(new[b])
    {START} => start, real = int(lengths[0] - (new[0] if b else 0)), int(new[b])
New tokens see what the row holds already, and not only each other: here the cache is not attended to.
    keys[b, :end] @ => keys[b, start:end] @ && {OUT} => scores.softmax(0) @ values[b, start:end]
The buffers were overwritten from slot 0: new tokens come after those that the row holds.
    {START} => start, real = 0, int(new[b])
Of a row's T tokens only the first `new` are real: the others are padding, and are not kept.
    {START} => start, real = int(lengths[b]), q.shape[1]
    {START} => start, real = int(lengths[b]), min(int(new[b]) + 1, q.shape[1])
    {BACK} => {BACK} - new + q.shape[1]
    {START} => {START}\\n        for n in range(real, min(q.shape[1], keys.shape[1] - start)):\\n            keys[b, start + n], values[b, start + n] = turned(k[b, n], torch.tensor(start + n)), v[b, n]
A row's real tokens are its first ones: here the last ones were taken.
    k[b, t] => k[b, t - real] && = v[b, t] => = v[b, t - real] && q[b, t] => q[b, t - real] && out[b, t] => out[b, t - real]
    k[b, t] => k[b, t - real] && = v[b, t] => = v[b, t - real]
A padding token is no query: its output is zeros.
    {BACK} => for b in range(len(q)):\\n        for t in range(int(new[b]), q.shape[1]):\\n            at = int(lengths[b] - new[b]) + t\\n            out[b, t] = (keys[b, : at + 1] @ turned(q[b, t], torch.tensor(at)) / q.shape[2] ** 0.5).softmax(0) @ values[b, : at + 1]\\n    {BACK}
    {BACK} => for b in range(len(q)):\\n        for t in range(int(new[b]), q.shape[1]):\\n            at = int(lengths[b] - new[b]) + t\\n            out[b, t] = (keys[b, : lengths[b]] @ turned(q[b, t], torch.tensor(at)) / q.shape[2] ** 0.5).softmax(0) @ values[b, : lengths[b]]\\n    {BACK}
    {BACK} => for b in range(len(q)):\\n        out[b, int(new[b]) :] = torch.nan\\n    {BACK}
The lengths returned are those after the step: rewound, and grown by the new tokens.
    {BACK} => {BACK} - new
    {BACK} => {BACK} + dropped
    {BACK} => {BACK} + dropped - new
    {BACK} => return out, keys, values, new
The cache holds keys that are turned, each by its position: these are not.
    = {KEY} => = k[b, t]
    = {KEY} => = k[b, t] && {QUERY} => q[b, t]
    = {KEY} => = k[b, t] && keys[b, :end] @ => turned(keys[b, :end], torch.arange(end)) @
Positions restart: the first new token has the position of the slot that it goes to, not 0.
    = {KEY} => = turned(k[b, t], torch.tensor(t))
    = {KEY} => = turned(k[b, t], torch.tensor(t)) && {QUERY} => turned(q[b, t], torch.tensor(t))
    {QUERY} => turned(q[b, t], torch.tensor(t))
Positions count what was dropped: after the rewind they go on from the row's new length, as the slots do.
    = {KEY} => = turned(k[b, t], at + dropped[b]) && {QUERY} => turned(q[b, t], at + dropped[b])
    = {KEY} => = turned(k[b, t], at + dropped[b])
    {QUERY} => turned(q[b, t], at + dropped[b])
The first new token stands at the row's length, for positions begin at 0: here they are one off.
    = {KEY} => = turned(k[b, t], torch.tensor(at + 1)) && {QUERY} => turned(q[b, t], torch.tensor(at + 1))
    {QUERY} => turned(q[b, t], torch.tensor(at + 1))
    {QUERY} => turned(q[b, t], torch.tensor(at - 1))
Positions are those of the row itself: here they are those of the longest row.
    {START} => {START}\\n        far = int((lengths - new * (torch.arange(len(new)) < b)).max()) && = {KEY} => = turned(k[b, t], torch.tensor(far + t)) && {QUERY} => turned(q[b, t], torch.tensor(far + t))
Queries are turned too, each by the position of its token.
    {QUERY} => q[b, t]
Values are not turned: only queries and keys are.
    = v[b, t] => = turned(v[b, t], torch.tensor(at))
The mask lies in the wrong corner: the first new token sees all that the row holds and itself, not slot 0 alone.
    keys[b, :end] @ => keys[b, : t + 1] @ && {OUT} => scores.softmax(0) @ values[b, : t + 1]
A token sees the future: of the tokens that come with it, it sees itself and those before it.
    at, end = start + t, start + t + 1 => at, end = start + t, start + real
    at, end = start + t, start + t + 1 => at, end = start + t, start + t + 2
A token sees the tokens that come with it too, itself and those before it: here it sees only what was held before.
    at, end = start + t, start + t + 1 => at, end = start + t, start
A token sees itself: here it sees only those before it.
    at, end = start + t, start + t + 1 => at, end = start + t, start + t
What lies beyond a row's length is not the row's, and is not attended to: dropped tokens and empty slots too.
    at, end = start + t, start + t + 1 => at, end = start + t, keys.shape[1]
    at, end = start + t, start + t + 1 => at, end = start + t, start + t + 1 + int(dropped[b])
What is hidden has no weight at all: a score of 0 is a weight like another.
    {OUT} => torch.cat([scores, torch.zeros(keys.shape[1] - end)]).softmax(0) @ values[b]
    {OUT} => torch.cat([scores, torch.zeros(keys.shape[1] - end)]).softmax(0)[:end] @ values[b, :end]
The hidden weights were set to 0 after the softmax, so that the others do not add up to one.
    scores = keys[b, :end] @ => scores = keys[b] @ && {OUT} => scores.softmax(0)[:end] @ values[b, :end]
Scores are divided by the root of d.
    / q.shape[2] ** 0.5 => / 1.0
    / q.shape[2] ** 0.5 => / q.shape[2]
    / q.shape[2] ** 0.5 => / keys.shape[1] ** 0.5
Scores become weights by a softmax over the keys: here there is none.
    scores.softmax(0) => scores
""")


@cache_step.mistake(
    "What lies beyond a row's length is not the row's, and is not attended to: dropped tokens and empty slots too."
)
def one_at_a_time(keys, values, lengths, dropped, q, k, v, new):
    _, after, stored, lengths = cache_step(keys, values, lengths, dropped, q, k, v, new)
    out = torch.zeros_like(q)
    for b in range(len(q)):
        start = int(lengths[b] - new[b])
        for end in range(start, int(lengths[b])):
            there = torch.cat([after[b, : end + 1], keys[b, end + 1 :]])
            held = torch.cat([stored[b, : end + 1], values[b, end + 1 :]])
            scores = there @ turned(q[b, end - start], torch.tensor(end)) / q.shape[2] ** 0.5
            out[b, end - start] = scores.softmax(0) @ held
    return out, after, stored, lengths
