"""Exercise 2 of lab 11: attention of one query a request over blocks, of which a window and a few sinks are seen."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m11_vllm.inputs import LIBRARIES, normal


@exercise(minutes=25, difficulty=3, review=LIBRARIES)
def paged_attention(q, keys, values, tables, lengths, sinks, window):
    S, H, d = q.shape
    K, size = keys.shape[1], keys.shape[3]
    out, whole, needed = torch.zeros_like(q), 0, 0
    for s in range(S):
        T, table = lengths[s].item(), tables[s].tolist()
        seen = [t for t in range(T) if t < sinks or t >= T - window]
        whole += len({t // size for t in seen}) * size
        needed += len(seen)
        block, slot = [table[t // size] for t in seen], [t % size for t in seen]
        for h in range(H):
            head = h // (H // K)
            # An index on either side of a slice: the tokens come first, (seen, d).
            k, v = keys[block, head, :, slot].double(), values[block, head, slot, :].double()
            if seen:
                weights = (k @ q[s, h].double() / math.sqrt(d)).softmax(0)
                out[s, h] = (weights @ v).float()
    numbers = 2 * K * d
    return out, whole * numbers, needed * numbers


@paged_attention.right
def gathered(q, keys, values, tables, lengths, sinks, window):
    # All slots that the tables name, in one rectangle; what is not seen is made zero before it is multiplied.
    S, M = tables.shape
    _P, K, d, size = keys.shape
    place = torch.arange(M * size)[None]
    T = lengths[:, None]
    seen = (place < T) & ((place < sinks) | (place >= T - window))
    k = keys[tables].permute(0, 2, 1, 4, 3).reshape(S, K, M * size, d)
    v = values[tables].permute(0, 2, 1, 3, 4).reshape(S, K, M * size, d)
    k, v = (one.masked_fill(~seen[:, None, :, None], 0.0) for one in (k, v))
    scores = torch.einsum("skgd,sktd->skgt", q.view(S, K, -1, d), k) / d**0.5
    weights = scores.masked_fill(~seen[:, None, None], -1e30).softmax(-1) * seen[:, None, None]
    out = torch.einsum("skgt,sktd->skgd", weights, v).reshape(q.shape)
    blocks = seen.view(S, M, size).any(-1).sum().item()
    return out, 2 * blocks * size * K * d, 2 * seen.sum().item() * K * d


def batch(
    draw: Draw, K: int, group: int, d: int, size: int, lengths: list[int], sinks: int, window: int, spoiled=False
):
    """Draw a pool of blocks in no order; tables without the blocks that nobody sees. `spoiled`: unwritten slots are nan."""
    width = max(1, *(-(-T // size) for T in lengths))
    P = len(lengths) * width + 2
    places = draw.sample(range(P), P)
    keys, values = normal(draw, P, K, d, size), normal(draw, P, K, size, d)
    tables, written = torch.full((len(lengths), width), -1), torch.zeros(P, size, dtype=torch.bool)
    for s, T in enumerate(lengths):
        for t in range(T):
            if t // size * size < sinks or (t // size + 1) * size > T - window:
                if tables[s, t // size] < 0:
                    tables[s, t // size] = places.pop()
                written[tables[s, t // size], t % size] = True
    # The last block of the pool belongs to nobody whose -1 could mean it; what nobody has written may be anything.
    rubbish = math.nan if spoiled else 5.0
    keys.masked_fill_(~written[:, None, None, :], rubbish)
    values.masked_fill_(~written[:, None, :, None], rubbish)
    return (
        normal(draw, len(lengths), K * group, d, scale=2.0),
        keys,
        values,
        tables,
        torch.tensor(lengths),
        sinks,
        window,
    )


@paged_attention.part(
    2, "Count the tokens that each request sees, then what K heads hold of each: d numbers of a key and d of a value.",
    "seen", items=(2,), whole=True,
)  # fmt: skip
@paged_attention.part(
    2, "Blocks are read whole, each that holds something that its request sees. How many are that?", "gathered",
    items=(1,), whole=True,
)  # fmt: skip
@paged_attention.part(
    6, "Write down the tokens that request 0 sees; the block and the slot of each; then attend with one head by hand.",
    "outputs", items=(0,),
)  # fmt: skip
def batches(draw: Draw):
    yield batch(draw, 2, 3, 5, 4, [13, 7, 37, 3], 2, 6)
    # Windows that end inside of a block, sinks that fill more than one, and requests shorter than either.
    yield batch(draw, 2, 3, 7, 3, [17, 29, 2, 11], 4, 7)
    yield batch(draw, 2, 2, 3, 5, [23, 31], 0, 8)
    yield batch(draw, 1, 5, 4, 2, [9, 14, 6], 3, 1)
    yield batch(draw, 2, 1, 5, 7, [11, 20], 1, 100)
    yield batch(draw, 3, 3, 3, 3, [3, 9, 6], 3, 3)
    K, group, size = draw.choice((2, 3)), draw.choice((2, 3)), draw.choice((2, 3, 5))
    yield batch(
        draw, K, group, 7, size, [draw.randint(1, 30) for _ in range(5)], draw.randint(0, 4), draw.randint(1, 9)
    )
    # Two answers to one prompt, in the same blocks.
    q, keys, values, tables, *rest = batch(draw, 2, 2, 5, 3, [13, 13, 7], 2, 6)
    tables[1] = tables[0]
    yield q, keys, values, tables, *rest


@paged_attention.part(
    4, "A slot that nobody has written may hold nan, and so may any sum in which it takes part, with whatever weight.",
    "edges",
)  # fmt: skip
def edges(draw: Draw):
    yield batch(draw, 2, 2, 5, 4, [11, 5, 12, 3], 6, 7, spoiled=True)
    # A row of the batch that stands empty; one token; nothing but empty rows.
    yield batch(draw, 2, 2, 3, 4, [5, 0, 11], 1, 6)
    yield batch(draw, 2, 3, 5, 3, [0, 14, 1], 2, 4, spoiled=True)
    yield batch(draw, 1, 1, 3, 2, [1], 0, 1)
    yield batch(draw, 2, 1, 3, 2, [0, 0], 1, 1)


SEEN, HEAD = "t < sinks or t >= T - window", "h // (H // K)"
MASKED = (
    "weights = torch.zeros(0)\\n    P = len(keys)\\n    for s in range(S):\\n        T = lengths[s].item()\\n"
    "        for h in range(H):\\n            k = keys[tables[s], h // (H // K)].transpose(1, 2).flatten(0, 1)\\n"
    "            v = values[tables[s], h // (H // K)].flatten(0, 1)\\n            t = torch.arange(len(k))\\n"
    "            seen = (t < T) & ((t < sinks) | (t >= T - window))\\n"
)
paged_attention.mistakes(f"""
The window is seen, and the sinks are not: the first `sinks` tokens are seen by everyone.
    {SEEN} => t >= T - window
