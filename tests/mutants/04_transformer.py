"""Wrong answers to lab 04, each with the hint that must name its mistake, and right answers written in other ways."""

from mutant import Mutant


def swap(source: str, old: str, new: str) -> str:
    """The source with one fragment replaced; an error if it is not there, so that no mutant is the original."""
    assert old in source, old
    return source.replace(old, new)


ATTEND = """
def causal_attention(q, k, v):
    T, S, d = len(q), len(k), q.shape[1]
    scores = q @ k.T / d**0.5
    seen = torch.ones(T, S).tril(S - T) == 1
    weights = torch.softmax(scores.masked_fill(~seen, -torch.inf), dim=-1)
    return weights @ v
"""
SOFTMAX = "torch.softmax(scores.masked_fill(~seen, -torch.inf), dim=-1)"

CAUSAL_ATTENTION = [
    Mutant("causal_attention", "no mask", "where is the mask", swap(ATTEND, SOFTMAX, "torch.softmax(scores, dim=-1)")),
    Mutant(
        "causal_attention",
        "zeros after the softmax",
        "the future was taken out after the softmax",
        swap(ATTEND, SOFTMAX, "torch.softmax(scores, dim=-1) * seen"),
    ),
    Mutant(
        "causal_attention",
        "zeros after the softmax, then divided",
        "nothing is left to divide",
        swap(
            ATTEND,
            "    return weights @ v",
            "    weights = torch.softmax(scores, dim=-1) * seen\n"
            "    return weights / weights.sum(-1, keepdim=True) @ v",
        ),
    ),
    Mutant(
        "causal_attention",
        "zeros before the softmax",
        "A score of 0 is no ban",
        swap(ATTEND, SOFTMAX, "torch.softmax(scores * seen, dim=-1)"),
    ),
    Mutant(
        "causal_attention",
        "zeros before the softmax, first message",
        "Or are masked scores 0",
        swap(ATTEND, SOFTMAX, "torch.softmax(scores * seen, dim=-1)"),
    ),
    Mutant(
        "causal_attention",
        "maximum over hidden scores",
        "sought among hidden ones",
        swap(
            ATTEND,
            SOFTMAX,
            "(scores - scores.amax(-1, keepdim=True)).exp() * seen\n"
            "    weights = weights / weights.sum(-1, keepdim=True)",
        ),
    ),
    Mutant(
        "causal_attention",
        "64 bits",
        "The type is not",
        swap(ATTEND, "return weights @ v", "return (weights @ v).double()"),
    ),
    Mutant("causal_attention", "no scale", "The scale is missing", swap(ATTEND, " / d**0.5", "")),
    Mutant("causal_attention", "divided by d", "it is the *root* of d", swap(ATTEND, "d**0.5", "d")),
    Mutant("causal_attention", "times the root", "Multiplied by the root", swap(ATTEND, "/ d**0.5", "* d**0.5")),
    Mutant("causal_attention", "root of the keys", "not of the number of keys", swap(ATTEND, "d**0.5", "S**0.5")),
    Mutant("causal_attention", "softmax over queries", "runs over the queries", swap(ATTEND, "dim=-1", "dim=0")),
    Mutant("causal_attention", "strictly before", "A token sees itself too", swap(ATTEND, "S - T)", "S - T - 1)")),
    Mutant("causal_attention", "one too far", "A token sees its successor", swap(ATTEND, "S - T)", "S - T + 1)")),
    Mutant("causal_attention", "turned round", "The mask is turned round", swap(ATTEND, "~seen", "seen.mT == 0")),
    Mutant("causal_attention", "top left", "the last of the keys' positions", swap(ATTEND, "tril(S - T)", "tril()")),
    Mutant(
        "causal_attention",
        "the library's top left",
        "the last of the keys' positions",
        """
def causal_attention(q, k, v):
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
""",
    ),
    Mutant(
        "causal_attention",
        "a hundred for infinity",
        "A mask of -100 is a number like others",
        swap(ATTEND, "-torch.inf", "-100.0"),
    ),
    Mutant(
        "causal_attention",
        "ten thousand for infinity",
        "A mask of -10,000 is a number like others",
        swap(ATTEND, "-torch.inf", "-10_000.0"),
    ),
    Mutant(
        "causal_attention",
        "overflow",
        "exp overflows",
        swap(
            ATTEND,
            SOFTMAX,
            "scores.exp() * seen\n    weights = weights / weights.sum(-1, keepdim=True)",
        ),
    ),
    Mutant(
        "causal_attention",
        "exchanged",
        "have changed places",
        swap(ATTEND, "q @ k.T", "k @ q.T"),
    ),
    Mutant("causal_attention", "mean", "the plain mean", swap(ATTEND, SOFTMAX, "seen / seen.sum(-1, keepdim=True)")),
    Mutant("causal_attention", "prints", "what is printed", swap(ATTEND, "return weights @ v", "print(weights @ v)")),
    Mutant(
        "causal_attention",
        "sees one of the future",
        "which comes after it",
        swap(ATTEND, "    weights = ", "    seen[0, -1] = True\n    weights = "),
    ),
]

CAUSAL_ATTENTION += [
    Mutant(
        "causal_attention",
        "-inf times a mask",
        "-inf times 0 is nan",
        swap(ATTEND, "scores.masked_fill(~seen, -torch.inf)", "scores + -torch.inf * (~seen).float()"),
    ),
    Mutant("causal_attention", "weights alone", "not met the values", swap(ATTEND, "weights @ v", "weights")),
    Mutant(
        "causal_attention",
        "a window of T keys",
        "Only the last T keys",
        swap(ATTEND, "    T, S, d", "    k, v = k[-len(q) :], v[-len(q) :]\n    T, S, d"),
    ),
    Mutant(
        "causal_attention",
        "a mask of T by T",
        "Is something T by T",
        swap(ATTEND, "torch.ones(T, S).tril(S - T)", "torch.ones(T, T).tril()"),
    ),
    Mutant(
        "causal_attention",
        "the largest of all rows",
        "over all rows at once",
        swap(
            ATTEND,
            SOFTMAX,
            "(scores.masked_fill(~seen, -torch.inf) - scores[seen].max()).exp()\n"
            "    weights = weights / weights.sum(-1, keepdim=True)",
        ),
    ),
]

TURN = """
def rope(x, start, theta, layout):
    T, d = x.shape
    m = torch.arange(start, start + T).float()[:, None]
    i = torch.arange(d // 2).float()
    angle = m * theta ** (-2 * i / d)
    cos, sin = angle.cos(), angle.sin()
    half = layout == "half"
    a, b = x.float().chunk(2, dim=1) if half else (x.float()[:, 0::2], x.float()[:, 1::2])
    new = a * cos - b * sin, a * sin + b * cos
    return (torch.cat(new, 1) if half else torch.stack(new, 2).reshape(T, d)).to(x.dtype)
"""
SPREAD = """
def rope(x, start, theta, layout):
    T, d = x.shape
    angle = torch.arange(start, start + T).float()[:, None] * theta ** (-torch.arange(0, d, 2) / d)
    if layout == "half":
        angle = torch.cat([angle, angle], dim=1)
        other = torch.cat([-x[:, d // 2:], x[:, :d // 2]], dim=1)
    else:
        angle = angle.repeat_interleave(2, dim=1)
        other = torch.stack([-x[:, 1::2], x[:, 0::2]], dim=2).flatten(1)
    return (x * angle.cos() + other * angle.sin()).to(x.dtype)
"""

