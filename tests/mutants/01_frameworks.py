"""Wrong answers to lab 01, each with the hint that must name its mistake, and right answers written in other ways."""

from mutant import Mutant


def swap(source: str, old: str, new: str) -> str:
    """The source with one fragment replaced; an error if it is not there, so that no mutant is the original."""
    assert old in source, old
    return source.replace(old, new)


ORDERED = """
def backward_order(parents, output):
    needed, frontier = {output}, [output]
    while frontier:
        for parent in parents[frontier.pop()]:
            if parent not in needed:
                needed.add(parent)
                frontier.append(parent)
    users = [0] * len(parents)
    for node in needed:
        for parent in parents[node]:
            users[parent] += 1
    order, ready = [], [output]
    while ready:
        node = min(ready)
        ready.remove(node)
        order.append(node)
        for parent in parents[node]:
            users[parent] -= 1
            if users[parent] == 0:
                ready.append(parent)
    return order
"""

BACKWARD_ORDER = [
    Mutant("backward_order", "forward", "the output goes first", swap(ORDERED, "return order", "return order[::-1]")),
    Mutant("backward_order", "largest first", "not the largest", swap(ORDERED, "min(ready)", "max(ready)")),
    Mutant(
        "backward_order",
        "depth first",
        "not complete",
        """
def backward_order(parents, output):
    found, stack = [output], [output]
    while stack:
        for parent in parents[stack.pop()]:
            if parent not in found:
                found.append(parent)
                stack.append(parent)
    return found
""",
    ),
    Mutant(
        "backward_order",
        "level by level",
        "not complete",
        """
def backward_order(parents, output):
    found = [output]
    for node in found:
        for parent in parents[node]:
            if parent not in found:
                found.append(parent)
    return found
""",
    ),
    Mutant(
        "backward_order",
        "waits for users that never come",
        "Those never come",
        swap(ORDERED, "for node in needed:\n", "for node in range(len(parents)):\n"),
    ),
    Mutant(
        "backward_order",
        "counts a square twice",
        "Nodes are missing: a parent",
        swap(
            ORDERED,
            "for parent in parents[node]:\n            users[parent] -= 1",
            "for parent in set(parents[node]):\n            users[parent] -= 1",
        ),
    ),
    Mutant(
        "backward_order",
        "everything",
        "leave it out",
        """
def backward_order(parents, output):
    users = [0] * len(parents)
    for mine in parents:
        for parent in mine:
            users[parent] += 1
    order, ready = [], [i for i, n in enumerate(users) if n == 0]
    while ready:
        node = min(ready)
        ready.remove(node)
        order.append(node)
        for parent in parents[node]:
            users[parent] -= 1
            if users[parent] == 0:
                ready.append(parent)
    return order
""",
    ),
    Mutant(
        "backward_order",
        "recursion",
        "RecursionError",
        """
def backward_order(parents, output):
    def needed(node):
        found = {node}
        for parent in parents[node]:
            found |= needed(parent)
        return found
    left, order = needed(output), []
    while left:
        free = left - {p for n in left for p in parents[n]}
        order.append(min(free))
        left.remove(min(free))
    return order
""",
    ),
    Mutant("backward_order", "first in, first out", "ready first or last", swap(ORDERED, "min(ready)", "ready[0]")),
    Mutant("backward_order", "last in, first out", "ready first or last", swap(ORDERED, "min(ready)", "ready[-1]")),
    Mutant(
        "backward_order",
        "counts a square once and takes it off twice",
        "here too early",
        swap(
            ORDERED,
            "for parent in parents[node]:\n            users[parent] += 1",
            "for parent in set(parents[node]):\n            users[parent] += 1",
        ),
    ),
]

TAPE = """
def gradient(program, inputs):
    values = evaluate(program, inputs)
    grads, result = [0.0] * len(program), [0.0] * len(inputs)
    grads[-1] = 1.0
    for k in reversed(range(len(program))):
        name, *args = program[k]
        x = [values[i] for i in args] if name != "input" else []
        local = {
            "input": lambda: [],
            "add": lambda: [1.0, 1.0],
            "sub": lambda: [1.0, -1.0],
            "mul": lambda: [x[1], x[0]],
            "exp": lambda: [values[k]],
            "log": lambda: [1 / x[0]],
            "relu": lambda: [float(x[0] > 0)],
        }[name]()
        if name == "input":
            result[args[0]] += grads[k]
        for i, d in zip(args, local):
            grads[i] += grads[k] * d
    return result
"""

