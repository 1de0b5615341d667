"""Exercise 6 of lab 10: a cache whose keys were turned by other positions than their own."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m10_decoding.inputs import LIBRARIES, normal, turned


@exercise(minutes=25, difficulty=4, review=LIBRARIES, uses=(turned,))
def diagnose(cached, probes, raw, steps, q):
    found = []
    for place, key in zip(probes, raw):
        tried = turned(key.expand(256, -1), torch.arange(256))
        fits = ((tried - cached[place]).abs().amax(1) < 1e-3).nonzero().flatten().tolist()
        found.append(fits[0] if fits else -1)
    right, restarts, drafts, total, dropped = [], [], [], 0, 0
    for added, lost in steps:
        for t in range(added - lost):
            right.append(total + t)
            restarts.append(t)
            drafts.append(total + dropped + t)
        total += added - lost
        dropped += lost
    shift = found[0] - probes[0] if probes else 0
    rules = {
        "none": right,
        "restarts": restarts,
        "drafts": drafts,
        "padding": [p + shift for p in right] if shift > 0 else [None] * total,
        "unturned": [0] * total,
        "twice": [2 * p for p in right],
    }
    cause, repaired = "stale" if -1 in found else "unknown", cached
    for name, rule in reversed(rules.items()):
        if found == [rule[place] for place in probes]:
            cause = name
            repaired = turned(cached, torch.tensor(right) - torch.tensor(rule))
    query = turned(q, torch.tensor(total))
    good, bad = ((keys @ query / len(q) ** 0.5).softmax(0) for keys in (repaired, cached))
    return {"found": found, "cause": cause, "repaired": repaired, "moved": (good - bad).abs().sum().item() / 2}


@diagnose.right
def by_distance(cached, probes, raw, steps, q):
    T = len(cached)
    every = turned(raw[:, None], torch.arange(256).expand(len(raw), 256))
    far = (every - cached[probes][:, None]).abs().amax(-1)
    found = torch.where(far.amin(1) < 1e-3, far.argmin(1), -1).tolist()
    counts = torch.tensor([added - lost for added, lost in steps])
    lost = torch.tensor([lost for _, lost in steps])
    step = torch.repeat_interleave(torch.arange(len(steps)), counts)
    right = torch.arange(T)
    seen = torch.tensor(found)
    gaps = {int(p) - i for p, i in zip(found, probes)}
    candidates = [
        ("none", right),
        ("restarts", right - (counts.cumsum(0) - counts)[step]),
        ("drafts", right + (lost.cumsum(0) - lost)[step]),
    ]
    if len(gaps) == 1 and min(gaps) > 0:
        candidates.append(("padding", right + min(gaps)))
    candidates += [("unturned", right * 0), ("twice", right * 2)]
    cause, off = ("stale" if -1 in found else "unknown"), right * 0
    for name, rule in candidates:
        if torch.equal(rule[probes], seen):
            cause, off = name, right - rule
            break
    repaired = turned(cached, off)
    weights = torch.stack([repaired, cached]) @ turned(q, torch.tensor(T)) / q.shape[0] ** 0.5
    w = weights.softmax(-1)
    return {"found": found, "cause": cause, "repaired": repaired, "moved": float((w[0] - w[1]).clamp(min=0).sum())}


def run(draw: Draw, fault: str, steps: list[tuple[int, int]], probes: list[int], d: int = 6, shift: int = 3):
    """Draw a cache with a fault, and some of its keys as they were before they were turned."""
    T = sum(added - lost for added, lost in steps)
    raw = normal(draw, T, d, scale=1.5)
    right = torch.arange(T)
    start = torch.cat([torch.full((a - n,), i) for i, (a, n) in enumerate(steps)])
    first = torch.tensor([sum(a - n for a, n in steps[:i]) for i in range(len(steps))])
    lost = torch.tensor([sum(n for _, n in steps[:i]) for i in range(len(steps))])
    rules = {"restarts": right - first[start], "drafts": right + lost[start], "padding": right + shift}
    rules |= {
        "unturned": right * 0,
        "twice": right * 2,
        "unknown": right + right // 5 + 1,
        "slipped": right + 2 * (right < 4),
    }
    # Rounded, as no two programs turn a key to the same last bit.
    cached = (turned(raw, rules.get(fault, right)) * 1024).round() / 1024
    if fault == "stale":
        cached[probes[-1]] = turned(normal(draw, d, scale=1.5), torch.tensor(probes[-1]))
    return cached, probes, raw[probes], steps, normal(draw, d, scale=1.5)


@diagnose.part(
    2, "Two rows of weights, each a softmax over all keys: how much of the one would have to move to make the other?",
    "moved", items=("moved",), whole=True, rtol=1e-3, atol=1e-4,
)  # fmt: skip
@diagnose.part(
    5, "A turn by p and another by r are one by p + r. How far must each key be turned on, those without a probe too?",
    "repaired", items=("repaired",), whole=True, rtol=1e-3, atol=1e-3,
)  # fmt: skip
@diagnose.part(
    6, "Write down for each cause where it would put the probes, and compare. Two causes may fit: the first one counts.",
    "cause", items=("cause",), whole=True,
)  # fmt: skip
@diagnose.part(
    6, "Turn the probe's own key by 0, 1, 2, … and compare with the cached one: at which position do they agree?",
    "found", items=("found",),
)  # fmt: skip
def runs(draw: Draw):
    chunks, drafts = [(7, 0), (5, 0), (1, 0), (1, 0)], [(6, 0), (5, 2), (5, 4), (1, 0), (5, 3)]
    yield run(draw, "none", drafts, [0, 6, 10, 12])
    yield run(draw, "restarts", chunks, [2, 5, 8, 12])
    yield run(draw, "drafts", drafts, [1, 7, 9, 10, 11])
    yield run(draw, "padding", chunks, [0, 4, 9, 12], 8, 100)
    yield run(draw, "unturned", chunks, [3, 6, 11])
    yield run(draw, "twice", drafts, [4, 8, 11], 4)
    yield run(draw, "stale", drafts, [5, 7, 8, 10])
    yield run(draw, "unknown", chunks, [1, 4, 8, 13])
    yield run(draw, "slipped", chunks, [1, 5, 9, 13])
    # Probes at which causes fall together: all behind one rewind, all in steps of one token, the first step alone.
    yield run(draw, "drafts", [(6, 0), (4, 3), (5, 0), (3, 0)], [8, 11, 14])
    yield run(draw, "unturned", [(1, 0)] * 7, [2, 3, 6])
    yield run(draw, "restarts", chunks, [1, 4, 6])
    yield run(draw, "twice", chunks, [0, 5, 9])
    # A draft of which nothing was kept, and long texts whose positions go far.
    steps = (
        [(draw.randint(3, 40), 0)]
        + [(added := draw.randint(1, 6), draw.randint(0, added)) for _ in range(7)]
        + [(3, 1)]
    )
    T = sum(added - lost for added, lost in steps)
    for fault in draw.sample(["restarts", "drafts", "padding", "twice"], 3):
        yield run(draw, fault, steps, sorted(draw.sample(range(T), min(T, 5))), 8, draw.randint(5, 60))
    yield run(draw, "stale", [(1, 0)], [0], 2)


TURN = "torch.tensor(right) - torch.tensor(rule)"
EQUAL, MOVED = "found == [rule[place] for place in probes]", "(good - bad).abs().sum().item() / 2"
STALE, PADDING = '"stale" if -1 in found else "unknown"', "[p + shift for p in right] if shift > 0 else [None] * total"
diagnose.mistakes(f"""
found: positions go up to 255, beyond the length of the text too.
    key.expand(256, -1), torch.arange(256) => key.expand(len(cached), -1), torch.arange(len(cached))
    key.expand(256, -1), torch.arange(256) => key.expand(2 * len(cached), -1), torch.arange(2 * len(cached))
