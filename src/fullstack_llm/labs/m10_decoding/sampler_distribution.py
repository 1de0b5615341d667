"""Exercise 2 of lab 10: what a row of logits becomes under a list of steps, and the token of a random number."""

import math
from functools import partial

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m10_decoding.inputs import LIBRARIES, row, stable


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


settled = partial(stable, sampler_distribution)


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
    yield settled(draw, row(draw, 13, 1.2), [], [("temperature", 2.5), ("min_p", 0.4)])
    yield settled(draw, row(draw, 11, 4.0), [], [("top_p", 0.3)])
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
The steps follow the order of the list, each on what the one before has left: here the order is another, or the row as it came is used.
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: {NAMES}.index(s[0])):
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: ["frequency", "temperature", "top_k", "top_p", "min_p"].index(s[0])):
    for name, value in steps: => for name, value in sorted(steps, key=lambda s: ["frequency", "temperature", "min_p", "top_k", "top_p"].index(s[0])):
    for name, value in steps: => for name, value in steps[::-1]:
A step takes the chances of what the steps before it left, and they add up to one: here what was cut has a share still.
    chances = shares(left)\\n        ranked => chances = shares({ROW})\\n        ranked
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
    z / value for => z for
frequency: the penalty counts, so that a token that was seen three times loses three times as much.
    {COUNT} => z - value * (i in seen)
frequency: what has been seen gets less likely, so the penalty is taken off.
    {COUNT} => z + value * seen.count(i)
frequency: the penalty is taken off the logit, and not off the chance; nothing is multiplied or divided.
    {COUNT} => (z / value ** seen.count(i) if z > 0 else z * value ** seen.count(i))
    {COUNT} => (z if i not in seen else z / value if z > 0 else z * value)
    {COUNT} => z / value ** seen.count(i)
    {COUNT} => math.log(max(chances[i] - value * seen.count(i), 1e-12) + 1e-30)
frequency: the penalty is missing.
    {COUNT} => z
top_p: equal tokens share no fate: the one with the smaller id comes first, and the sum may end between them.
    {TOP_P} => if total < value or left[i] == left[keep[-1]]:
top_k: exactly k tokens stay: of equal ones those with the smaller ids, as if they were the likelier ones.
    keep = ranked[:value] => keep = [i for i in ranked if left[i] >= left[ranked[min(value, len(ranked)) - 1]]]
Of equal tokens the one with the smaller id comes first: here the larger ids were preferred.
    chances = shares(left)\\n        ranked = sorted(left, key=lambda i: (-left[i], i)) => chances = shares(left)\\n        ranked = sorted(left, key=lambda i: (-left[i], -i))
top_k: k tokens stay, the likeliest: here there are more or fewer, or others.
    keep = ranked[:value] => keep = ranked[: value - 1]
    keep = ranked[:value] => keep = ranked[: value + 1]
    keep = ranked[:value] => keep = ranked[-value:]
top_k: here no token was cut, or the cut was lost again.
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
    {TOP_P} => if chances[i] >= 1 - value or i == ranked[0]:
    {TOP_P} => if chances[i] >= value or i == ranked[0]:
top_p: here no token was cut, or the cut was lost again.
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
    {MIN_P} => chances[i] < value * chances[ranked[0]]
min_p: here no token was cut, or the cut was lost again.
    {MIN_P} => True
These are logits or logarithms, and not chances.
    return torch.tensor([chances.get(i, 0.0) for i in range(len(logits))]), => return torch.tensor([chances.get(i, 0.0) for i in range(len(logits))]).log(),
    chances.get(i, 0.0) for => left.get(i, -math.inf) for
There is a chance for every id, 0 for those that were cut, in the order of the ids.
    chances.get(i, 0.0) for i in range(len(logits)) => chances[i] for i in sorted(chances)
    chances.get(i, 0.0) for i in range(len(logits)) => chances[i] for i in ranked
    chances.get(i, 0.0) for i in range(len(logits)) => c for c in sorted(chances.values(), reverse=True) + [0.0] * (len(logits) - len(chances))
tokens: this is the place in the order, and not the id that stands there.
    tokens.append(i) => tokens.append(ranked.index(i))
tokens: the sum goes from the likeliest token down: here it goes by the ids, or from the bottom up.
    {WALK} => for i in sorted(left):\\n            total += chances[i]\\n            if total > u:\\n                break
    {WALK} => for i in ranked[::-1]:\\n            total += chances[i]\\n            if total > u:\\n                break
tokens: the first token at which the sum exceeds u: here it is the one after.
    tokens.append(i) => tokens.append(ranked[min(len(ranked) - 1, ranked.index(i) + 1)])
tokens: each random number decides by itself where its sum ends: here they add up, or something else does.
    if total > u: => if chances[i] > u:
    for u in us:\\n        total = 0.0 => total = 0.0\\n    for u in us:
tokens: the draw is among the tokens that are left: here it is one of all of them, as they came.
    {FINAL} => left, few = {ROW}, left\\n    chances = shares(left)\\n    ranked && return torch.tensor => chances = shares(few)\\n    return torch.tensor
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