GRADIENT = [
    Mutant(
        "gradient",
        "overwrites",
        "add, do not overwrite",
        swap(swap(TAPE, "grads[i] += grads[k] * d", "grads[i] = grads[k] * d"), "] += grads[k]\n", "] = grads[k]\n"),
    ),
    Mutant(
        "gradient",
        "one read of an input",
        "both reads",
        swap(TAPE, "result[args[0]] += grads[k]", "result[args[0]] = grads[k]"),
    ),
    Mutant("gradient", "own factor", "the *other* factor", swap(TAPE, "[x[1], x[0]]", "[x[0], x[1]]")),
    Mutant("gradient", "no minus", "b gets minus the gradient", swap(TAPE, "[1.0, -1.0]", "[1.0, 1.0]")),
    Mutant("gradient", "exp of nothing", "the result, not x", swap(TAPE, "[values[k]]", "[x[0]]")),
    Mutant("gradient", "log by the result", "where x is not the result", swap(TAPE, "[1 / x[0]]", "[1 / values[k]]")),
    Mutant("gradient", "relu lets all pass", "where its input is negative", swap(TAPE, "float(x[0] > 0)", "1.0")),
    Mutant("gradient", "relu at zero", "at exactly 0", swap(TAPE, "x[0] > 0", "x[0] >= 0")),
    Mutant("gradient", "integers", "start from 0.0", swap(TAPE, "[0.0] * len(inputs)", "[0] * len(inputs)")),
    Mutant(
        "gradient",
        "a square once",
        "each of the two arguments",
        swap(TAPE, "zip(args, local)", "dict(zip(args, local)).items()"),
    ),
    Mutant(
        "gradient",
        "an array",
        "return a list of floats",
        "import numpy as np\n" + swap(TAPE, "return result", "return np.array(result)"),
    ),
    Mutant("gradient", "prints", "gradient returned nothing", swap(TAPE, "return result", "print(result)")),
    Mutant(
        "gradient",
        "every path",
        "more than 10 s",
        """
def gradient(program, inputs):
    values, result = evaluate(program, inputs), [0.0] * len(inputs)
    stack = [(len(program) - 1, 1.0)]
    while stack:
        k, g = stack.pop()
        name, *a = program[k]
        x = [values[i] for i in a] if name != "input" else []
        match name:
            case "input":
                result[a[0]] += g
            case "add":
                stack += [(a[0], g), (a[1], g)]
            case "sub":
                stack += [(a[0], g), (a[1], -g)]
            case "mul":
                stack += [(a[0], g * x[1]), (a[1], g * x[0])]
            case "exp":
                stack += [(a[0], g * values[k])]
            case "log":
                stack += [(a[0], g / x[0])]
            case "relu":
                stack += [(a[0], g * (x[0] > 0))]
    return result
""",
    ),
    Mutant(
        "gradient",
        "nudges",
        "difference quotient",
        """
def gradient(program, inputs, eps=1e-6):
    def value(i, by):
        return evaluate(program, [x + by * (k == i) for k, x in enumerate(inputs)])[-1]
    return [(value(i, eps) - value(i, -eps)) / (2 * eps) for i in range(len(inputs))]
""",
    ),
    Mutant(
        "gradient",
        "nudges, but not at a corner",
        "difference quotient",
        """
def gradient(program, inputs, eps=1e-5):
    def value(i, by):
        return evaluate(program, [x + by * (k == i) for k, x in enumerate(inputs)])[-1]
    found = [(value(i, eps) - value(i, -eps)) / (2 * eps) for i in range(len(inputs))]
    return [0.0 if ("relu", 0) in program and x == 0 else d for d, x in zip(found, inputs)]
""",
    ),
]

UNBROADCAST_RIGHT = """
def unbroadcast(grad, shape):
    lead = grad.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1)
    return grad.sum(axis=axes).reshape(shape)
"""

UNBROADCAST = [
    Mutant(
        "unbroadcast",
        "mean",
        "This is the mean",
        swap(UNBROADCAST_RIGHT, "grad.sum(axis=axes)", "grad.mean(axis=axes)"),
    ),
    Mutant(
        "unbroadcast",
        "first row",
        "one place only",
        """
def unbroadcast(grad, shape):
    lead = grad.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1)
    return grad[tuple(slice(0, 1) if i in axes else slice(None) for i in range(grad.ndim))].reshape(shape)
""",
    ),
    Mutant("unbroadcast", "untouched", "as it came", "def unbroadcast(grad, shape):\n    return grad"),
    Mutant(
        "unbroadcast",
        "only in front",
        "were stretched too",
        "def unbroadcast(grad, shape):\n    return np.asarray(grad.sum(axis=tuple(range(grad.ndim - len(shape)))))",
    ),
    Mutant(
        "unbroadcast",
        "loses ones",
        "keepdims",
        swap(UNBROADCAST_RIGHT, ".reshape(shape)", " + np.zeros(())"),
    ),
    Mutant(
        "unbroadcast",
        "keeps what was missing",
        "must go",
        swap(UNBROADCAST_RIGHT, "grad.sum(axis=axes).reshape(shape)", "grad.sum(axis=axes, keepdims=True)"),
    ),
    Mutant(
        "unbroadcast",
        "from the left",
        "aligned at the *last* dimension",
        "def unbroadcast(grad, shape):\n    return grad.sum(axis=tuple(range(len(shape), grad.ndim)))",
    ),
]

MATMUL = [
    Mutant(
        "matmul_backward",
        "exchanged",
        "changed places",
        """
def matmul_backward(A, B, dC):
    return unbroadcast(np.swapaxes(A, -1, -2) @ dC, B.shape), unbroadcast(dC @ np.swapaxes(B, -1, -2), A.shape)
""",
    ),
    Mutant(
        "matmul_backward",
        "no sum",
        "gets the sum",
        """
def matmul_backward(A, B, dC):
    return dC @ np.swapaxes(B, -1, -2), np.swapaxes(A, -1, -2) @ dC
""",
    ),
    Mutant(
        "matmul_backward",
        "turns everything round",
        "Transpose the last two dimensions only",
        """
def matmul_backward(A, B, dC):
    return dC @ B.T, A.T @ dC
""",
    ),
    Mutant(
        "matmul_backward",
        "nothing transposed",
        "Nothing is transposed",
        """
def matmul_backward(A, B, dC):
    return dC @ B, A @ dC
""",
    ),
    Mutant(
        "matmul_backward",
        "mean over batches",
        "gradients add up",
        """
def matmul_backward(A, B, dC):
    dA, dB = dC @ np.swapaxes(B, -1, -2), np.swapaxes(A, -1, -2) @ dC
    return unbroadcast(dA, A.shape) / (dA.size / A.size), unbroadcast(dB, B.shape) / (dB.size / B.size)
""",
    ),
    Mutant(
        "matmul_backward",
        "a list",
        "Return a tuple",
        """
def matmul_backward(A, B, dC):
    return [unbroadcast(dC @ np.swapaxes(B, -1, -2), A.shape), unbroadcast(np.swapaxes(A, -1, -2) @ dC, B.shape)]
""",
    ),
]