All tokens are seen here: only the first `sinks` and the last `window` are.
    {SEEN} => True
The window is not seen: of the tokens after the sinks, the last `window` are, the newest among them.
    {SEEN} => t < sinks
    {SEEN} => t < sinks or t < window
    {SEEN} => t < sinks + window
A token is seen if it is in the window or among the sinks: it need not be in both.
    {SEEN} => t < sinks and t >= T - window
The window holds `window` tokens, the newest among them: here it is one longer or shorter.
    {SEEN} => t < sinks or t >= T - window - 1
    {SEEN} => t < sinks or t > T - window
    {SEEN} => t < sinks or (t >= T - window - 1 and t < T - 1)
    {SEEN} => t < sinks or (t >= T - window and t < T - 1)
The sinks are the first `sinks` tokens: here they are one more or fewer.
    {SEEN} => t <= sinks or t >= T - window
    {SEEN} => t < sinks - 1 or t >= T - window
The sinks come on top of the window: it is `window` tokens long, whatever they are.
    {SEEN} => t < sinks or t >= T - window - sinks
    {SEEN} => t < sinks or t >= T - window + sinks
    {SEEN} => t < sinks or t >= T - max(window, sinks)
Sinks and window are counted in tokens, not in blocks: of a block that is read, some tokens may be hidden.
    {SEEN} => t // size * size < sinks or t // size >= max(0, T - window) // size
    {SEEN} => t // size * size < sinks or t >= T - window
    {SEEN} => t < sinks or t // size >= max(0, T - window) // size
    {SEEN} => t < sinks * size or t >= T - window * size
