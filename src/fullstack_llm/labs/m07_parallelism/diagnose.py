"""Exercise 6 of lab 07: a pipeline's gradients, some of them divided too often, beside those of its micro-batches."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m07_parallelism.inputs import LIBRARIES, normal


def near(got, want):
    return bool((got - want).abs().max() <= 1e-3 * want.abs().max())


def weighted(parts, tokens):
    return sum(count / sum(tokens) * part for count, part in zip(tokens, parts, strict=True))


@exercise(minutes=30, difficulty=5, review=LIBRARIES, uses=(near, weighted))
def diagnose(found, parts, tokens, stages, tied):
    m = len(tokens)
    twin = {one: other for pair in tied for one, other in (pair, pair[::-1])}
    patterns, times, repaired = {}, {}, {}
    for name in found:
        both = parts[name] + parts[twin[name]] if name in twin else parts[name]
        every = weighted(both, tokens)
        likely = [("all", every), ("unweighted", both.mean(0))]
        if name in twin:
            likely.append(("alone", weighted(parts[name], tokens)))
        likely.append(("last", tokens[-1] / sum(tokens) * both[-1]))
        likely += [("missing", every - tokens[i] / sum(tokens) * both[i]) for i in range(m)]
        fits = [(what, n) for what, like in likely for n in (1, 2, 0) if near(found[name], like * m ** (1.0 - n))]
        patterns[name], times[name] = fits[0] if fits else ("other", None)
    for name, pattern in patterns.items():
        if pattern == "all":
            repaired[name] = found[name] * m ** (times[name] - 1.0)
        elif pattern == "alone" and patterns[twin[name]] == "alone":
            repaired[name] = sum(found[one] * m ** (times[one] - 1.0) for one in (name, twin[name]))
    divided = [{times[name] for name in names} for names in stages]
    by_stage = [one.pop() if len(one) == 1 else None for one in divided]
    return {"patterns": patterns, "times": times, "stages": by_stage, "repaired": repaired}


@diagnose.right
def by_shares(found, parts, tokens, stages, tied):
    # Each pattern is a share of every micro-batch, of the tensor's own part and of its twin's.
    m, N = len(tokens), sum(tokens)
    share = torch.tensor(tokens) / N
    one_hot = torch.eye(m)
    pairs = dict(tied) | {b: a for a, b in tied}
    tables = [("all", share, 1), ("unweighted", torch.full((m,), 1 / m), 1), ("alone", share, 0)]
    tables += [("last", share * one_hot[-1], 1)] + [("missing", share * (1 - one_hot[i]), 1) for i in range(m)]
    result = {"patterns": {}, "times": {}, "stages": [], "repaired": {}}
    for name, gradient in found.items():
        kind, count = "other", None
        for label, shares, with_twin in reversed(tables):
            if label == "alone" and name not in pairs:
                continue
            stack = parts[name] + (parts[pairs[name]] if with_twin and name in pairs else 0)
            right = torch.einsum("m,m...->...", shares, stack)
            for power in (0, 2, 1):
                like = right / m ** (power - 1)
                if not (gradient - like).abs().max() > like.abs().max() / 1000:
                    kind, count = label, power
        result["patterns"][name], result["times"][name] = kind, count
        if kind == "all":
            result["repaired"][name] = gradient / m ** (1 - count)
    for a, b in tied:
        if result["patterns"][a] == result["patterns"][b] == "alone":
            whole = found[a] / m ** (1 - result["times"][a]) + found[b] / m ** (1 - result["times"][b])
            result["repaired"] |= {a: whole, b: whole}
    for names in stages:
        first = result["times"][names[0]]
        result["stages"].append(first if all(result["times"][name] == first for name in names) else None)
    return result


def run(draw: Draw, tokens: list[int], faults: dict[str, tuple[str, int]], tied: bool):
    """Draw a pipeline of three stages whose gradients have these faults: a pattern, and how often m has divided."""
    m, N = len(tokens), sum(tokens)
    shapes = {
        "embed": (5, 3),
        "0.up": (7, 3),
        "0.down": (3, 7),
        "1.up": (7, 3),
        "1.gain": (3,),
        "2.up": (7, 3),
        "head": (5, 3),
    }
    parts = {name: normal(draw, m, *shape) for name, shape in shapes.items()}
    found = {}
    for name, own in parts.items():
        kind, times = faults.get(name, ("all", 1))
        other = {"embed": "head", "head": "embed"}.get(name) if tied and kind != "alone" else None
        both = own + parts[other] if other else own
        share = torch.tensor(tokens) / N
        if kind == "unweighted":
            share = torch.full((m,), 1 / m)
        if kind == "last":
            share = share * torch.eye(m)[-1]
        if kind.startswith("missing"):
            share = share * (1 - torch.eye(m)[int(kind[-1])])
        one = torch.einsum("m,m...->...", share, both) / m ** (times - 1)
        found[name] = normal(draw, *one.shape) if kind == "other" else 0.0 * one if kind == "zero" else one
    stages = [["embed", "0.up", "0.down"], ["1.up", "1.gain"], ["2.up", "head"]]
    return found, parts, tokens, stages, [("embed", "head")] if tied else []


@diagnose.part(
    5, "What can be had again from the numbers that are there? Take back what was divided, and add what lies on two stages.",
    "repaired", items=("repaired",),
)  # fmt: skip
@diagnose.part(4, "How often has m divided this gradient, and do all tensors of the stage agree?", "times", items=("times", "stages"), whole=True)  # fmt: skip
@diagnose.part(
    7, "Make what each row of the table says from the micro-batches, three times with another power of m, and compare.", "patterns",
    items=("patterns",), whole=True,
)  # fmt: skip
def pipelines(draw: Draw):
    scaled = dict.fromkeys(("0.up", "0.down"), ("all", 2))
    yield run(draw, [5, 2, 7, 3], scaled | {"embed": ("alone", 2), "head": ("alone", 1), "1.up": ("unweighted", 1), "1.gain": ("all", 0), "2.up": ("missing 1", 1)}, True)  # fmt: skip
    yield run(draw, [3, 11, 2], {"embed": ("all", 2), "head": ("last", 1), "0.up": ("missing 0", 2), "1.up": ("unweighted", 2), "1.gain": ("last", 2), "2.up": ("other", 1)}, False)  # fmt: skip
    yield run(draw, [2, 3, 5, 7, 11], {"embed": ("all", 2), "head": ("all", 2), "1.up": ("other", 1), "1.gain": ("other", 1), "2.up": ("zero", 1), "0.down": ("missing 4", 0)}, True)  # fmt: skip
    yield run(draw, [3, 5], {"embed": ("alone", 1), "head": ("all", 1), "0.up": ("last", 0), "1.up": ("missing 1", 1), "1.gain": ("missing 0", 1), "2.up": ("all", 2)}, True)  # fmt: skip
    yield run(draw, [4, 4, 4], {"embed": ("alone", 0), "head": ("alone", 2), "1.up": ("unweighted", 1), "0.up": ("unweighted", 0), "2.up": ("missing 2", 1)}, True)  # fmt: skip
    yield run(
        draw,
        [7, 2, 5],
        dict.fromkeys(("embed", "0.up", "0.down", "1.up", "1.gain", "2.up", "head"), ("all", 2)),
        True,
    )
    yield run(draw, [7, 5], {"embed": ("missing 0", 1), "head": ("unweighted", 0), "2.up": ("unweighted", 0)}, True)
    yield run(draw, [3, 4, 6], {}, False)
    # A gradient that is zero in one process too; and a tensor beside the right one by a little.
    found, parts, *rest = run(draw, [6, 1, 3], {"0.up": ("all", 2)}, False)
    found["1.up"], parts["1.up"] = torch.zeros(7, 3), torch.zeros(3, 7, 3)
    found["1.gain"] = found["1.gain"] * 1.02
    found["2.up"] = found["2.up"] * (1 + 1e-5)
    yield found, parts, *rest
    # Gradients as small as those of a large model, among which a fixed bound tells nothing apart.
    found, parts, *rest = run(draw, [2, 5, 4], {"0.up": ("all", 2), "1.up": ("last", 1), "2.up": ("other", 1)}, False)
    yield *({name: 1e-5 * one for name, one in some.items()} for some in (found, parts)), *rest


FITS, DIVIDED = (
    "for n in (1, 2, 0) if near(found[name], like * m ** (1.0 - n))",
    "divided = [{times[name] for name in names} for names in stages]",
)
BY, EVERY = "[one.pop() if len(one) == 1 else None for one in divided]", "every = weighted(both, tokens)"
UNWEIGHTED, LAST = '("unweighted", both.mean(0))', 'likely.append(("last", tokens[-1] / sum(tokens) * both[-1]))'
MISSING = 'likely += [("missing", every - tokens[i] / sum(tokens) * both[i]) for i in range(m)]'
ALONE, BOTH = (
    'likely.append(("alone", weighted(parts[name], tokens)))',
    "both = parts[name] + parts[twin[name]] if name in twin else parts[name]",
)
REPAIR, SUM = (
    "repaired[name] = found[name] * m ** (times[name] - 1.0)",
    "repaired[name] = sum(found[one] * m ** (times[one] - 1.0) for one in (name, twin[name]))",
)
diagnose.mistakes(f"""
A gradient fits by a thousandth of the largest number that it should have: here the bound is a fixed number.
    <= 1e-3 * want.abs().max() => <= 1e-3