ROPE = [
    Mutant("rope", "always half", "those of the other layout", swap(TURN, 'half = layout == "half"', "half = True")),
    Mutant("rope", "exchanged layouts", "those of the other layout", swap(TURN, '== "half"', '!= "half"')),
    Mutant(
        "rope",
        "half pairs, interleaved angles",
        "the angles are not those of the pairs",
        swap(SPREAD, "torch.cat([angle, angle], dim=1)", "angle.repeat_interleave(2, dim=1)"),
    ),
    Mutant(
        "rope",
        "interleaved pairs, half angles",
        "the angles are not those of the pairs",
        swap(SPREAD, "angle.repeat_interleave(2, dim=1)", "torch.cat([angle, angle], dim=1)"),
    ),
    Mutant(
        "rope",
        "from nought",
        "The first row stands at position `start`, not at 0",
        swap(TURN, "arange(start, start + T)", "arange(T)"),
    ),
    Mutant(
        "rope",
        "from one",
        "Positions are counted from 0",
        swap(TURN, "arange(start, start + T)", "arange(start + 1, start + T + 1)"),
    ),
    Mutant("rope", "backwards", "Turned the wrong way", swap(TURN, "angle = m *", "angle = -m *")),
    Mutant("rope", "half the exponent", "this one has -i/d", swap(TURN, "-2 * i / d", "-i / d")),
    Mutant("rope", "twice the exponent", "counts columns, twice", swap(TURN, "-2 * i / d", "-4 * i / d")),
    Mutant("rope", "pairs from one", "Pairs are counted from 0", swap(TURN, "arange(d // 2)", "arange(1, d // 2 + 1)")),
    Mutant("rope", "positive exponent", "The exponent is negative", swap(TURN, "-2 * i / d", "2 * i / d")),
    Mutant("rope", "one speed", "a frequency of its own", swap(TURN, "theta ** (-2 * i / d)", "torch.ones(d // 2)")),
    Mutant("rope", "fixed base", "not always 10,000", swap(TURN, "* theta **", "* 10_000.0 **")),
    Mutant(
        "rope",
        "positions in 16 bits",
        "257 is no number",
        swap(TURN, ".float()[:, None]", ".to(x.dtype).float()[:, None]"),
    ),
    Mutant(
        "rope",
        "angles in 16 bits",
        "257 is no number",
        swap(TURN, "cos, sin = ", "angle = angle.to(x.dtype)\n    cos, sin = "),
    ),
    Mutant(
        "rope",
        "everything in 16 bits",
        "positions rounded to 16 bits",
        """
def rope(x, start, theta, layout):
    T, d = x.shape
    i = torch.arange(0, d, 2, dtype=x.dtype)
    angle = torch.arange(start, start + T, dtype=x.dtype)[:, None] * theta ** (-i / d)
    half = layout == "half"
    a, b = x.chunk(2, dim=1) if half else (x[:, 0::2], x[:, 1::2])
    new = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
    return torch.cat(new, 1) if half else torch.stack(new, 2).reshape(T, d)
""",
    ),
    Mutant(
        "rope",
        "all rows alike",
        "row t stands at start + t",
        swap(TURN, "arange(start, start + T)", "full((T,), start)"),
    ),
    Mutant(
        "rope",
        "put back as halves",
        "put back in the order of the other",
        swap(TURN, "if half else torch.stack(new, 2).reshape(T, d)", ""),
    ),
    Mutant("rope", "comes back in 32 bits", "has the dtype of x", swap(TURN, ".to(x.dtype)", "")),
    Mutant("rope", "identity", "Nothing is turned", "def rope(x, start, theta, layout):\n    return x"),
    Mutant("rope", "reflects", "has changed its length", swap(TURN, "a * sin + b * cos", "a * sin - b * cos")),
    Mutant("rope", "squares positions", "depend on distances alone", swap(TURN, "angle = m *", "angle = m**2 *")),
    Mutant("rope", "no minus", "has changed its length", swap(TURN, "a * cos - b * sin", "a * cos + b * sin")),
]

PAIRED = """
def rope(x, start, theta, layout):
    T, d = x.shape
    angle = torch.arange(start, start + T).float()[:, None] * theta ** (-torch.arange(0, d, 2) / d)
    cos, sin = angle.cos(), angle.sin()
    y = x.float().clone()
    a, b = y.chunk(2, dim=1) if layout == "half" else (y[:, 0::2], y[:, 1::2])
    new_a = a * cos - b * sin
    new_b = a * sin + b * cos
    a[:], b[:] = new_a, new_b
    return y.to(x.dtype)
"""

ROPE += [
    Mutant("rope", "in place", "turned with the new a", swap(PAIRED, "new_a = a *", "new_a = a[:] = a *")),
    Mutant(
        "rope",
        "b first",
        "turned with the new b",
        swap(
            swap(PAIRED, "    new_a = a * cos - b * sin\n", ""),
            "    a[:]",
            "    new_a = a * cos - new_b * sin\n    a[:]",
        ),
    ),
    Mutant("rope", "two plus", "of the four products one", swap(PAIRED, "a * cos - b * sin", "a * cos + b * sin")),
    Mutant("rope", "twice as long", "a rotation keeps lengths", swap(PAIRED, "return y.to", "return (2 * y).to")),
    Mutant("rope", "two minus", "of the four products one", swap(PAIRED, "a * sin + b * cos", "b * cos - a * sin")),
]

GROUP = """
def grouped_query_attention(q, k, v):
    (H, T, d), K = q.shape, len(k)
    k, v = k.repeat_interleave(H // K, 0), v.repeat_interleave(H // K, 0)
    heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return heads.transpose(0, 1).reshape(T, H * d)
"""
BOTH = "k, v = k.repeat_interleave(H // K, 0), v.repeat_interleave(H // K, 0)"

GROUPED = [
    Mutant(
        "grouped_query_attention",
        "tiled",
        "repeat_interleave, not repeat",
        swap(GROUP, BOTH, "k, v = k.repeat(H // K, 1, 1), v.repeat(H // K, 1, 1)"),
    ),
    Mutant(
        "grouped_query_attention",
        "tiled keys",
        "Values are right, keys are not",
        swap(GROUP, "k.repeat_interleave(H // K, 0), v", "k.repeat(H // K, 1, 1), v"),
    ),
    Mutant(
        "grouped_query_attention",
        "modulo in a loop",
        "repeat_interleave, not repeat",
        """
def grouped_query_attention(q, k, v):
    return torch.cat([causal_attention(q[h], k[h % len(k)], v[h % len(k)]) for h in range(len(q))], dim=1)
""",
    ),
    Mutant(
        "grouped_query_attention",
        "reshape alone",
        "A reshape alone mixes tokens",
        swap(GROUP, "heads.transpose(0, 1).reshape", "heads.reshape"),
    ),
    Mutant(
        "grouped_query_attention",
        "columns alternate",
        "columns of all heads alternate",
        swap(GROUP, "heads.transpose(0, 1).reshape", "heads.permute(1, 2, 0).reshape"),
    ),
    Mutant(
        "grouped_query_attention",
        "heads apart",
        "The heads come back apart",
        swap(GROUP, "heads.transpose(0, 1).reshape(T, H * d)", "heads"),
    ),
    Mutant(
        "grouped_query_attention", "sees all", "the mask is missing", swap(GROUP, "is_causal=True", "is_causal=False")
    ),
    Mutant(
        "grouped_query_attention",
        "scale of the whole width",
        "The scale is the root of a *head's* columns",
        swap(GROUP, "is_causal=True", "is_causal=True, scale=(H * d) ** -0.5"),
    ),
    Mutant(
        "grouped_query_attention",
        "by K",
        "This divides h by K",
        swap(
            GROUP,
            BOTH,
            "k, v = (a[(torch.arange(H) // K).clamp(max=K - 1)] for a in (k, v))",
        ),
    ),
    Mutant(
        "grouped_query_attention",
        "head 0 alone",
        "read key-value head 0",
        swap(GROUP, BOTH, "k, v = k[:1].expand_as(q), v[:1].expand_as(q)"),
    ),
    Mutant(
        "grouped_query_attention",
        "reversed",
        "in falling order",
        swap(GROUP, "heads.transpose", "heads.flip(0).transpose"),
    ),
    Mutant(
        "grouped_query_attention",
        "as rows",
        "stacked as rows",
        swap(GROUP, "heads.transpose(0, 1).reshape(T, H * d)", "heads.reshape(H * T, d)"),
    ),
    Mutant(
        "grouped_query_attention",
        "averages queries",
        "they are not averaged",
        """
def grouped_query_attention(q, k, v):
    (H, T, d), K = q.shape, len(k)
    heads = F.scaled_dot_product_attention(q.view(K, H // K, T, d).mean(1), k, v, is_causal=True)
    return heads.transpose(0, 1).reshape(T, K * d)
""",
    ),
    Mutant(
        "grouped_query_attention",
        "adds heads up",
        "The heads are added up",
        swap(GROUP, "heads.transpose(0, 1).reshape(T, H * d)", "heads.sum(0)"),
    ),
]

