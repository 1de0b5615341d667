"""Answers to lab 01 as people write them; they see what the lab gives: evaluate, production_backward, ORDER."""

Z_LOSS = "cross_entropy_with_z_loss"
LOSS = """
def cross_entropy_with_z_loss(logits, targets, z_weight):
    rows = targets != -100
    z, t = logits[rows], targets[rows]
    lse = np.logaddexp.reduce(z, axis=1, keepdims=True)
    grad = np.zeros(logits.shape)
    p = np.exp(z - lse)
    grad[rows] = (p - (np.arange(z.shape[1]) == t[:, None]) + 2 * z_weight * lse * p) / len(t)
    return float(np.mean(lse[:, 0] - z[np.arange(len(t)), t] + z_weight * lse[:, 0] ** 2)), grad
"""
# The arrays of the state are wider than the weights, which keep their dtype.
STEP = """
def optimizer_step(rule, p, g, state, settings):
    s, zeros = settings, np.zeros(p.shape)
    if rule == "sgd":
        u = state.get("u", zeros) * s["momentum"] + g
        return (p - s["lr"] * u).astype(p.dtype), {"u": u}
    t = state.get("t", 0) + 1
    m = s["beta1"] * state.get("m", zeros) + (1 - s["beta1"]) * g
    v = s["beta2"] * state.get("v", zeros) + (1 - s["beta2"]) * g * g
    rate = s["lr"] * math.sqrt(1 - s["beta2"] ** t) / (1 - s["beta1"] ** t)
    step = rate * m / (np.sqrt(v) + s["eps"] * math.sqrt(1 - s["beta2"] ** t))
    step = step + (s["lr"] * s["decay"] * p if len(p.shape) > 1 else 0)
    return np.asarray(p - step, p.dtype), {"t": t, "m": m, "v": v}
"""
DIAGNOSE = """
def diagnose(x, y, weights, reported):
    g = production_backward(x, y, weights)
    g["dx"] = g["dx"] + g["dr"]
    limits = {name: 1e-6 * np.abs(g[name]).max() for name in ORDER}
    wrong = [name for name in ORDER if not np.all(np.abs(reported[name] - g[name]) <= limits[name])]
    return g, wrong[0] if wrong else ""
"""
RIGHT = [
    ("matmul_backward", """
def matmul_backward(A, B, dC):
    dA, dB = np.einsum("...nm,...md->...nd", dC, B), np.einsum("...nm,...nd->...md", dC, A)
    return unbroadcast(dA, A.shape), unbroadcast(dB, B.shape)
"""),
    (Z_LOSS, LOSS),
    ("optimizer_step", STEP),
    ("diagnose", DIAGNOSE),
]  # fmt: skip


def edited(answer: str, old: str, new: str) -> str:
    """Return an answer with one fragment replaced, which must be there."""
    assert answer.count(old) == 1, old
    return answer.replace(old, new)


WRONG = [
    ("backward_order", """
def backward_order(parents, output):
    depth, frontier, level = {}, {output}, 0
    while frontier:
        depth.update(dict.fromkeys(frontier, level))
        frontier, level = {p for node in frontier for p in parents[node]}, level + 1
    return sorted(depth, key=lambda node: (depth[node], node))
""", "go together here"),
    ("reverse_mode", """
def reverse_mode(program, inputs):
    base = evaluate(program, inputs)[-1]
    moved = [[x + 1e-7 * (i == k) for k, x in enumerate(inputs)] for i in range(len(inputs))]
    return [(evaluate(program, one)[-1] - base) / 1e-7 for one in moved]
""", "a difference quotient gives"),
    # A dimension that is aligned from the left; once it earned the points for dimensions of size one.
    ("unbroadcast", """
def unbroadcast(grad, shape):
    grad = grad.sum(axis=tuple(range(len(shape), grad.ndim)))
    return grad.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)
""", "*last* dimension"),
    ("matmul_backward", "def matmul_backward(A, B, dC):\n    return dC @ B, dC.T @ A\n", ".T turns"),
    (Z_LOSS, edited(LOSS, " + 2 * z_weight * lse * p) / len(t)", ") / len(t) + 2 * z_weight * lse * p"), "and so is"),
    (Z_LOSS, edited(LOSS, "** 2)), grad", "** 2)) * len(t) / len(targets), grad"), "do not count"),
    # Weights that became float64 in the first step; once that earned all points.
    ("optimizer_step", edited(STEP, "* u).astype(p.dtype)", "* u)"), "another dtype"),
    ("optimizer_step", edited(STEP, " if len(p.shape) > 1 else 0", ""), "one dimension does not decay"),
    ("optimizer_step", edited(STEP, 's["eps"] * math.sqrt(1 - s["beta2"] ** t)', 's["eps"]'), ""),
    ("diagnose", edited(edited(DIAGNOSE, "not np.all", "np.any"), "<= limits", "> limits"), "nan > anything"),
    ("diagnose", edited(DIAGNOSE, "np.abs(g[name]).max() for", "np.abs(reported[name]).max() for"), "*your* largest"),
]  # fmt: skip
