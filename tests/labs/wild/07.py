"""Answers to lab 07 as solvers write them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

RING = """
def ring_turn(mine, came, rank, ring, turn):
    R = len(ring)
    base, extra = divmod(mine.numel(), R)
    starts = [j * base + min(j, extra) for j in range(R + 1)]
    me = ring.index(rank)

    def piece_at(t):
        return ring[(me - 1 - t) % R]

    j = piece_at(turn)
    a, b = starts[j], starts[j + 1]
    out = mine.clone()
    if came is not None:
        if turn <= R - 1:
            out[a:b] += came
        else:
            out[a:b] = came
    last = turn == 2 * R - 2
    send = None if last else out[a:b].clone()
    count = 0
    for t in range(2 * R - 2):
        k = piece_at(t)
        count += starts[k + 1] - starts[k]
    return out, send, count
"""
BLOCK = """
import math
import torch.nn.functional as F

def tp_block(x, weights, heads, kv_heads, ranks):
    w = weights
    T, D = x.shape
    d = w["q"].shape[0] // heads
    I = w["down"].shape[1]
    group = heads // kv_heads
    Q = (x @ w["q"].T + w["q_bias"]).view(T, heads, d)
    K = (x @ w["k"].T + w["k_bias"]).view(T, kv_heads, d)
    V = (x @ w["v"].T + w["v_bias"]).view(T, kv_heads, d)
    K = K.repeat_interleave(group, dim=1)
    V = V.repeat_interleave(group, dim=1)
    S = torch.einsum("thd,shd->hts", Q, K) / math.sqrt(d)
    S = S.masked_fill(torch.tril(torch.ones(T, T)) == 0, float("-inf"))
    Z = torch.einsum("hts,shd->thd", torch.softmax(S, dim=-1), V).reshape(T, heads * d)
    hp = heads // ranks
    c = hp * d
    attention = [Z[:, r * c : (r + 1) * c] @ w["o"][:, r * c : (r + 1) * c].T for r in range(ranks)]
    y = x + sum(attention) + w["o_bias"]
    G = y @ w["gate_up"][:I].T + w["gate_up_bias"][:I]
    U = y @ w["gate_up"][I:].T + w["gate_up_bias"][I:]
    M = F.silu(G) * U
    ip = I // ranks
    mlp = [M[:, r * ip : (r + 1) * ip] @ w["down"][:, r * ip : (r + 1) * ip].T for r in range(ranks)]
    output = y + sum(mlp) + w["down_bias"]
    owners = [sorted({h // group for h in range(r * hp, (r + 1) * hp)}) for r in range(ranks)]
    held = []
    for r in range(ranks):
        n = c * D + c
        n += 2 * len(owners[r]) * (d * D + d)
        n += D * c + D
        n += 2 * ip * D + 2 * ip
        n += D * ip + D
        held.append(n)
    sharing = [[s for s in range(ranks) if owners[s] == owners[r]] for r in range(ranks)]
    return {"attention": attention, "mlp": mlp, "output": output, "held": held, "sharing": sharing}
"""
SCHEDULE = """
inf = float("inf")

def schedule(places, micros, most, forward, backward):
    S = len(places)
    devices = max(places) + 1
    f_end, b_end = {}, {}
    free = [0] * devices
    orders = [[] for _ in range(devices)]
    peak = [0] * devices
    t = 0
    while len(b_end) < S * micros or max(b_end.values()) > t:
        for dev in range(devices):
            if free[dev] > t:
                continue
            stages = [s for s in range(S) if places[s] == dev]
            back, fwd = [], []
            for s in stages:
                flying = sum(1 for i in range(micros) if (s, i) in f_end and b_end.get((s, i), inf) > t)
                for i in range(micros):
                    if (s, i) not in b_end:
                        if s == S - 1:
                            ready = f_end.get((s, i), inf) <= t
                        else:
                            ready = b_end.get((s + 1, i), inf) <= t
                        if ready:
                            back.append((i, s))
                    if (s, i) not in f_end and flying < most[s]:
                        if s == 0 or f_end.get((s - 1, i), inf) <= t:
                            fwd.append((i, s))
            if back:
                i, s = min(back)
                b_end[s, i] = free[dev] = t + backward
                orders[dev].append((s, i, "B"))
            elif fwd:
                i, s = min(fwd)
                f_end[s, i] = free[dev] = t + forward
                orders[dev].append((s, i, "F"))
        for dev in range(devices):
            held = sum(1 for s, i in f_end if places[s] == dev and b_end.get((s, i), inf) > t)
            peak[dev] = max(peak[dev], held)
        t += 1
    busy = S * micros * (forward + backward)
    idle = (devices * t - busy) / (devices * t)
    return {"orders": orders, "ticks": t, "idle": idle, "peak": peak}
"""
MAP = """
import math
from itertools import permutations

def map_ranks(sizes, order, node_size, traffic):
    def coords(order):
        out = []
        for r in range(math.prod(sizes.values())):
            c = {}
            for a in order:
                c[a] = r % sizes[a]
                r //= sizes[a]
            out.append(c)
        return out

    def groups(order, axes):
        keys, found = [], []
        for r, c in enumerate(coords(order)):
            key = [c[a] for a in order if a not in axes]
            if key not in keys:
                keys.append(key)
                found.append([])
            found[keys.index(key)].append(r)
        return found

    def hops(some):
        n = 0
        for g in some:
            for i in range(len(g)):
                a, b = g[i], g[(i + 1) % len(g)]
                if a // node_size != b // node_size:
                    n += 1
        return n

    def cost(order):
        return sum(hops(groups(order, axes)) * size for axes, size in traffic)

    best, least = None, None
    for o in sorted(permutations(sizes)):
        c = cost(list(o))
        if least is None or c < least:
            best, least = list(o), c
    found = [groups(order, axes) for axes, _ in traffic]
    return {
        "coordinates": coords(order),
        "groups": found,
        "crossing": [hops(g) for g in found],
        "bytes": cost(order),
        "best": best,
        "least": least,
    }
"""
STEP = """
import torch.nn.functional as F

def ddp_step(W, batches, max_norm):
    R = len(batches)
    total = 0.0
    for own in batches:
        for x, y, w in own:
            total += w.sum().item()
    factors, each, loss = [], [], 0.0
    for own in batches:
        Wr = W.detach().clone().requires_grad_(True)
        fs = []
        obj = (Wr * 0).sum()
        for x, y, w in own:
            s = w.sum().item()
            if s == 0:
                fs.append(0.0)
                continue
            keep = w > 0
            ce = F.cross_entropy(x[keep] @ Wr.T, y[keep], reduction="none")
            mean = (ce * w[keep]).sum() / s
            f = R * s / total
            fs.append(f)
            obj = obj + f * mean
            loss += mean.item() * s / total
        obj.backward()
        factors.append(fs)
        each.append(Wr.grad)
    avg = torch.stack(each).mean(dim=0)
    n = avg.norm().item()
    if n > max_norm:
        avg = avg * (max_norm / n)
    return {"factors": factors, "each": each, "loss": loss, "gradient": avg}
"""
FOUND = """
def diagnose(found, parts, tokens, stages, tied):
    m, N = len(tokens), sum(tokens)
    other = {}
    for a, b in tied:
        other[a], other[b] = b, a
    scales = {1: 1.0, 2: 1 / m, 0: m}

    def fits(g, want):
        return ((g - want).abs().max() <= want.abs().max() / 1000).item()

    patterns, times = {}, {}
    for name, g in found.items():
        p = parts[name]
        full = p + parts[other[name]] if name in other else p
        share = [tokens[i] / N * full[i] for i in range(m)]
        right = sum(share)
        rows = [("all", right), ("unweighted", full.mean(dim=0))]
        if name in other:
            rows.append(("alone", sum(tokens[i] / N * p[i] for i in range(m))))
        rows.append(("last", share[-1]))
        for i in range(m):
            rows.append(("missing", right - share[i]))
        for label, want in rows:
            for k, scale in scales.items():
                if name not in patterns and fits(g, want * scale):
                    patterns[name], times[name] = label, k
        if name not in patterns:
            patterns[name], times[name] = "other", None
    per_stage = []
    for names in stages:
        numbers = [times[n] for n in names]
        per_stage.append(numbers[0] if all(n == numbers[0] for n in numbers) else None)
    repaired = {}
    for name in found:
        if patterns[name] == "all":
            repaired[name] = found[name] / scales[times[name]]
        if patterns[name] == "alone" and patterns[other[name]] == "alone":
            o = other[name]
            repaired[name] = found[name] / scales[times[name]] + found[o] / scales[times[o]]
    return {"patterns": patterns, "times": times, "stages": per_stage, "repaired": repaired}
"""
RIGHT = [
    ("ring_turn", RING),
    ("tp_block", BLOCK),
    ("schedule", SCHEDULE),
    ("map_ranks", MAP),
    ("ddp_step", STEP),
    ("diagnose", FOUND),
]
# Other words for the same answer: what is replaced in it, and by what.
SAME = [
    (BLOCK, 'len(owners[r])', 'max(1, kv_heads // ranks)'),
    (SCHEDULE, 'i, s = min(back)', 'i, s = min(back, key=lambda e: (e[1], e[0]))'),
    (SCHEDULE, 'i, s = min(fwd)', 'i, s = min(fwd, key=lambda e: (-e[1], e[0]))'),
    (SCHEDULE, 'and b_end.get((s, i), inf) > t)\n                for', 'and (s, i) not in b_end)\n                for'),
    (SCHEDULE, 'if (s, i) in f_end and b_end', 'if f_end.get((s, i), inf) <= t and b_end'),
    (SCHEDULE, 'places[s] == dev and b_end.get((s, i), inf) > t', 'places[s] == dev and (s, i) not in b_end'),
]  # fmt: skip
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (RING, 'turn <= R - 1', 'turn < R - 1', 'Up to turn n - 1 what comes in is still a'),
    (RING, 'turn <= R - 1', 'turn <= R', 'From turn n on what comes in is complete,'),
    (RING, 'me = ring.index(rank)', 'me = rank', 'This is not the piece that is here in'),
    (RING, 'return ring[(me - 1 - t) % R]', 'return (me - 1 - t) % R', 'This is not the piece that is here in'),
    (RING, 'return ring[(me - 1 - t) % R]', 'return ring[(me - t) % R]', 'This is not the piece that is here in'),
    (RING, 'return ring[(me - 1 - t) % R]', 'return ring[(me + 1 + t) % R]', 'This is not the piece that is here in'),
    (RING, 'range(2 * R - 2)', 'range(2 * R - 1)', 'Some pieces are not sent twice: each rank'),
    (RING, 'count += starts[k + 1] - starts[k]', 'count += b - a', 'Pieces differ, so 2(n - 1)N/n does not'),
    (RING, 'count += starts[k + 1] - starts[k]',
        'count += starts[rank + 1] - starts[rank]', 'Pieces differ, so 2(n - 1)N/n does not'),
    (RING, 'range(2 * R - 2)', 'range(turn)', ''),
    (RING, 'range(2 * R - 2)', 'range(R - 1)', 'All turns count, those before and those'),
    (RING, 'j * base + min(j, extra)', 'j * base', 'The first N % n pieces have one number'),
    (RING, 'send = None if last else', 'send =', 'In the last turn, 2n - 2, everything is'),
    (RING, 'send = None if last else out[a:b].clone()',
        'send = None if last else mine[a:b].clone()', 'Add first, and send then: here the piece'),
    (RING, 'send = None if last else out[a:b].clone()',
        'j = piece_at(turn + 1)\n    send = None if last else out[starts[j] : starts[j + 1]].clone()', ''),
    (RING, 'out[a:b] += came\n', 'out[a:b] = (out[a:b] + came) / 2\n', ''),
    (RING, 'if came is not None:', 'if came is not None and turn < R:', 'What comes in is kept as well as passed'),
    (BLOCK, 'K.repeat_interleave(group, dim=1)', 'K.repeat(1, group, 1)', ''),
    (BLOCK, 'dim=-1), V)', 'dim=-2), V)', ''),
    (BLOCK, 'S.masked_fill(torch.tril(torch.ones(T, T)) == 0, float("-inf"))',
        'S * torch.tril(torch.ones(T, T))', ''),
    (BLOCK, 'S.masked_fill(torch.tril(torch.ones(T, T)) == 0, float("-inf"))',
        'S', 'A token sees itself and those before'),
    (BLOCK, ' / math.sqrt(d)', ' / math.sqrt(D)', 'Scores are divided by the root of d, the'),
    (BLOCK, ' / math.sqrt(d)', ' / math.sqrt(heads)', ''),
    (BLOCK, '.reshape(T, heads * d)', '.transpose(1, 2).reshape(T, heads * d)', ''),
    (BLOCK, 'y = x + sum(attention) + w["o_bias"]', 'y = x + sum(attention)', 'The second half reads x + the sum +'),
    (BLOCK, 'y = x + sum(attention) + w["o_bias"]',
        'y = x + sum(a + w["o_bias"] for a in attention)', 'What a rank has before the sum is without'),
    (BLOCK, 'U = y @ w["gate_up"][I:].T + w["gate_up_bias"][I:]',
        'U = y @ w["gate_up"][I:].T + w["gate_up_bias"][:I]', ''),
    (BLOCK, 'F.silu(G) * U', 'F.silu(U) * G', 'silu is for the gate, which comes first,'),
    (BLOCK, 'F.silu(G) * U', 'F.gelu(G) * U', 'silu is for the gate, which comes first,'),
    (BLOCK, 'F.silu(G) * U', 'torch.sigmoid(G) * U', 'silu is for the gate, which comes first,'),
    (BLOCK, 'output = y +', 'output = x +', 'The output is y, with both of its own'),
    (BLOCK, 'mlp) + w["down_bias"]', 'mlp)', 'The output is y, with both of its own'),
    (BLOCK, 'len(owners[r])', '(kv_heads / ranks)', ''),
    (BLOCK, 'n += D * c + D\n', 'n += D * c\n', 'o_bias and down_bias are not cut: every'),
    (BLOCK, 'n += D * c + D\n', 'n += D * c + c\n', ''),
    (BLOCK, '2 * ip * D + 2 * ip\n', '2 * ip * D + ip\n', ''),
    (BLOCK, 'n += 2 * ip * D + 2 * ip\n', 'n += 2 * I * D + 2 * I\n', ''),
    (BLOCK, 'if owners[s] == owners[r]]',
        'if s != r and owners[s] == owners[r]]', 'A rank shares with itself too, so that'),
    (SCHEDULE, 'flying < most[s]', 'flying <= most[s]', 'A stage that has most[stage]'),
    (SCHEDULE, 'flying < most[s]', 'len(back) == 0', 'A stage that has most[stage]'),
    (SCHEDULE, '            if back:', '            if back and not fwd:', 'A backward pass that may begin comes'),
    (SCHEDULE, 'i, s = min(fwd)', 'i, s = fwd[0]', 'Of several forward passes, and of several'),
    (SCHEDULE, 'if back:\n', 'if back and (not orders[dev] or orders[dev][-1][2] == "F" or not fwd):\n', ''),
    (SCHEDULE, 'if s == S - 1:\n', 'if True:\n', 'A backward pass needs that of the stage'),
    (SCHEDULE, 'if free[dev] > t:', 'if free[dev] >= t and t > 0:', ''),
    (SCHEDULE, 's == 0 or f_end.get((s - 1, i), inf) <= t',
        's == 0 or (s - 1, i) in f_end', 'A forward pass needs that of the stage'),
    (SCHEDULE, 'free[dev] = t + forward', 'free[dev] = t + backward', 'Forward passes take `forward` ticks,'),
    (SCHEDULE, 'places[s] == dev and b_end.get((s, i), inf) > t',
        'places[s] == dev and b_end.get((s, i), inf) >= t', ''),
    (SCHEDULE, 'places[s] == dev and b_end', 's == dev and b_end', "A device's peak is that of all its stages"),
    (SCHEDULE, '"peak": peak',
        '"peak": [max(most[s] for s in range(S) if places[s] == d) for d in range(devices)]',
        "A device's peak is that of all its stages"),
    (SCHEDULE, '"peak": peak', '"peak": max(peak)', 'The peak is asked for each'),
    (SCHEDULE, '(devices * t - busy) / (devices * t)',
        'devices * t - busy', 'Idle is a share of the ticks, as a float:'),
    (SCHEDULE, '(devices * t - busy) / (devices * t)',
        '(devices * t - busy) / busy', 'Idle is a share of all ticks of all'),
    (SCHEDULE, '(devices * t - busy) / (devices * t)',
        '(devices - 1) / (micros + devices - 1)', 'The formula (p - 1) / (m + p - 1) holds'),
    (SCHEDULE, '(devices * t - busy) / (devices * t)', 'round((devices * t - busy) / (devices * t), 2)', ''),
    (SCHEDULE, '(devices * t - busy) / (devices * t)', '1 - busy / sum(free)', ''),
    (SCHEDULE, '"ticks": t', '"ticks": t - 1', 'ticks is when the last job has ended:'),
    (MAP, 'for a in order:\n', 'for a in order[::-1]:\n', ''),
    (MAP, 'r % sizes[a]\n                r //= sizes[a]', 'r // sizes[a]\n                r %= sizes[a]', ''),
    (MAP, 'if a not in axes]', 'if a in axes]', 'Ranks of a group differ in the axes that'),
    (MAP, 'if a not in axes]', 'if a != axes[0]]', 'With several axes named, a group holds'),
    (MAP, 'for i in range(len(g)):', 'for i in range(len(g) - 1):', 'A ring is closed: the last rank of a'),
    (MAP, 'for i in range(len(g)):', 'for i in range(len(g) if len(g) > 2 else 1):', ''),
    (MAP, 'if a // node_size != b // node_size:',
        'if a % node_size != b % node_size:', 'A node holds node_size ranks that follow'),
    (MAP, 'if a // node_size != b // node_size:',
        'if abs(a - b) >= node_size:', 'A node holds node_size ranks that follow'),
    (MAP, 'if a // node_size != b // node_size:', 'if a != b:', 'Not every hop crosses: ranks on one node'),
    (MAP, 'n += 1\n', 'n = 1\n', ''),
    (MAP, 'groups(order, axes)) * size for', 'groups(order, axes)) for', 'bytes adds up what crosses, hops times'),
    (MAP, 'groups(order, axes)) * size for', 'groups(order, axes)[:1]) * size for', ''),
    (MAP, 'groups(order, axes)) * size for axes, size in traffic)',
        'groups(order, axes)) * size * len(groups(order, axes)[0]) for axes, size in traffic)', ''),
    (MAP, 'sum(hops(groups(order, axes)) * size for', 'max(hops(groups(order, axes)) * size for', ''),
    (MAP, 'c < least', 'c <= least', 'Where several orders are the cheapest,'),
    (MAP, 'sorted(permutations(sizes))', 'permutations(sizes)', 'Where several orders are the cheapest,'),
    (MAP, 'best, least = list(o), c', 'best, least = o, c', 'best is a list of'),
    (MAP, '"best": best', '"best": best[::-1]', 'best lists the fastest axis first, as'),
    (MAP, '"best": best', '"best": "-".join(best)', ''),
    (MAP, '"least": least', '"least": cost(order) - least', 'least is the bytes that cross in the best'),
    (MAP, '"least": least', '"least": least / node_size', ''),
    (MAP, '[hops(g) for g in found]', '[hops(g) / len(g) for g in found]', ''),
    (MAP, '[hops(g) for g in found]', '[hops(g) * s for g, (_, s) in zip(found, traffic)]', ''),
    (MAP, '[hops(g) for g in found]', 'sum(hops(g) for g in found)', ''),
    (STEP, 'f = R * s / total', 'f = s / total', 'The average over ranks divides by their'),
    (STEP, 'f = R * s / total', 'f = 1.0', 'This is plain averaging, a mean of means:'),
    (STEP, 'f = R * s / total', 'f = 1 / len(own)', 'This is plain averaging, a mean of means:'),
    (STEP, 'f = R * s / total',
        'f = R * len(w) / sum(len(z) for b in batches for _, _, z in b)', 'Weights are added up, not tokens: one of'),
    (STEP, 'f = R * s / total', 'f = s / (total / R) / len(own)', 'The number of micro-batches does not'),
    (STEP, 'R = len(batches)', 'R = sum(1 for own in batches if own)', 'A rank without data takes part in the'),
    (STEP, 'R = len(batches)', 'R = sum(len(own) for own in batches)', ''),
    (STEP, '                fs.append(0.0)\n', '', ''),
    (STEP, '                fs.append(0.0)\n', '                fs.append(1.0)\n', ''),
    (STEP, '(ce * w[keep]).sum() / s', 'ce.mean()', "Each token's loss counts with its"),
    (STEP, 'obj = obj + f * mean', 'obj = f * mean', 'What a rank hands in is the gradient of'),
    (STEP, 'obj = obj + f * mean', 'obj = obj + mean', 'This is plain averaging, a mean of means:'),
    (STEP, 'mean.item() * s / total', 'mean.item() / R', ''),
    (STEP, 'mean.item() * s / total', 'f * mean.item()', 'The loss is that of one process: each'),
    (STEP, 'loss += mean.item() * s / total', 'loss += mean * s / total', 'The loss is a float, not a'),
    (STEP, '    if n > max_norm:\n        avg',
        '    if n > 0:\n        avg', 'Clipping makes no gradient longer: one'),
    (STEP, 'avg = avg * (max_norm / n)',
        'avg = avg.clamp(-max_norm, max_norm)', 'Clipping is by the norm of the whole'),
    (STEP, 'n = avg.norm().item()', 'n = (avg**2).sum().item()', 'Clipping is by the norm of the whole'),
    (STEP, 'n = avg.norm().item()', 'n = avg.norm(1).item()', ''),
    (STEP, 'n = avg.norm().item()', 'n = max(g.norm().item() for g in each)', ''),
    (STEP, 'each.append(Wr.grad)',
        'each.append(Wr.grad * min(1.0, max_norm / (Wr.grad.norm().item() + 1e-12)))', 'Clip the average, once'),
    (STEP, 'max_norm / n)',
        'max_norm / n)\n        each = [g * (max_norm / n) for g in each]', 'The average is clipped, and not what the'),
    (FOUND, '2: 1 / m, 0: m', '2: m, 0: 1 / m', ''),
    (FOUND, '2: 1 / m, 0: m', '2: 1 / m**2, 0: m', 'Each pattern can be divided once, twice'),
    (FOUND, '2: 1 / m, 0: m', '2: 1 / m', 'Each pattern can be divided once, twice'),
    (FOUND, '2: 1 / m, 0: m', '2: 1 / 2, 0: 2', 'Each pattern can be divided once, twice'),
    (FOUND, 'tokens[i] / N * full[i]', 'full[i] / m', 'The micro-batches count by their tokens:'),
    (FOUND, 'tokens[i] / N * full[i]', 'tokens[i] * full[i]', ''),
    (FOUND, 'full = p + parts[other[name]] if name in other else p',
        'full = p', 'A tied tensor gets gradients on two'),
    (FOUND, 'full.mean(dim=0)', 'full.sum(dim=0)', 'The micro-batches count by their tokens:'),
    (FOUND, 'rows.append(("last", share[-1]))',
        'rows.append(("last", full[-1]))', '"last": each micro-batch has put its'),
    (FOUND, 'rows.append(("last", share[-1]))',
        'rows.append(("last", share[0]))', '"last": each micro-batch has put its'),
    (FOUND, '("missing", right - share[i])', '("missing", share[i])', '"missing": the shares of the others stay'),
    (FOUND, '("missing", right - share[i])',
        '("missing", (right - share[i]) * N / (N - tokens[i]))', '"missing": the shares of the others stay'),
    (FOUND, '(g - want).abs().max() <= want.abs().max() / 1000',
        'torch.cosine_similarity(g.flatten(), want.flatten(), dim=0) > 0.999', ''),
    (FOUND, '(g - want).abs().max() <= want.abs().max() / 1000',
        '(g.norm() - want.norm()).abs() <= want.norm() / 1000', ''),
    (FOUND, '"other", None', '"other", 0', 'What fits no row at any power is "other",'),
    (FOUND, 'numbers[0] if all(n == numbers[0] for n in numbers) else None',
        'max(set(numbers), key=numbers.count)', 'A stage has a number only if all of its'),
    (FOUND, 'numbers = [times[n] for n in names]',
        'numbers = [times[n] for n in names if times[n] is not None] or [None]', 'A stage has a number only if'),
    (FOUND, 'repaired[name] = found[name] / scales[times[name]]\n',
        'repaired[name] = found[name] * scales[times[name]]\n', 'A gradient that was divided twice is'),
    (FOUND, 'repaired[name] = found[name] / scales[times[name]] + found[o] / scales[times[o]]',
        'repaired[name] = (found[name] + found[o]) / scales[times[name]]', 'Two parts that stand alone make the'),
    (FOUND, ' + found[o] / scales[times[o]]', '', 'A tied tensor gets gradients on two'),
    (FOUND, 'if patterns[name] == "all":',
        'if patterns[name] == "all" and times[name] != 1:', 'Where "all" was divided once there is'),
    (FOUND, 'if patterns[name] == "all":', 'if patterns[name] in ("all", "missing"):', ''),
    (FOUND, 'patterns[name] == "alone" and patterns[other[name]] == "alone"',
        'patterns[name] == "alone"', 'One part that stands alone is not enough:'),
    (FOUND, '"repaired": repaired',
        '"repaired": {n: repaired.get(n, g) for n, g in found.items()}', 'What was lost cannot be had again from'),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


RIGHT += [_made(*one) for one in SAME]
WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