GROUPED += [
    Mutant(
        "grouped_query_attention",
        "nobody repeated",
        "H query heads have met K",
        """
def grouped_query_attention(q, k, v):
    scores = (q @ k.mT / math.sqrt(q.shape[2])).masked_fill(torch.ones(q.shape[1], q.shape[1]).triu(1) == 1, -torch.inf)
    return (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)
""",
    ),
    Mutant(
        "grouped_query_attention",
        "head 0 for all",
        "So does h // K",
        """
def grouped_query_attention(q, k, v):
    return torch.cat([causal_attention(one, k[0], v[0]) for one in q], dim=1)
""",
    ),
]

NORM = """
def rms_norm(x, gain, eps):
    y = x.float()
    mean = y.pow(2).mean(dim=-1, keepdim=True)
    return (y * torch.rsqrt(mean + eps)).to(x.dtype) * gain
"""

RMS_NORM = [
    Mutant(
        "rms_norm",
        "layer norm",
        "This is LayerNorm",
        swap(NORM, "    mean = ", "    y = y - y.mean(-1, keepdim=True)\n    mean = "),
    ),
    Mutant(
        "rms_norm",
        "eps outside",
        "eps stands inside the root",
        swap(NORM, "y * torch.rsqrt(mean + eps)", "y / (mean.sqrt() + eps)"),
    ),
    Mutant("rms_norm", "no eps", "eps is missing", swap(NORM, "mean + eps", "mean")),
    Mutant("rms_norm", "its own eps", "not always 1e-6", swap(NORM, "mean + eps", "mean + 1e-6")),
    Mutant(
        "rms_norm",
        "standard deviation",
        "the standard deviation",
        swap(NORM, "y * torch.rsqrt(mean + eps)", "y / (y.std(-1, keepdim=True, correction=0) + eps)"),
    ),
    Mutant(
        "rms_norm",
        "gain first",
        "The gain comes after",
        swap(swap(NORM, "x.float()", "x.float() * gain.float()"), " * gain\n", "\n"),
    ),
    Mutant("rms_norm", "always float16", "The type is not", swap(NORM, ".to(x.dtype) * gain", ".half() * gain.half()")),
    Mutant("rms_norm", "no gain", "The gain is missing", swap(NORM, ".to(x.dtype) * gain", ".to(x.dtype)")),
    Mutant("rms_norm", "one plus gain", "as Gemma does", swap(NORM, "* gain", "* (1 + gain)")),
    Mutant("rms_norm", "sum", "the root of the sum of squares", swap(NORM, ".mean(dim=-1", ".sum(dim=-1")),
    Mutant("rms_norm", "no root", "The root is missing", swap(NORM, "y * torch.rsqrt(mean + eps)", "y / (mean + eps)")),
    Mutant("rms_norm", "over all rows", "over all rows together", swap(NORM, ".mean(dim=-1, keepdim=True)", ".mean()")),
    Mutant("rms_norm", "first dimension", "along the first dimension", swap(NORM, "dim=-1", "dim=0")),
    Mutant("rms_norm", "in 16 bits", "go to 32 bits first", swap(NORM, "x.float()", "x")),
    Mutant(
        "rms_norm", "comes back in 32 bits", "has the dtype of x", swap(NORM, ".to(x.dtype) * gain", " * gain.float()")
    ),
]

FLAT = swap(NORM, "keepdim=True", "keepdim=False")
RMS_NORM += [
    Mutant("rms_norm", "lost dimension", "the mean has lost its dimension", FLAT),
    Mutant("rms_norm", "lost dimension, beside the error", "Has the mean lost its dimension", FLAT),
    Mutant("rms_norm", "no eps, in 16 bits", "Here eps has no effect", swap(NORM, "mean + eps", "mean")),
]

GATED = """
def swiglu(x, gate, up, down):
    g, u = F.linear(x, gate), F.linear(x, up)
    return F.linear(F.silu(g) * u, down)
"""

SWIGLU = [
    Mutant("swiglu", "sigmoid", "this is the sigmoid alone", swap(GATED, "F.silu(g)", "torch.sigmoid(g)")),
    Mutant("swiglu", "swapped", "Gate and up have changed places", swap(GATED, "F.silu(g) * u", "F.silu(u) * g")),
    Mutant("swiglu", "gelu", "GeGLU", swap(GATED, "F.silu(g)", "F.gelu(g)")),
    Mutant("swiglu", "gelu by tanh", "GeGLU", swap(GATED, "F.silu(g)", "F.gelu(g, approximate='tanh')")),
    Mutant("swiglu", "gelu by sigmoid", "no factor 1.702", swap(GATED, "F.silu(g)", "g * torch.sigmoid(1.702 * g)")),
    Mutant("swiglu", "relu", "ReGLU", swap(GATED, "F.silu(g)", "F.relu(g)")),
    Mutant("swiglu", "bilinear", "There is no activation", swap(GATED, "F.silu(g)", "g")),
    Mutant("swiglu", "after the product", "SiLU is for the gate alone", swap(GATED, "F.silu(g) * u", "F.silu(g * u)")),
    Mutant("swiglu", "both", "Only the gate goes through", swap(GATED, "F.silu(g) * u", "F.silu(g) * F.silu(u)")),
    Mutant("swiglu", "added", "not added", swap(GATED, "F.silu(g) * u", "F.silu(g) + u")),
    Mutant("swiglu", "no down", "Where is down", swap(GATED, "F.linear(F.silu(g) * u, down)", "F.silu(g) * u")),
    Mutant(
        "swiglu",
        "not transposed",
        "as nn.Linear stores it",
        swap(GATED, "F.linear(x, gate), F.linear(x, up)", "x @ gate, x @ up"),
    ),
    Mutant(
        "swiglu", "overflow", "exp overflows for large gates", swap(GATED, "F.silu(g)", "g * g.exp() / (1 + g.exp())")
    ),
    Mutant("swiglu", "with a residual", "the block's affair", swap(GATED, "return F", "return x + F")),
]

