"""Answers to lab 06 as real solvers wrote them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

FIT = """
def fit_power_law(x, loss, floor):
    if floor is not None:
        mask = loss - floor > 0
        coeffs = np.polyfit(np.log(x[mask]), np.log(loss[mask] - floor), 1)
        return float(floor), float(np.exp(coeffs[1])), float(-coeffs[0])
    best = None
    lo, hi = 0.0, float(loss.min())
    for level in range(12):
        for E in np.linspace(lo, hi, 60, endpoint=False):
            coeffs = np.polyfit(np.log(x), np.log(loss - E), 1)
            pred = E + np.exp(np.polyval(coeffs, np.log(x)))
            err = np.sum((pred - loss) ** 2)
            if best is None or err < best[0]:
                best = (err, E, coeffs)
        width = (hi - lo) / 30
        lo, hi = max(0.0, best[1] - width), min(best[1] + width, float(loss.min()))
    return float(best[1]), float(np.exp(best[2][1])), float(-best[2][0])
"""
OPT = """
def compute_optimal(law, C, max_tokens, unit):
    E, A, B, alpha, beta = law["E"], law["A"], law["B"], law["alpha"], law["beta"]
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    N_opt = G * (C / 6) ** (beta / (alpha + beta))
    if C / (6 * N_opt) > max_tokens:
        N_opt = C / (6 * max_tokens)
    candidates = []
    for k in (math.floor(N_opt / unit), math.ceil(N_opt / unit)):
        if k < 1:
            continue
        N = k * unit
        D = min(C / (6 * N), max_tokens)
        candidates.append((E + A / N**alpha + B / D**beta, N, D))
    loss, N, D = min(candidates)
    return N, D, loss
"""
BILL = """
def training_bill(sizes, stages, cluster):
    V, h, f, L = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"], sizes["num_layers"]
    H, K, d = sizes["num_heads"], sizes["num_kv_heads"], sizes["head_dim"]
    q = h * H * d
    k = h * K * d
    v = h * K * d
    o = H * d * h
    mlp = 3 * h * f
    layer = q + k + v + o + mlp + 2 * h
    params = V * h + L * layer + h
    if not sizes["tied"]:
        params += V * h
    flop = 0
    total = 0
    for tokens, length in stages:
        docs = tokens // length
        total += tokens
        linear = 2 * tokens * (L * (q + k + v + o + mlp) + V * h)
        attn = docs * L * H * 4 * d * (length * (length + 1) // 2)
        flop += 3 * (linear + attn)
    seconds = flop / (cluster["peak"] * cluster["mfu"])
    gpu_hours = seconds / 3600
    return {"parameters": params, "flop": flop, "six_nd": 6 * params * total, "gpu_hours": gpu_hours,
            "days": gpu_hours / cluster["gpus"] / 24, "cost": gpu_hours * cluster["price"]}
"""
EVEN = """
def break_even(law, large, small, dearness):
    N, D = large
    target = law["E"] + law["A"] * N ** -law["alpha"] + law["B"] * D ** -law["beta"]
    reachable = law["E"] + law["A"] * small ** -law["alpha"]
    if reachable >= target:
        return math.inf, math.inf
    tokens = (law["B"] / (target - reachable)) ** (1 / law["beta"])
    train_gap = 6 * (small * tokens - N * D)
    serve_gain = 2 * dearness * (N - small)
    return tokens, max(0.0, train_gap / serve_gain)
"""
EXTRA = """
from scipy.optimize import minimize
def extrapolate(N, D, loss, new_N, new_D):
    lN, lD, lL = np.log(N), np.log(D), np.log(loss)
    def predict(p, lN, lD):
        a, b, e, alpha, beta = p
        return np.logaddexp(np.logaddexp(a - alpha * lN, b - beta * lD), e)
    def objective(p, delta=1e-3):
        r = predict(p, lN, lD) - lL
        return np.where(np.abs(r) < delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)).sum()
    best = None
    for alpha in (0.3, 0.5):
        for beta in (0.3, 0.5):
            for e in (-0.5, 0.3):
                start = [alpha * lN.mean() - 1, beta * lD.mean() - 1, e, alpha, beta]
                how = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10000, "maxfun": 100000}
                res = minimize(objective, start, method="L-BFGS-B", options=how)
                if best is None or res.fun < best.fun:
                    best = res
    return np.exp(predict(best.x, np.log(new_N), np.log(new_D)))
