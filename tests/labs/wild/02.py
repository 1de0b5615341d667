"""Answers to lab 02 as solvers write them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

TRIGRAM = """
from collections import defaultdict

def trigram_probabilities(documents, V, context, D):
    table = defaultdict(lambda: [0] * V)
    for doc in documents:
        for i, token in enumerate(doc):
            table[()][token] += 1
            if i >= 1:
                table[(doc[i - 1],)][token] += 1
            if i >= 2:
                table[(doc[i - 2], doc[i - 1])][token] += 1
    probs = [1 / V] * V
    last = tuple(context[-2:])
    for start in reversed(range(len(last) + 1)):
        counts = table[last[start:]]
        n = sum(counts)
        if n == 0:
            continue
        zeros = [i for i, c in enumerate(counts) if c == 0]
        if not zeros:
            probs = [c / n for c in counts]
            continue
        left = D * (V - len(zeros)) / n
        total = sum(probs[i] for i in zeros)
        probs = [(c - D) / n if c else left * probs[i] / total for i, c in enumerate(counts)]
    return torch.tensor(probs)
"""
PADDED = """
def padded_perplexity(logits, ids, lengths, side, characters):
    B, T, V = logits.shape
    logp = torch.log_softmax(logits.double(), dim=-1)
    total, n, rows = 0.0, 0, []
    for b in range(B):
        start = T - lengths[b] if side == "left" else 0
        row = 0.0
        for t in range(start + 1, start + lengths[b]):
            row -= logp[b, t - 1, ids[b, t]].item()
        count = lengths[b] - 1
        rows.append(math.exp(row / count) if count else None)
        total += row
        n += count
    return {"perplexity": math.exp(total / n), "rows": rows, "bits": total / math.log(2) / sum(characters)}
"""
LSTM = """
def lstm_step(x, h, c, W, b, order, forget_bias, live):
    z = torch.cat((x, h), 1) @ W + b
    H = h.size(1)
    parts = {}
    for n, letter in enumerate(order):
        parts[letter] = z[:, n * H : (n + 1) * H]
    f = torch.sigmoid(parts["f"] + forget_bias)
    i = torch.sigmoid(parts["i"])
    o = torch.sigmoid(parts["o"])
    g = torch.tanh(parts["g"])
    c2 = f * c + i * g
    h2 = o * torch.tanh(c2)
    mask = live.unsqueeze(1)
    return h2 * mask + h * ~mask, c2 * mask + c * ~mask
"""
BPTT = """
def truncated_gradients(xs, targets, h, W_x, W_h, w_o, k):
    W_x = W_x.clone().requires_grad_(True)
    W_h = W_h.clone().requires_grad_(True)
    w_o = w_o.clone().requires_grad_(True)
    T = xs.shape[0]
    losses = []
    for t in range(T):
        if t % k == 0:
            h = h.detach()
        h = torch.tanh(W_x @ xs[t] + W_h @ h)
        losses.append((torch.dot(w_o, h) - targets[t]) ** 2)
    loss = torch.stack(losses).mean()
    loss.backward()
    return {"loss": loss.item(), "W_x": W_x.grad, "W_h": W_h.grad, "w_o": w_o.grad, "state": h.detach()}
"""
DRAWN = """
def drawn_tokens(table, start, temperature, numbers, stop):
    out = []
    cur = start
    for u in numbers:
        z = table[cur]
        if temperature == 0:
            cur = int(torch.argmax(z))
        else:
            p = torch.softmax(z.double() / temperature, dim=-1)
            acc = 0.0
            for j in range(len(p)):
                if p[j] == 0:
                    continue
                acc += float(p[j])
                cur = j
                if u < acc:
                    break
        out.append(cur)
        if cur == stop:
            return out
    return out
"""
SCAN = """
def scan_rounds(a, b, h, starts, rounds):
    a = a.clone()
    for s in starts:
        a[s] = 0
    T = a.shape[0]
    for r in range(rounds):
        step = 2 ** r
        new_a, new_b = a.clone(), b.clone()
        for t in range(step, T):
            new_a[t] = a[t] * a[t - step]
            new_b[t] = a[t] * b[t - step] + b[t]
        a, b = new_a, new_b
    if 2 ** rounds < T:
        return a, b, None
    return a, b, a * h + b
"""
DIAGNOSE = """
def diagnose(batches, padding, ends, table, W_h):
    N, B, H = ends.shape
    zero = torch.zeros(H)
    causes, clean, leaks = [], torch.zeros(N, B, H), []
    for n in range(N):
        longest = max(len(s) for s in batches[n])
        row = []
        for s in range(B):
            ids = batches[n][s]
            pad = [padding] * (longest - len(ids))
            clean[n, s] = run(zero, ids, table, W_h)
            options = [("fresh", clean[n, s])]
            if n > 0:
                options.append(("carried", run(ends[n - 1, s], ids, table, W_h)))
                for o in range(B):
                    if o != s:
                        options.append((f"from {o}", run(ends[n - 1, o], ids, table, W_h)))
            options.append(("padded", run(zero, pad + ids, table, W_h)))
            options.append(("run on", run(zero, ids + pad, table, W_h)))
            word = "other"
            for name, state in options:
                if torch.max(torch.abs(state - ends[n, s])) < 1e-3:
                    word = name
                    break
            row.append(word)
            if word == "carried" or word.startswith("from"):
                leaks.append(s)
        causes.append(row)
    return {"causes": causes, "clean": clean, "leaks": sorted(set(leaks))}
