"""Exercise 2 of lab 10: what a row of logits becomes under a list of steps, and the token of a random number."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m10_decoding.inputs import LIBRARIES


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def sampler_distribution(logits, seen, steps, us):
    left = dict(enumerate(logits.tolist()))
    for name, value in steps:
        chances = shares(left)
        ranked = sorted(left, key=lambda i: (-left[i], i))
        keep = ranked
        if name == "frequency":
            left = {i: z - value * seen.count(i) for i, z in left.items()}
        elif name == "temperature" and value > 0:
            left = {i: z / value for i, z in left.items()}
        elif name == "temperature":
            keep = ranked[:1]
        elif name == "top_k":
            keep = ranked[:value]
        elif name == "min_p":
            keep = [i for i in ranked if chances[i] >= value * chances[ranked[0]]]
        elif value < 1:
            keep, total = [], 0.0
            for i in ranked:
                if total < value:
                    keep.append(i)
                total += chances[i]
        left = {i: left[i] for i in keep}
    chances = shares(left)
    ranked = sorted(left, key=lambda i: (-left[i], i))
    tokens = []
    for u in us:
        total = 0.0
        for i in ranked:
            total += chances[i]
            if total > u:
                break
        tokens.append(i)
    return torch.tensor([chances.get(i, 0.0) for i in range(len(logits))]), tokens


def shares(left):
    most = max(left.values())
    weights = {i: math.exp(z - most) for i, z in left.items()}
    return {i: w / sum(weights.values()) for i, w in weights.items()}


sampler_distribution.uses = (shares,)


@sampler_distribution.right
def sorted_once(logits, seen, steps, us):
    # Every step but one keeps the order, so the row is sorted there, and cut from the right.
    z = logits.double()
    order = z.argsort(descending=True, stable=True)
    for name, value in steps:
        if name == "frequency":
            z = z - value * torch.bincount(torch.tensor(seen, dtype=torch.int64), minlength=len(z))
            z = z.masked_fill(~torch.isin(torch.arange(len(z)), order), -torch.inf)
            order = z.argsort(descending=True, stable=True)[: len(order)]
            continue
        p = z[order].softmax(0)
        if name == "temperature":
            z, count = (z / value, len(order)) if value else (z, 1)
        elif name == "top_k":
            count = value
        elif name == "top_p":
            count = int((p.cumsum(0) - p < value).sum()) if value < 1 else len(order)
        else:
            count = int((p >= value * p[0]).sum())
        order = order[:count]
    p = z[order].softmax(0)
    out = torch.zeros(len(z), dtype=torch.float64)
    out[order] = p
    return out.float(), [order[(p.cumsum(0) <= u).sum()].item() for u in us]


def settled(draw: Draw, logits, seen, steps):
    """Draw random numbers, such that no sum and no chance is near to a bound of the steps, or to one of them."""
    logits = torch.tensor(logits)
    while True:
        kept = set()
        for f in (1, 0.999, 1.001):
            moved = [(name, value * f if name in ("top_p", "min_p") and value < 1 else value) for name, value in steps]
            chances, _ = sampler_distribution(logits, seen, moved, [])
            kept.add(tuple((chances > 0).tolist()))
        if len(kept) == 1:
            break
        logits = logits + torch.tensor([draw.gauss(0, 0.01) for _ in logits])
    us: list[float] = []
    while len(us) < 7:
        near = [draw.random()] * 3
        near[1], near[2] = near[0] - 1e-3, near[0] + 1e-3
        if len(set(sampler_distribution(logits, seen, steps, near)[1])) == 1 and near[2] < 1:
            us.append(near[0])
    return logits, seen, steps, us


def row(draw: Draw, V: int, scale: float = 1.3):
    """Draw logits whose order is not that of the ids."""
    while True:
        logits = [draw.gauss(0, scale) for _ in range(V)]
        ranked = sorted(range(V), key=lambda i: -logits[i])
        if V < 7 or all(abs(i - place) > 1 for place, i in enumerate(ranked[:4])):
            return logits


@sampler_distribution.part(
    5, "Go from the likeliest token down and add up: the first at which the sum exceeds u. Which id has it?", "tokens",
    items=(1,), whole=True,
)  # fmt: skip
@sampler_distribution.part(
    12, "Print what each step leaves, one after the other: which tokens, and with what chances?", "chances", items=(0,)
)
def rows(draw: Draw):
    # One step alone, then steps whose order matters, then ties and the ends of each scale.
    yield settled(draw, row(draw, 11), [], [("temperature", 0.7)])
    yield settled(draw, row(draw, 11), [], [("top_k", 4)])
    yield settled(draw, row(draw, 13, 0.8), [], [("top_p", 0.7)])
    yield settled(draw, row(draw, 13, 0.9), [], [("min_p", 0.12)])
    yield settled(draw, row(draw, 7), [2, 5, 2, 2], [("frequency", 0.6)])
    yield settled(draw, row(draw, 17, 1.0), [4, 4, 1, 0, 4], [("temperature", 1.6), ("frequency", 0.8), ("top_k", 9), ("top_p", 0.7)])  # fmt: skip
    yield settled(draw, row(draw, 17, 1.0), [7, 3, 7], [("top_p", 0.9), ("frequency", 1.5), ("min_p", 0.2), ("temperature", 2.5)])  # fmt: skip
    yield settled(draw, row(draw, 13, 0.8), [], [("min_p", 0.2), ("temperature", 0.5), ("top_p", 0.75)])
    yield settled(
        draw, row(draw, 13, 1.0), [1], [("top_k", 8), ("temperature", 2.0), ("top_p", 0.6), ("frequency", 0.9)]
    )
    ties = [0.5, 2.0, 1.0, 2.0, 1.0, 2.0, -1.0]
    yield settled(draw, ties, [], [("top_k", 2)])
    yield settled(draw, ties, [], [("top_p", 0.4)])
    yield settled(draw, ties, [], [("min_p", 1.0)])
    yield settled(draw, ties, [], [("top_k", 4), ("min_p", 0.3)])
    yield settled(draw, ties, [3, 1], [("frequency", 1.0), ("temperature", 0.0)])
    yield settled(draw, [1.0, 3.0, 0.0, 3.0, 2.0], [], [("temperature", 0.0), ("top_p", 0.9)])
    banned = [-math.inf, 1.0, 0.25, -math.inf, 2.0]
    yield settled(draw, banned, [4, 4, 0], [("frequency", 0.5), ("top_k", 4), ("top_p", 1.0)])
    yield settled(draw, row(draw, 5), [], [("top_k", 9), ("min_p", 0.0), ("top_p", 1.0), ("temperature", 1.0)])
    yield settled(draw, row(draw, 5), [3], [])
    yield settled(draw, row(draw, 1), [0], [("min_p", 1.0), ("top_p", 0.1)])


MIN_P, TOP_P, COUNT = "chances[i] >= value * chances[ranked[0]]", "if total < value:", "z - value * seen.count(i)"
NAMES, ROW = '["temperature", "frequency", "top_k", "top_p", "min_p"]', "dict(enumerate(logits.tolist()))"
FINAL = "chances = shares(left)\\n    ranked"
WALK = "for i in ranked:\\n            total += chances[i]\\n            if total > u:\\n                break"
sampler_distribution.mistakes(f"""
The steps are done in the order of the list: here they are in one of the program's own.
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: {NAMES}.index(s[0])):
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: ["frequency", "temperature", "top_k", "top_p", "min_p"].index(s[0])):
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: ["frequency", "temperature", "top_k", "min_p", "top_p"].index(s[0])):
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: ["frequency", "temperature", "min_p", "top_k", "top_p"].index(s[0])):
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: ["temperature", "top_k", "top_p", "min_p", "frequency"].index(s[0])):
    for name, value in steps: => for name, value in steps[::-1]:
