"""Exercise 7 of lab 15: two checkpoints of a run that trained more, or less, than its adapters."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m15_lora.inputs import LIBRARIES, run


def near(got, want):
    return bool((got - want).abs().max() <= 1e-3 * want.abs().max())


@exercise(minutes=25, difficulty=4, review=LIBRARIES, uses=(near,))
def diagnose(before, after, scale, shrink):
    cause, outside, still = {}, {}, {}
    frozen = [name for name in before if not name.endswith((".A", ".B"))]
    layers = [name.removesuffix(".A") for name in before if name.endswith(".A")]
    moved = {name: after[name] - before[name] for name in frozen if not torch.equal(after[name], before[name])}
    for name, change in moved.items():
        layer = name.removesuffix(".base.weight")
        learnt = torch.zeros_like(change)
        if layer in layers:
            now, then = (scale * one[layer + ".B"] @ one[layer + ".A"] for one in (after, before))
            learnt = now - then
            if near(change, now):
                cause[name] = "merged"
        if name not in cause and near(change, (shrink - 1) * before[name]):
            cause[name] = "decayed"
        outside[name] = (change.norm() / (change + learnt).norm()).item()
    for name in moved:
        twins = [one for one in moved if cause.get(one) == "merged" and torch.equal(before[one], before[name])]
        if name not in cause and any(torch.equal(after[one], after[name]) for one in twins):
            cause[name] = "tied"
    cause = {name: cause.get(name, "trained") for name in moved}
    for layer in layers:
        pair = layer + ".A", layer + ".B"
        if all(torch.equal(before[name], after[name]) for name in pair):
            still[layer] = "left out" if any(before[name].any() for name in pair) else "zeros"
    return {"cause": cause, "outside": outside, "still": still}


@diagnose.right
def in_numbers(before, after, scale, shrink):
    import numpy as np

    old, new = ({name: one.double().numpy() for name, one in state.items()} for state in (before, after))
    found = {"cause": {}, "outside": {}, "still": {}}
    for name in old:
        if name.endswith(".B"):
            continue
        if name.endswith(".A"):
            layer, other = name[:-2], name[:-1] + "B"
            if np.array_equal(old[name], new[name]) and np.array_equal(old[other], new[other]):
                found["still"][layer] = "zeros" if not old[name].any() and not old[other].any() else "left out"
            continue
        step = new[name] - old[name]
        if not step.any():
            continue
        a, b = (name.replace(".base.weight", end) for end in (".A", ".B"))
        has = a != name and a in old
        now = scale * new[b] @ new[a] if has else 0 * step
        then = scale * old[b] @ old[a] if has else 0 * step
        candidates = [("merged", now)] * has + [("decayed", (shrink - 1) * old[name])]
        names = [one for one, like in candidates if np.abs(step - like).max() <= np.abs(like).max() / 1000]
        found["cause"][name] = names[0] if names else "trained"
        found["outside"][name] = float(np.sqrt((step**2).sum() / ((step + now - then) ** 2).sum()))
    for name, cause in list(found["cause"].items()):
        twins = (one for one, other in found["cause"].items() if other == "merged")
        same = any(np.array_equal(old[one], old[name]) and np.array_equal(new[one], new[name]) for one in twins)
        if cause == "trained" and same:
            found["cause"][name] = "tied"
    return found


def runs(draw: Draw):
    names = "layers__{}__{}".format
    yield run(
        draw,
        False,
        "q v",
        **{names(0, "q"): "merged", names(0, "o"): "decayed", names(1, "v"): "trained", "norm": "decayed"},
    )
    yield run(draw, True, "q", head=True, lm_head="merged", **{names(1, "norm"): "trained", names(1, "q"): "decayed"})
    yield run(
        draw,
        False,
        "q o",
        resumed=True,
        **{names(0, "q"): "trained", names(1, "q"): "merged", names(1, "o"): "left out"},
    )
    yield run(
        draw, True, "v o", lm_head="trained", **{names(0, "v"): "zeros", names(1, "o"): "left out", names(0, "o"): "B"}
    )
    yield run(draw, False, "q v", resumed=True, **{names(0, "q"): "A", names(1, "v"): "B", "norm": "trained"})
    yield run(draw, True, "v", head=True, lm_head="decayed", **{names(1, "v"): "left out", names(0, "v"): "zeros"})
    yield run(draw, False, "q v o", resumed=True, embed_tokens="decayed", **{names(0, "v"): "decayed"})
    yield run(draw, False, "q", head=True, lm_head="merged", embed_tokens="trained")
    yield run(draw, False, "q v")
    yield run(draw, True, "q v o", head=True, resumed=True, lm_head="trained")
    # A copy of the merged tensor that was moved by itself, and a gain that has moved by its last bits.
    before, after, scale, shrink = run(draw, True, "q", head=True, lm_head="merged")
    after["embed_tokens.weight"] = before["embed_tokens.weight"] + 0.01
    after["norm.weight"] = before["norm.weight"] * (1 + 1e-6)
    yield before, after, scale, shrink


@diagnose.part(
    4, "Neither of a layer's two matrices moved. Are both zero, or was the pair left out?", "still", items=("still",)
)
@diagnose.part(
    4, "The norm of what the frozen tensor gained, over that of what W + scale B A gained.", "outside", items=("outside",),
    rtol=1e-3,
)  # fmt: skip
@diagnose.part(
    6, "Take after less before of each frozen tensor. Is that nothing, an update, a share of the tensor, or something else?",
    "cause", items=("cause",),
)  # fmt: skip
def states(draw: Draw):
    yield from runs(draw)


NOW = '(scale * one[layer + ".B"] @ one[layer + ".A"] for one in (after, before))'
MERGED, DECAYED = "near(change, now)", "near(change, (shrink - 1) * before[name])"
OUTSIDE, EQUAL = (
    "(change.norm() / (change + learnt).norm()).item()",
    "all(torch.equal(before[name], after[name]) for name in pair)",
)
ANY = "any(before[name].any() for name in pair)"
diagnose.mistakes(f"""
A and B are meant to move: only what was to stay as it was needs a cause.
    if not name.endswith((".A", ".B"))] => ]