"""
RIGHT = [
    ("trigram_probabilities", TRIGRAM),
    ("padded_perplexity", PADDED),
    ("lstm_step", LSTM),
    ("truncated_gradients", BPTT),
    ("drawn_tokens", DRAWN),
    ("scan_rounds", SCAN),
    ("diagnose", DIAGNOSE),
]


def but(source: str, old: str, new: str) -> str:
    """Return a source with one place changed."""
    assert source.count(old) == 1, old
    return source.replace(old, new)


WRONG = [
    (
        "trigram_probabilities",
        but(TRIGRAM, "D * (V - len(zeros)) / n", "1 - sum(c - D for c in counts if c) / n - D / n"),
        "",
    ),
    (
        "trigram_probabilities",
        but(TRIGRAM, "left * probs[i] / total", "left * probs[i]"),
        "divide by what the shorter context gives",
    ),
    (
        "trigram_probabilities",
        but(TRIGRAM, "last[start:]", "last[: len(last) - start]"),
        "drops the token that is furthest away",
    ),
    (
        "trigram_probabilities",
        but(TRIGRAM, "left * probs[i] / total", "left / len(zeros)"),
        "divide by what the shorter context gives",
    ),
    ("trigram_probabilities", but(TRIGRAM, "(c - D) / n if c", "c / n if c"), "nothing was taken off"),
    ("padded_perplexity", but(PADDED, "logp[b, t - 1, ids", "logp[b, t, ids"), "speak of the token *after* it"),
    ("padded_perplexity", but(PADDED, "count = lengths[b] - 1", "count = lengths[b]"), "a row's first token has none"),
    (
        "padded_perplexity",
        but(PADDED, "if count else None", "if count else math.nan"),
        "A row of one token has no loss",
    ),
    (
        "padded_perplexity",
        but(PADDED, "math.exp(total / n)", "sum(r for r in rows if r) / len([r for r in rows if r])"),
        "not a mean over rows",
    ),
    ("padded_perplexity", but(PADDED, "total / math.log(2) / sum", "total / sum"), "Bits are nats over ln 2"),
    ("padded_perplexity", but(PADDED, 'T - lengths[b] if side == "left" else 0', "0"), "Padding may stand on the left"),
    ("lstm_step", but(LSTM, "enumerate(order)", "enumerate('ifgo')"), "in the order that is given"),
    ("lstm_step", but(LSTM, "f * c + i * g", "f * c + (1 - f) * g"), "f says how much"),
    ("lstm_step", but(LSTM, "torch.tanh(c2)", "c2"), "through a tanh"),
    ("lstm_step", but(LSTM, "c2 * mask + c * ~mask", "c2 * mask"), "keeps its states"),
    (
        "lstm_step",
        but(LSTM, 'parts["f"] + forget_bias', 'parts["f"] * forget_bias'),
        "before the sigmoid, and to f alone",
    ),
    ("truncated_gradients", but(BPTT, "if t % k == 0:", "if True:"), "cut at every step"),
    ("truncated_gradients", but(BPTT, "if t % k == 0:", "if t % k == 1:"), ""),
    (
        "truncated_gradients",
        but(BPTT, "h = h.detach()\n        h", "h = torch.zeros_like(h)\n        h"),
        "The state goes on",
    ),
    ("truncated_gradients", but(BPTT, "if t % k == 0:", "if False:"), "through the whole row"),
    ("truncated_gradients", but(BPTT, ".mean()", ".sum()"), "divided by the steps of the whole row"),
    ("drawn_tokens", but(DRAWN, "z.double() / temperature", "z.double() * temperature"), "Temperature divides"),
    ("drawn_tokens", but(DRAWN, "z = table[cur]", "z = table[start]"), "the row of the last token"),
    ("drawn_tokens", but(DRAWN, "if u < acc", "if u > acc"), ""),
    (
        "scan_rounds",
        but(SCAN, "a[t] * b[t - step] + b[t]", "a[t - step] * b[t] + b[t - step]"),
        "The *later* piece's decay",
    ),
    ("scan_rounds", but(SCAN, "step = 2 ** r", "step = r + 1"), "The distance doubles"),
    ("scan_rounds", but(SCAN, "a[s] = 0", "a[s] = 0; b[s] = 0"), "what it adds stays"),
    ("scan_rounds", but(SCAN, "return a, b, a * h + b", "return a, b, b"), "The states need what was there before"),
    ("diagnose", but(DIAGNOSE, "run(ends[n - 1, s], ids", "run(clean[n - 1, s], ids"), ""),
    ("diagnose", but(DIAGNOSE, "ids + pad", "ids + [padding]"), "padding that was read after"),
    ("diagnose", but(DIAGNOSE, 'word = "other"', 'word = "fresh"'), 'What no explanation gives is "other"'),
    (
        "diagnose",
        but(DIAGNOSE, 'if word == "carried" or word.startswith("from"):', 'if word != "fresh":'),
        "padding is no leak",
    ),
    ("diagnose", but(DIAGNOSE, "sorted(set(leaks))", "leaks"), ""),
]