A step takes the chances of what the steps before it left, and they add up to one: here what was cut has a share still.
    chances = shares(left)\\n        ranked => chances = shares({ROW})\\n        ranked
    chances = shares(left)\\n        ranked => chances = dict(enumerate(torch.tensor(list(({ROW}).values())).softmax(0).tolist()))\\n        ranked
Temperature 0 leaves the likeliest token alone.
    elif name == "temperature" and value > 0: => elif name == "temperature" and value >= 0: && z / value for => z / (value or 1.0) for
    elif name == "temperature" and value > 0: => elif name == "temperature" and value >= 0:
    elif name == "temperature" and value > 0: => elif name == "temperature" and value >= 0: && z / value for => (torch.tensor(z) / value).item() for
At temperature 0 one token stays, the smallest id among the likeliest: here all of the equal ones stay, or the last.
    keep = ranked[:1] => keep = [i for i in ranked if left[i] == left[ranked[0]]]
    elif name == "temperature" and value > 0: => elif name == "temperature" and value >= 0: && z / value for => z / max(value, 1e-6) for
    keep = ranked[:1] => keep = [max(i for i in ranked if left[i] == left[ranked[0]])]
Temperature divides the logits: a high one makes the chances flatter.
    z / value for => z * value for
Temperature divides the logits: here nothing has changed.
    z / value for => z for