SWIGLU += [
    Mutant("swiglu", "sign of the exponent", "The exponent's sign", swap(GATED, "F.silu(g)", "g / (1 + g.exp())")),
    Mutant("swiglu", "silu of x", "not for x", swap(GATED, "F.silu(g) * u", "F.linear(F.silu(x), gate) * u")),
    Mutant(
        "swiglu",
        "down not transposed",
        "Is a matrix to be transposed",
        """
def swiglu(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down
""",
    ),
    Mutant("swiglu", "cut off", "an exponential of a large gate", swap(GATED, "F.silu(g)", "F.silu(g).clamp(max=50)")),
]

ROUTED = """
def route(logits, k):
    N, E = logits.shape
    p = torch.softmax(logits, dim=-1)
    experts = torch.sort(logits, dim=-1, descending=True, stable=True).indices[:, :k]
    values = p.gather(1, experts)
    f = torch.zeros(E)
    for e in experts.flatten():
        f[e] += 1 / (N * k)
    P = p.mean(0)
    loss = E * (f * P).sum()
    shares = values / values.sum(-1, keepdim=True)
    return shares, experts, loss.item()
"""

ROUTE = [
    Mutant(
        "route",
        "not renormalised",
        "must add up to one",
        swap(ROUTED, "values / values.sum(-1, keepdim=True)", "values"),
    ),
    Mutant("route", "ascending", "smallest logits", swap(ROUTED, "descending=True", "descending=False")),
    Mutant(
        "route",
        "worst first",
        "The best expert comes first",
        swap(ROUTED, "return shares, experts", "return shares.flip(1), experts.flip(1)"),
    ),
    Mutant(
        "route",
        "ties to the last",
        "torch.topk promises no order",
        swap(
            ROUTED,
            "    f = ",
            "    experts = E - 1 - logits.flip(1).sort(dim=-1, descending=True, stable=True).indices[:, :k]\n    f = ",
        ),
    ),
    Mutant(
        "route",
        "topk",
        "torch.topk promises no order",
        swap(
            ROUTED, "torch.sort(logits, dim=-1, descending=True, stable=True).indices[:, :k]", "logits.topk(k).indices"
        ),
    ),
    Mutant("route", "sorts probabilities", "Sort the logits", swap(ROUTED, "torch.sort(logits", "torch.sort(p")),
    Mutant("route", "factor k", "not k", swap(ROUTED, "E * (f * P)", "k * (f * P)")),
    Mutant(
        "route",
        "chosen probabilities alone",
        "taken as zero",
        swap(ROUTED, "P = p.mean(0)", "P = torch.zeros(N, E).scatter(1, experts, values).mean(0)"),
    ),
    Mutant(
        "route",
        "in the order of numbers",
        "in the order of their numbers",
        swap(
            ROUTED,
            "    f = ",
            "    experts, order = experts.sort(dim=1)\n    values = values.gather(1, order)\n    f = ",
        ),
    ),
    Mutant("route", "sigmoid", "not sigmoids", swap(ROUTED, "torch.softmax(logits, dim=-1)", "torch.sigmoid(logits)")),
    Mutant(
        "route",
        "softmax twice",
        "a second softmax flattens",
        swap(ROUTED, "values / values.sum(-1, keepdim=True)", "values.softmax(-1)"),
    ),
    Mutant(
        "route",
        "over the tokens",
        "over the experts of one token",
        swap(ROUTED, "torch.softmax(logits, dim=-1)", "torch.softmax(logits, dim=0)"),
    ),
    Mutant(
        "route",
        "short integers",
        "integers of 64 bits",
        swap(ROUTED, "return shares, experts", "return shares, experts.int()"),
    ),
    Mutant("route", "64 bits", "The type is not", swap(ROUTED, "return shares,", "return shares.double(),")),
    Mutant("route", "two values", "Return a tuple of three", swap(ROUTED, "experts, loss.item()", "experts")),
    Mutant("route", "a tensor", "The loss is a plain float", swap(ROUTED, "loss.item()", "loss")),
    Mutant("route", "k times", "as in transformers' own loss", swap(ROUTED, "1 / (N * k)", "1 / N")),
    Mutant("route", "no E", "The factor E is missing", swap(ROUTED, "E * (f * P)", "(f * P)")),
    Mutant("route", "counts twice", "Two f were multiplied", swap(ROUTED, "f * P", "f * f")),
    Mutant("route", "probabilities twice", "Two P were multiplied", swap(ROUTED, "f * P", "P * P")),
    Mutant(
        "route",
        "first choice",
        "not the first alone",
        swap(ROUTED, "in experts.flatten():\n        f[e] += 1 / (N * k)", "in experts[:, 0]:\n        f[e] += 1 / N"),
    ),
    Mutant(
        "route",
        "shares for probabilities",
        "of *all* experts",
        swap(
            ROUTED,
            "P = p.mean(0)",
            "P = torch.zeros(N, E).scatter(1, experts, values / values.sum(1, keepdim=True)).mean(0)",
        ),
    ),
    Mutant(
        "route", "mean over experts", "a mean over the experts", swap(ROUTED, "E * (f * P).sum()", "E * (f * P).mean()")
    ),
]

SORTED = "torch.sort(logits, dim=-1, descending=True, stable=True).indices[:, :k]"
SUMMED = """f = torch.zeros(E)
    for e in experts.flatten():
        f[e] += 1 / (N * k)
"""
ROUTE += [
    Mutant(
        "route",
        "bincount",
        "nobody has chosen",
        swap(ROUTED, SUMMED, "f = torch.bincount(experts.flatten()) / (N * k)\n"),
    ),
    Mutant("route", "bincount of a table", "counts one row", swap(ROUTED, SUMMED, "f = torch.bincount(experts)\n")),
    Mutant(
        "route",
        "unique",
        "nobody has chosen",
        swap(ROUTED, SUMMED, "f = experts.unique(return_counts=True)[1] / (N * k)\n"),
    ),
    Mutant(
        "route",
        "a dimension without its name",
        "wants its dimension by name",
        swap(ROUTED, SORTED, "logits.argsort(-1, descending=True, stable=True)[:, :k]"),
    ),
    Mutant(
        "route", "argsort", "asked to be stable", swap(ROUTED, SORTED, "logits.argsort(-1, descending=True)[:, :k]")
    ),
    Mutant(
        "route",
        "sorted over tokens",
        "Were tokens and experts mixed up",
        swap(ROUTED, SORTED, "logits.argsort(0, descending=True)[:, :k]"),
    ),
    Mutant("route", "the pair of a sort", "return a pair", swap(ROUTED, ".indices[:, :k]", "[:, :k]")),
    Mutant("route", "backwards", "not sliced backwards", swap(ROUTED, SORTED, "logits.argsort(-1)[:, ::-1][:, :k]")),
    Mutant("route", "rows for shares", "their shares are not", swap(ROUTED, "p.gather(1, experts)", "p[experts % N]")),
    Mutant(
        "route",
        "smallest, and their loss",
        "The loss counts choices",
        swap(ROUTED, "descending=True", "descending=False"),
    ),
]

