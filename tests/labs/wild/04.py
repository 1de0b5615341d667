"""Answers to lab 04 as real solvers wrote them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

ATTEND = """
def causal_attention(q, k, v):
    T, S, d = len(q), len(k), q.shape[1]
    scores = q @ k.T / d**0.5
    seen = torch.ones(T, S).tril(S - T) == 1
    weights = torch.softmax(scores.masked_fill(~seen, -torch.inf), dim=-1)
    return weights @ v
"""
ROPE = """
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
GROUP = """
def grouped_query_attention(q, k, v):
    (H, T, d), K = q.shape, len(k)
    k, v = k.repeat_interleave(H // K, 0), v.repeat_interleave(H // K, 0)
    heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return heads.transpose(0, 1).reshape(T, H * d)
"""
NORM = """
def rms_norm(x, gain, eps):
    y = x.float()
    mean = y.pow(2).mean(dim=-1, keepdim=True)
    return (y * torch.rsqrt(mean + eps)).to(x.dtype) * gain
"""
GATED = """
def swiglu(x, gate, up, down):
    g, u = F.linear(x, gate), F.linear(x, up)
    return F.linear(F.silu(g) * u, down)
"""
ROUTED = """
def route_tokens(logits, k):
    N, E = logits.shape
    p = torch.softmax(logits, dim=-1)
    experts = torch.sort(logits, dim=-1, descending=True, stable=True).indices[:, :k]
    values = p.gather(1, experts)
    f = torch.zeros(E)
    for e in experts.flatten():
        f[e] += 1 / (N * k)
    return values / values.sum(-1, keepdim=True), experts, (E * (f * p.mean(0)).sum()).item()
"""
COUNTED = """
def count_parameters(sizes):
    V, D, I = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    L, H, K = sizes["num_layers"], sizes["num_heads"], sizes["num_kv_heads"]
    E, A, d = sizes["num_experts"], sizes["num_active"], D // H
    one = (3 if sizes["gated"] else 2) * D * I
    out = {"embedding": V * D, "attention": L * (2 * D * H * d + 2 * D * K * d), "mlp": L * max(E, 1) * one}
    out |= {"router": L * E * D, "norms": (2 * L + 1) * D, "output": V * D * (not sizes["tied"])}
    out["total"] = sum(out.values())
    out["active"] = out["total"] - L * (E - A) * one
    out["kv_bytes"] = 2 * 2 * L * K * d
    return out
"""
DIAGNOSED = """
def diagnose(x, weights, config, reported):
    w, T, H, K, eps = weights, len(x), config["num_heads"], config["num_kv_heads"], config["eps"]
    d = x.shape[1] // H
    angle = torch.arange(T)[:, None] * config["theta"] ** (-torch.arange(0, d, 2) / d)
    norm = lambda y, g: y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps) * g
    cut = lambda y, name: (y @ w[name].T).view(T, -1, d).transpose(0, 1)

    def turn(y):
        a, b = y.chunk(2, -1)
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

    s = {"norm1": norm(x, w["norm1"])}
    s["q"], s["k"] = turn(cut(s["norm1"], "q_proj")), turn(cut(s["norm1"], "k_proj"))
    s["v"] = cut(s["norm1"], "v_proj")
    scores = s["q"] @ s["k"].repeat_interleave(H // K, 0).mT / d**0.5
    s["weights"] = scores.masked_fill(torch.ones(T, T).triu(1) == 1, -torch.inf).softmax(-1)
    s["mixed"] = (s["weights"] @ s["v"].repeat_interleave(H // K, 0)).transpose(0, 1).reshape(T, -1)
    s["middle"] = x + s["mixed"] @ w["o_proj"].T
    s["norm2"] = norm(s["middle"], w["norm2"])
    s["hidden"] = F.silu(s["norm2"] @ w["gate_proj"].T) * (s["norm2"] @ w["up_proj"].T)
    s["out"] = s["middle"] + s["hidden"] @ w["down_proj"].T
    wrong = [n for n in s if not ((reported[n] - s[n]).abs() <= 1e-3 * s[n].abs().max()).all()]
    return s, wrong[0] if wrong else ""
"""
RIGHT = [
    ("causal_attention", ATTEND),
    ("causal_attention", ATTEND.replace("-torch.inf", "-1e9")),
    ("rope", ROPE),
    ("grouped_query_attention", GROUP),
    ("rms_norm", NORM),
    ("swiglu", GATED),
    ("route_tokens", ROUTED),
    ("count_parameters", COUNTED),
    ("diagnose", DIAGNOSED),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (ATTEND, "scores.masked_fill(~seen, -torch.inf)", "scores * seen", "no ban"),
    (ATTEND, "-torch.inf), dim=-1)", "-1e4), dim=-1)", "a large negative number"),
    (ATTEND, "weights @ v", "weights.clamp(max=0.4) @ v", ""),
    (ATTEND, "    weights = ", "    seen[0, -1] = True\n    weights = ", ""),
    (ROPE, "new_a = a *", "new_a = a[:] = a *", "turned with the new a"),
    (ROPE, "a * sin + b * cos", "a * sin - b * cos", "One sign is wrong"),
    (ROPE, "torch.arange(start, start + T).float()", "(torch.arange(start, start + T).float() ** 2)", ""),
    (ROPE, "x.float().clone()", "2 * x.float().clone()", "2 times what is wanted"),
    (GROUP, "heads.transpose(0, 1).reshape", "heads.reshape", "A reshape alone mixes tokens"),
    (GROUP, "    k, v =", "    q = q.flip(1)\n    k, v =", ""),
    (NORM, "mean + eps", "mean + 1e-5", "not always the same number"),
    (NORM, "x.float()", "x", "computed in 16 bits"),
    (NORM, "(y * torch.rsqrt(mean + eps))", "(y * torch.rsqrt(mean + eps)).clamp(-1, 1)", ""),
    (GATED, "F.silu(g) * u", "g * u", "There is no activation"),
    (GATED, "F.silu(g)", "F.silu(g).clamp(max=50)", ""),
    (ROUTED, "torch.sort(logits, dim=-1, descending=True, stable=True)", "logits.topk(k)", "topk promises no order"),
    (
        ROUTED,
        "torch.sort(logits, dim=-1, descending=True, stable=True)",
        "(logits - 1e-6 * torch.arange(E)).topk(k)",
        "rounded away beside large logits",
    ),
    (ROUTED, "torch.sort(logits, dim=-1,", "torch.sort(logits, -1,", "wants its dimension by name"),
    (ROUTED, "(E * (f * p.mean(0)).sum())", "(E * (f * p.mean(0)).mean())", "The factor E is missing, or undone"),
    (ROUTED, "(E * (f * p.mean(0)).sum())", "(E * (f * p.amax(0)).sum())", ""),
    (COUNTED, "L * (E - A) * one", "L * (E - E * A // E) * one", "nothing can be divided by them"),
    (COUNTED, "2 * D * K * d", "2 * D * H * d", "their two matrices are narrower"),
    (COUNTED, "(2 * L + 1) * D", "(3 * L + 1) * D", ""),
    (DIAGNOSED, "F.silu", "F.gelu", "SiLU, which is z times sigmoid(z)"),
    (DIAGNOSED, ".view(T, -1, d).transpose(0, 1)", ".view(-1, T, d)", "a range of columns"),
    (DIAGNOSED, "/ d**0.5", "/ x.shape[1] ** 0.5", "root of d, a head's columns"),
    (DIAGNOSED, "torch.arange(T)", "-torch.arange(T)", "turned the other way"),
    (DIAGNOSED, "not ((reported[n] - s[n]).abs() <= 1e-3 * s[n].abs().max()).all()",
     "(reported[n] - s[n]).abs().max() > 1e-3 * s[n].abs().max()", "nan is neither larger nor smaller"),
    (DIAGNOSED, "1e-3 * s[n]", "1e-3 * reported[n]", "one of your own largest entry"),
    (DIAGNOSED, "= x + s[", "= 2 * x + s[", ""),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
