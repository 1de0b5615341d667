"""Exercise 8 of lab 04: compute the ten stages of a block, and name the first that a report has wrong."""

import math

import torch
import torch.nn.functional as F

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES, normal

ORDER = ("norm1", "q", "k", "v", "weights", "mixed", "middle", "norm2", "hidden", "out")


@exercise(minutes=30, difficulty=3, review=LIBRARIES)
def diagnose(x, weights, config, reported):
    w = {name: value.double() for name, value in weights.items()}
    T, H, K = len(x), config["num_heads"], config["num_kv_heads"]
    d = x.shape[1] // H
    x, s = x.double(), {}

    def norm(y, gain):
        return y / (y.square().mean(-1, keepdim=True) + config["eps"]).sqrt() * gain

    def cut(y):
        return y.view(T, -1, d).transpose(0, 1)

    def turn(y):
        position, pair = torch.arange(T).double()[:, None], torch.arange(y.shape[-1] // 2).double()
        angle = position * config["theta"] ** (-2 * pair / y.shape[-1])
        a, b = y.chunk(2, -1)
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

    s["norm1"] = norm(x, w["norm1"])
    s["q"] = turn(cut(s["norm1"] @ w["q_proj"].T))
    s["k"] = turn(cut(s["norm1"] @ w["k_proj"].T))
    s["v"] = cut(s["norm1"] @ w["v_proj"].T)
    scores = s["q"] @ s["k"].repeat_interleave(H // K, 0).mT / d**0.5
    seen = torch.ones(T, T, dtype=torch.bool).tril()
    s["weights"] = scores.masked_fill(~seen, -math.inf).softmax(-1)
    heads = s["weights"] @ s["v"].repeat_interleave(H // K, 0)
    s["mixed"] = heads.transpose(0, 1).flatten(1)
    s["middle"] = x + s["mixed"] @ w["o_proj"].T
    s["norm2"] = norm(s["middle"], w["norm2"])
    g, u = s["norm2"] @ w["gate_proj"].T, s["norm2"] @ w["up_proj"].T
    s["hidden"] = F.silu(g) * u
    s["out"] = s["middle"] + s["hidden"] @ w["down_proj"].T
    s = {name: value.float() for name, value in s.items()}
    off = {name: (reported[name] - s[name]).abs() for name in s}
    bound = {name: 1e-3 * s[name].abs().max() for name in s}
    wrong = [name for name in s if not (off[name] <= bound[name]).all()]
    return s, wrong[0] if wrong else ""


@diagnose.right
def loops(x, weights, config, reported):
    T, H, K = len(x), config["num_heads"], config["num_kv_heads"]
    d = x.shape[1] // H

    def norm(y, gain):
        return torch.stack([row / math.sqrt(float(row @ row) / len(row) + config["eps"]) * gain for row in y])

    def heads(y, name):
        y = torch.stack([weights[name] @ row for row in y])
        return torch.stack([y[:, h * d : (h + 1) * d] for h in range(y.shape[1] // d)])

    def turn(y):
        z = y.clone()
        for t in range(T):
            for i in range(d // 2):
                c, s = (f(t * config["theta"] ** (-2 * i / d)) for f in (math.cos, math.sin))
                z[:, t, i] = y[:, t, i] * c - y[:, t, i + d // 2] * s
                z[:, t, i + d // 2] = y[:, t, i] * s + y[:, t, i + d // 2] * c
        return z

    norm1 = norm(x, weights["norm1"])
    q, k, v = turn(heads(norm1, "q_proj")), turn(heads(norm1, "k_proj")), heads(norm1, "v_proj")
    shares, mixed = torch.zeros(H, T, T), torch.zeros(T, H * d)
    for h in range(H):
        for t in range(T):
            mine = h * K // H
            shares[h, t, : t + 1] = torch.softmax(k[mine, : t + 1] @ q[h, t] / d**0.5, 0)
            mixed[t, h * d : (h + 1) * d] = shares[h, t, : t + 1] @ v[mine, : t + 1]
    middle = x + torch.stack([weights["o_proj"] @ row for row in mixed])
    norm2 = norm(middle, weights["norm2"])
    g, u = norm2 @ weights["gate_proj"].T, norm2 @ weights["up_proj"].T
    hidden = g / (1 + torch.exp(-g)) * u
    out = middle + hidden @ weights["down_proj"].T
    s = dict(zip(ORDER, (norm1, q, k, v, shares, mixed, middle, norm2, hidden, out), strict=True))
    for name in ORDER:
        if not torch.allclose(reported[name], s[name], rtol=0, atol=1e-3 * float(s[name].abs().max())):
            return s, name
    return s, ""


@diagnose.right
def library(x, weights, config, reported):
    w, (T, D), H = weights, x.shape, config["num_heads"]
    norm1 = F.rms_norm(x, (D,), w["norm1"], config["eps"])
    q, k, v = (F.linear(norm1, w[f"{n}_proj"]).unflatten(1, (-1, D // H)).movedim(1, 0) for n in "qkv")
    angle = torch.outer(torch.arange(T).float(), config["theta"] ** -(torch.arange(D // H // 2) * 2 * H / D))
    turns = torch.polar(torch.ones_like(angle), angle)
    q, k = (torch.complex(*one.chunk(2, -1)) * turns for one in (q, k))
    q, k = (torch.cat([one.real, one.imag], -1) for one in (q, k))

    def attend(values):
        return F.scaled_dot_product_attention(q[None], k[None], values[None], is_causal=True, enable_gqa=True)[0]

    # Attention over the unit vectors as values gives the weights themselves.
    shares, mixed = attend(torch.eye(T).expand(len(k), T, T)), attend(v).movedim(0, 1).flatten(1)
    middle = x + F.linear(mixed, w["o_proj"])
    norm2 = F.rms_norm(middle, (D,), w["norm2"], config["eps"])
    hidden = F.silu(F.linear(norm2, w["gate_proj"])) * F.linear(norm2, w["up_proj"])
    out = middle + F.linear(hidden, w["down_proj"])
    s = dict(zip(ORDER, (norm1, q, k, v, shares, mixed, middle, norm2, hidden, out), strict=True))
    far = ((reported[n] / s[n].abs().max() - s[n] / s[n].abs().max()).abs().nan_to_num(9).max() for n in ORDER)
    return s, next((name for name, how in zip(ORDER, far, strict=True) if how > 1e-3), "")


def drawn(draw: Draw, T: int, H: int, K: int, d: int, inner: int):
    """Draw x, weights and sizes for a block; eps and theta are such that they count."""
    D = H * d
    shapes = {"q_proj": (D, D), "k_proj": (K * d, D), "v_proj": (K * d, D), "o_proj": (D, D)}
    shapes |= {"gate_proj": (inner, D), "up_proj": (inner, D), "down_proj": (D, inner)}
    weights = {name: normal(draw, *shape, scale=1.5 * shape[1] ** -0.5) for name, shape in shapes.items()}
    weights |= {name: 1 + normal(draw, D, scale=0.3) for name in ("norm1", "norm2")}
    config = {"num_heads": H, "num_kv_heads": K, "eps": 0.05, "theta": draw.choice((50.0, 100.0, 200.0))}
    return normal(draw, T, D, scale=0.7) + 0.4, weights, config


def rounded(stages):
    """Move each stage by less than the thousandth that counts, and its smallest entry by much of itself.

    More than a right stage may be off: neither a copied report nor an exact comparison passes.
    """
    moved = {}
    for name, x in stages.items():
        smallest = x.flatten().abs().where(x.flatten() != 0, math.inf).argmin()
        moved[name] = (x * (1 + 4e-4)).flatten().index_add(0, smallest[None], 8e-4 * x.abs().max()[None]).view_as(x)
    return moved


def entries(stages, name, *factors):
    """Change one stage in its largest entries, by factors of the largest, and leave all others as they are."""
    flat = stages[name].flatten()
    largest = flat.abs().argsort(descending=True, stable=True)[: len(factors)]
    off = torch.tensor(factors) * flat.abs().max()
    return rounded(stages) | {name: flat.index_add(0, largest, off).view_as(stages[name])}


def faulty(draw: Draw, sizes):
    """Draw a block for each mistake declared below that gives other stages of the right shapes, and its report."""
    nothing = dict.fromkeys(ORDER, torch.tensor(0.0))
    for fault in draw.sample([fault for fault, _ in diagnose.mistaken], len(diagnose.mistaken)):
        block = drawn(draw, *sizes)
        right, wrong = diagnose(*block, nothing)[0], fault(*block, nothing)[0]
        if isinstance(wrong, dict) and all(wrong[name].shape == right[name].shape for name in ORDER):
            off = [float((wrong[name] - right[name]).abs().max() / right[name].abs().max()) for name in ORDER]
            # Where the first difference is small it is no clear fault.
            if next((how for how in off if how > 1e-6), 0.0) > 2e-3:
                yield *block, rounded(wrong)


@diagnose.part(
    8,
    "If a stage is named in brackets, it is the first one in the table's order where yours is not right: those before "
    "it are. Its row in the table says what it is made of.",
    "stages",
    items=(0,),
    atol=1e-4,
)
def stages(draw: Draw):
    # Distinct sizes with H / K unlike K; one token, heads that are not shared, one head for all, repeated sizes.
    for sizes in ((5, 6, 2, 4, 11), (7, 6, 3, 2, 5), (1, 4, 2, 6, 7), (3, 3, 3, 2, 3), (4, 2, 1, 4, 8)):
        yield next(faulty(draw, sizes))


@diagnose.part(
    8,
    "The first name, in the table's order, whose reported stage is not yours within a thousandth of your largest "
    "entry, or an empty string. If your stages are not right yet, mend them first.",
    "culprit",
    items=(1,),
    atol=1e-4,
    whole=True,
)
def culprit(draw: Draw):
    sizes = (5, 6, 2, 4, 11)
    nothing, faults = dict.fromkeys(ORDER, torch.tensor(0.0)), faulty(draw, sizes)
    block = drawn(draw, *sizes)
    yield *block, rounded(diagnose(*block, nothing)[0])
    # A fault that all can see; then single entries: up and down at once, up, down, and no number.
    yield next(faults)
    for factors in ((0.002, -0.002), (0.002,), (-0.002,), (math.nan,), (math.inf,), (-math.inf,)):
        for name in draw.sample(ORDER, 2):
            block = drawn(draw, *sizes)
            yield *block, entries(diagnose(*block, nothing)[0], name, *factors)
    yield from faults


diagnose.mistakes("""
Your q and k are right in length and their weights are right, but all are turned the other way: (a, b) becomes (a cos - b sin, a sin + b cos).
    position * config["theta"] => -position * config["theta"]
q and k are turned from position 0: yours begin at 1, which moves no weight, since only distances count there.
    torch.arange(T).double() => torch.arange(1, T + 1).double()
q is scaled before its time: the root of d divides the scores, so it belongs to the stage weights.
    / d**0.5 => && s["v"] = cut => s["q"] = s["q"] / d**0.5\\n    s["v"] = cut
norm1 and norm2: eps stands inside the root.
    (y.square().mean(-1, keepdim=True) + config["eps"]).sqrt() => (y.square().mean(-1, keepdim=True).sqrt() + config["eps"])
norm1 and norm2: eps is missing, or too small to count: it is that of config.
    + config["eps"] =>
    + config["eps"] => + 1e-5
    + config["eps"] => + 1e-6
norm1 and norm2: RMSNorm does not take the mean off.
    y / (y.square().mean(-1, keepdim=True) + config["eps"]).sqrt() => (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, correction=0) + config["eps"]).sqrt()
norm1 and norm2: the gain is missing.
    .sqrt() * gain => .sqrt()
q and k: the pairs are (i, i + d/2), the half layout.
    y.chunk(2, -1) => (y[..., 0::2], y[..., 1::2]) && torch.cat([a => torch.stack([a && angle.sin()], -1) => angle.sin()], -1).flatten(-2)
q and k: they are turned by their positions before they meet.
    turn(cut(s["norm1"] @ w["q_proj"].T)) => cut(s["norm1"] @ w["q_proj"].T) && turn(cut(s["norm1"] @ w["k_proj"].T)) => cut(s["norm1"] @ w["k_proj"].T)
q and k: pair i turns by position times theta^(-2i/d).
    -2 * pair => -pair
q and k: cut into heads first, then turn each head. Here all columns were turned as one head.
    turn(cut(s["norm1"] @ w["q_proj"].T)) => cut(turn(s["norm1"] @ w["q_proj"].T)) && turn(cut(s["norm1"] @ w["k_proj"].T)) => cut(turn(s["norm1"] @ w["k_proj"].T))
k: keys are turned as queries are.
    turn(cut(s["norm1"] @ w["k_proj"].T)) => cut(s["norm1"] @ w["k_proj"].T)
q, k and v: a head is a range of columns. A reshape alone cuts rows into heads: view as (T, heads, d), then bring the heads to the front.
    y.view(T, -1, d).transpose(0, 1) => y.reshape(-1, T, d)
q: q_proj lies outputs first, so it is norm1 @ q_proj.T.
    w["q_proj"].T => w["q_proj"]
v: values are not turned; positions are for the scores alone.
    s["v"] = cut(s["norm1"] @ w["v_proj"].T) => s["v"] = turn(cut(s["norm1"] @ w["v_proj"].T))
v: values too are made of the normalised input.
    s["v"] = cut(s["norm1"] => s["v"] = cut(x
weights: -inf goes in before the softmax.
    scores.masked_fill(~seen, -math.inf).softmax(-1) => scores.softmax(-1) * seen
weights: a score of 0 is no ban; -inf is.
    -math.inf => 0.0
weights: the mask is missing.
    scores.masked_fill(~seen, -math.inf) => scores
weights: a token sees itself too.
    tril() => tril(-1).index_fill(0, torch.tensor(0), True)
weights: divide the scores by the root of d.
    / d**0.5 =>
weights: divide the scores by the root of d, not by d.
    / d**0.5 => / d
weights: divide the scores by the root of a head's columns, d, not of all of D.
    / d**0.5 => / (H * d) ** 0.5
weights and mixed: query head h reads key-value head h // (H / K): repeat_interleave.
    s["k"].repeat_interleave(H // K, 0) => s["k"].repeat(H // K, 1, 1) && s["v"].repeat_interleave(H // K, 0) => s["v"].repeat(H // K, 1, 1)
weights: query head h reads key head h // (H / K): repeat_interleave.
    s["k"].repeat_interleave(H // K, 0) => s["k"].repeat(H // K, 1, 1)
mixed: query head h reads value head h // (H / K): repeat_interleave.
    s["v"].repeat_interleave(H // K, 0) => s["v"].repeat(H // K, 1, 1)
mixed: transpose heads and tokens before you reshape.
    heads.transpose(0, 1).flatten(1) => heads.reshape(T, H * d)
middle: the residual is x itself, not its norm.
    s["middle"] = x + => s["middle"] = s["norm1"] +
middle: the residual is missing.
    s["middle"] = x + => s["middle"] =
middle: o_proj lies outputs first, so it is mixed @ o_proj.T.
    w["o_proj"].T => w["o_proj"]
middle: mixed goes through o_proj before it is added.
    s["mixed"] @ w["o_proj"].T => s["mixed"]
norm2: it normalises the stream after attention.
    norm(s["middle"], => norm(x,
norm2: it has a gain of its own.
    w["norm2"]) => w["norm1"])
hidden: SiLU is for the gate.
    F.silu(g) * u => F.silu(u) * g
hidden: SiLU is z times sigmoid(z).
    F.silu(g) => g.sigmoid()
hidden: this is GELU, and the table says SiLU.
    F.silu(g) => F.gelu(g)
out: the residual is the stream after attention.
    s["out"] = s["middle"] + => s["out"] = x +
out: the residual is the stream, not its norm.
    s["out"] = s["middle"] + => s["out"] = s["norm2"] +
out: the residual is missing.
    s["out"] = s["middle"] + => s["out"] =
k and v have K heads in the table, not H: copies for the query heads are made where they are used.
    s["v"] = cut(s["norm1"] @ w["v_proj"].T) => s["v"] = cut(s["norm1"] @ w["v_proj"].T)\\n    s["k"], s["v"] = (s[n].repeat_interleave(H // K, 0) for n in "kv") && s["k"].repeat_interleave(H // K, 0).mT => s["k"].mT && s["weights"] @ s["v"].repeat_interleave(H // K, 0) => s["weights"] @ s["v"]
These are the stages as they were reported: compute your own.
    return s, => return reported,
Return all ten stages, in a dict, with the name.
    return s, => return s["out"],
The named stage is wrong because something before it is: name the first, in the order of the computation.
    wrong[0] => wrong[-1]
If all stages are right, the name is an empty string, not None.
    wrong[0] if wrong else "" => wrong[0] if wrong else None
The named stage differs by rounding alone: allow in every entry, small ones too, a thousandth of the largest of yours by absolute value.
    <= bound[name] => <= 0
    1e-3 * s[name].abs().max() => 1e-3 * s[name].abs()
    1e-3 * s[name].abs().max() => 1e-3 * s[name].max()
    1e-3 * s[name].abs().max() => 1e-3 + 1e-3 * s[name].abs()
    1e-3 * s[name].abs().max() => 1e-5 + 1e-3 * s[name].abs()
    1e-3 * s[name].abs().max() => 1e-4
    1e-3 * s[name].abs().max() => 1e-4 * s[name].abs().max()
Differences were taken with their sign: an entry can be off in either direction.
    (reported[name] - s[name]).abs() => reported[name] - s[name]
    (reported[name] - s[name]).abs() => s[name] - reported[name]
A few entries are off here, by two thousandths of the largest: look at the largest absolute difference of all entries, not at a mean or a norm of them, and allow one thousandth.
    1e-3 * s[name].abs().max() => 1e-2 * s[name].abs().max()
    (off[name] <= bound[name]).all() => off[name].mean() <= 1e-3 * s[name].abs().mean()
    (off[name] <= bound[name]).all() => off[name].norm() <= 1e-3 * s[name].norm()
    (off[name] <= bound[name]).all() => off[name].square().mean() <= 1e-6 * s[name].square().mean()
A reported nan is wrong, and is found by no comparison that says "larger": nan is neither larger nor smaller than anything. Ask whether all entries are near enough.
    not (off[name] <= bound[name]).all() => (off[name] > bound[name]).any()
    not (off[name] <= bound[name]).all() => off[name].max() > bound[name]
The thousandth is one of your own largest entry: that of the report may be infinite, and then everything is near enough.
    1e-3 * s[name].abs().max() => 1e-3 * reported[name].abs().max()
The report is wrong here, and the answer says nothing: compare each reported stage with yours, beginning with norm1.
    wrong[0] if wrong else "" => ""
""")
