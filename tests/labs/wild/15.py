"""Answers to lab 15 as solvers write them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

FUSED = """
import torch.nn.functional as F

def fused_forward(x, W, heights, adapters, alpha, kept, p):
    xd = x * kept / (1 - p)
    out = []
    start = 0
    for h, ad in zip(heights, adapters):
        y = F.linear(x, W[start : start + h])
        if ad is not None:
            A, B = ad
            r = A.shape[0]
            y = y + (alpha / r) * F.linear(F.linear(xd, A), B)
        out.append(y)
        start += h
    return torch.cat(out, dim=-1)
"""
BILL = """
def lora_bill(sizes, rank, targets, first):
    V, h, f, L = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"], sizes["num_layers"]
    q = sizes["num_heads"] * sizes["head_dim"]
    kv = sizes["num_kv_heads"] * sizes["head_dim"]
    base = 0
    trained = 0
    flop = 0
    flows = False
    for l in range(L + 1):
        blocks = [
            [("q_proj", h, q), ("k_proj", h, kv), ("v_proj", h, kv)],
            [("o_proj", q, h)],
            [("gate_proj", h, f), ("up_proj", h, f)],
            [("down_proj", f, h)],
        ]
        if l == L:
            blocks = [[("lm_head", h, V)]]
        for block in blocks:
            hit = False
            for name, i, o in block:
                base += i * o
                flop += 2 * i * o
                if flows:
                    flop += 2 * i * o
                if name in targets and l >= first:
                    hit = True
                    trained += rank * (i + o)
                    flop += 2 * rank * (i + o)
                    flop += 2 * rank * i
                    flop += 2 * rank * o
                    flop += 2 * rank * o
                    if flows:
                        flop += 2 * rank * i
            flows = flows or hit
    frozen = base + 2 * L * h + h
    if not sizes["tied"]:
        frozen += V * h
    return {"trained": trained, "bytes": 2 * frozen + 16 * trained, "flop": flop, "share": flop / (6 * base)}
"""
MERGE = """
def merge_adapters(W, adapters):
    update = torch.zeros(W.shape, dtype=torch.float32)
    for A, B, alpha, share in adapters:
        r = A.shape[0]
        update += share * alpha / r * B @ A
    exact = W.to(torch.float32) + update
    merged = exact.to(W.dtype)
    lost = exact - merged.to(torch.float32)
    stuck = torch.sum((merged == W) & (update != 0)).item()
    restored = (merged.to(torch.float32) - update).to(W.dtype)
    changed = torch.sum(restored != W).item()
    return {"merged": merged, "lost": lost, "stuck": stuck, "changed": changed}
"""
CODES = """
from scipy.stats import norm
import numpy as np

def normal_codes(weights, levels, block):
    half = levels // 2
    d = (1 / (2 * levels) + 1 / (2 * (levels - 1))) / 2
    u = norm.ppf(np.linspace(0.5, 1 - d, half + 1)) / norm.ppf(1 - d)
    codebook = torch.tensor(np.concatenate([-u[1:half][::-1], u]), dtype=torch.float32)
    n = len(weights)
    blocks = math.ceil(n / block)
    codes = torch.zeros(n, dtype=torch.uint8)
    constants = torch.zeros(blocks)
    restored = torch.zeros(n)
    for b in range(blocks):
        chunk = weights[b * block : (b + 1) * block]
        c = chunk[chunk.abs().argmax()]
        constants[b] = c
        scaled = chunk / c if c != 0 else torch.zeros_like(chunk)
        idx = (scaled.unsqueeze(1) - codebook.unsqueeze(0)).abs().argmin(dim=1)
        codes[b * block : (b + 1) * block] = idx.to(torch.uint8)
        restored[b * block : (b + 1) * block] = codebook[idx] * c
    bits = math.ceil(math.log2(levels)) + 32 * blocks / n
    return {"codebook": codebook, "codes": codes, "constants": constants, "restored": restored, "bits": bits}
"""
MANY = """
def many_adapters(x, W, which, pool_A, pool_B, rows, alphas):
    N, D = x.shape
    E = W.shape[0]
    y = x @ W.T
    own = 0
    biggest = 0
    for n in range(N):
        i = which[n].item()
        if i == -1:
            continue
        idx = rows[i]
        r = len(idx)
        A = pool_A[idx]
        B = pool_B[idx].T
        y[n] += alphas[i] / r * (B @ (A @ x[n]))
        own += 2 * r * D + 2 * r * E
        biggest = max(biggest, r)
    padded = N * 2 * biggest * (D + E)
    return y, own, padded