A tensor that is the same in both checkpoints has no cause, and does not appear.
    if not torch.equal(after[name], before[name])}} => }}
A frozen tensor that differs in one bit has moved, however little.
    not torch.equal(after[name], before[name])}} => not torch.allclose(after[name], before[name])}}
    not torch.equal(after[name], before[name])}} => not torch.allclose(after[name], before[name], atol=0.05)}}
Tensors with an update have a base that should have stayed too: look at all but the A and the B.
    if not name.endswith((".A", ".B"))] => if not name.endswith((".A", ".B")) and ".base." not in name]
Tensors without an update should have stayed as well: norms, embeddings, and the rest.
    if not name.endswith((".A", ".B"))] => if ".base." in name]
    outside[name] = ( => if layer in layers: outside[name] = (
merged: the whole update goes into the base, that of an earlier run with it, and not what was learnt in this one alone.
    {MERGED} => near(change, learnt)
merged: what the base gained is the update, scale B A, as it is after the run.
    {MERGED} => False
    {MERGED} => near(change, now / scale)
    {MERGED} => near(change, then)
    {MERGED} => near(change, -now)
An update that was merged may be any, but not any change of a tensor that has an update is one: compare the numbers.
    {MERGED} => True
Tensors with an update can decay too.
    if name not in cause and near => if layer not in layers and near
decayed: each number has been multiplied by shrink, so that the change is (shrink - 1) times what was there.
    {DECAYED} => False
    {DECAYED} => near(change, shrink * before[name])
    {DECAYED} => near(change, (1 - shrink) * before[name])
    {DECAYED} => near(change, (shrink - 1) * after[name])
A tensor that is smaller than before need not have decayed: each of its numbers must be shrink times the old one.
    {DECAYED} => bool(after[name].norm() < before[name].norm())
tied: a tensor that holds the numbers of one that was merged, before and after, is that tensor by another name.
    cause[name] = "tied" => pass
tied is for copies of what was merged: a copy of something that decayed decayed too, and one of what was trained is trained.
    if cause.get(one) == "merged" and torch => if one != name and torch
tied: only a tensor that has moved along with the other one; here one is named that went its own way.
    any(torch.equal(after[one], after[name]) for one in twins) => twins
The merged tensor itself is merged; its copy by another name is tied.
    if cause.get(one) == "merged" and torch => if one != name and torch && if name not in cause and any => if any
    cause[name] = "tied" => cause[name] = "merged"
    cause[name] = "tied" => cause[name] = cause[twins[0]] = "tied"
    if name not in cause and any( => if any(
outside: that is the share of what the layer gained in all, the update's part with it.
    {OUTSIDE} => (change.norm() / before[name].norm()).item()
    {OUTSIDE} => (change.norm() / learnt.norm()).item()
    {OUTSIDE} => (change.norm() / (change.norm() + learnt.norm())).item()
    {OUTSIDE} => (change.norm() / (learnt if layer in layers else change).norm()).item()
outside: norms are roots of sums of squares, and their ratio is wanted, not that of the squares.
    {OUTSIDE} => (change.square().sum() / (change + learnt).square().sum()).item()
outside: this is the update's share; the frozen tensor's is asked for.
    {OUTSIDE} => (learnt.norm() / (change + learnt).norm()).item()
outside: an update may have been there before this run, and what the layer gained is the difference.
    learnt = now - then => learnt = now
    learnt = now - then => learnt = scale * (after[layer + ".B"] - before[layer + ".B"]) @ (after[layer + ".A"] - before[layer + ".A"])
outside: the update is scale times B A.
    learnt = now - then => learnt = (now - then) / scale
    learnt = now - then => learnt = (now - then) * scale
outside: merged or not, the layer adds W and scale B A, so an update that was merged counts twice and has half of it outside.
    learnt = now - then => learnt = 0 * now if near(change, now) else now - then
    learnt = now - then => learnt = -change + now - then if near(change, now) else now - then
outside: a tensor without an update has all of its change outside: that is 1.0.
    (change + learnt).norm() => (change + learnt if layer in layers else before[name]).norm()
    cause = {{name: => outside = {{name: one if name.removesuffix(".base.weight") in layers else 0.0 for name, one in outside.items()}}\\n    cause = {{name:
still: both matrices have to stand still; where one has moved the pair learns.
    {EQUAL} => any(torch.equal(before[name], after[name]) for name in pair)
    {EQUAL} => torch.equal(before[pair[0]], after[pair[0]])
    {EQUAL} => torch.equal(before[pair[1]], after[pair[1]])
still: "zeros" is where A and B are both zero. One of them may be: then the other one has a gradient.
    {ANY} => all(before[name].any() for name in pair)
    {ANY} => before[pair[1]].any()
still: "left out" is a pair that could have learnt, since A or B is not zero.
    "left out" if {ANY} else "zeros" => "zeros"
    "left out" if {ANY} else "zeros" => "zeros" if {ANY} else "left out"
still: "zeros" is a pair of zeros, which has no gradient, whether or not the optimizer has it.
    "left out" if {ANY} else "zeros" => "left out"
still: the name is that of the layer, without .A or .B.
    still[layer] = => still[layer + ".A"] =
still: both kinds appear, pairs of zeros and those that were left out.
    if {EQUAL}: => if {EQUAL} and {ANY}:
    if {EQUAL}: => if {EQUAL} and not {ANY}:
still: only layers whose pair has not moved appear.
    if {EQUAL}: => if True:
The names are those of the checkpoint, .weight with them.
    cause = {{name: cause.get(name, "trained") for name in moved}} => cause = {{name.removesuffix(".base.weight"): cause.get(name, "trained") for name in moved}}
The share is a float, not a tensor.
    {OUTSIDE} => change.norm() / (change + learnt).norm()
The changes are numbers near to each other, never the same to the last bit: allow a thousandth of the largest.
    .abs().max() <= 1e-3 * want.abs().max() => .abs().max() <= 0
    <= 1e-3 * want.abs().max() => <= 1e-9
A thousandth of the largest number of what it should be: a bound of its own lets too much pass.
    <= 1e-3 * want.abs().max() => <= 1e-1
""")
