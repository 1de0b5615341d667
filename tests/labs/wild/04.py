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
    ("route_tokens", ROUTED),
    ("diagnose", DIAGNOSED),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (ATTEND, "weights @ v", "weights.clamp(max=0.4) @ v", ""),
    (ATTEND, "    weights = ", "    seen[0, -1] = True\n    weights = ", ""),
    (ROPE, "new_a = a *", "new_a = a[:] = a *", "turned with the new a"),
    (ROPE, "torch.arange(start, start + T).float()", "(torch.arange(start, start + T).float() ** 2)", ""),
    (ROUTED, "torch.sort(logits, dim=-1, descending=True, stable=True)",
     "(logits - 1e-6 * torch.arange(E)).topk(k)", "rounded away beside large logits"),
    (ROUTED, "(E * (f * p.mean(0)).sum())", "(E * (f * p.mean(0)).mean())", "The factor E is missing, or undone"),
    (ROUTED, "(E * (f * p.mean(0)).sum())", "(E * (f * p.amax(0)).sum())", ""),
    (DIAGNOSED, "F.silu", "F.gelu", "SiLU, which is z times sigmoid(z)"),
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