The micro-batches count by their tokens: "all" is their weighted mean, and their plain mean is "unweighted".
    {EVERY} => every = both.mean(0)
    {UNWEIGHTED} => ("unweighted", every)
    [("all", every), {UNWEIGHTED}] => [("unweighted", both.mean(0)), ("all", every)]
    {EVERY} => every = both.sum(0)
A tied tensor gets gradients on two stages, and "all" is their sum: here only one of them was expected.
    {BOTH} => both = parts[name]
    {BOTH} => both = parts[name] + parts[twin[name]] if name in twin and name in tied[0][:1] else parts[name]
"alone" is a tied tensor that has its own stage's part and not the other's.
    {ALONE} => pass
    {ALONE} => likely.append(("alone", weighted(parts[twin[name]], tokens)))
    {ALONE} => likely.append(("alone", parts[name].mean(0)))
"last": each micro-batch has put its share in the place of the one before, so that the last one's share is all that is left.
    {LAST} => pass
    {LAST} => likely.append(("last", both[-1]))
    {LAST} => likely.append(("last", both[-1] / m))
    {LAST} => likely.append(("last", tokens[0] / sum(tokens) * both[0]))
"missing": the shares of the others stay as they are, of all tokens: nothing is divided again by those that are left.
    {MISSING} => likely += [("missing", (every - tokens[i] / sum(tokens) * both[i]) * sum(tokens) / (sum(tokens) - tokens[i])) for i in range(m)]
    {MISSING} => likely += [("missing", every - both[i] / m) for i in range(m)]
    {MISSING} => likely += [("missing", every - both[i]) for i in range(m)]