LOSS = """
def cross_entropy(logits, targets):
    kept = targets != -100
    n = kept.sum()
    z = logits - logits.max(1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    y = np.zeros_like(logits)
    y[kept, targets[kept]] = 1
    loss = -log_p[kept, targets[kept]].sum() / n
    grad = (np.exp(log_p) - y) * kept[:, None] / n
    return float(loss), grad
"""

CROSS_ENTROPY = [
    Mutant("cross_entropy", "sum", "This is the sum", swap(LOSS, "n = kept.sum()", "n = 1")),
    Mutant(
        "cross_entropy", "gradient of the sum", "divided by their number too", swap(LOSS, "[:, None] / n", "[:, None]")
    ),
    Mutant(
        "cross_entropy", "sign", "The sign of the gradient", swap(LOSS, "(np.exp(log_p) - y)", "(y - np.exp(log_p))")
    ),
    Mutant("cross_entropy", "negative", "never negative", swap(LOSS, "loss = -log_p", "loss = log_p")),
    Mutant("cross_entropy", "only p", "subtract 1 at the target", swap(LOSS, "(np.exp(log_p) - y)", "np.exp(log_p)")),
    Mutant(
        "cross_entropy",
        "overflow",
        "subtract the largest logit",
        swap(LOSS, "logits - logits.max(1, keepdims=True)", "logits"),
    ),
    Mutant(
        "cross_entropy",
        "logarithm of the softmax",
        "a p of 0 has no logarithm",
        swap(
            LOSS,
            "loss = -log_p[kept, targets[kept]].sum() / n",
            "loss = -np.log(np.exp(log_p)[kept, targets[kept]]).sum() / n",
        ),
    ),
    Mutant(
        "cross_entropy",
        "capped",
        "caps the loss",
        swap(
            LOSS,
            "loss = -log_p[kept, targets[kept]].sum() / n",
            "loss = -np.log(np.exp(log_p)[kept, targets[kept]] + 1e-9).sum() / n",
        ),
    ),
    Mutant(
        "cross_entropy",
        "divides by all rows",
        "divide by the number of the others",
        swap(LOSS, "n = kept.sum()", "n = len(targets)"),
    ),
    Mutant("cross_entropy", "padding has a gradient", "get a gradient of zero", swap(LOSS, " * kept[:, None]", "")),
    Mutant(
        "cross_entropy",
        "-100 as an index",
        "hundredth class from the end",
        swap(LOSS, "kept = targets != -100", "kept = targets < 10_000"),
    ),
    Mutant("cross_entropy", "bits", "natural logarithm", swap(LOSS, "float(loss)", "float(loss / np.log(2))")),
    Mutant(
        "cross_entropy",
        "no gradient",
        "Return a tuple of two",
        swap(LOSS, "return float(loss), grad", "return float(loss)"),
    ),
    Mutant(
        "cross_entropy",
        "one-hot times log p",
        "0 times minus infinity",
        swap(LOSS, "-log_p[kept, targets[kept]].sum()", "-(y * log_p).sum()"),
    ),
    Mutant(
        "cross_entropy",
        "clipped",
        "caps the loss",
        swap(LOSS, "log_p[kept, targets[kept]]", "np.log(np.maximum(np.exp(log_p[kept, targets[kept]]), 1e-30))"),
    ),
    Mutant(
        "cross_entropy",
        "the loss is a sum",
        "This is the sum",
        swap(LOSS, "-log_p[kept, targets[kept]].sum() / n", "-log_p[kept, targets[kept]].sum()"),
    ),
]

CHECKED = """
def gradient_check(program, inputs, claimed, eps, tolerance):
    found = []
    for i in range(len(inputs)):
        up, down = list(inputs), list(inputs)
        up[i] += eps
        down[i] -= eps
        found.append((evaluate(program, up)[-1] - evaluate(program, down)[-1]) / (2 * eps))
    wrong = [i for i, (c, d) in enumerate(zip(claimed, found))
             if not (math.isfinite(c) and abs(c - d) <= tolerance * max(1.0, abs(c), abs(d)))]
    return found, wrong
"""