found: nothing fits here. Row i of raw is the key of token probes[i]: turn it by p, and compare with cached[probes[i]], to a thousandth.
    for place, key in zip(probes, raw): => for place, key in enumerate(raw):
    tried = turned(key.expand(256, -1), torch.arange(256)) => tried = turned(cached[place].expand(256, -1), torch.arange(256)) - key + cached[place]
    .abs().amax(1) < 1e-3 => .abs().amax(1) <= 0
    .abs().amax(1) < 1e-3 => .abs().amax(1) < 1e-5
found: a position fits where all numbers of a key agree: here one of them is enough.
    (tried - cached[place]).abs().amax(1) < 1e-3 => (tried - cached[place]).abs()[:, 0] < 1e-3
    (tried - cached[place]).abs().amax(1) < 1e-3 => (tried - cached[place]).abs().amin(1) < 1e-3
found: position 0 is one like the others: a key that was never turned has it.
    fits[0] if fits else -1 => next((p for p in fits if p), -1)
found: where no position fits it is -1: this is the nearest one, or the right one.
    found.append(fits[0] if fits else -1) => found.append((tried - cached[place]).norm(dim=1).argmin().item())
    found.append(fits[0] if fits else -1) => found.append(fits[0] if fits else place)
    found.append(fits[0] if fits else -1) => found.append(fits[0] if fits else None)
    found.append(fits[0] if fits else -1) => found.append(fits[0] if fits else 0)
    found.append(fits[0] if fits else -1) => found.extend(fits[:1])
