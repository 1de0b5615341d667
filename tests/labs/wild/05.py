"""Answers to lab 05 as solvers wrote them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

LOSS = """
def shifted_loss(logits, ids, documents, learnt):
    logits, targets = logits[:, :-1], ids[:, 1:].clone()
    keep = learnt[:, 1:] & (documents[:, 1:] == documents[:, :-1]) & (documents[:, 1:] >= 0)
    targets[~keep] = -100
    n = keep.sum().item()
    if n == 0:
        return 0.0, 0
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
    return loss.item(), n
"""
RATES = """
def learning_rates(shape, peak, floor, warmup, fall, legs):
    out = []
    for planned, stopped in legs:
        start = len(out)
        base = out[-1] if out else 0.0
        after = planned - start - warmup
        n = after if shape == "cosine" else min(fall, after)
        for s in range(start, stopped):
            i = s - start
            if i < warmup:
                lr = base + (peak - base) * (i + 1) / warmup
            elif i < warmup + after - n:
                lr = peak
            else:
                p = (i + 1 - (warmup + after - n)) / n
                if shape == "cosine":
                    lr = floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * p))
                else:
                    lr = peak - (peak - floor) * p
            out.append(lr)
    return out
"""
PACK = """
def pack(documents, length, pad):
    tokens, labels, doc = [], [], []
    for d, document in enumerate(documents):
        for i, token in enumerate(document):
            tokens.append(token)
            labels.append(document[i + 1] if i + 1 < len(document) else -100)
            doc.append(d)
    missing = -len(tokens) % length
    tokens += [pad] * missing
    labels += [-100] * missing
    doc += [-1] * missing
    ids = torch.tensor(tokens, dtype=torch.long).view(-1, length)
    labels = torch.tensor(labels, dtype=torch.long).view(-1, length)
    doc = torch.tensor(doc, dtype=torch.long).view(-1, length)
    B = len(ids)
    mask = torch.zeros(B, length, length, dtype=torch.bool)
    positions = torch.zeros(B, length, dtype=torch.long)
    for b in range(B):
        for q in range(length):
            if q > 0 and doc[b, q] == doc[b, q - 1] and doc[b, q] != -1:
                positions[b, q] = positions[b, q - 1] + 1
            for k in range(q + 1):
                mask[b, q, k] = (doc[b, q] == doc[b, k] and doc[b, q] != -1) or q == k
    return {"ids": ids, "labels": labels, "positions": positions, "mask": mask}
"""
HASH = """
def minhash(first, second, hashes, bits, tolerance, delta):
    p = (1 << 61) - 1

    def sign(doc):
        if not doc:
            return []
        seen, elements = {}, []
        for x in doc:
            elements.append(64 * x + seen.get(x, 0))
            seen[x] = seen.get(x, 0) + 1
        return [min((a * e + b) % p for e in elements) & ((1 << bits) - 1) for a, b in hashes]

    s1, s2 = sign(first), sign(second)
    if s1 and s2:
        m = sum(u == v for u, v in zip(s1, s2)) / len(s1)
        c = 2 ** -bits
        j = max(0.0, (m - c) / (1 - c))
    else:
        j = 0.0
    t = tolerance * (1 - 2 ** -bits)
    k = math.ceil(math.log(2 / delta) / (2 * t**2))
    return {"signatures": [s1, s2], "jaccard": j, "hashes": k}
"""
ALARM = """
def incidents(losses, window, threshold, patience, margin, every):
    import statistics
    good, bad, out, open_ = [], [], [], False
    for t, x in enumerate(losses):
        broken = math.isnan(x) or math.isinf(x)
        is_bad = broken
        if not broken and len(good) >= window:
            w = good[-window:]
            med = statistics.median(w)
            mad = statistics.median(abs(y - med) for y in w)
            is_bad = x > med + threshold * max(mad, 0.01)
        if is_bad:
            bad.append(t)
            if (len(bad) >= patience or broken) and not open_:
                open_ = True
                ckpt = (bad[0] - margin) // every * every
                out.append((bad[0], t, max(ckpt, 0)))
        else:
            good.append(x)
            bad, open_ = [], False
    return out
"""
FOUND = """
def diagnose(order, batch, log):
    state = {}
    for step, ids in log:
        for later in [s for s in state if s >= step]:
            del state[later]
        state[step] = ids
    first, cause = -1, ""
    for s in sorted(state):
        want = order[s * batch : (s + 1) * batch]
        got = state[s]
        if got != want:
            first = s
            i = order.index(got[0])
            if got == order[i : i + len(got)]:
                cause = "restarted" if i == 0 else "repeated" if i < s * batch else "skipped"
            else:
                cause = "reshuffled"
            break
    read = [i for ids in state.values() for i in ids]
    due = order[: len(state) * batch]
    return {
        "first": first,
        "cause": cause,
        "twice": sorted(set(i for i in read if read.count(i) > 1)),
        "never": [i for i in due if i not in read],
        "rest": [i for i in order if i not in read],
    }
"""
RIGHT = [
    ("shifted_loss", LOSS),
    ("learning_rates", RATES),
    ("pack", PACK),
    ("minhash", HASH),
    ("incidents", ALARM),
    ("diagnose", FOUND),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (LOSS, "    if n == 0:\n        return 0.0, 0\n", "", "The mean of nothing is nan"),
    (LOSS, " & (documents[:, 1:] >= 0)", " & (ids[:, 1:] != 0)", "not by its id"),
    (LOSS, "(documents[:, 1:] == documents[:, :-1])", "(documents[:, 1:] == documents[:, :1])", ""),
    (RATES, "(i + 1) / warmup", "i / max(1, warmup - 1)", "The first step has the rate 0"),
    (RATES, "min(fall, after)", "min(fall, stopped - start - warmup)", "The curve ends where the leg was stopped"),
    (RATES, "(i + 1) / warmup", "(s + 1) / warmup", "counted from its own first step"),
    (RATES, "out[-1] if out else 0.0", "min(out) if out else 0.0", ""),
    (PACK, " or q == k", "", "Padding sees nothing here"),
    (PACK, "and doc[b, q] != -1:", ":", "The padding's positions are 0"),
    (PACK, "doc.append(d)", "doc.append(token)", ""),
    (HASH, "64 * x + seen.get(x, 0)", "x + seen.get(x, 0)", "The j-th occurrence of x is 64 x + j"),
    (HASH, "(m - c) / (1 - c)", "m / (1 - c)", "take it off first"),
    (HASH, "(1 << bits) - 1", "1 << bits", ""),
    (ALARM, "threshold * max(mad, 0.01)", "threshold * (mad or 0.01)", "it counts as 0.01 at least"),
    (ALARM, "bad, open_ = [], False", "open_ = False", "that of its own row"),
    (ALARM, "len(good) >= window", "t >= window", "The window has to be full"),
    (ALARM, "return out", "return out[:1]", ""),
    (FOUND, "s >= step", "s > step + 1", "all undone, the next one too"),
    (FOUND, "if got != want:", "if set(got) != set(want):", "The order inside of a batch counts too"),
    (FOUND, "[i for i in order if i not in read]", "order[len(state) * batch :]", "going on at the next step's place"),
    (FOUND, "first = s\n", "first = s * batch\n", ""),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