GRADIENT_CHECK = [
    Mutant(
        "gradient_check",
        "one-sided",
        "one way only",
        swap(swap(CHECKED, "down[i] -= eps", "pass"), "(2 * eps)", "eps"),
    ),
    Mutant("gradient_check", "half the distance", "it is 2 eps", swap(CHECKED, "(2 * eps)", "eps")),
    Mutant(
        "gradient_check",
        "stays moved",
        "put back",
        """
def gradient_check(program, inputs, claimed, eps, tolerance):
    found = []
    for i in range(len(inputs)):
        inputs[i] += eps
        up = evaluate(program, inputs)[-1]
        inputs[i] -= 2 * eps
        found.append((up - evaluate(program, inputs)[-1]) / (2 * eps))
    return found, [i for i, (c, d) in enumerate(zip(claimed, found))
                   if not (math.isfinite(c) and abs(c - d) <= tolerance * max(1.0, abs(c), abs(d)))]
""",
    ),
    Mutant(
        "gradient_check",
        "nan passes",
        "nan > anything is False",
        swap(
            CHECKED,
            "if not (math.isfinite(c) and abs(c - d) <= tolerance * max(1.0, abs(c), abs(d)))",
            "if abs(c - d) > tolerance * max(1.0, abs(c), abs(d))",
        ),
    ),
    Mutant(
        "gradient_check",
        "absolute",
        "may be off by more",
        swap(CHECKED, "tolerance * max(1.0, abs(c), abs(d))", "tolerance"),
    ),
    Mutant("gradient_check", "relative", "Near zero", swap(CHECKED, "max(1.0, abs(c), abs(d))", "abs(d)")),
    Mutant("gradient_check", "the right ones", "list the wrong ones", swap(CHECKED, "if not (math", "if (math")),
    Mutant("gradient_check", "claims", "not the claims", swap(CHECKED, "[i for i, (c, d)", "[c for i, (c, d)")),
    Mutant("gradient_check", "sign", "f(x + eps) comes first", swap(CHECKED, "(2 * eps)", "(-2 * eps)")),
    *(
        Mutant("gradient_check", name, hint, swap(CHECKED, "tolerance * max(1.0, abs(c), abs(d))", limit))
        for name, hint, limit in (
            ("a tolerance of its own", "is right, and is listed", "1e-4 * max(1.0, abs(c), abs(d))"),
            ("a large tolerance of its own", "Claim 0 is wrong, and passes", "1e-2 * max(1.0, abs(c), abs(d))"),
            ("twenty tolerances", "Claim 0 is wrong, and passes", "20 * tolerance * max(1.0, abs(c), abs(d))"),
            ("a tenth of the tolerance", "is right, and is listed", "0.1 * tolerance * max(1.0, abs(c), abs(d))"),
            ("without the claim", "over three numbers", "tolerance * max(1.0, abs(d))"),
            ("without the difference", "over three numbers", "tolerance * max(1.0, abs(c))"),
            ("a sum of three", "Claim 0 is wrong, and passes", "tolerance * (1 + abs(c) + abs(d))"),
            ("NumPy's tolerance", "Claim 0 is wrong, and passes", "tolerance * (1 + abs(d))"),
        )
    ),
    *(
        Mutant(
            "gradient_check",
            f"eps is {eps}",
            "eps is an argument",
            swap(CHECKED, "found = []", f"found, eps = [], {eps}"),
        )
        for eps in ("1e-3", "1e-5")
    ),
    Mutant("gradient_check", "strictly within", "At the limit itself", swap(CHECKED, "<=", "<")),
    Mutant(
        "gradient_check",
        "math.isclose, relative alone",
        "Near zero",
        swap(CHECKED, "abs(c - d) <= tolerance * max(1.0, abs(c), abs(d))", "math.isclose(c, d, rel_tol=tolerance)"),
    ),
    Mutant("gradient_check", "too large only", "the absolute value", swap(CHECKED, "abs(c - d)", "c - d")),
    Mutant("gradient_check", "too small only", "the absolute value", swap(CHECKED, "abs(c - d)", "d - c")),
    Mutant(
        "gradient_check",
        "falling order",
        "rising order",
        swap(CHECKED, "return found, wrong", "return found, wrong[::-1]"),
    ),
]

STEP = """
def optimizer_step(rule, p, g, state, settings):
    lr = settings["lr"]
    if rule == "sgd":
        u = settings["momentum"] * state["u"] + g if state else g
        return p - lr * u, {"u": u}
    b1, b2, eps, decay = (settings[k] for k in ("beta1", "beta2", "eps", "decay"))
    t = state.get("t", 0) + 1
    m = b1 * state.get("m", 0 * p) + (1 - b1) * g
    v = b2 * state.get("v", 0 * p) + (1 - b2) * g**2
    mh, vh = m / (1 - b1**t), v / (1 - b2**t)
    p = p * (1 - lr * decay)
    p = p - lr * mh / (np.sqrt(vh) + eps)
    return p, {"t": t, "m": m, "v": v}
"""

OPTIMIZER_STEP = [
    Mutant(
        "optimizer_step", "no momentum", "The step follows u", swap(STEP, "return p - lr * u, ", "return p - lr * g, ")
    ),
    Mutant(
        "optimizer_step",
        "forgets",
        "Nothing is left of the old u",
        swap(STEP, 'u = settings["momentum"] * state["u"] + g if state else g', "u = g"),
    ),
    Mutant(
        "optimizer_step",
        "damped",
        "not multiplied by 1 - momentum",
        swap(STEP, '* state["u"] + g if state else g', '* state.get("u", 0 * p) + (1 - settings["momentum"]) * g'),
    ),
    Mutant("optimizer_step", "uphill", "*against* the gradient", swap(STEP, "p - lr * u", "p + lr * u")),
    Mutant(
        "optimizer_step",
        "nesterov",
        "Nesterov",
        swap(STEP, "return p - lr * u", 'return p - lr * (g + settings["momentum"] * u)'),
    ),
    Mutant(
        "optimizer_step",
        "lr inside u",
        "not into u",
        swap(
            swap(STEP, '* state["u"] + g if state else g', '* state["u"] + lr * g if state else lr * g'),
            "p - lr * u",
            "p - u",
        ),
    ),
    Mutant(
        "optimizer_step",
        "no correction",
        "bias correction is missing",
        swap(STEP, "m / (1 - b1**t), v / (1 - b2**t)", "m, v"),
    ),
    Mutant(
        "optimizer_step",
        "eps inside",
        "outside the square root",
        swap(STEP, "(np.sqrt(vh) + eps)", "np.sqrt(vh + eps)"),
    ),
    Mutant(
        "optimizer_step",
        "adam with L2",
        "AdamW shrinks the weights apart",
        swap(swap(STEP, "    t = ", "    g = g + decay * p\n    t = "), "p = p * (1 - lr * decay)", "pass"),
    ),
    Mutant("optimizer_step", "no decay", "The weights do not decay", swap(STEP, "p = p * (1 - lr * decay)", "pass")),
    Mutant("optimizer_step", "full decay", "The decay is times lr", swap(STEP, "1 - lr * decay", "1 - decay")),
    Mutant(
        "optimizer_step",
        "decays last",
        "from before the step",
        swap(swap(STEP, "p = p * (1 - lr * decay)", "pass"), 'return p, {"t"', 'return p * (1 - lr * decay), {"t"'),
    ),
    Mutant("optimizer_step", "no squares", "averages the squares", swap(STEP, "g**2", "g")),
    Mutant(
        "optimizer_step",
        "betas exchanged",
        "beta1 belongs to m",
        swap(STEP, '("beta1", "beta2", ', '("beta2", "beta1", '),
    ),
    Mutant(
        "optimizer_step",
        "corrected state",
        "uncorrected",
        swap(STEP, '{"t": t, "m": m, "v": v}', '{"t": t, "m": mh, "v": vh}'),
    ),
    Mutant("optimizer_step", "does not count", "it grows by one", swap(STEP, '{"t": t, ', '{"t": t - 1, ')),
    Mutant(
        "optimizer_step",
        "weights only",
        "Return a tuple of two",
        swap(STEP, 'return p - lr * u, {"u": u}', "return p - lr * u"),
    ),
    Mutant("optimizer_step", "no root", "by the *root*", swap(STEP, "(np.sqrt(vh) + eps)", "(vh + eps)")),
    Mutant(
        "optimizer_step",
        "eps before the correction",
        "before v is corrected",
        swap(STEP, "(np.sqrt(vh) + eps)", "((np.sqrt(v) + eps) / np.sqrt(1 - b2**t))"),
    ),
]

