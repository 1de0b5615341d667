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
    (FUSED, 'r = A.shape[0]', 'r = A.shape[1]', 'The update is not scaled, or not by'),
    (FUSED, 'xd = x * kept / (1 - p)', 'x = xd = x * kept / (1 - p)', 'W sees all of x: dropout is for the'),
    (FUSED, 'xd = x * kept / (1 - p)', 'xd = F.dropout(x, p)', ''),
    (FUSED, 'F.linear(F.linear(xd, A), B)', 'F.linear(F.linear(x, A), B) * kept.float().mean()', ''),
    (FUSED, 'F.linear(F.linear(xd, A), B)', 'F.linear(xd, B @ A) / r', 'The update was scaled twice: alpha'),
    (FUSED, 'r = A.shape[0]', 'r = 1', 'The update is not scaled, or not by'),
    (FUSED, 'y = y + (alpha / r) *', 'y = y + (alpha / r) * (1 - p) *', 'The numbers that are kept grow by 1'),
    (FUSED, 'if ad is not None:', 'if ad is not None and start == 0:', 'Only one of the updates is there:'),
    (FUSED, 'xd = x * kept / (1 - p)', 'xd = x * kept.any(0) / (1 - p)', 'The updates see all of x: kept says'),
    (FUSED, 'F.linear(F.linear(xd, A), B)', 'F.linear(xd, B @ A).relu()', ''),
    (FUSED, 'xd = x * kept / (1 - p)', 'xd = x * ~kept / p if p else x', 'The updates see what is hidden, and'),
    (FUSED, '        out.append(y)\n        start += h\n',
        '            start += h\n        out.append(y)\n', 'The rows of a part begin where'),
    (FUSED, '(alpha / r) *', '(r / alpha) *', 'The update is not scaled, or not by'),
    (FUSED, 'x * kept / (1 - p)',
        'x * kept / kept.sum(1, keepdim=True) * x.shape[1]', 'The numbers that are kept grow by 1'),
    (FUSED, '        out.append(y)\n        start += h\n',
        '            out.append(y)\n        start += h\n', "A part without an update is W's"),
    (BILL, '            flows = flows or hit\n', '        flows = flows or hit\n', 'Frozen weights carry the gradient'),
    (BILL, 'l >= first', 'l > first', 'The layers below first have no'),
    (BILL, 'l >= first', '(l >= first and l < L)', 'lm_head is in no layer: it has an'),
    (BILL, '("o_proj", q, h)', '("o_proj", h, h)', 'The heads side by side have'),
    (BILL, 'frozen = base + 2 * L * h + h', 'frozen = base + 2 * L * h + h + V * h', 'Tied: the output matrix is the'),
    (BILL, '2 * frozen + 16 * trained', '2 * (frozen + trained) + 16 * trained', 'A trained number takes 16 bytes:'),
    (BILL, '                    flop += 2 * rank * o\n                    flop += 2 * rank * o\n',
        '                    flop += 2 * rank * o\n', 'A product with B is missing: B has'),
    (BILL, '                if flows:\n                    flop += 2 * i * o\n',
        '                if flows and l >= first:\n                    flop += 4 * i * o\n',
        'A frozen weight has no gradient of'),
    (BILL, '                    if flows:\n                        flop += 2 * rank * i\n',
        '', 'A carries the gradient on to what'),
    (BILL, 'frozen = base + 2 * L * h + h',
        'frozen = base - trained + 2 * L * h + h', 'The updates lie beside the frozen'),
    (BILL, '    if not sizes["tied"]:\n        frozen += V * h\n',
        '    if sizes["tied"]:\n        base -= V * h\n    else:\n        frozen += V * h\n',
        'The output matrix is multiplied'),
    (BILL, 'base += i * o', 'base += i * o + rank * (i + o)', ''),
    (BILL, '2 * frozen + 16 * trained', '2 * frozen + 4 * trained + 8 * trained', 'A trained number takes 16 bytes:'),
    (BILL, 'flop / (6 * base)', 'flop / (6 * frozen)', 'The share is one of 6 FLOP for each'),
    (BILL, '                flop += 2 * i * o\n                if flows:',
        '                if name not in targets:\n                    flop += 2 * i * o\n                if flows:',
        'W is multiplied with beside its'),
    (BILL, 'flows = False', 'flows = first == 0', 'The gradient goes down to the'),
    (BILL, '                if flows:\n                    flop += 2 * i * o\n',
        '                if flows or l >= first:\n                    flop += 2 * i * o\n',
        'Of the lowest layer with updates,'),
    (MERGE, '    merged = exact.to(W.dtype)\n', '    W += update\n    merged = W\n', 'W was changed in place, so that'),
    (MERGE, '& (update != 0)', '', 'stuck: where nothing is added'),
    (MERGE, 'torch.sum(restored != W).item()', 'torch.sum(merged != W).item()', 'changed: compare with W, from'),
    (MERGE, 'share * alpha / r * B @ A', 'share * alpha / math.sqrt(r) * B @ A', 'An update is alpha / r times B A,'),
    (MERGE, 'exact = W.to(torch.float32) + update',
        'exact = W.to(torch.float32) + update.to(torch.bfloat16).float()', 'Only the sum is rounded: here the'),
    (MERGE, 'lost = exact - merged.to(torch.float32)',
        'lost = update - (merged - W).to(torch.float32)', 'lost: merged - W is rounded too, in'),
    (MERGE, 'torch.sum((merged == W) & (update != 0)).item()',
        'torch.sum((merged == W) & (update != 0)).item() / W.numel()', 'Counts are ints.'),
    (MERGE, 'torch.sum((merged == W) & (update != 0)).item()',
        'torch.sum((lost != 0) & (update != 0)).item()', 'stuck: here those are counted that'),
    (MERGE, 'update += share * alpha / r * B @ A',
        'update += (share * alpha / r * B @ A).to(W.dtype)', 'Only the sum is rounded: here the'),
    (MERGE, '(merged.to(torch.float32) - update).to(W.dtype)',
        'merged - update', 'changed: what is left after the sum'),
    (MERGE, 'update += share', 'update = share', 'All updates are added, not one of'),
    (MERGE, 'exact = W.to(torch.float32) + update',
        'exact = (W + update.to(W.dtype)).float()', 'Only the sum is rounded: here the'),
    (MERGE, 'lost = exact - merged.to(torch.float32)',
        'lost = (exact - merged.to(torch.float32)).abs()', 'lost is what should be there less'),
    (MERGE, '(merged.to(torch.float32) - update).to(W.dtype)',
        '(exact - update).to(W.dtype)', 'changed: the sum is taken out of'),
    (CODES, 'chunk / c if c != 0', 'chunk / c.abs() if c != 0', 'Divide by the constant itself, with'),
    (CODES, 'chunk[chunk.abs().argmax()]', 'chunk.abs().max()', 'The constant is the number of'),
    (CODES, 'blocks = math.ceil(n / block)', 'blocks = n // block', 'The last block may be short, and is'),
    (CODES, '-u[1:half][::-1]', '-u[1:half]', 'The codebook goes from the lowest'),
    (CODES, 'half + 1)) / norm.ppf(1 - d)', 'half + 1))', 'Divide by the highest level, so'),
    (CODES, 'chunk[chunk.abs().argmax()]', 'chunk[chunk.argmax()]', 'The constant is the number of'),
    (CODES, 'math.ceil(math.log2(levels))', 'math.ceil(math.log2(levels + 1))', 'A code takes the whole number of'),
    (CODES, 'd = (1 / (2 * levels) + 1 / (2 * (levels - 1))) / 2',
        'd = 1 / (2 * levels) + 1 / (2 * levels - 1) / 2', 'The highest probability is 1 - d,'),
    (CODES, 'np.concatenate([-u[1:half][::-1], u])',
        'np.concatenate([-u[1:][::-1], u[:half]])', 'The lower side has no -1: it is the'),
    (CODES, 'restored[b * block : (b + 1) * block] = codebook[idx] * c',
        'restored[b * block : (b + 1) * block] = codebook[idx] * c.abs()', 'restored is a level times its'),
    (CODES, 'np.linspace(0.5, 1 - d, half + 1)',
        'np.linspace(0.5, 1 - d, half + 2)[:-1]', 'The upper side has levels / 2'),
    (CODES, 'codes[b * block : (b + 1) * block] = idx.to(torch.uint8)',
        'codes[b * block : (b + 1) * block] = (levels - 1 - idx).to(torch.uint8)', 'Levels are numbers from 0 up, in'),
    (CODES, 'scaled = chunk / c if c != 0 else torch.zeros_like(chunk)',
        'scaled = chunk / c', 'A block of zeros has the constant'),
    (CODES, 'math.ceil(math.log2(levels)) + 32 * blocks / n',
        'math.log2(levels) + 32 / block', 'The last block may be short, and is'),
    (CODES, 'half = levels // 2', 'half = levels // 2 - 1', 'The upper side has levels / 2'),
    (CODES, '1 - d, half + 1)', '1 - d / 2, half + 1)', 'The step of probability reaches'),
    (CODES, 'codes = torch.zeros(n, dtype=torch.uint8)',
        'codes = torch.zeros(n, dtype=torch.int64)', 'codes are of dtype uint8.'),
    (CODES, 'constants[b] = c', 'constants[b] = c.abs()', 'The constant is the number of'),
    (CODES, '32 * blocks / n', '32 / n', 'Constants are held too: 32 bits for'),
    (MANY, 'if i == -1', 'if i is None', 'A request with -1 has no adapter:'),
    (MANY, 'alphas[i] / r', 'alphas[n] / r', 'The factor is alpha / r of the'),
    (MANY, 'N * 2 * biggest', '(which >= 0).sum().item() * 2 * biggest', 'In the padded batch a request'),
    (MANY, '2 * r * D + 2 * r * E', '2 * r * D * E', 'A row of A has D numbers and a'),
    (MANY, 'pool_B[idx].T', 'pool_B[:r].T', 'Row p of pool_A and row p of pool_B'),
    (MANY, 'i == -1', 'i <= 0', 'Adapter 0 is an adapter: only -1 is'),
    (MANY, 'B = pool_B[idx].T', 'B = pool_B[idx]', 'A row of pool_B has E numbers, and'),
    (MANY, 'own += 2 * r * D + 2 * r * E', 'own += r * D + r * E', 'A multiplication and an addition: 2'),
    (MANY, 'biggest = max(biggest, r)', 'biggest = r', 'The largest rank of the batch is'),
    (MANY, 'alphas[i] / r', 'alphas[i] / biggest if biggest else alphas[i] / r', ''),
    (MANY, 'padded = N * 2 * biggest * (D + E)',
        'padded = N * 2 * biggest * (D + E) + 2 * N * D * E', "W's own products are left out:"),
    (MANY, 'biggest = max(biggest, r)',
        'biggest = max(len(one) for one in rows)', 'The padded batch is as wide as the'),
    (MANY, 'y[n] += alphas[i] / r * (B @ (A @ x[n]))',
        'y[n] = alphas[i] / r * (B @ (A @ x[n]))', "The update is added to W's output:"),
    (MANY, 'r = len(idx)', 'r = len(pool_A)', 'The factor is alpha / r of the'),
    (MANY, 'padded = N * 2 * biggest', 'padded = len(rows) * 2 * biggest', 'The padded batch has one line for'),
    (MANY, 'own += 2 * r * D + 2 * r * E', 'own += 2 * r * D', 'A row of A has D numbers and a'),
    (MANY, 'A @ x[n]', 'A @ x[i]', 'Each request has its own adapter:'),
    (ONE, '@ torch.diag(S[:k].sqrt()) / s_new', '@ torch.diag(S[:k].sqrt())', 'The new adapter will be multiplied'),
    (ONE, 'S[:k].sqrt()) @ Vh[:k]', 'S[:k]) @ Vh[:k]', 'The singular values belong in once:'),
    (ONE, '@ Vh[:k]', '@ Vh.T[:k]', 'torch.linalg.svd gives V transposed'),
    (ONE, 'torch.sqrt((S[k:] ** 2).sum()).item()', '(S[k:] ** 2).sum().item()', 'The error is the root of the sum of'),
    (ONE, 'share * s * (B @ A)', 's * (B @ A)', 'The shares say how much of each'),
    (ONE, 'U[:, :k]', 'U[:k].T', 'The columns of U are directions of'),
    (ONE, 'd = share * s * (B @ A)', 'd = math.sqrt(abs(share)) * s * (B @ A)', 'The shares say how much of each'),
    (ONE, 'al / math.sqrt(r) if st else al / r',
        'al / math.sqrt(rank) if st else al / rank', 'The updates of the given adapters'),
    (ONE, '    A_new = torch.zeros(rank, delta.shape[1])\n    B_new = torch.zeros(delta.shape[0], rank)\n',
        '    A_new = torch.zeros(k, delta.shape[1])\n    B_new = torch.zeros(delta.shape[0], k)\n',
        'A has `rank` rows and B as many'),
    (ONE, 'alpha / math.sqrt(rank) if stable else alpha / rank',
        'alpha / math.sqrt(k) if stable else alpha / k', 'The new factor is alpha over the'),
    (ONE, 'torch.sqrt((S[k:] ** 2).sum()).item()',
        'S[k].item() if k < len(S) else 0.0', 'The error is the root of the sum of'),
    (ONE, 'torch.diag(S[:k].sqrt()) @ Vh[:k]',
        'torch.diag(S[:k].sqrt()) @ Vh[:k] / s_new', 'The new adapter will be multiplied'),
    (ONE, 'alpha / math.sqrt(rank) if stable else alpha / rank',
        'alpha / math.sqrt(r) if stable else alpha / r', 'The new factor is alpha over the'),
    (ONE, 'torch.sqrt((S[k:] ** 2).sum()).item()',
        'torch.linalg.norm(delta - B_new @ A_new).item()', 'The error is that of the new factor'),
    (ONE, 'al / math.sqrt(r) if st else al / r',
        'al / math.sqrt(r) if stable else al / r', 'An adapter with stable=True is'),
    (ONE, '/ s_new', '* s_new', 'The new adapter will be multiplied'),
    (ONE, 'S[:k].sqrt()) @ Vh[:k]', 'S[-k:].sqrt()) @ Vh[-k:]', 'The nearest matrix keeps the'),
    (ONE, 'al / math.sqrt(r) if st else al / r', 'al / r', 'An adapter with stable=True is'),
    (ONE, 'return A_new, B_new, error',
        'return A_new, B_new, error / torch.linalg.norm(delta).item()', 'The error is the size of what is'),
    (FOUND, 'cause[name] = "tied"', 'cause[name] = "merged"', 'The merged tensor itself is merged;'),
    (FOUND, 'close(diff, ba_after)', 'close(diff, ba_after - ba_before)', 'merged: the whole update goes into'),
    (FOUND, 'total = diff + ba_after - ba_before', 'total = diff + ba_after', 'outside: an update may have been'),
    (FOUND, 'close(diff, (shrink - 1) * w)', 'close(diff, -shrink * w)', 'decayed: each number has been'),
    (FOUND, 'if torch.equal(w, new)', 'if torch.allclose(w, new, atol=0.05)', 'A frozen tensor that differs in one'),
    (FOUND, 'close(diff, ba_after)', 'close(new, ba_after)', 'merged: what the base gained is the'),
    (FOUND, '            total = diff\n', '            total = w\n', 'outside: a tensor without an update'),
    (FOUND, 'cause[name] = "tied"', 'cause[name] = cause[other] = "tied"', 'The merged tensor itself is merged;'),
    (FOUND, 'still[layer] = "left out"', 'pass', 'still: both kinds appear, pairs of'),
    (FOUND, 'total = diff + ba_after - ba_before',
        'total = ba_after - ba_before', 'outside: that is the share of what'),
    (FOUND, 'if a.abs().sum() == 0 and b.abs().sum() == 0',
        'if a.abs().sum() == 0 or b.abs().sum() == 0', 'still: "zeros" is where A and B are'),
    (FOUND, '                if torch.equal(after[name], after[other]):\n                    cause[name] = "tied"',
        '                cause[name] = "tied"', 'tied: only a tensor that has moved'),
    (FOUND, '(diff.norm() / total.norm()).item()',
        '(diff.norm() / w.norm()).item()', 'outside: that is the share of what'),
    (FOUND, 'if a.abs().sum() == 0 and b.abs().sum() == 0',
        'if b.abs().sum() == 0', 'still: "zeros" is where A and B are'),
    (FOUND, 'cause[other] == "merged" and torch.equal(before[name], before[other])',
        'other != name and torch.equal(before[name], before[other])', 'tied is for copies of what was'),
    (FOUND, 'if torch.equal(a, after[layer + ".A"]) and torch.equal(b, after[layer + ".B"])',
        'if torch.equal(b, after[layer + ".B"])', 'still: both matrices have to stand'),
    (FOUND, 'cause[name] = "decayed"', 'cause[name] = "trained"', 'decayed: each number has been'),
    (FOUND, 'total = diff + ba_after - ba_before', 'total = ba_after + new - w', 'outside: an update may have been'),
    (FOUND, '(diff.norm() / total.norm()).item()',
        '((diff.norm() / total.norm()) ** 2).item()', 'outside: norms are roots of sums of'),
    (FOUND, '        if torch.equal(w, new):\n            continue\n', '', 'A tensor that is the same in both'),
    (FOUND, 'ba_after = scale * after', 'ba_after = after', 'merged: what the base gained is the'),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