"""
ONE = """
def one_adapter(adapters, rank, alpha, stable):
    delta = None
    for A, B, al, st, share in adapters:
        r = A.shape[0]
        s = al / math.sqrt(r) if st else al / r
        d = share * s * (B @ A)
        delta = d if delta is None else delta + d
    U, S, Vh = torch.linalg.svd(delta, full_matrices=False)
    k = min(rank, S.shape[0])
    s_new = alpha / math.sqrt(rank) if stable else alpha / rank
    A_new = torch.zeros(rank, delta.shape[1])
    B_new = torch.zeros(delta.shape[0], rank)
    A_new[:k] = torch.diag(S[:k].sqrt()) @ Vh[:k]
    B_new[:, :k] = U[:, :k] @ torch.diag(S[:k].sqrt()) / s_new
    error = torch.sqrt((S[k:] ** 2).sum()).item()
    return A_new, B_new, error
"""
FOUND = """
def diagnose(before, after, scale, shrink):
    cause, outside, still = {}, {}, {}

    def close(a, b):
        return ((a - b).abs().max() <= 1e-3 * b.abs().max()).item()

    for name, w in before.items():
        if name.endswith(".A") or name.endswith(".B"):
            continue
        new = after[name]
        if torch.equal(w, new):
            continue
        diff = new - w
        layer = name[: -len(".base.weight")]
        has_pair = name.endswith(".base.weight")
        if has_pair:
            ba_after = scale * after[layer + ".B"] @ after[layer + ".A"]
            ba_before = scale * before[layer + ".B"] @ before[layer + ".A"]
            total = diff + ba_after - ba_before
        else:
            total = diff
        if has_pair and close(diff, ba_after):
            cause[name] = "merged"
        elif close(diff, (shrink - 1) * w):
            cause[name] = "decayed"
        else:
            cause[name] = "trained"
        outside[name] = (diff.norm() / total.norm()).item()
    for name in cause:
        if cause[name] != "trained":
            continue
        for other in cause:
            if cause[other] == "merged" and torch.equal(before[name], before[other]):
                if torch.equal(after[name], after[other]):
                    cause[name] = "tied"
    for name in before:
        if name.endswith(".A"):
            layer = name[:-2]
            a, b = before[layer + ".A"], before[layer + ".B"]
            if torch.equal(a, after[layer + ".A"]) and torch.equal(b, after[layer + ".B"]):
                if a.abs().sum() == 0 and b.abs().sum() == 0:
                    still[layer] = "zeros"
                else:
                    still[layer] = "left out"
    return {"cause": cause, "outside": outside, "still": still}