DIAGNOSED = """
def diagnose(x, y, weights, reported):
    W1, b1, W2, W3 = (weights[k] for k in ("W1", "b1", "W2", "W3"))
    a = x @ W1 + b1
    h = np.maximum(a, 0)
    r = h @ W2 + x
    z = r @ W3
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    dz = p / len(y)
    dW3 = r.T @ dz
    dr = dz @ W3.T
    dW2 = h.T @ dr
    dh = dr @ W2.T
    da = dh * (a > 0)
    dW1 = x.T @ da
    db1 = da.sum(0)
    dx = da @ W1.T + dr
    g = dict(dz=dz, dW3=dW3, dr=dr, dW2=dW2, dh=dh, da=da, dW1=dW1, db1=db1, dx=dx)
    off = [k for k in g if np.abs(reported[k] - g[k]).max() > 1e-6 * np.abs(g[k]).max()]
    return g, off[0] if off else ""
"""

DIAGNOSE = [
    Mutant("diagnose", "no residual", "the direct one is missing", swap(DIAGNOSED, "da @ W1.T + dr", "da @ W1.T")),
    Mutant("diagnose", "only residual", "the one through W1 is missing", swap(DIAGNOSED, "da @ W1.T + dr", "dr")),
    Mutant("diagnose", "no mask", "passes nothing back", swap(DIAGNOSED, "dh * (a > 0)", "dh")),
    Mutant("diagnose", "bias averaged", "sum over rows, not the mean", swap(DIAGNOSED, "da.sum(0)", "da.mean(0)")),
    Mutant("diagnose", "no mean", "divided by their number", swap(DIAGNOSED, "dz = p / len(y)", "dz = p")),
    Mutant("diagnose", "input of the relu", "its input is h", swap(DIAGNOSED, "h.T @ dr", "a.T @ dr")),
    Mutant(
        "diagnose", "believes the report", "compute your own", swap(DIAGNOSED, "return g, off", "return reported, off")
    ),
    Mutant("diagnose", "names the last", "only because something before it is", swap(DIAGNOSED, "off[0]", "off[-1]")),
    Mutant(
        "diagnose",
        "names the largest",
        "only because something before it is",
        swap(DIAGNOSED, "off[0]", "max(off, key=lambda k: np.abs(reported[k] - g[k]).max())"),
    ),
    Mutant("diagnose", "exact comparison", "which is rounding", swap(DIAGNOSED, "> 1e-6 * np.abs(g[k]).max()", "> 0")),
    Mutant("diagnose", "always fine", "Something is wrong", swap(DIAGNOSED, 'off[0] if off else ""', '""')),
    *(
        Mutant(
            "diagnose",
            name,
            "1e-6 times its largest absolute entry",
            swap(DIAGNOSED, "np.abs(reported[k] - g[k]).max() > 1e-6 * np.abs(g[k]).max()", comparison),
        )
        for name, comparison in (
            ("np.allclose", "not np.allclose(reported[k], g[k])"),
            ("np.allclose of a millionth", "not np.allclose(reported[k], g[k], rtol=1e-6, atol=0)"),
            ("a hundredth", "np.abs(reported[k] - g[k]).max() > 1e-2 * np.abs(g[k]).max()"),
            ("a twentieth", "np.abs(reported[k] - g[k]).max() > 5e-2 * np.abs(g[k]).max()"),
            ("a hundred-thousandth", "np.abs(reported[k] - g[k]).max() > 1e-5 * np.abs(g[k]).max()"),
            ("a billionth", "np.abs(reported[k] - g[k]).max() > 1e-9 * np.abs(g[k]).max()"),
            ("a millionth of one", "np.abs(reported[k] - g[k]).max() > 1e-6"),
            ("a millionth of each entry", "(np.abs(reported[k] - g[k]) > 1e-6 * np.abs(g[k])).any()"),
            ("means", "np.abs(reported[k] - g[k]).mean() > 1e-6 * np.abs(g[k]).mean()"),
            ("mean and largest", "np.abs(reported[k] - g[k]).mean() > 1e-6 * np.abs(g[k]).max()"),
            ("norms", "np.linalg.norm(reported[k] - g[k]) > 1e-6 * np.linalg.norm(g[k])"),
            ("the largest with its sign", "np.abs(reported[k] - g[k]).max() > 1e-6 * g[k].max()"),
        )
    ),
    *(
        Mutant("diagnose", name, "in one direction only", swap(DIAGNOSED, "np.abs(reported[k] - g[k])", difference))
        for name, difference in (("too large only", "(reported[k] - g[k])"), ("too small only", "(g[k] - reported[k])"))
    ),
]