A request's last block may be filled in part: behind its length nothing is its own.
    range(T) if => range(-(-T // size) * size) if
An empty row of the batch, of length 0, sees nothing: zeros, and no nan.
    if seen: => if not seen: out[s, h] = math.nan\\n            else:
    if seen: => if not seen: out[s, h] = values[table[0], head].mean(0)\\n            else:
A number that is hidden by a weight of 0 still counts if it is nan or infinite: 0 * nan is nan. Leave it out, or put 0 in its place.
    out, whole, needed = torch.zeros_like(q), 0, 0 => {MASKED}            w = (k @ q[s, h] / d**0.5).masked_fill(~seen, -1e30).softmax(0) * seen\\n            weights = torch.cat([weights, w @ v])\\n    spoiled = weights.view(q.shape)\\n    out, whole, needed = torch.zeros_like(q), 0, 0 && return out, => return spoiled,
    out, whole, needed = torch.zeros_like(q), 0, 0 => {MASKED}            w = torch.where(seen, k @ q[s, h] / d**0.5, -math.inf).softmax(0)\\n            weights = torch.cat([weights, w @ v])\\n    spoiled = weights.view(q.shape)\\n    out, whole, needed = torch.zeros_like(q), 0, 0 && return out, => return spoiled,
    out, whole, needed = torch.zeros_like(q), 0, 0 => {MASKED}            w = torch.where(seen, k @ q[s, h] / d**0.5, -math.inf).softmax(0).nan_to_num()\\n            weights = torch.cat([weights, w @ v])\\n    spoiled = weights.view(q.shape)\\n    out, whole, needed = torch.zeros_like(q), 0, 0 && return out, => return spoiled,
    out, whole, needed = torch.zeros_like(q), 0, 0 => {MASKED}            w = torch.where(seen, k @ q[s, h] / d**0.5, -1e9).softmax(0)\\n            weights = torch.cat([weights, w @ v])\\n    spoiled = weights.view(q.shape)\\n    out, whole, needed = torch.zeros_like(q), 0, 0 && return out, => return spoiled,
Each request has its own length: here one length is used for all.
    T, table = lengths[s].item() => T, table = lengths[0].item()
    seen = [t for t in range(T) if t < sinks or t >= T - window] => seen = [t for t in range(T) if t < sinks or t >= lengths.max().item() - window]
Token t lies in block table[t // block_size], at slot t % block_size.
    [t % size for t in seen] => [i % size for i in range(len(seen))]
    [table[t // size] for t in seen] => [t // size for t in seen]
    [table[t // size] for t in seen], [t % size for t in seen] => [table[t % len(table)] for t in seen], [t // len(table) % size for t in seen]
    [table[t // size] for t in seen] => [sorted(table)[t // size] for t in seen]
Neighbouring query heads share a head of keys and values: head h reads number h // (H / K).
    {HEAD} => h % K
    {HEAD} => min(h, K - 1)
    {HEAD} => 0
    {HEAD} => h // K % K
    values[block, head, slot => values[block, h % K, slot
    keys[block, head, : => keys[block, h % K, :
Scores are divided by the root of d.
    / math.sqrt(d) =>
    / math.sqrt(d) => / d
    / math.sqrt(d) => * math.sqrt(d)
    / math.sqrt(d) => / math.sqrt(H * d)
    / math.sqrt(d) => / math.sqrt(size)
    / math.sqrt(d) => / math.sqrt(K * d)
The keys lie with the slot last, (P, K, d, block_size), and the values with the slot before d: here they were read alike, or reshaped.
    keys[block, head, :, slot] => keys.reshape(values.shape)[block, head, slot]
    values[block, head, slot, :] => values.reshape(keys.shape)[block, head, :, slot]
The weights are a softmax over all tokens that a head sees, sinks and window together.
    .softmax(0) =>
    .softmax(0) => .exp()
    .softmax(0) => .sigmoid()
    (weights @ v) => v.mean(0)
A block is read whole, with keys and values of K heads: here the heads of the queries were counted.
    numbers = 2 * K * d => numbers = 2 * H * d
    whole * numbers, needed => whole * 2 * H * d, needed
Keys and values are two: d numbers of each, for each of K heads.
    numbers = 2 * K * d => numbers = K * d
    whole * numbers, needed => whole * K * d, needed
    needed * numbers => needed * K * d
    numbers = 2 * K * d => numbers = 2 * d
Numbers are counted, and not bytes.
    numbers = 2 * K * d => numbers = 8 * K * d
    whole * numbers, needed => whole * 8 * K * d, needed
    numbers = 2 * K * d => numbers = 4 * K * d
A block is read once for a request, as long as it holds something that the request sees.
    whole += len({{t // size for t in seen}}) * size => whole += -(-T // size) * size
    whole += len({{t // size for t in seen}}) * size => whole += tables.shape[1] * size
    whole += len({{t // size for t in seen}}) * size => whole += -(-len(seen) // size) * size
    whole += len({{t // size for t in seen}}) * size => whole += len(seen) * size
    whole += len({{t // size for t in seen}}) * size => whole += (len({{t // size for t in seen if t < sinks}}) + len({{t // size for t in seen if t >= T - window}})) * size
A block that two requests share is moved for both.
    whole += len({{t // size for t in seen}}) * size => whole = tables[: s + 1][tables[: s + 1] >= 0].unique().numel() * size
Blocks are read whole: count all of their slots.
    whole += len({{t // size for t in seen}}) * size => whole += len({{t // size for t in seen}})
    whole += len({{t // size for t in seen}}) * size => whole += len(seen)
What is needed are the tokens that are seen, each once, in no block and behind no mask.
    needed += len(seen) => needed += T
    needed += len(seen) => needed += min(T, sinks) + min(T, window)
    needed += len(seen) => needed += sinks + window
    needed += len(seen) => needed += len({{t // size for t in seen}}) * size
First what is gathered, then what is needed of it.
    whole * numbers, needed * numbers => needed * numbers, whole * numbers
Counts are ints.
    whole * numbers, needed * numbers => float(whole * numbers), float(needed * numbers)
    whole * numbers, needed * numbers => torch.tensor(whole * numbers), torch.tensor(needed * numbers)
""")
