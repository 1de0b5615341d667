"""Answers to lab 01 as people write them; they see what the lab gives: evaluate, BO, production_backward, ORDER."""

ORDER = """
import heapq
from collections import Counter
def backward_order(parents, output):
    seen, stack = set(), [output]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(parents[node])
    waiting = Counter(p for n in seen for p in parents[n])
    heap, order = [output], []
    while heap:
        order.append(heapq.heappop(heap))
        for p in parents[order[-1]]:
            waiting[p] -= 1
            if not waiting[p]:
                heapq.heappush(heap, p)
    return order
"""
GRADIENT = """
def reverse_mode(program, inputs):
    values, grads, result = evaluate(program, inputs), {len(program) - 1: 1.0}, [0.0] * len(inputs)
    def give(i, g):
        grads[i] = grads.get(i, 0.0) + g
    for k in range(len(program) - 1, -1, -1):
        g = grads.get(k, 0.0)
        match program[k]:
            case ("input", i): result[i] += g
            case ("add", i, j): give(i, g), give(j, g)
            case ("sub", i, j): give(i, g), give(j, -g)
            case ("mul", i, j): give(i, g * values[j]), give(j, g * values[i])
            case ("exp", i): give(i, g * values[k])
            case ("log", i): give(i, g / values[i])
            case ("relu", i): give(i, g if values[i] > 0 else 0.0)
            case ("max", i, j):
                winners = [n for n in (i, j) if values[n] == values[k]]
                [give(n, g / len(winners)) for n in winners]
    return result
"""
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
STEP = """
def optimizer_step(rule, p, g, state, settings):
    s = settings
    if rule == "sgd":
        u = state.get("u", np.zeros_like(p)) * s["momentum"] + g
        return p - s["lr"] * u, {"u": u}
    t = state.get("t", 0) + 1
    m = s["beta1"] * state.get("m", np.zeros_like(p)) + (1 - s["beta1"]) * g
    v = s["beta2"] * state.get("v", np.zeros_like(p)) + (1 - s["beta2"]) * g * g
    rate = s["lr"] * math.sqrt(1 - s["beta2"] ** t) / (1 - s["beta1"] ** t)
    step = rate * m / (np.sqrt(v) + s["eps"] * math.sqrt(1 - s["beta2"] ** t))
    return p - step - (s["lr"] * s["decay"] * p if len(p.shape) > 1 else 0), {"t": t, "m": m, "v": v}
"""
DIAGNOSE = """
def diagnose(x, y, weights, reported):
    g = production_backward(x, y, weights)
    g["dx"] = g["dx"] + g["dr"]
    limits = {name: 1e-6 * np.abs(g[name]).max() for name in ORDER}
    wrong = [name for name in ORDER if not np.all(np.abs(reported[name] - g[name]) <= limits[name])]
    return g, wrong[0] if wrong else ""
"""
FRONT = "def unbroadcast(grad, shape):\n    while grad.ndim > len(shape):\n        grad = grad.sum(0)\n"
CHECK = """
def gradient_check(program, inputs, claimed, eps, tolerance):
    def f(i, by):
        return evaluate(program, [x + by * (k == i) for k, x in enumerate(inputs)])[-1]
    found = [(f(i, eps) - f(i, -eps)) / (2 * eps) for i in range(len(inputs))]
    return found, [i for i, (c, d) in enumerate(zip(claimed, found))
                   if not math.isfinite(c) or abs(c - d) > tolerance * max(1, abs(c), abs(d))]
"""
RIGHT = [
    ("backward_order", ORDER),
    ("reverse_mode", GRADIENT),
    ("unbroadcast", FRONT + """    for i, n in enumerate(shape):
        if grad.shape[i] != n:
            grad = np.stack([part.sum(i) for part in np.split(grad, n, axis=i)], axis=i)
    return grad
"""),
    ("matmul_backward", """
def matmul_backward(A, B, dC):
    dA, dB = np.einsum("...nm,...md->...nd", dC, B), np.einsum("...nm,...nd->...md", dC, A)
    return unbroadcast(dA, A.shape), unbroadcast(dB, B.shape)
"""),
    (Z_LOSS, LOSS),
    ("gradient_check", CHECK),
    ("optimizer_step", STEP),
    ("diagnose", DIAGNOSE),
]  # fmt: skip