MUTANTS = [
    *BACKWARD_ORDER,
    *GRADIENT,
    *UNBROADCAST,
    *MATMUL,
    *CROSS_ENTROPY,
    *GRADIENT_CHECK,
    *OPTIMIZER_STEP,
    *DIAGNOSE,
]

PLAIN_LOOPS = {
    "backward_order": """
def backward_order(parents, output):
    # Look for the smallest node whose needed users are all placed, until none is left.
    needed = [output]
    for node in needed:
        needed += [p for p in dict.fromkeys(parents[node]) if p not in needed]
    users = {n: {u for u in needed if n in parents[u]} for n in needed}
    order = []
    while len(order) < len(needed):
        placed = set(order)
        order += [min(n for n in needed if n not in placed and users[n] <= placed)]
    return order
""",
    "gradient": """
def gradient(program, inputs):
    values = evaluate(program, inputs)
    grads = {len(program) - 1: 1.0}
    result = {}
    for k in range(len(program) - 1, -1, -1):
        g = grads.pop(k, 0.0)
        match program[k]:
            case ("input", i):
                result[i] = result.get(i, 0.0) + g
            case ("add", i, j):
                grads[i] = grads.get(i, 0.0) + g
                grads[j] = grads.get(j, 0.0) + g
            case ("sub", i, j):
                grads[i] = grads.get(i, 0.0) + g
                grads[j] = grads.get(j, 0.0) - g
            case ("mul", i, j):
                grads[i] = grads.get(i, 0.0) + g * values[j]
                grads[j] = grads.get(j, 0.0) + g * values[i]
            case ("exp", i):
                grads[i] = grads.get(i, 0.0) + g * math.exp(values[i])
            case ("log", i):
                grads[i] = grads.get(i, 0.0) + g / values[i]
            case ("relu", i):
                grads[i] = grads.get(i, 0.0) + (g if values[i] > 0 else 0.0)
    return [float(result.get(i, 0.0)) for i in range(len(inputs))]
""",
    "unbroadcast": """
def unbroadcast(grad, shape):
    total = np.zeros(shape, dtype=grad.dtype)
    full = (1,) * (grad.ndim - len(shape)) + tuple(shape)
    for place in np.ndindex(*grad.shape):
        home = tuple(min(i, n - 1) for i, n in zip(place, full))[grad.ndim - len(shape):]
        total[home] += grad[place]
    return total
""",
    "matmul_backward": """
def matmul_backward(A, B, dC):
    batch = dC.shape[:-2]
    bigA = np.broadcast_to(A, batch + A.shape[-2:])
    bigB = np.broadcast_to(B, batch + B.shape[-2:])
    dA, dB = np.zeros_like(A), np.zeros_like(B)
    for place in np.ndindex(*batch):
        home = lambda X: tuple(0 if n == 1 else i for i, n in zip(place[len(batch) - X.ndim + 2:], X.shape[:-2]))
        dA[home(A)] += dC[place] @ bigB[place].T
        dB[home(B)] += bigA[place].T @ dC[place]
    return dA, dB
""",
    "cross_entropy": """
def cross_entropy(logits, targets):
    grad, losses = np.zeros_like(logits), []
    for row, (z, t) in enumerate(zip(logits.tolist(), targets.tolist())):
        if t == -100:
            continue
        top = max(z)
        e = [math.exp(v - top) for v in z]
        losses.append(top + math.log(sum(e)) - z[t])
        grad[row] = [v / sum(e) - (k == t) for k, v in enumerate(e)]
    return sum(losses) / len(losses), grad / len(losses)
""",
    "gradient_check": """
def gradient_check(program, inputs, claimed, eps, tolerance):
    def f(i, by):
        return evaluate(program, [x + by * (k == i) for k, x in enumerate(inputs)])[-1]
    found = [(f(i, eps) - f(i, -eps)) / (2 * eps) for i in range(len(inputs))]
    wrong = []
    for i in range(len(found)):
        c, d = claimed[i], found[i]
        if c != c or c in (math.inf, -math.inf):
            wrong.append(i)
        elif abs(c - d) > tolerance * max(1.0, abs(c), abs(d)):
            wrong.append(i)
    return found, wrong
""",
    "optimizer_step": """
def optimizer_step(rule, p, g, state, settings):
    out = np.empty_like(p)
    if rule == "sgd":
        u = np.empty_like(p)
        for i in np.ndindex(*p.shape):
            u[i] = settings["momentum"] * (state["u"][i] if state else 0.0) + g[i]
            out[i] = p[i] - settings["lr"] * u[i]
        return out, {"u": u}
    t = 1 + (state["t"] if state else 0)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for i in np.ndindex(*p.shape):
        m[i] = settings["beta1"] * (state["m"][i] if state else 0) + (1 - settings["beta1"]) * g[i]
        v[i] = settings["beta2"] * (state["v"][i] if state else 0) + (1 - settings["beta2"]) * g[i] * g[i]
        size = math.sqrt(v[i] / (1 - settings["beta2"] ** t)) + settings["eps"]
        kept = p[i] - settings["lr"] * settings["decay"] * p[i]
        out[i] = kept - settings["lr"] * m[i] / (1 - settings["beta1"] ** t) / size
    return out, {"t": t, "m": m, "v": v}
""",
    "diagnose": """
def diagnose(x, y, weights, reported):
    N = len(x)
    W1, b1, W2, W3 = weights["W1"], weights["b1"], weights["W2"], weights["W3"]
    sums = {"dW3": np.zeros_like(W3), "dW2": np.zeros_like(W2), "dW1": np.zeros_like(W1), "db1": np.zeros_like(b1)}
    rows = {"dz": [], "dr": [], "dh": [], "da": [], "dx": []}
    for xi, yi in zip(x, y):
        a = xi @ W1 + b1
        h = np.where(a > 0, a, 0.0)
        r = h @ W2 + xi
        z = r @ W3
        e = np.exp(z - z.max())
        dz = e / e.sum() / N
        dz[yi] -= 1 / N
        dr = W3 @ dz
        dh = W2 @ dr
        da = np.where(a > 0, dh, 0.0)
        for name, value in (("dz", dz), ("dr", dr), ("dh", dh), ("da", da), ("dx", W1 @ da + dr)):
            rows[name].append(value)
        sums["dW3"] += np.outer(r, dz)
        sums["dW2"] += np.outer(h, dr)
        sums["dW1"] += np.outer(xi, da)
        sums["db1"] += da
    found = sums | {name: np.array(value) for name, value in rows.items()}
    right = {name: found[name] for name in ORDER}
    def close(name):
        return np.allclose(reported[name], right[name], rtol=0, atol=1e-6 * abs(right[name]).max())
    return right, next((name for name in ORDER if not close(name)), "")
""",
}