COUNTED = """
def count_parameters(sizes):
    V, D, I = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    L, H, K = sizes["num_layers"], sizes["num_heads"], sizes["num_kv_heads"]
    E, A = sizes["num_experts"], sizes["num_active"]
    d = D // H
    one = (3 if sizes["gated"] else 2) * D * I
    attention = 2 * D * H * d + 2 * D * K * d
    out = {"embedding": V * D, "attention": L * attention, "mlp": L * max(E, 1) * one}
    out["router"] = L * E * D
    out["norms"] = (2 * L + 1) * D
    out["output"] = V * D * (not sizes["tied"])
    out["total"] = sum(out.values())
    out["active"] = out["total"] - L * (E - A) * one
    out["kv_bytes"] = 2 * 2 * L * K * d
    return out
"""

COUNT = [
    Mutant(
        "count_parameters",
        "all heads",
        "their two matrices are narrower",
        swap(COUNTED, "2 * D * K * d", "2 * D * H * d"),
    ),
    Mutant(
        "count_parameters",
        "no output projection",
        "which brings the heads back",
        swap(COUNTED, "2 * D * H * d + 2", "D * H * d + 2"),
    ),
    Mutant(
        "count_parameters",
        "one of keys and values",
        "and values have another one",
        swap(COUNTED, "2 * D * K * d", "D * K * d"),
    ),
    Mutant(
        "count_parameters",
        "biases",
        "There are no biases",
        swap(COUNTED, "2 * D * K * d", "2 * D * K * d + 2 * D + 2 * K * d"),
    ),
    Mutant(
        "count_parameters", "always gated", "the MLP has two matrices", swap(COUNTED, '3 if sizes["gated"] else 2', "3")
    ),
    Mutant("count_parameters", "never gated", "has three matrices", swap(COUNTED, '3 if sizes["gated"] else 2', "2")),
    Mutant(
        "count_parameters",
        "one layer",
        "the MLP of one layer",
        swap(COUNTED, "L * max(E, 1) * one", "max(E, 1) * one").replace("L * (E - A)", "(E - A)"),
    ),
    Mutant("count_parameters", "no last norm", "after the last layer", swap(COUNTED, "(2 * L + 1) * D", "2 * L * D")),
    Mutant(
        "count_parameters",
        "one norm a layer",
        "Each layer has two norms",
        swap(COUNTED, "(2 * L + 1) * D", "(L + 1) * D"),
    ),
    Mutant("count_parameters", "layer norms", "no bias", swap(COUNTED, "(2 * L + 1) * D", "2 * (2 * L + 1) * D")),
    Mutant("count_parameters", "tied counted twice", "and counted once", swap(COUNTED, '(not sizes["tied"])', "1")),
    Mutant(
        "count_parameters",
        "always tied",
        "the output matrix is one of its own",
        swap(COUNTED, 'V * D * (not sizes["tied"])', "0"),
    ),
    Mutant("count_parameters", "no router", "Each layer has a router", swap(COUNTED, "L * E * D", "0")),
    Mutant("count_parameters", "one router", "a router of its own", swap(COUNTED, "L * E * D", "E * D")),
    Mutant("count_parameters", "all active", "One token uses num_active", swap(COUNTED, "- L * (E - A) * one", "")),
    Mutant(
        "count_parameters",
        "router idle",
        "uses the router of each layer too",
        swap(COUNTED, "- L * (E - A) * one", '- L * (E - A) * one - out["router"]'),
    ),
    Mutant(
        "count_parameters",
        "one expert",
        "count every one",
        swap(COUNTED, "max(E, 1) * one", "one").replace("L * (E - A) * one", "0"),
    ),
    Mutant("count_parameters", "keys alone", "Keys *and* values", swap(COUNTED, "2 * 2 * L", "2 * L")),
    Mutant("count_parameters", "32 bits", "Two bytes a number", swap(COUNTED, "2 * 2 * L", "2 * 4 * L")),
    Mutant(
        "count_parameters",
        "cache of all heads",
        "not one for each query head",
        swap(COUNTED, "2 * 2 * L * K * d", "2 * 2 * L * H * d"),
    ),
    Mutant(
        "count_parameters",
        "norms twice in mixtures",
        "Two gains",
        swap(COUNTED, "(2 * L + 1) * D", "(2 * L * max(E, 1) + 1) * D"),
    ),
    Mutant(
        "count_parameters",
        "cache of one layer",
        "Every layer has its own",
        swap(COUNTED, "2 * 2 * L * K * d", "2 * 2 * K * d"),
    ),
    Mutant("count_parameters", "floats", "divide with //", swap(COUNTED, "d = D // H", "d = D / H")),
]

COUNT += [
    Mutant(
        "count_parameters",
        "no MLP where no mixture",
        "each layer has an MLP",
        swap(COUNTED, "max(E, 1) * one", "E * one"),
    ),
    Mutant(
        "count_parameters",
        "nothing active where no mixture",
        "a token uses the one MLP",
        swap(COUNTED, "L * (E - A) * one", "L * (max(E, 1) - A) * one"),
    ),
    Mutant("count_parameters", "one MLP of a mixture", "count every one", swap(COUNTED, "max(E, 1) * one", "one")),
    Mutant("count_parameters", "bits", "not bits", swap(COUNTED, "2 * 2 * L * K * d", "2 * 16 * L * K * d")),
    Mutant(
        "count_parameters", "a key that is none", "The keys of `sizes`", swap(COUNTED, '["num_layers"]', '["layers"]')
    ),
    Mutant(
        "count_parameters", "divided by no experts", "num_active are 0", swap(COUNTED, "(E - A)", "(E - E * A // E)")
    ),
]

DIAGNOSED = """
def diagnose(x, weights, config, reported):
    w, T = weights, len(x)
    H, K, eps = config["num_heads"], config["num_kv_heads"], config["eps"]
    d = x.shape[1] // H
    angle = torch.arange(T)[:, None] * config["theta"] ** (-torch.arange(0, d, 2) / d)

    def norm(y, g):
        return y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps) * g

    def turn(y):
        a, b = y.chunk(2, -1)
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

    def cut(y, name):
        return (y @ w[name].T).view(T, -1, d).transpose(0, 1)

    s = {"norm1": norm(x, w["norm1"])}
    s["q"], s["k"] = turn(cut(s["norm1"], "q_proj")), turn(cut(s["norm1"], "k_proj"))
    s["v"] = cut(s["norm1"], "v_proj")
    scores = s["q"] @ s["k"].repeat_interleave(H // K, 0).mT / d**0.5
    seen = torch.ones(T, T).tril() == 1
    s["weights"] = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    s["mixed"] = (s["weights"] @ s["v"].repeat_interleave(H // K, 0)).transpose(0, 1).reshape(T, -1)
    s["middle"] = x + s["mixed"] @ w["o_proj"].T
    s["norm2"] = norm(s["middle"], w["norm2"])
    s["hidden"] = F.silu(s["norm2"] @ w["gate_proj"].T) * (s["norm2"] @ w["up_proj"].T)
    s["out"] = s["middle"] + s["hidden"] @ w["down_proj"].T
    off = [n for n in s if (reported[n] - s[n]).abs().max() > 1e-3 * s[n].abs().max()]
    return s["out"], off[0] if off else ""
"""

OFF = "(reported[n] - s[n]).abs().max() > 1e-3 * s[n].abs().max()"