found: the position itself is wanted, and not how far it is from the right one.
    return {{"found": found, => return {{"found": [p - place for p, place in zip(found, probes)],
    return {{"found": found, => return {{"found": [place - p for p, place in zip(found, probes)],
found: there is one position for each probe, in a list of ints.
    return {{"found": found, => return {{"found": dict(zip(probes, found)),
    return {{"found": found, => return {{"found": torch.tensor(found),
    return {{"found": found, => return {{"found": [float(p) for p in found],
cause: of the causes that fit all probes the first one in the table counts: here it is a later one.
    in reversed(rules.items()) => in rules.items()
cause: "restarts" is where each step begins at 0 again, and counts on within the step.
    restarts.append(t) => restarts.append(0 if total else t)
    restarts.append(t) => restarts.append(-1)
    restarts.append(t) => restarts.append(t if total else -1)
cause: "drafts" counts what was dropped before as if it were still there.
    drafts.append(total + dropped + t) => drafts.append(-1)
    drafts.append(total + dropped + t) => drafts.append(total + dropped + t + lost)
    drafts.append(total + dropped + t) => drafts.append(total + dropped + lost)
    drafts.append(total + dropped + t) => drafts.append(total + (lost if dropped else 0) + t)
cause: "padding" is where all positions are too large by one number.
    "padding": {PADDING}, => "padding": [p + 1 for p in right],
    "padding": {PADDING}, => "padding": [None] * total,
cause: "padding" needs one number for all of the probes, and larger than 0.
    if {EQUAL}: => if {EQUAL} or (name == "padding" and shift > 0):
    if shift > 0 else => if shift else
    if {EQUAL}: => if {EQUAL} or (name == "padding" and all(p > place for p, place in zip(found, probes))):
cause: "unturned" is where every key has position 0.
    [0] * total, => [-1] * total,
cause: "twice" is where every key has twice its position.
    [2 * p for p in right] => [-1 for p in right]
    [2 * p for p in right] => [p * p for p in right]
cause: "stale" is where a probe fits no position at all: one of them is enough.
    {STALE}, cached => "unknown", cached
    {STALE}, cached => "stale" if set(found) == {{-1}} else "unknown", cached
cause: a rule has to fit every probe, not some of them, or most.
    if {EQUAL}: => if any(p == rule[place] for p, place in zip(found, probes)):
    if {EQUAL}: => if found[-1] == rule[probes[-1]]:
    if {EQUAL}: => if found[0] == rule[probes[0]]:
    if {EQUAL}: => if sum(p == rule[place] for p, place in zip(found, probes)) * 2 > len(probes):
cause: "unknown" is where each probe has a position, and no rule gives them all.
    {STALE}, cached => "stale", cached
    {STALE}, cached => "stale" if -1 in found else "none", cached
The rewind takes the last tokens of a step: it adds the first added - dropped of them to the text.
    for t in range(added - lost): => for t in range(lost, added):
    for t in range(added - lost): => for t in range(added): && total += added - lost => total += added
repaired: nothing was repaired here: turn each key on to its own position.
    repaired = turned(cached, {TURN}) => pass
repaired: turn each key by its right position less the one that it has: here it went the other way.
    {TURN} => torch.tensor(rule) - torch.tensor(right)
repaired: the keys are turned already: by what is missing, and not once more by the whole position.
    {TURN} => torch.tensor(right)
repaired: the probes alone were repaired: the cause says where all the other keys are.
    repaired = turned(cached, {TURN}) => repaired = cached.clone()\\n            repaired[probes] = turned(cached, {TURN})[probes]
repaired: each key has its own way to go: here all were turned by the same angle.
    {TURN} => (torch.tensor(right) - torch.tensor(rule))[probes[-1]].expand(total)
repaired: these are keys that were turned back: turn them on to their own positions.
    {TURN} => -torch.tensor(rule)
repaired: what is stale or unknown stays as it is.
    repaired = "stale" if -1 in found else "unknown", cached => repaired = "stale" if -1 in found else "unknown", cached * 0
moved: half of the sum of the differences, so that 1 is all of the attention.
    {MOVED} => (good - bad).abs().sum().item()
    {MOVED} => (good - bad).abs().max().item()
    {MOVED} => (good - bad).abs().mean().item()
    {MOVED} => (good - bad).norm().item()
    {MOVED} => (good - bad).sum().item() / 2
    {MOVED} => (good - bad).square().sum().item() / 2
moved: the query is turned too: it belongs to the next token, behind all that are in the cache.
    query = turned(q, torch.tensor(total)) => query = q
    query = turned(q, torch.tensor(total)) => query = turned(q, torch.tensor(total - 1))
    query = turned(q, torch.tensor(total)) => query = turned(q, torch.tensor(total + 1))
    query = turned(q, torch.tensor(total)) => query = turned(q, torch.tensor(sum(added for added, _ in steps)))
moved: weights are a softmax of the scores, over the root of d.
    / len(q) ** 0.5).softmax(0) => ).softmax(0)
    / len(q) ** 0.5).softmax(0) => / len(q) ** 0.5)
    / len(q) ** 0.5).softmax(0) => / len(q)).softmax(0)
moved: a plain float is wanted.
    {MOVED} => (good - bad).abs().sum() / 2
""")
