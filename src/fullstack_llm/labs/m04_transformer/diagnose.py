"""Exercise 8 of lab 04: compute the ten stages of a block, and name the first that a report has wrong."""

import math

import torch
import torch.nn.functional as F

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES
from fullstack_llm.labs.m04_transformer.reports import drawn, entries, faulty, rounded

ORDER = ("norm1", "q", "k", "v", "weights", "mixed", "middle", "norm2", "hidden", "out")


@exercise(minutes=25, difficulty=3, review=LIBRARIES)
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
def by_einsum(x, weights, config, reported):
    w, y, T = {n: a.double() for n, a in weights.items()}, x.double(), len(x)
    H, K, s = config["num_heads"], config["num_kv_heads"], {}

    def norm(y, gain):
        return y * torch.rsqrt(torch.einsum("td,td->t", y, y)[:, None] / y.shape[1] + config["eps"]) * gain

    s["norm1"] = norm(y, w["norm1"])
    angle = torch.arange(T)[:, None] * config["theta"] ** (
        torch.arange(0, -(len(x[0]) // H), -2).double() * H / len(x[0])
    )
    for n in "qkv":
        s[n] = torch.einsum("tc,hdc->htd", s["norm1"], w[n + "_proj"].unflatten(0, (H if n == "q" else K, -1)))
    for n in "qk":
        z = torch.complex(*s[n].chunk(2, -1)) * torch.polar(torch.ones_like(angle), angle)
        s[n] = torch.cat([z.real, z.imag], -1)
    z = torch.einsum("kgtd,ksd->kgts", s["q"].view(K, H // K, T, -1), s["k"]) * (len(x[0]) // H) ** -0.5
    s["weights"] = (z + torch.full((T, T), -math.inf).triu(1)).softmax(-1).flatten(0, 1)
    s["mixed"] = torch.einsum("kgts,ksd->tkgd", s["weights"].view(K, -1, T, T), s["v"]).flatten(1)
    s["middle"] = y + s["mixed"] @ w["o_proj"].T
    s["norm2"] = norm(s["middle"], w["norm2"])
    g = s["norm2"] @ w["gate_proj"].T
    s["hidden"] = g / (1 + torch.exp(-g)) * (s["norm2"] @ w["up_proj"].T)
    s["out"] = s["middle"] + s["hidden"] @ w["down_proj"].T
    near = (n for n in ORDER if not torch.allclose(reported[n].double(), s[n], 0, 1e-3 * float(s[n].abs().max())))
    return {n: a.float() for n, a in s.items()}, next(near, "")


STAGES = "If a stage is named in brackets, it is the first in the table's order where yours is not right: see its row."
CULPRIT = (
    "The first name whose reported stage is not yours, or an empty string. If your own are not right, mend them first."
)


@diagnose.part(8, STAGES, "stages", items=(0,), atol=1e-4)
def stages(draw: Draw):
    # Distinct sizes with H / K unlike K; one token, heads that are not shared, one head for all, repeated sizes.
    for sizes in ((5, 6, 2, 4, 11), (7, 6, 3, 2, 5), (1, 4, 2, 6, 7), (3, 3, 3, 2, 3), (4, 2, 1, 4, 8)):
        yield next(faulty(diagnose, draw, sizes))


@diagnose.part(8, CULPRIT, "culprit", items=(1,), atol=1e-4, whole=True)
def culprit(draw: Draw):
    sizes = (5, 6, 2, 4, 7)
    nothing, faults = dict.fromkeys(ORDER, torch.tensor(0.0)), faulty(diagnose, draw, sizes)
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
q and k are turned the other way, or not from position 0: no weight shows it, since only their distances count there.
    position * config["theta"] => -position * config["theta"]
    torch.arange(T).double() => torch.arange(1, T + 1).double()
q is scaled before its time: the root of d divides the scores, so it belongs to the stage weights.
    / d**0.5 => && s["v"] = cut => s["q"] = s["q"] / d**0.5\\n    s["v"] = cut
norm1 and norm2: eps stands inside the root.
    (y.square().mean(-1, keepdim=True) + config["eps"]).sqrt() => (y.square().mean(-1, keepdim=True).sqrt() + config["eps"])
norm1 and norm2: eps is missing, or too small to count: it is that of config.
    + config["eps"] =>
    + config["eps"] => + 1e-6
norm1 and norm2: RMSNorm does not take the mean off.
    gain):\\n => gain):\\n        y = y - y.mean(-1, keepdim=True)\\n
norm1 and norm2: the gain is missing.
    .sqrt() * gain => .sqrt()
q and k: the pairs are (i, i + d/2), the half layout.
    y.chunk(2, -1) => (y[..., 0::2], y[..., 1::2]) && torch.cat([a => torch.stack([a && angle.sin()], -1) => angle.sin()], -1).flatten(-2)
q and k: they are turned by their positions before they meet.
    turn(cut(s["norm1"] @ w["q_proj"].T)) => cut(s["norm1"] @ w["q_proj"].T) && turn(cut(s["norm1"] @ w["k_proj"].T)) => cut(s["norm1"] @ w["k_proj"].T)
q and k: pair i turns by position times theta^(-2i/d).
    -2 * pair => -pair
    config["theta"] => 10_000.0
q and k: cut into heads first, then turn each head. Here all columns were turned as one head.
    turn(cut(s["norm1"] @ w["q_proj"].T)) => cut(turn(s["norm1"] @ w["q_proj"].T)) && turn(cut(s["norm1"] @ w["k_proj"].T)) => cut(turn(s["norm1"] @ w["k_proj"].T))
q and k: both are turned, and here one of them is not.
    turn(cut(s["norm1"] @ w["q_proj"].T)) => cut(s["norm1"] @ w["q_proj"].T)
    turn(cut(s["norm1"] @ w["k_proj"].T)) => cut(s["norm1"] @ w["k_proj"].T)
q, k and v: a head is a range of columns. A reshape alone mixes tokens: view as (T, heads, d), then heads to the front.
    y.view(T, -1, d).transpose(0, 1) => y.reshape(-1, T, d)
A weight lies outputs first: norm1 @ q_proj.T, mixed @ o_proj.T. A square one raises nothing if it is turned round.
    w["q_proj"].T => w["q_proj"]
    w["o_proj"].T => w["o_proj"]
v: values are cut from norm1 through v_proj, and not turned: positions are for the scores alone.
    s["v"] = cut(s["norm1"] @ w["v_proj"].T) => s["v"] = turn(cut(s["norm1"] @ w["v_proj"].T))
    s["v"] = cut(s["norm1"] => s["v"] = cut(x
weights: -inf goes in before the softmax, where a key comes after the query, not after it.
    scores.masked_fill(~seen, -math.inf).softmax(-1) => scores.softmax(-1) * seen
weights: the mask is missing.
    scores.masked_fill(~seen, -math.inf) => scores
weights: divide the scores by the root of d, a head's columns.
    / d**0.5 =>
    / d**0.5 => / d
    / d**0.5 => / (H * d) ** 0.5
weights and mixed: query head h reads key-value head h // (H / K), for keys and for values: repeat_interleave.
    s["k"].repeat_interleave(H // K, 0) => s["k"].repeat(H // K, 1, 1) && s["v"].repeat_interleave(H // K, 0) => s["v"].repeat(H // K, 1, 1)
    s["v"].repeat_interleave(H // K, 0) => s["v"].repeat(H // K, 1, 1)
mixed: transpose heads and tokens before you reshape.
    heads.transpose(0, 1).flatten(1) => heads.reshape(T, H * d)
middle: this is x itself, not its norm, plus mixed through o_proj.
    s["middle"] = x + => s["middle"] = s["norm1"] +
    s["middle"] = x + => s["middle"] =
norm2: it normalises middle, the stream after attention, and has a gain of its own.
    norm(s["middle"], => norm(x,
    w["norm2"]) => w["norm1"])
hidden: SiLU, which is z times sigmoid(z), is for the gate.
    F.silu(g) * u => F.silu(u) * g
    F.silu(g) => g.sigmoid()
    F.silu(g) => F.gelu(g)
out: this is middle, neither x nor a norm, plus hidden through down_proj.
    s["out"] = s["middle"] + => s["out"] = x +
    s["out"] = s["middle"] + => s["out"] =
k and v have K heads in the table, not H: copies for the query heads are made where they are used.
    s["v"] = cut(s["norm1"] @ w["v_proj"].T) => s["v"] = cut(s["norm1"] @ w["v_proj"].T)\\n    s["k"] = s["k"].repeat_interleave(H // K, 0) && s["k"].repeat_interleave(H // K, 0).mT => s["k"].mT
These are the stages as they were reported: compute your own.
    return s, => return reported,
Return all ten stages, in a dict, with the name.
    return s, => return s["out"],
The named stage is wrong because something before it is: name the first, in the order of the computation.
    wrong[0] => wrong[-1]
If all stages are right, the name is an empty string, not None.
    wrong[0] if wrong else "" => wrong[0] if wrong else None
The named stage differs by rounding alone: allow, in every entry, a thousandth of your largest, by absolute value.
    <= bound[name] => <= 0
    1e-3 * s[name].abs().max() => 1e-3 * s[name].abs()
    1e-3 * s[name].abs().max() => 1e-3 * s[name].max()
    1e-3 * s[name].abs().max() => 1e-3 + 1e-3 * s[name].abs()
The thousandth is one of your own largest entry: that of the report may be infinite, and then everything is near enough.
    1e-3 * s[name].abs().max() => 1e-3 * reported[name].abs().max()
Differences were taken with their sign: an entry can be off in either direction.
    (reported[name] - s[name]).abs() => reported[name] - s[name]
A few entries are off here, by two thousandths: take the largest difference, not the mean, and allow one thousandth.
    1e-3 * s[name].abs().max() => 1e-2 * s[name].abs().max()
    (off[name] <= bound[name]).all() => off[name].mean() <= 1e-3 * s[name].abs().mean()
nan is neither larger nor smaller than anything, so no comparison by > finds it: ask whether all are near enough.
    not (off[name] <= bound[name]).all() => (off[name] > bound[name]).any()
The report is wrong here, and the answer says nothing: compare each reported stage with yours, beginning with norm1.
    wrong[0] if wrong else "" => ""
""")