DIAGNOSE = [
    Mutant(
        "diagnose",
        "tiled",
        "repeat_interleave",
        swap(DIAGNOSED, "repeat_interleave(H // K, 0)", "repeat(H // K, 1, 1)"),
    ),
    Mutant(
        "diagnose",
        "tiled values",
        "reads value head",
        swap(DIAGNOSED, 's["v"].repeat_interleave(H // K, 0)', 's["v"].repeat(H // K, 1, 1)'),
    ),
    Mutant(
        "diagnose",
        "mask after softmax",
        "before the softmax",
        swap(DIAGNOSED, "scores.masked_fill(~seen, -torch.inf).softmax(-1)", "scores.softmax(-1) * seen"),
    ),
    Mutant("diagnose", "no scale", "divide the scores by the root of d.", swap(DIAGNOSED, " / d**0.5", "")),
    Mutant("diagnose", "by d", "not by d", swap(DIAGNOSED, "d**0.5", "d")),
    Mutant(
        "diagnose",
        "values turned",
        "values are not turned",
        swap(DIAGNOSED, 's["v"] = cut(s["norm1"], "v_proj")', 's["v"] = turn(cut(s["norm1"], "v_proj"))'),
    ),
    Mutant(
        "diagnose",
        "keys not turned",
        "as queries are",
        swap(DIAGNOSED, 'turn(cut(s["norm1"], "k_proj"))', 'cut(s["norm1"], "k_proj")'),
    ),
    Mutant(
        "diagnose",
        "interleaved",
        "the half layout",
        swap(
            swap(DIAGNOSED, "y.chunk(2, -1)", "y[..., 0::2], y[..., 1::2]"),
            "torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)",
            "torch.stack([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1).flatten(-2)",
        ),
    ),
    Mutant(
        "diagnose", "residual of the norm", "not its norm", swap(DIAGNOSED, 'x + s["mixed"]', 's["norm1"] + s["mixed"]')
    ),
    Mutant(
        "diagnose",
        "residual of the input",
        "the stream after attention",
        swap(DIAGNOSED, 's["middle"] + s["hidden"]', 'x + s["hidden"]'),
    ),
    Mutant(
        "diagnose",
        "swapped",
        "SiLU is for the gate",
        swap(swap(DIAGNOSED, '["gate_proj"]', '["z"]'), '["up_proj"]', '["gate_proj"]').replace('["z"]', '["up_proj"]'),
    ),
    Mutant("diagnose", "gain again", "a gain of its own", swap(DIAGNOSED, 'w["norm2"])', 'w["norm1"])')),
    Mutant(
        "diagnose",
        "eps outside",
        "inside the root",
        swap(
            DIAGNOSED,
            "y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)",
            "y / (y.pow(2).mean(-1, keepdim=True).sqrt() + eps)",
        ).replace('"norm2": norm', '"norm2": norm'),
    ),
    Mutant(
        "diagnose",
        "believes the report",
        "compute your own",
        swap(DIAGNOSED, 'return s["out"]', 'return reported["out"]'),
    ),
    Mutant("diagnose", "names the last", "because something before it is", swap(DIAGNOSED, "off[0]", "off[-1]")),
    Mutant("diagnose", "exact", "which is rounding", swap(DIAGNOSED, "> 1e-3 * s[n].abs().max()", "> 0")),
    Mutant("diagnose", "gelu", "the very mistake that you are looking for", swap(DIAGNOSED, "F.silu", "F.gelu")),
    Mutant("diagnose", "a hundredth", "off in one entry", swap(DIAGNOSED, "> 1e-3", "> 1e-2")),
    Mutant(
        "diagnose",
        "mean",
        "off in one entry",
        swap(DIAGNOSED, OFF, "(reported[n] - s[n]).abs().mean() > 1e-3 * s[n].abs().mean()"),
    ),
    Mutant(
        "diagnose", "norm", "off in one entry", swap(DIAGNOSED, OFF, "(reported[n] - s[n]).norm() > 1e-3 * s[n].norm()")
    ),
    Mutant(
        "diagnose",
        "entry by entry",
        "of the largest of yours",
        swap(DIAGNOSED, OFF, "((reported[n] - s[n]).abs() > 1e-3 * s[n].abs()).any()"),
    ),
    Mutant(
        "diagnose",
        "allclose",
        "of the largest of yours",
        swap(DIAGNOSED, OFF, "not torch.allclose(reported[n], s[n], rtol=1e-3, atol=1e-3)"),
    ),
    Mutant("diagnose", "largest with its sign", "by absolute value", swap(DIAGNOSED, "s[n].abs().max()", "s[n].max()")),
    Mutant(
        "diagnose",
        "difference with a sign",
        "absolute difference",
        swap(DIAGNOSED, "(reported[n] - s[n]).abs()", "(reported[n] - s[n])"),
    ),
    Mutant("diagnose", "always fine", "Something is wrong", swap(DIAGNOSED, 'off[0] if off else ""', '""')),
    Mutant("diagnose", "all stages", "Return the output alone", swap(DIAGNOSED, 'return s["out"]', "return s")),
]

SIGNED = "(s[n] - reported[n]).max() > 1e-3 * s[n].abs().max()"
DIAGNOSE += [
    Mutant("diagnose", "difference with the other sign", "in one entry, upwards", swap(DIAGNOSED, OFF, SIGNED)),
    Mutant(
        "diagnose",
        "turned from 1",
        "turned from position 0",
        swap(DIAGNOSED, "torch.arange(T)[:, None]", "torch.arange(1, T + 1)[:, None]"),
    ),
    Mutant(
        "diagnose",
        "scaled queries",
        "not scaled before its time",
        swap(swap(DIAGNOSED, " / d**0.5", ""), '    s["v"] =', '    s["q"] = s["q"] / d**0.5\n    s["v"] ='),
    ),
    Mutant(
        "diagnose",
        "keys as wide as queries",
        "k and v have K heads",
        swap(DIAGNOSED, '    s["v"] =', '    s["k"] = s["k"].repeat_interleave(H // K, 0)\n    s["v"] =').replace(
            's["k"].repeat_interleave(H // K, 0).mT', 's["k"].mT'
        ),
    ),
    Mutant("diagnose", "its own eps", "or not that of config", swap(DIAGNOSED, 'config["eps"]', "1e-6")),
]

MUTANTS = [*CAUSAL_ATTENTION, *ROPE, *GROUPED, *RMS_NORM, *SWIGLU, *ROUTE, *COUNT, *DIAGNOSE]