"""
DIAG = """
def diagnose(budgets, sizes, losses, reported):
    def vertex(x, y):
        x0 = x[1]
        a, b, c = np.polyfit((x - x0) / x0, y, 2)
        return x0 - x0 * b / (2 * a)
    kept, best, argmin, lin, whole, Cs = [], [], [], [], [], []
    for C, n, l in zip(budgets, sizes, losses):
        idx = np.argsort(n)
        n, l = n[idx], l[idx]
        i = int(np.argmin(l))
        inner = i > 0 and i < len(n) - 1
        kept.append(inner)
        if not inner:
            continue
        Cs.append(C)
        s = slice(i - 1, i + 2)
        best.append(float(np.exp(vertex(np.log(n[s]), l[s]))))
        argmin.append(float(n[i]))
        lin.append(float(vertex(n[s], l[s])))
        whole.append(float(np.exp(vertex(np.log(n), l))))
    slope = lambda y: float(np.polyfit(np.log(Cs), np.log(y), 1)[0])
    mine = {"kept": kept, "best": best, "exponent": slope(best), "argmin": slope(argmin)}
    close = lambda a, b: len(a) == len(b) and np.allclose(a, b, rtol=1e-4, atol=0)
    if list(reported["kept"]) != kept:
        cause = "edge"
    elif close(reported["best"], best):
        cause = "" if abs(reported["exponent"] - mine["exponent"]) <= 1e-4 * mine["exponent"] else "slope"
    elif close(reported["best"], argmin):
        cause = "argmin"
    elif close(reported["best"], lin):
        cause = "linear"
    else:
        cause = "all"
    return mine, cause
"""
RIGHT = [
    ("fit_power_law", FIT),
    ("compute_optimal", OPT),
    ("training_bill", BILL),
    ("break_even", EVEN),
    ("extrapolate", EXTRA),
    ("diagnose", DIAG),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (FIT, "np.exp(coeffs[1])), float(-coeffs[0])", "np.exp(coeffs[0])), float(-coeffs[1])", "slope first"),
    (FIT, "np.polyfit(np.log(x[mask]), np.log(loss[mask] - floor), 1)",
     "np.polyfit(np.log10(x[mask]), np.log10(loss[mask] - floor), 1)", "another base"),
    (FIT, "float(np.exp(best[2][1]))", "float(best[2][1])", "The start of the line is ln A"),
    (FIT, "np.log(loss[mask] - floor), 1)", "np.log(loss[mask] - floor), 1, w=1 / loss[mask])", ""),
    (FIT, "loss - floor > 0", "loss - floor > 0.05", ""),
    (OPT, "(1 / (alpha + beta))", "(alpha + beta)", "The balance is alpha A over beta B"),
    (OPT, "(C / 6) ** (beta", "C ** (beta", "The balance is alpha A over beta B"),
    (OPT, "alpha * A / (beta * B)", "A / B", "The balance is alpha A over beta B"),
    (OPT, "N_opt = C / (6 * max_tokens)", "pass", "the rest of the budget buys a larger model"),
    (OPT, "(math.floor(N_opt / unit), math.ceil(N_opt / unit))", "(max(1, round(N_opt / unit)),)", "The nearest step"),
    (OPT, "return N, D, loss", "return N, D, round(loss, 4)", ""),
    (BILL, "linear = 2 * tokens * (L * (q + k + v + o + mlp) + V * h)", "linear = 2 * tokens * params", "Norms"),
    (BILL, "flop += 3 * (linear + attn)", "flop += 3 * linear + attn", "gone through backwards as well"),
    (BILL, "H * 4 * d", "H * 2 * d", "Two products for each pair"),
    (BILL, "docs = tokens // length", "docs = 1", "The pairs of one document"),
    (BILL, "params += V * h", "params += V * h + V", ""),
    (EVEN, "2 * dearness * (N - small)", "6 * dearness * (N - small)", "serving a token 2 N"),
    (EVEN, "return math.inf, math.inf", "return math.inf, 0.0", "Return infinity, twice"),
    (EVEN, "max(0.0, train_gap / serve_gain)", "train_gap / serve_gain if train_gap > 0 else math.inf", "that is 0.0"),
    (EVEN, "(1 / law[\"beta\"])", "(1 / (law[\"alpha\"] + law[\"beta\"]))", ""),
    (EXTRA, "return np.exp(predict(best.x, np.log(new_N), np.log(new_D)))",
     "return predict(best.x, np.log(new_N), np.log(new_D))", "take them back with exp"),
    (DIAG, "idx = np.argsort(n)", "idx = np.arange(len(n))", "come in no order"),
    (DIAG, "np.allclose(a, b, rtol=1e-4, atol=0)", "np.allclose(a, b)", "An exact comparison"),
    (DIAG, "close(reported[\"best\"], argmin)", "close(reported[\"best\"], [])", "One of the ways is never tried"),
    (DIAG, "vertex(np.log(n[s]), l[s])", "vertex(np.log(n[s]), np.log(l[s]))", "one of its logarithm"),
    (DIAG, "vertex(np.log(n[s]), l[s])", "vertex(np.log2(n[s]), l[s])", ""),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