frequency: the penalty counts, so that a token that was seen three times loses three times as much.
    {COUNT} => z - value * (i in seen)
frequency: what has been seen gets less likely, so the penalty is taken off.
    {COUNT} => z + value * seen.count(i)
frequency: the penalty is taken off the logit, and not off the chance; nothing is multiplied or divided.
    {COUNT} => (z / value ** seen.count(i) if z > 0 else z * value ** seen.count(i))
    {COUNT} => (z if i not in seen else z / value if z > 0 else z * value)
    {COUNT} => (z if i not in seen else z * value if z > 0 else z / value)
    {COUNT} => z * (1 - value * seen.count(i))
    {COUNT} => math.log(max(chances[i] - value * seen.count(i), 1e-12) + 1e-30)
frequency: the penalty is missing, or was divided by how many tokens were seen.
    {COUNT} => z
    {COUNT} => z - value * seen.count(i) / max(1, len(seen))
top_p: equal tokens share no fate: the one with the smaller id comes first, and the sum may end between them.
    {TOP_P} => if total < value or left[i] == left[keep[-1]]:
    {TOP_P} => if sum(chances[j] for j in ranked if left[j] > left[i]) < value:
top_k: exactly k tokens stay: of equal ones those with the smaller ids, as if they were the likelier ones.
    keep = ranked[:value] => keep = [i for i in ranked if left[i] >= left[ranked[min(value, len(ranked)) - 1]]]
    keep = ranked[:value] => keep = [i for i in ranked if left[i] > left[ranked[min(value, len(ranked) - 1)]] or value >= len(ranked)]
Of equal tokens the one with the smaller id comes first: here the larger ids were preferred.
    chances = shares(left)\\n        ranked = sorted(left, key=lambda i: (-left[i], i)) => chances = shares(left)\\n        ranked = sorted(left, key=lambda i: (-left[i], -i))
top_k: k tokens stay, the likeliest: here there are more or fewer, or others.
    keep = ranked[:value] => keep = ranked[: value - 1]
    keep = ranked[:value] => keep = ranked[: value + 1]
    keep = ranked[:value] => keep = ranked[-value:]
    keep = ranked[:value] => keep = sorted(ranked)[:value]
top_k: no token was cut.
    keep = ranked[:value] => keep = ranked
top_p: the token with which the sum reaches p stays too: without it less than p is left.
    {TOP_P} => if total + chances[i] <= value:
    {TOP_P} => if total + chances[i] <= value or not keep:
top_p: it ends where the sum has reached p: here it goes on to one token more.
    keep, total = [], 0.0\\n => keep, total, before = [], 0.0, 0.0\\n && {TOP_P} => if before < value: && total += chances[i]\\n        left => before, total = total, total + chances[i]\\n        left
top_p: p is the share that stays, not the share that goes.
    {TOP_P} => if total < 1 - value:
top_p: the sum is one of chances from the likeliest down: here it goes in another order.
    for i in ranked:\\n                if => for i in sorted(left):\\n                if
    for i in ranked:\\n                if => for i in ranked[::-1]:\\n                if
top_p: chances are added up: here those of single tokens are compared with p.
    {TOP_P} => if chances[i] >= 1 - value:
    {TOP_P} => if chances[i] >= value:
    {TOP_P} => if chances[i] >= 1 - value or i == ranked[0]:
    {TOP_P} => if chances[i] >= value or i == ranked[0]:
top_p: no token was cut.
    {TOP_P} => if True:
top_p of 1 cuts nothing.
    elif value < 1: => elif value < 1 or not (keep := ranked[:1]):
min_p: a chance that equals the bound is not below it, so its token stays.
    {MIN_P} => chances[i] > value * chances[ranked[0]] or i == ranked[0]