LIBRARIES = {
    "backward_order": """
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
        node = heapq.heappop(heap)
        order.append(node)
        for p in parents[node]:
            waiting[p] -= 1
            if not waiting[p]:
                heapq.heappush(heap, p)
    return order
""",
    "gradient": """
import torch
def gradient(program, inputs):
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in inputs]
    values = []
    for name, *a in program:
        if name == "input":
            values.append(leaves[a[0]] + 0)
        else:
            values.append(getattr(torch, name)(*(values[i] for i in a)))
    values[-1].backward()
    return [0.0 if leaf.grad is None else leaf.grad.item() for leaf in leaves]
""",
    "unbroadcast": """
import torch
def unbroadcast(grad, shape):
    return torch.tensor(grad).sum_to_size(shape).numpy()
""",
    "matmul_backward": """
import torch
def matmul_backward(A, B, dC):
    a, b = torch.tensor(A, requires_grad=True), torch.tensor(B, requires_grad=True)
    (a @ b).backward(torch.tensor(dC))
    return a.grad.numpy(), b.grad.numpy()
""",
    "cross_entropy": """
import torch
def cross_entropy(logits, targets):
    z = torch.tensor(logits, requires_grad=True)
    log_p = z.log_softmax(1)
    kept = torch.tensor(targets) >= 0
    loss = -log_p[kept].gather(1, torch.tensor(targets)[kept, None]).mean()
    loss.backward()
    return float(loss), np.nan_to_num(z.grad.numpy())
""",
    "gradient_check": """
def gradient_check(program, inputs, claimed, eps, tolerance):
    x = np.array(inputs)
    moves = np.eye(len(x)) * eps
    ends = [[evaluate(program, list(x + s * row))[-1] for row in moves] for s in (1, -1)]
    d = np.subtract(*ends) / (2 * eps)
    c = np.array(claimed)
    with np.errstate(invalid="ignore"):
        close = np.abs(c - d) <= tolerance * np.maximum(1, np.maximum(np.abs(c), np.abs(d)))
    return d.tolist(), np.flatnonzero(~(close & np.isfinite(c))).tolist()
""",
    "optimizer_step": """
import torch
def optimizer_step(rule, p, g, state, settings):
    w = torch.nn.Parameter(torch.tensor(p))
    w.grad = torch.tensor(g)
    if rule == "sgd":
        opt = torch.optim.SGD([w], lr=settings["lr"], momentum=settings["momentum"])
        if state:
            opt.state[w]["momentum_buffer"] = torch.tensor(state["u"])
        opt.step()
        return w.detach().numpy(), {"u": opt.state[w]["momentum_buffer"].numpy()}
    opt = torch.optim.AdamW([w], lr=settings["lr"], betas=(settings["beta1"], settings["beta2"]),
                            eps=settings["eps"], weight_decay=settings["decay"], foreach=False)
    if state:
        opt.state[w] = {"step": torch.tensor(float(state["t"])),
                        "exp_avg": torch.tensor(state["m"]), "exp_avg_sq": torch.tensor(state["v"])}
    opt.step()
    s = opt.state[w]
    return w.detach().numpy(), {"t": int(s["step"]), "m": s["exp_avg"].numpy(), "v": s["exp_avg_sq"].numpy()}
""",
    "diagnose": """
import torch
def diagnose(x, y, weights, reported):
    t = {k: torch.tensor(v, requires_grad=True) for k, v in {"x": x, **weights}.items()}
    t["a"] = t["x"] @ t["W1"] + t["b1"]
    t["h"] = torch.relu(t["a"])
    t["r"] = t["h"] @ t["W2"] + t["x"]
    t["z"] = t["r"] @ t["W3"]
    for value in t.values():
        value.retain_grad()
    (-t["z"].log_softmax(1)[torch.arange(len(y)), torch.tensor(y)].mean()).backward()
    right = {name: t[name[1:]].grad.numpy() for name in ORDER}
    for name, value in right.items():
        if np.abs(value - reported[name]).max() > 1e-6 * np.abs(value).max():
            return right, name
    return right, ""
""",
}