def edited(answer: str, old: str, new: str) -> str:
    """Return an answer with one fragment replaced, which must be there."""
    assert answer.count(old) == 1, old
    return answer.replace(old, new)


WRONG = [
    ("backward_order", edited(ORDER, "in seen for p in parents[n]", "in seen for p in set(parents[n])"), "too early"),
    ("backward_order", edited(ORDER, "if not waiting[p]", "if p not in order + heap"), "before one of its users"),
    ("backward_order", edited(ORDER, "for n in seen for p", "for n in range(len(parents)) for p"), "Those never come"),
    ("reverse_mode", edited(GRADIENT, "grads.get(i, 0.0) + g", "g"), "do not overwrite"),
    ("reverse_mode", edited(GRADIENT, "== values[k]]", "== values[k]][:1]"), "each gets half"),
    ("reverse_mode", edited(GRADIENT, 'case ("max", i, j)', 'case ("maximum", i, j)'), "max hands on nothing"),
    ("reverse_mode", edited(GRADIENT, "g / values[i]", "g * values[k]"), ""),
    ("unbroadcast", FRONT + "    return grad\n", "were stretched too"),
    ("unbroadcast", FRONT + """    for i, n in enumerate(shape):
        if grad.shape[i] != n:
            grad = sum(np.split(grad, grad.shape[i] // n, axis=i))
    return grad
""", "np.tile"),
    # A dimension that is aligned from the left; once it earned the points for dimensions of size one.
    ("unbroadcast", """
def unbroadcast(grad, shape):
    grad = grad.sum(axis=tuple(range(len(shape), grad.ndim)))
    return grad.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)
""", "*last* dimension"),
    ("matmul_backward", """
def matmul_backward(A, B, dC):
    dA, dB = dC @ B.swapaxes(-1, -2), A.swapaxes(-1, -2) @ dC
    return unbroadcast(dA, A.shape), unbroadcast(dB, B.shape)
""", "gradients of A @ B"),
    ("matmul_backward", "def matmul_backward(A, B, dC):\n    return dC @ B, dC.T @ A\n", ".T turns"),
    (Z_LOSS, edited(LOSS, " + 2 * z_weight * lse * p", ""), "its gradient is missing"),
    (Z_LOSS, edited(LOSS, " + 2 * z_weight * lse * p) / len(t)", ") / len(t) + 2 * z_weight * lse * p"), "and so is"),
    (Z_LOSS, edited(LOSS, "** 2)), grad", "** 2)) * len(t) / len(targets), grad"), "do not count"),
    ("gradient_check", edited(CHECK, "not math.isfinite(c) or ", ""), "nan > anything"),
    ("gradient_check", edited(CHECK, "> tolerance", ">= tolerance"), "limit itself"),
    ("gradient_check", edited(CHECK, "    found =", "    eps = 1e-5\n    found ="), "another one was used"),
    # Weights that became float64 in the first step; once that earned all points.
    ("optimizer_step", edited(STEP, "np.zeros_like(p)) * s", "np.zeros(p.shape)) * s"), "another dtype"),
    ("optimizer_step", edited(STEP, ' if len(p.shape) > 1 else 0', ""), "one dimension does not decay"),
    ("optimizer_step", edited(STEP, 'state.get("t", 0)', 'state["t"]'), "empty dict"),
    ("diagnose", edited(DIAGNOSE, '    g["dx"] = g["dx"] + g["dr"]\n', ""), "direct one"),
    ("diagnose", edited(edited(DIAGNOSE, "not np.all", "np.any"), "<= limits", "> limits"), "nan > anything"),
    ("diagnose", edited(DIAGNOSE, "np.abs(g[name]).max() for", "np.abs(reported[name]).max() for"), "*your* largest"),
    ("diagnose", edited(DIAGNOSE, "wrong[0]", "wrong[-1]"), "only because something before"),
]  # fmt: skip