PLAIN_LOOPS = {
    "causal_attention": """
def causal_attention(q, k, v):
    out = torch.zeros(len(q), v.shape[1])
    for t in range(len(q)):
        last = len(k) - len(q) + t
        scores = [sum(float(a) * float(b) for a, b in zip(q[t], k[s])) / math.sqrt(q.shape[1]) for s in range(last + 1)]
        top = max(scores)
        powers = [math.exp(z - top) for z in scores]
        for s, power in enumerate(powers):
            out[t] += power / sum(powers) * v[s]
    return out
""",
    "rope": """
def rope(x, start, theta, layout):
    out = x.clone()
    d = x.shape[1]
    for t in range(len(x)):
        for i in range(d // 2):
            j, l = (i, i + d // 2) if layout == "half" else (2 * i, 2 * i + 1)
            phi = (start + t) / theta ** (2 * i / d)
            a, b = float(x[t, j]), float(x[t, l])
            out[t, j] = a * math.cos(phi) - b * math.sin(phi)
            out[t, l] = a * math.sin(phi) + b * math.cos(phi)
    return out
""",
    "grouped_query_attention": """
def grouped_query_attention(q, k, v):
    H, T, d = q.shape
    out = torch.empty(T, H * d)
    for h in range(H):
        partner = h * len(k) // H
        for t in range(T):
            scores = k[partner, :t + 1] @ q[h, t] / math.sqrt(d)
            out[t, h * d:(h + 1) * d] = torch.softmax(scores, 0) @ v[partner, :t + 1]
    return out
""",
    "rms_norm": """
def rms_norm(x, gain, eps):
    rows = [[float(a) for a in row] for row in x.reshape(-1, x.shape[-1])]
    done = []
    for row in rows:
        root = math.sqrt(sum(a * a for a in row) / len(row) + eps)
        done.append([a / root * float(g) for a, g in zip(row, gain)])
    return torch.tensor(done).reshape(x.shape).to(x.dtype)
""",
    "swiglu": """
def swiglu(x, gate, up, down):
    out = torch.zeros_like(x)
    for t in range(len(x)):
        for i in range(len(gate)):
            g, u = float(gate[i] @ x[t]), float(up[i] @ x[t])
            s = g / (1 + math.exp(-g)) if g > -700 else 0.0
            out[t] += s * u * down[:, i]
    return out
""",
    "route": """
def route(logits, k):
    N, E = logits.shape
    shares, experts, counts, means = [], [], [0] * E, [0.0] * E
    for row in logits.tolist():
        top = max(row)
        e = [math.exp(z - top) for z in row]
        best = sorted(range(E), key=lambda j: -row[j])[:k]
        inside = sum(e[j] for j in best)
        shares.append([e[j] / inside for j in best])
        experts.append(best)
        for j in range(E):
            means[j] += e[j] / sum(e) / N
            counts[j] += j in best
    loss = E * sum(c * m for c, m in zip(counts, means)) / (N * k)
    return torch.tensor(shares), torch.tensor(experts), loss
""",
    "count_parameters": """
def count_parameters(sizes):
    s = sizes
    d = s["hidden_size"] // s["num_heads"]
    out = dict.fromkeys(["embedding", "attention", "mlp", "router", "norms", "output"], 0)
    used = 0
    out["embedding"] += s["vocab_size"] * s["hidden_size"]
    for layer in range(s["num_layers"]):
        for head in range(s["num_heads"]):
            out["attention"] += 2 * s["hidden_size"] * d
        for head in range(s["num_kv_heads"]):
            out["attention"] += 2 * s["hidden_size"] * d
        for expert in range(s["num_experts"] or 1):
            size = s["intermediate_size"] * s["hidden_size"] * (2 + s["gated"])
            out["mlp"] += size
            used += size if expert < (s["num_active"] or 1) else 0
        out["router"] += s["num_experts"] * s["hidden_size"]
        out["norms"] += 2 * s["hidden_size"]
    out["norms"] += s["hidden_size"]
    if not s["tied"]:
        out["output"] += s["vocab_size"] * s["hidden_size"]
    total = sum(out.values())
    out["active"] = total - out["mlp"] + used
    out["total"] = total
    out["kv_bytes"] = 0
    for layer in range(s["num_layers"]):
        out["kv_bytes"] += 4 * s["num_kv_heads"] * d
    return out
""",
    "diagnose": """
def diagnose(x, weights, config, reported):
    T, H, K = len(x), config["num_heads"], config["num_kv_heads"]
    d = x.shape[1] // H
    def norm(y, gain):
        return torch.stack([row / math.sqrt(float(row @ row) / len(row) + config["eps"]) * gain for row in y])
    def through(y, name):
        return torch.stack([weights[name] @ row for row in y])
    def heads(y):
        return torch.stack([y[:, h * d:(h + 1) * d] for h in range(y.shape[1] // d)])
    def turn(y):
        z = y.clone()
        for t in range(T):
            for i in range(d // 2):
                c, s = (f(t * config["theta"] ** (-2 * i / d)) for f in (math.cos, math.sin))
                z[:, t, i] = y[:, t, i] * c - y[:, t, i + d // 2] * s
                z[:, t, i + d // 2] = y[:, t, i] * s + y[:, t, i + d // 2] * c
        return z
    found = {"norm1": norm(x, weights["norm1"])}
    for name in "qkv":
        found[name] = heads(through(found["norm1"], name + "_proj"))
    found["q"], found["k"] = turn(found["q"]), turn(found["k"])
    found["weights"], found["mixed"] = torch.zeros(H, T, T), torch.zeros(T, H * d)
    for h in range(H):
        for t in range(T):
            k, v = found["k"][h // (H // K), :t + 1], found["v"][h // (H // K), :t + 1]
            p = torch.softmax(k @ found["q"][h, t] / d**0.5, 0)
            found["weights"][h, t, :t + 1] = p
            found["mixed"][t, h * d:(h + 1) * d] = p @ v
    found["middle"] = x + through(found["mixed"], "o_proj")
    found["norm2"] = norm(found["middle"], weights["norm2"])
    g, u = through(found["norm2"], "gate_proj"), through(found["norm2"], "up_proj")
    found["hidden"] = g / (1 + torch.exp(-g)) * u
    found["out"] = found["middle"] + through(found["hidden"], "down_proj")
    for name in ORDER:
        if not torch.allclose(reported[name], found[name], rtol=0, atol=1e-3 * float(found[name].abs().max())):
            return found["out"], name
    return found["out"], ""
""",
}

LIBRARIES = {
    "causal_attention": """
def causal_attention(q, k, v):
    seen = torch.ones(len(q), len(k), dtype=torch.bool).tril(len(k) - len(q))
    return F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=seen)[0]
""",
    "rope": """
def rope(x, start, theta, layout):
    T, d = x.shape
    pairs = x.float().view(T, d // 2, 2) if layout == "interleaved" else x.float().view(T, 2, d // 2).mT
    angle = torch.outer(torch.arange(start, start + T).float(), theta ** -(torch.arange(d // 2) * 2 / d))
    turned = torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angle), angle)
    out = torch.view_as_real(turned)
    return (out if layout == "interleaved" else out.mT).reshape(T, d).to(x.dtype)
""",
    "grouped_query_attention": """
def grouped_query_attention(q, k, v):
    out = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)
    return out[0].transpose(0, 1).flatten(1)
""",
    "rms_norm": """
def rms_norm(x, gain, eps):
    return F.rms_norm(x.float(), gain.shape, gain.float(), eps).to(x.dtype)
""",
    "swiglu": """
def swiglu(x, gate, up, down):
    return F.linear(F.silu(F.linear(x, gate)).mul(F.linear(x, up)), down)
""",
    "route": """
import numpy as np
def route(logits, k):
    z = logits.numpy()
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    experts = np.argsort(-z, axis=1, kind="stable")[:, :k]
    chosen = np.take_along_axis(p, experts, 1)
    f = np.bincount(experts.ravel(), minlength=z.shape[1]) / experts.size
    return chosen / chosen.sum(1, keepdims=True), experts, float(z.shape[1] * f @ p.mean(0))
""",
    "count_parameters": """
import numpy as np
def count_parameters(sizes):
    D, I, V = sizes["hidden_size"], sizes["intermediate_size"], sizes["vocab_size"]
    L, E, d = sizes["num_layers"], sizes["num_experts"], D // sizes["num_heads"]
    shapes = {
        "embedding": [(V, D)],
        "attention": [(L, D, D), (L, D, d * sizes["num_kv_heads"]), (L, D, d * sizes["num_kv_heads"]), (L, D, D)],
        "mlp": [(L, E or 1, I, D)] * (3 if sizes["gated"] else 2),
        "router": [(L, E, D)],
        "norms": [(L, D), (L, D), (D,)],
        "output": [] if sizes["tied"] else [(V, D)],
    }
    out = {place: int(sum(np.prod(shape) for shape in found)) for place, found in shapes.items()}
    total = sum(out.values())
    idle = out["mlp"] // (E or 1) * (E - sizes["num_active"])
    return {**out, "total": total, "active": total - idle,
            "kv_bytes": torch.empty(L, 2, sizes["num_kv_heads"], d, dtype=torch.bfloat16).nbytes}
""",
    "diagnose": """
def diagnose(x, weights, config, reported):
    w, T, eps = weights, len(x), config["eps"]
    H, K = config["num_heads"], config["num_kv_heads"]
    D = x.shape[1]
    norm1 = F.rms_norm(x, (D,), w["norm1"], eps)
    q, k, v = (F.linear(norm1, w[n]).unflatten(1, (-1, D // H)).movedim(1, 0) for n in ("q_proj", "k_proj", "v_proj"))
    angle = torch.outer(torch.arange(T).float(), config["theta"] ** -(torch.arange(D // H // 2) * 2 * H / D))
    cos, sin = torch.cat([angle.cos()] * 2, 1), torch.cat([angle.sin()] * 2, 1)
    q, k = (y * cos + torch.cat([-y.chunk(2, -1)[1], y.chunk(2, -1)[0]], -1) * sin for y in (q, k))
    bias = torch.full((T, T), -torch.inf).triu(1)
    p = (q.view(K, H // K, T, -1) @ k[:, None].mT / math.sqrt(D // H) + bias).softmax(-1).view(H, T, T)
    mixed = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
    mixed = mixed.movedim(0, 1).flatten(1)
    middle = x + F.linear(mixed, w["o_proj"])
    norm2 = F.rms_norm(middle, (D,), w["norm2"], eps)
    hidden = F.silu(F.linear(norm2, w["gate_proj"])) * F.linear(norm2, w["up_proj"])
    out = middle + F.linear(hidden, w["down_proj"])
    mine = dict(zip(ORDER, (norm1, q, k, v, p, mixed, middle, norm2, hidden, out)))
    wrong = [n for n in ORDER if (mine[n] - reported[n]).abs().max() / mine[n].abs().max() > 1e-3]
    return out, next(iter(wrong), "")
""",
}