min_p: the bound is m times the largest chance, not m.
    {MIN_P} => chances[i] >= value
    {MIN_P} => chances[i] >= value or i == ranked[0]
min_p: chances are compared, not logits.
    {MIN_P} => left[i] >= value * left[ranked[0]]
min_p: those below the bound go, and the others stay.
    {MIN_P} => chances[i] < value * chances[ranked[0]] or i == ranked[0]
    {MIN_P} => chances[i] < value * chances[ranked[0]]
min_p: no token was cut.
    {MIN_P} => True
These are logits, and not chances: the softmax is missing.
    chances.get(i, 0.0) for => left.get(i, -math.inf) for
    chances.get(i, 0.0) for => left.get(i, 0.0) for
These are logarithms of chances.
    chances.get(i, 0.0) for => math.log(chances.get(i, 0.0) or 1e-300) if chances.get(i) else -math.inf for
There is a chance for every id, 0 for those that were cut, in the order of the ids.
    chances.get(i, 0.0) for i in range(len(logits)) => chances[i] for i in sorted(chances)
    chances.get(i, 0.0) for i in range(len(logits)) => chances[i] for i in ranked
    chances.get(i, 0.0) for i in range(len(logits)) => c for c in sorted(chances.values(), reverse=True) + [0.0] * (len(logits) - len(chances))
tokens: this is the place in the order, and not the id that stands there.
    tokens.append(i) => tokens.append(ranked.index(i))
    tokens.append(i) => tokens.append(sorted(left).index(i))
tokens: the sum goes from the likeliest token down: here it goes by the ids, or from the bottom up.
    {WALK} => for i in sorted(left):\\n            total += chances[i]\\n            if total > u:\\n                break
    {WALK} => for i in ranked[::-1]:\\n            total += chances[i]\\n            if total > u:\\n                break
tokens: the first token at which the sum exceeds u: here it is the one before it, or the one after.
    tokens.append(i) => tokens.append(ranked[max(0, ranked.index(i) - 1)])
    tokens.append(i) => tokens.append(ranked[min(len(ranked) - 1, ranked.index(i) + 1)])
tokens: each random number decides by itself where its sum ends: here it does not, or they add up.
    if total > u: => if total > 0:
    if total > u: => if chances[i] > u:
    for u in us:\\n        total = 0.0 => total = 0.0\\n    for u in us:
    for u in us: => for u in us[:1] * len(us):
tokens: the draw is among the tokens that are left: here it is one of all of them, as they came.
    {FINAL} => left, few = {ROW}, left\\n    chances = shares(left)\\n    ranked && return torch.tensor => chances = shares(few)\\n    return torch.tensor
tokens: plain ints are wanted.
    tokens.append(i) => tokens.append(torch.tensor(i))
    tokens.append(i) => tokens.append(float(i))
""")


@sampler_distribution.mistake(
    "A step takes the chances of what the steps before it left, and they add up to one: "
    "here what was cut has a share still."
)
def masked_late(logits, seen, steps, us):
    z, on = logits.double(), torch.ones(len(logits), dtype=torch.bool)
    for name, value in steps:
        p = z.softmax(0)
        order = z.argsort(descending=True, stable=True)
        if name == "frequency":
            z = z - value * torch.tensor([float(seen.count(i)) for i in range(len(z))])
        elif name == "temperature":
            z, on = (z / value, on) if value else (z, on & (torch.arange(len(z)) == order[0]))
        elif name == "top_k":
            on = on & torch.isin(torch.arange(len(z)), order[:value])
        elif name == "min_p":
            on = on & (p >= value * p.max())
        elif value < 1:
            on = on & torch.isin(torch.arange(len(z)), order[p[order].cumsum(0) - p[order] < value])
    p = z.softmax(0) * on
    p = p / p.sum()
    order = p.argsort(descending=True, stable=True)
    return p.float(), [order[(p[order].cumsum(0) <= u).sum()].item() for u in us]


@sampler_distribution.mistake("What is left adds up to one: the chances of the tokens that stay grow.")
def not_made_whole(logits, seen, steps, us):
    p, tokens = sampler_distribution(logits, seen, steps, us)
    still = [(name, value) for name, value in steps if name in ("frequency", "temperature") and value]
    return sampler_distribution(logits, seen, still, us)[0] * (p > 0), tokens