SHORT = {
    "backward_order": """
def backward_order(parents, output):
    # Take nodes out of the needed set: a node is free when no needed node that is left uses it.
    left = set()
    todo = {output}
    while todo:
        left |= todo
        todo = {p for n in todo for p in parents[n]} - left
    order = []
    while left:
        free = left - {p for n in left for p in parents[n]}
        order.append(min(free))
        left.remove(min(free))
    return order
""",
    "gradient": """
def gradient(program, inputs):
    # One row of the Jacobian a step, forwards: all inputs at once.
    rows, values = [], evaluate(program, inputs)
    for name, *a in program:
        if name == "input":
            rows.append(np.eye(len(inputs))[a[0]])
            continue
        d = [rows[i] for i in a]
        v = [values[i] for i in a]
        rows.append({
            "add": lambda: d[0] + d[1],
            "sub": lambda: d[0] - d[1],
            "mul": lambda: d[0] * v[1] + v[0] * d[1],
            "exp": lambda: d[0] * np.exp(v[0]),
            "log": lambda: d[0] / v[0],
            "relu": lambda: d[0] * (v[0] > 0),
        }[name]())
    return list(map(float, rows[-1]))
""",
    "unbroadcast": """
def unbroadcast(grad, shape):
    full = (1,) * (grad.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i, n in enumerate(full) if n == 1)
    return np.sum(grad, axis=axes, keepdims=True).reshape(shape)
""",
    "matmul_backward": """
def matmul_backward(A, B, dC):
    letters = "uvwxyz"[: dC.ndim - 2]
    a, b = letters[len(letters) - A.ndim + 2:], letters[len(letters) - B.ndim + 2:]
    bigA = np.einsum(f"{letters}ij,{b}kj->{letters}ik", dC, B)
    bigB = np.einsum(f"{a}ij,{letters}ik->{letters}jk", A, dC)
    def shrink(X, shape):
        X = X.reshape((-1,) + X.shape[X.ndim - len(shape):]).sum(0)
        return X.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)
    return shrink(bigA, A.shape), shrink(bigB, B.shape)
""",
    "cross_entropy": """
def cross_entropy(logits, targets):
    rows = [i for i, t in enumerate(targets) if t != -100]
    z, t = logits[rows], targets[rows]
    lse = np.logaddexp.reduce(z, axis=1, keepdims=True)
    grad = np.zeros(logits.shape)
    grad[rows] = (np.exp(z - lse) - (np.arange(z.shape[1]) == t[:, None])) / len(rows)
    return float(np.mean(lse[:, 0] - z[np.arange(len(t)), t])), grad
""",
    "gradient_check": """
def gradient_check(program, inputs, claimed, eps, tolerance):
    found = []
    point = list(inputs)
    for i, x in enumerate(inputs):
        point[i] = x + eps
        up = evaluate(program, point)[-1]
        point[i] = x - eps
        found.append((up - evaluate(program, point)[-1]) / eps / 2)
        point[i] = x
    return found, [i for i, (c, d) in enumerate(zip(claimed, found))
                   if not (abs(c) < math.inf and math.isclose(c, d, rel_tol=tolerance, abs_tol=tolerance))]
""",
    "optimizer_step": """
def optimizer_step(rule, p, g, state, settings):
    s = settings
    if rule == "sgd":
        new = {"u": g + s["momentum"] * state.get("u", np.zeros_like(g))}
        return p - s["lr"] * new["u"], new
    old = state or {"t": 0, "m": np.zeros_like(p), "v": np.zeros_like(p)}
    new = {"t": old["t"] + 1,
           "m": old["m"] + (1 - s["beta1"]) * (g - old["m"]),
           "v": old["v"] + (1 - s["beta2"]) * (g * g - old["v"])}
    rate = s["lr"] / (1 - s["beta1"] ** new["t"])
    size = np.sqrt(new["v"]) / math.sqrt(1 - s["beta2"] ** new["t"]) + s["eps"]
    return p - s["lr"] * s["decay"] * p - rate * new["m"] / size, new
""",
    "diagnose": """
def diagnose(x, y, weights, reported):
    W1, b1, W2, W3 = weights.values()
    a = x @ W1 + b1
    h = a * (a > 0)
    r = x + h @ W2
    e = np.exp(r @ W3 - (r @ W3).max(1)[:, None])
    g = {"dz": (e / e.sum(1)[:, None] - np.eye(W3.shape[1])[y]) / len(y)}
    g["dW3"], g["dr"] = np.einsum("nd,nv->dv", r, g["dz"]), np.einsum("nv,dv->nd", g["dz"], W3)
    g["dW2"], g["dh"] = np.einsum("nh,nd->hd", h, g["dr"]), np.einsum("nd,hd->nh", g["dr"], W2)
    g["da"] = np.where(a > 0, g["dh"], 0)
    g["dW1"], g["db1"] = np.einsum("nd,nh->dh", x, g["da"]), np.einsum("nh->h", g["da"])
    g["dx"] = g["dr"] + np.einsum("nh,dh->nd", g["da"], W1)
    wrong = [k for k in g if not (abs(reported[k] - g[k]) <= 1e-6 * abs(g[k]).max()).all()]
    return g, (wrong + [""])[0]
""",
}

ALTERNATIVES = {"plain loops": PLAIN_LOOPS, "libraries": LIBRARIES, "short": SHORT}