"""
RIGHT = [
    ("fused_forward", FUSED),
    ("lora_bill", BILL),
    ("merge_adapters", MERGE),
    ("normal_codes", CODES),
    ("many_adapters", MANY),
    ("one_adapter", ONE),
    ("diagnose", FOUND),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (FUSED, '        start += h\n', '', 'The rows of a part begin where'),
    (FUSED, 'xd = x * kept / (1 - p)', 'xd = F.dropout(x, p)', ''),
    (FUSED, 'F.linear(F.linear(xd, A), B)', 'F.linear(F.linear(x, A), B) * kept.float().mean()', ''),
    (FUSED, 'r = A.shape[0]', 'r = 1', 'The update is not scaled, or not by'),
    (FUSED, 'xd = x * kept / (1 - p)', 'xd = x * kept.any(0) / (1 - p)', 'The updates see all of x: kept says'),
    (FUSED, 'F.linear(F.linear(xd, A), B)', 'F.linear(xd, B @ A).relu()', ''),
    (FUSED, '        out.append(y)\n        start += h\n',
        '            start += h\n        out.append(y)\n', 'The rows of a part begin where'),
    (FUSED, '        out.append(y)\n        start += h\n',
        '            out.append(y)\n        start += h\n', "A part without an update is W's"),
    (BILL, 'l >= first', '(l >= first and l < L)', 'lm_head is in no layer: it has an'),
    (BILL, '2 * frozen + 16 * trained', '2 * (frozen + trained) + 16 * trained', 'A trained number takes 16 bytes:'),
    (BILL, '                    if flows:\n                        flop += 2 * rank * i\n',
        '', 'A carries the gradient on to what'),
    (BILL, 'base += i * o', 'base += i * o + rank * (i + o)', ''),
    (BILL, '                flop += 2 * i * o\n                if flows:',
        '                if name not in targets:\n                    flop += 2 * i * o\n                if flows:',
        'W is multiplied with beside its'),
    (MERGE, '    merged = exact.to(W.dtype)\n', '    W += update\n    merged = W\n', 'W was changed in place, so that'),
    (MERGE, 'share * alpha / r * B @ A', 'share * alpha / math.sqrt(r) * B @ A', 'An update is alpha / r times B A,'),
    (MERGE, 'torch.sum((merged == W) & (update != 0)).item()',
        'torch.sum((merged == W) & (update != 0)).item() / W.numel()', 'Counts are ints.'),
    (MERGE, '(merged.to(torch.float32) - update).to(W.dtype)',
        'merged - update', 'changed: what is left after the sum'),
    (MERGE, 'lost = exact - merged.to(torch.float32)',
        'lost = (exact - merged.to(torch.float32)).abs()', 'lost is what should be there less'),
    (CODES, 'chunk[chunk.abs().argmax()]', 'chunk.abs().max()', 'The constant is the number of'),
    (CODES, 'half + 1)) / norm.ppf(1 - d)', 'half + 1))', 'Divide by the highest level, so'),
    (CODES, 'd = (1 / (2 * levels) + 1 / (2 * (levels - 1))) / 2',
        'd = 1 / (2 * levels) + 1 / (2 * levels - 1) / 2', 'The highest probability is 1 - d,'),
    (CODES, 'np.linspace(0.5, 1 - d, half + 1)',
        'np.linspace(0.5, 1 - d, half + 2)[:-1]', 'The upper side has levels / 2'),
    (CODES, 'math.ceil(math.log2(levels)) + 32 * blocks / n',
        'math.log2(levels) + 32 / block', 'The last block may be short, and is'),
    (CODES, 'codes = torch.zeros(n, dtype=torch.uint8)',
        'codes = torch.zeros(n, dtype=torch.int64)', 'codes are of dtype uint8.'),
    (MANY, 'if i == -1', 'if i is None', 'A request with -1 has no adapter:'),
    (MANY, '2 * r * D + 2 * r * E', '2 * r * D * E', 'A row of A has D numbers and a'),
    (MANY, 'B = pool_B[idx].T', 'B = pool_B[idx]', 'A row of pool_B has E numbers, and'),
    (MANY, 'alphas[i] / r', 'alphas[i] / biggest if biggest else alphas[i] / r', ''),
    (MANY, 'y[n] += alphas[i] / r * (B @ (A @ x[n]))',
        'y[n] = alphas[i] / r * (B @ (A @ x[n]))', "The update is added to W's output:"),
    (MANY, 'own += 2 * r * D + 2 * r * E', 'own += 2 * r * D', 'A row of A has D numbers and a'),
    (ONE, 'S[:k].sqrt()) @ Vh[:k]', 'S[:k]) @ Vh[:k]', 'The singular values belong in once:'),
    (ONE, 'share * s * (B @ A)', 's * (B @ A)', 'The shares say how much of each'),
    (ONE, 'al / math.sqrt(r) if st else al / r',
        'al / math.sqrt(rank) if st else al / rank', 'The updates of the given adapters'),
    (ONE, 'torch.sqrt((S[k:] ** 2).sum()).item()',
        'S[k].item() if k < len(S) else 0.0', 'The error is the root of the sum of'),
    (ONE, 'torch.sqrt((S[k:] ** 2).sum()).item()',
        'torch.linalg.norm(delta - B_new @ A_new).item()', 'The error is that of the new factor'),
    (ONE, 'S[:k].sqrt()) @ Vh[:k]', 'S[-k:].sqrt()) @ Vh[-k:]', 'The nearest matrix keeps the'),
    (FOUND, 'cause[name] = "tied"', 'cause[name] = "merged"', 'The merged tensor itself is merged;'),
    (FOUND, 'close(diff, (shrink - 1) * w)', 'close(diff, -shrink * w)', 'decayed: each number has been'),
    (FOUND, '            total = diff\n', '            total = w\n', 'outside: a tensor without an update'),
    (FOUND, 'total = diff + ba_after - ba_before',
        'total = ba_after - ba_before', 'outside: that is the share of what'),
    (FOUND, '(diff.norm() / total.norm()).item()',
        '(diff.norm() / w.norm()).item()', 'outside: that is the share of what'),
    (FOUND, 'if torch.equal(a, after[layer + ".A"]) and torch.equal(b, after[layer + ".B"])',
        'if torch.equal(b, after[layer + ".B"])', 'still: both matrices have to stand'),
    (FOUND, '(diff.norm() / total.norm()).item()',
        '((diff.norm() / total.norm()) ** 2).item()', 'outside: norms are roots of sums of'),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