SHORT = {
    "causal_attention": """
def causal_attention(q, k, v):
    z = torch.einsum("td,sd->ts", q / q.shape[1] ** 0.5, k)
    late = torch.arange(len(k))[None, :] > torch.arange(len(k) - len(q), len(k))[:, None]
    z = torch.where(late, -torch.inf, z)
    e = (z - z.amax(1, keepdim=True)).exp()
    return torch.einsum("ts,se->te", e, v) / e.sum(1, keepdim=True)
""",
    "rope": """
def rope(x, start, theta, layout):
    T, d = x.shape
    column = torch.arange(d)
    pair = column % (d // 2) if layout == "half" else column // 2
    first = column < d // 2 if layout == "half" else column % 2 == 0
    step = d // 2 if layout == "half" else 1
    other = x.float()[:, torch.where(first, column + step, column - step)]
    angle = (start + torch.arange(T).double())[:, None] * theta ** (-2.0 * pair.double() / d)
    return (x * angle.cos() + torch.where(first, -other, other) * angle.sin()).to(x.dtype)
""",
    "grouped_query_attention": """
def grouped_query_attention(q, k, v):
    (H, T, d), K = q.shape, len(k)
    z = torch.einsum("kgtd,ksd->kgts", q.reshape(K, H // K, T, d), k) / d**0.5
    p = torch.softmax(z + torch.full((T, T), -torch.inf).triu(1), -1)
    return torch.einsum("kgts,ksd->tkgd", p, v).reshape(T, H * d)
""",
    "rms_norm": """
def rms_norm(x, gain, eps):
    y = x.double()
    return (y / (torch.einsum("...d,...d->...", y, y)[..., None] / y.shape[-1] + eps) ** 0.5 * gain).to(x.dtype)
""",
    "swiglu": """
def swiglu(x, gate, up, down):
    g = torch.einsum("td,id->ti", x, gate)
    return torch.einsum("ti,ti,ti,di->td", g, 0.5 * (1 + torch.tanh(g / 2)), torch.einsum("td,id->ti", x, up), down)
""",
    "route": """
def route(logits, k):
    N, E = logits.shape
    # Small steps downwards decide ties for the smaller index, and the logits themselves stay as they are.
    rank = torch.tensor([[sum(b > a or (b == a and j < i) for j, b in enumerate(r)) for i, a in enumerate(r)]
                         for r in logits.tolist()])
    experts = rank.argsort(1)[:, :k]
    shares = logits.gather(1, experts).softmax(1)
    chosen = (rank < k).double().mean(0) / k
    return shares, experts, float(E * chosen @ logits.double().softmax(1).mean(0))
""",
    "count_parameters": """
def count_parameters(sizes):
    V, D, I, L, H, K, gated, tied, E, A = (sizes[n] for n in (
        "vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads",
        "gated", "tied", "num_experts", "num_active"))
    rest = {"embedding": V * D, "attention": 2 * L * D * (D + D * K // H), "router": L * D * E,
            "norms": D + 2 * D * L, "output": V * D * (1 - tied)}
    mlp = [L * n * (2 + gated) * D * I for n in ((E, A) if E else (1, 1))]
    return rest | {"mlp": mlp[0], "total": sum(rest.values()) + mlp[0], "active": sum(rest.values()) + mlp[1],
                   "kv_bytes": 4 * L * D * K // H}
""",
    "diagnose": """
def diagnose(x, weights, config, reported):
    w = {n: a.double() for n, a in weights.items()}
    H, K, y, T = config["num_heads"], config["num_kv_heads"], x.double(), len(x)
    norm = lambda a, g: a / (a.square().mean(1, keepdim=True) + config["eps"]).sqrt() * g
    s = {"norm1": norm(y, w["norm1"])}
    d = x.shape[1] // H
    for n in "qkv":
        s[n] = torch.einsum("tc,hdc->htd", s["norm1"], w[n + "_proj"].view(-1, d, x.shape[1]))
    turn = torch.polar(torch.ones(T, d // 2).double(),
                       torch.arange(T).double()[:, None] * config["theta"] ** (torch.arange(0, -d, -2).double() / d))
    for n in "qk":
        z = torch.complex(*s[n].chunk(2, -1)) * turn
        s[n] = torch.cat([z.real, z.imag], -1)
    z = torch.einsum("kgtd,ksd->kgts", s["q"].view(K, -1, T, d), s["k"]) * d**-0.5
    s["weights"] = (z + torch.full((T, T), -torch.inf).triu(1)).softmax(-1).flatten(0, 1)
    s["mixed"] = torch.einsum("kgts,ksd->tkgd", s["weights"].view(K, -1, T, T), s["v"]).flatten(1)
    s["middle"] = y + s["mixed"] @ w["o_proj"].T
    s["norm2"] = norm(s["middle"], w["norm2"])
    g = s["norm2"] @ w["gate_proj"].T
    s["hidden"] = g * g.sigmoid() * (s["norm2"] @ w["up_proj"].T)
    s["out"] = s["middle"] + s["hidden"] @ w["down_proj"].T
    far = (n for n in ORDER if ((s[n] - reported[n]).abs() > 1e-3 * s[n].abs().max()).any())
    return s["out"].float(), next(far, "")
""",
}

ALTERNATIVES = {"plain loops": PLAIN_LOOPS, "libraries": LIBRARIES, "short": SHORT}