Divided once is right; twice makes it 1/m of that, and never m times: here the powers are confused.
    {FITS} => for n in (1, 2, 0) if near(found[name], like * m ** (n - 1.0))
    {FITS} => for n in (1, 2, 0) if near(found[name], like * m ** (-1.0 * n))
    {FITS} => for n in (1, 2, 0) if near(found[name], like * (1.0, m, 1 / m)[n])
    {FITS} => for n in (0, 1, 2) if near(found[name], like * m ** (-1.0 * n))
Each pattern can be divided once, twice or never: here some powers were not tried, or not for each of the patterns.
    {FITS} => for n in (1, 2) if near(found[name], like * m ** (1.0 - n))
    {FITS} => for n in (1, 0) if near(found[name], like * m ** (1.0 - n))
    {FITS} => for n in (1,) if near(found[name], like * m ** (1.0 - n))
    {FITS} => for n in ((1, 2, 0) if what == "all" else (1,)) if near(found[name], like * m ** (1.0 - n))
What fits no row at any power is "other", and nobody knows how often it was divided: None.
    else ("other", None) => else ("all", 1)
    else ("other", None) => else ("other", 1)
    else ("other", None) => else ("other", 0)
    else ("other", None) => else ("missing", 1)
    else ("other", None) => else (None, None)
A ratio of norms, or of single numbers, is the same for many patterns: compare all the numbers with what the row says.
    near(found[name], like * m ** (1.0 - n)) => abs(found[name].norm() / (like * m ** (1.0 - n)).norm() - 1) < 0.2
A stage has a number only if all of its tensors have that number: with others among them it is None.
    {BY} => [times[names[0]] for names in stages]
    {BY} => [times[names[-1]] for names in stages]
    {BY} => [max(one, key=str) for one in divided]
    {DIVIDED} => divided = [{{times[name] for name in names if times[name] is not None}} for names in stages]
    {DIVIDED} => divided = [{{times[name] for name in names if patterns[name] == "all"}} for names in stages]
    {DIVIDED} => divided = [{{times[name] for name in names if name not in twin}} for names in stages]
    {BY} => [one.pop() if len(one) == 1 else -1 for one in divided]
    {BY} => [one.pop() if len(one) == 1 else 0 for one in divided]
    {BY} => [one.pop() if len(one) == 1 else "mixed" for one in divided]
A gradient that was divided twice is multiplied by m, and one that was never divided is divided: here it is the other way, or not done.
    {REPAIR} => repaired[name] = found[name] * m ** (1.0 - times[name])
    {REPAIR} => repaired[name] = found[name]
    {REPAIR} => repaired[name] = found[name] * m ** (1.0 * times[name])
    {REPAIR} => repaired[name] = found[name] * m
    {REPAIR} => repaired[name] = found[name] * times[name]
    {REPAIR} => repaired[name] = found[name] * max(m * (times[name] == 2), 1)
Where "all" was divided once there is nothing to take back, but the gradient is a right one, and belongs in.
    if pattern == "all": => if pattern == "all" and times[name] != 1:
Two parts that stand alone make the whole: each is freed of its own powers of m, and then they are added up, for both names.
    {SUM} => repaired[name] = sum(found[one] for one in (name, twin[name]))
    {SUM} => repaired[name] = sum(found[one] for one in (name, twin[name])) * m ** (times[name] - 1.0)
    {SUM} => repaired[name] = sum(found[one] * m ** (times[one] - 1.0) for one in (name, twin[name])) / 2
    {SUM} => if name == tied[0][0]: repaired[name] = sum(found[one] * m ** (times[one] - 1.0) for one in (name, twin[name]))
One part that stands alone is not enough: with the other name in any other state, nothing is repaired.
    and patterns[twin[name]] == "alone": => :
What was lost cannot be had again from the pipeline's gradient: only "all", and pairs that are both "alone", are in repaired.
    if pattern == "all": => if times[name] is not None and pattern != "alone":
    if pattern == "all": => if pattern in ("all", "unweighted"):
    "repaired": repaired => "repaired": {{name: repaired.get(name) for name in found}}
    "repaired": repaired => "repaired": {{name: repaired.get(name, found[name]) for name in found}}
""")
