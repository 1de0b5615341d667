"""Answers to lab 10 as solvers write them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

CACHE = """
def cache_step(keys, values, lengths, dropped, q, k, v, new):
    B, T, d = q.shape
    keys = keys.clone()
    values = values.clone()
    lengths = lengths - dropped
    out = torch.zeros(B, T, d)
    for b in range(B):
        n = new[b].item()
        start = lengths[b].item()
        pos = torch.arange(start, start + n)
        keys[b, start : start + n] = turned(k[b, :n], pos)
        values[b, start : start + n] = v[b, :n]
        qq = turned(q[b, :n], pos)
        scores = qq @ keys[b, : start + n].T / d**0.5
        mask = torch.ones(n, start + n).tril(diagonal=start).bool()
        scores = scores.masked_fill(~mask, float("-inf"))
        out[b, :n] = torch.softmax(scores, dim=-1) @ values[b, : start + n]
        lengths[b] = start + n
    return out, keys, values, lengths
"""
BATCH = """
def cache_step(keys, values, lengths, dropped, q, k, v, new):
    B, T, d = q.shape
    S = keys.size(1)
    cur = lengths - dropped
    pos = cur.unsqueeze(1) + torch.arange(T).unsqueeze(0)
    valid = torch.arange(T).unsqueeze(0) < new.unsqueeze(1)
    k = turned(k, pos)
    q = turned(q, pos)
    keys, values = keys.clone(), values.clone()
    for b in range(B):
        for t in range(T):
            if valid[b, t]:
                keys[b, pos[b, t]] = k[b, t]
                values[b, pos[b, t]] = v[b, t]
    att = torch.einsum("btd,bsd->bts", q, keys) / math.sqrt(d)
    allowed = torch.arange(S).view(1, 1, S) <= pos.unsqueeze(-1)
    att = att.masked_fill(~allowed, -1e9)
    out = torch.softmax(att, -1) @ values
    out = out * valid.unsqueeze(-1)
    return out, keys, values, cur + new
"""
SAMPLER = """
def sampler_distribution(logits, seen, steps, us):
    V = len(logits)
    z = logits.clone().double()
    alive = torch.ones(V, dtype=torch.bool)

    def order():
        ids = [i for i in range(V) if alive[i]]
        return sorted(ids, key=lambda i: (-z[i].item(), i))

    def probs():
        masked = z.masked_fill(~alive, float("-inf"))
        return torch.softmax(masked, dim=0)

    for name, val in steps:
        if name == "temperature":
            if val == 0:
                best = order()[0]
                alive[:] = False
                alive[best] = True
            else:
                z = z / val
        elif name == "frequency":
            for s in seen:
                z[s] -= val
        elif name == "top_k":
            for i in order()[val:]:
                alive[i] = False
        elif name == "top_p":
            if val >= 1:
                continue
            p = probs()
            cum = 0.0
            keep = []
            for i in order():
                keep.append(i)
                cum += p[i].item()
                if cum >= val:
                    break
            alive[:] = False
            alive[keep] = True
        elif name == "min_p":
            p = probs()
            alive &= p >= val * p.max()
    p = probs()
    drawn = []
    for u in us:
        c = 0.0
        for i in order():
            c += p[i].item()
            if c > u:
                drawn.append(i)
                break
    return p.float(), drawn
"""
BILL = """
def decode_bill(layers, lengths, bits, group, weights, bandwidth):
    def vec(n):
        b = n * bits
        if bits < 16:
            b += 16 * math.ceil(n / group)
        return b // 8

    def per_token(layer):
        if layer["kind"] == "latent":
            return vec(layer["rank"]) + vec(layer["rope"])
        return 2 * layer["kv_heads"] * vec(layer["head_dim"])

    def count(layer, n):
        if layer["kind"] == "window":
            return min(n, layer["window"] + layer["sinks"])
        return n

    held = grows = read = 0
    for layer in layers:
        if layer["kind"] == "shared":
            src = layers[layer["layer"]]
            for n in lengths:
                read += count(src, n + 1) * per_token(src)
        else:
            for n in lengths:
                a = count(layer, n) * per_token(layer)
                b = count(layer, n + 1) * per_token(layer)
                held += a
                grows += b - a
                read += b
    time = (weights + read) / bandwidth
    return {"held": held, "grows": grows, "read": read, "speed": len(lengths) / time}
"""
ANGLES = """
def interpolated_angles(positions, length, d, base, trained, turns, exact):
    s = length / trained
    if s < 1:
        s = 1.0
    low, high = turns
    out = torch.zeros(len(positions), d // 2)
    for i in range(d // 2):
        theta = base ** (-2 * i / d)
        r = trained * theta / (2 * math.pi)
        gamma = (r - low) / (high - low)
        gamma = max(0.0, min(1.0, gamma))
        theta_new = gamma * theta + (1 - gamma) * theta / s
        for j, p in enumerate(positions.tolist()):
            if p < exact:
                out[j, i] = p * theta
            else:
                out[j, i] = p * theta_new
    return out, 1 + 0.1 * math.log(s)
"""
BEAM = """
def beam_texts(start, table, end, width, most, alpha):
    def norm(seq, logp):
        n = len(seq)
        if seq and seq[-1] == end:
            n -= 1
        return logp / (((5 + n) / 6) ** alpha)

    beams = [([], 0.0)]
    for step in range(most):
        cand = []
        for seq, logp in beams:
            if seq and seq[-1] == end:
                cand.append((seq, logp))
            else:
                lp = start if len(seq) == 0 else table[seq[-1]]
                for tok in range(len(lp)):
                    if lp[tok] == float("-inf"):
                        continue
                    cand.append((seq + [tok], logp + lp[tok].item()))
        cand.sort(key=lambda c: (-norm(c[0], c[1]), c[0]))
        beams = cand[:width]
    return [(seq, norm(seq, logp)) for seq, logp in beams]
"""
FOUND = """
def diagnose(cached, probes, raw, steps, q):
    found = []
    for i, place in enumerate(probes):
        hit = -1
        for pos in range(256):
            cand = turned(raw[i], torch.tensor(pos))
            if torch.all((cand - cached[place]).abs() < 1e-3):
                hit = pos
                break
        found.append(hit)
    T = cached.shape[0]
    own = list(range(T))
    restarts = []
    drafts = []
    total_dropped = 0
    n = 0
    for added, dropped in steps:
        for j in range(added - dropped):
            restarts.append(j)
            drafts.append(n + total_dropped)
            n += 1
        total_dropped += dropped
    offset = found[0] - probes[0]
    hypotheses = [
        ("none", own),
        ("restarts", restarts),
        ("drafts", drafts),
        ("padding", [p + offset for p in own]),
        ("unturned", [0] * T),
        ("twice", [2 * p for p in own]),
    ]
    cause = None
    for name, rule in hypotheses:
        if name == "padding" and offset <= 0:
            continue
        if all(rule[p] == f for p, f in zip(probes, found)):
            cause = name
            shift = torch.tensor([o - r for o, r in zip(own, rule)])
            repaired = turned(cached, shift)
            break
    if cause is None:
        cause = "stale" if -1 in found else "unknown"
        repaired = cached
    d = cached.shape[1]
    query = turned(q, torch.tensor(T))
    w1 = torch.softmax(repaired @ query / math.sqrt(d), dim=0)
    w2 = torch.softmax(cached @ query / math.sqrt(d), dim=0)
    moved = 0.5 * (w1 - w2).abs().sum().item()
    return {"found": found, "cause": cause, "repaired": repaired, "moved": moved}
"""
RIGHT = [
    ("cache_step", CACHE),
    ("cache_step", BATCH),
    ("sampler_distribution", SAMPLER),
    ("decode_bill", BILL),
    ("interpolated_angles", ANGLES),
    ("beam_texts", BEAM),
    ("diagnose", FOUND),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (CACHE, 'pos = torch.arange(start, start + n)',
        'pos = torch.arange(n)', 'Positions restart: the first new token'),
    (CACHE, 'pos = torch.arange(start, start + n)',
        'pos = torch.arange(start, start + n) + dropped[b]', 'Positions count what was dropped: after'),
    (CACHE, 'pos = torch.arange(start, start + n)',
        'pos = torch.arange(start + 1, start + n + 1)', "The first new token stands at the row's"),
    (CACHE, '    lengths = lengths - dropped\n',
        '    lengths = lengths.clone()\n', 'The rewind is missing: each row first'),
    (CACHE, 'n = new[b].item()', 'n = T', "Of a row's T tokens only the first"),
    (CACHE, '.tril(diagonal=start)', '.tril()', 'The mask lies in the wrong corner: the'),
    (CACHE, '.tril(diagonal=start)', '.tril(diagonal=start - 1)', 'A token sees itself: here it sees only'),
    (CACHE, '.tril(diagonal=start)', '', 'A token sees the future: of the tokens'),
    (CACHE, '.tril(diagonal=start)', '.triu(diagonal=start)', ''),
    (CACHE, 'turned(k[b, :n], pos)', 'k[b, :n]', 'The cache holds keys that are turned,'),
    (CACHE, 'qq = turned(q[b, :n], pos)', 'qq = q[b, :n]', 'Queries are turned too, each by the'),
    (CACHE, ' / d**0.5', '', 'Scores are divided by the root of'),
    (CACHE, 'lengths[b] = start + n', 'lengths[b] = n', 'The lengths returned are those after'),
    (CACHE, '        lengths[b] = start + n\n', '', 'The lengths returned are those after'),
    (CACHE, '= v[b, :n]', '= turned(v[b, :n], pos)', 'Values are not turned: only queries and'),
    (CACHE, 'start = lengths[b].item()', 'start = lengths.max().item()', ''),
    (BATCH, 'att.masked_fill(~allowed, -1e9)', 'att * allowed', 'What is hidden has no weight at all: a'),
    (BATCH, '    out = out * valid.unsqueeze(-1)\n', '', 'A padding token is no query: its output'),
    (BATCH, '            if valid[b, t]:\n', '            if pos[b, t] < S:\n', "Of a row's T tokens only the first"),
    (BATCH, '<= pos.unsqueeze(-1)', '< (cur + new).view(B, 1, 1)', 'A token sees the future: of the tokens'),
    (BATCH, '<= pos.unsqueeze(-1)', '< pos.unsqueeze(-1)', 'A token sees itself: here it sees only'),
    (BATCH, 'return out, keys, values, cur + new',
        'return out, keys, values, cur + T', "Of a row's T tokens only the first"),
    (BATCH, '    k = turned(k, pos)\n',
        '    k = turned(k, lengths.unsqueeze(1) + torch.arange(T))\n', 'Positions count what was dropped: after'),
    (BATCH, 'torch.softmax(att, -1)', 'torch.softmax(att, 1)', ''),
    (BATCH, '            if valid[b, t]:\n', '            if t >= T - new[b]:\n', ''),
    (SAMPLER, 'z = z / val', 'z = z * val', 'Temperature divides the logits: a high'),
    (SAMPLER, 'for s in seen:', 'for s in set(seen):', 'frequency: the penalty counts, so that'),
    (SAMPLER, 'z[s] -= val', 'z[s] += val', 'frequency: what has been seen gets less'),
    (SAMPLER, 'z[s] -= val', 'z[s] /= val', 'frequency: the penalty is taken off the'),
    (SAMPLER, '                keep.append(i)\n                cum += p[i].item()\n                if cum >= val:\n'
        '                    break\n',
        '                cum += p[i].item()\n                if cum > val:\n                    break\n'
        '                keep.append(i)\n', 'top_p: the token with which the sum'),
    (SAMPLER, '            p = probs()\n            cum = 0.0',
        '            p = torch.softmax(z, dim=0)\n            cum = 0.0', 'A step takes the chances of what the'),
    (SAMPLER, '            p = probs()\n            alive &= p >= val * p.max()',
        '            p = torch.softmax(logits, dim=0)\n            alive &= p >= val * p.max()',
        'The steps follow the order of the list,'),
    (SAMPLER, 'p >= val * p.max()', 'p >= val', 'min_p: the bound is m times the largest'),
    (SAMPLER, 'p >= val * p.max()', 'z >= val * z.max()', 'min_p: chances are compared, not'),
    (SAMPLER, '(-z[i].item(), i)', '(-z[i].item(), -i)', 'Of equal tokens the one with the'),
    (SAMPLER, '(-z[i].item(), i)', 'z[i].item()', 'top_k: k tokens stay, the likeliest:'),
    (SAMPLER, '            for i in order()[val:]:\n                alive[i] = False\n',
        '            kth = torch.topk(z, min(val, V)).values[-1]\n            alive &= z >= kth\n',
        'top_k: exactly k tokens stay: of equal'),
    (SAMPLER, '                drawn.append(i)\n',
        '                drawn.append(order().index(i))\n', 'tokens: this is the place in the order,'),
    (SAMPLER, '        for i in order():\n            c += p[i].item()\n',
        '        for i in range(V):\n            c += p[i].item()\n', 'tokens: the sum goes from the likeliest'),
    (SAMPLER, '        c = 0.0\n        for i', '        c = -u\n        for i', ''),
    (SAMPLER, '    p = probs()\n    drawn',
        '    p = torch.softmax(z, dim=0) * alive\n    drawn', 'What is left adds up to one: the'),
    (SAMPLER, '    p = probs()\n    drawn',
        '    p = torch.softmax(z, dim=0)\n    drawn', 'top_k: here no token was cut, or the'),
    (SAMPLER, '            if val >= 1:\n                continue\n',
        '            val = 1 - val\n', 'top_p: p is the share that stays, not'),
    (SAMPLER, '                best = order()[0]\n                alive[:] = False\n'
        '                alive[best] = True\n',
        '                pass\n', 'Temperature 0 leaves the likeliest'),
    (SAMPLER, '                best = order()[0]\n                alive[:] = False\n'
        '                alive[best] = True\n',
        '                alive &= z == z[alive].max()\n', 'At temperature 0 one token stays, the'),
    (SAMPLER, 'return p.float(), drawn', 'return p, drawn', ''),
    (SAMPLER, 'return p.float(), drawn', 'return p[p > 0].float(), drawn', 'There is a chance for every id, 0 for'),
    (SAMPLER, 'return p.float(), drawn', 'return p.float(), torch.tensor(drawn)', ''),
    (SAMPLER, 'order()[val:]', 'order()[val + 1:]', 'top_k: k tokens stay, the likeliest:'),
    (SAMPLER, 'if cum >= val:', 'if cum >= val and len(keep) > 1:', 'top_p: it ends where the sum has'),
    (BILL, 'return 2 * layer["kv_heads"]', 'return layer["kv_heads"]', 'A token has a key and a value in each'),
    (BILL, 'return vec(layer["rank"]) + vec(layer["rope"])',
        'return 2 * vec(layer["rank"]) + vec(layer["rope"])', 'A latent layer holds one vector of'),
    (BILL, 'return vec(layer["rank"]) + vec(layer["rope"])',
        'return vec(layer["rank"] + layer["rope"])', 'Each vector has groups of its own, the'),
    (BILL, 'math.ceil(n / group)', '(n // group)', 'The last group of a vector may be'),
    (BILL, '16 * math.ceil(n / group)', '2 * math.ceil(n / group)', 'Each group has a scale of 16 bits more:'),
    (BILL, '        if bits < 16:\n            b += 16 * math.ceil(n / group)\n',
        '        b += 16 * math.ceil(n / group)\n', '16 bits are not quantized, and have no'),
    (BILL, '2 * layer["kv_heads"] * vec(layer["head_dim"])',
        '2 * vec(layer["kv_heads"] * layer["head_dim"])', 'Each vector has groups of its own, the'),
    (BILL, 'min(n, layer["window"] + layer["sinks"])',
        'min(n, layer["window"])', 'The first tokens, the sinks, stay'),
    (BILL, 'min(n, layer["window"] + layer["sinks"])',
        'min(n, layer["window"]) + layer["sinks"]', 'A token is held once, be it a sink or'),
    (BILL, '                read += count(src, n + 1) * per_token(src)\n',
        '                pass\n', 'read: a shared layer holds nothing, but'),
    (BILL, '                read += b\n', '                read += a\n', 'read: the new token is in the cache too'),
    (BILL, '                read += b\n',
        '                read += (n + 1) * per_token(layer)\n', "read: attention goes through a window's"),
    (BILL, '                grows += b - a\n',
        '                grows += per_token(layer)\n', 'grows: a window that is full lets one'),
    (BILL, '            for n in lengths:\n                read +=',
        '            for n in lengths:\n                held += count(src, n) * per_token(src)\n'
        '                read +=', 'A shared layer holds nothing of its'),
    (BILL, '"speed": len(lengths) / time', '"speed": 1 / time', 'speed: a step makes one token for each'),
    (BILL, '"speed": len(lengths) / time', '"speed": time / len(lengths)', 'speed: tokens for each second are'),
    (BILL, '(weights + read) / bandwidth', 'weights / bandwidth', 'speed: a step reads the weights and the'),
    (BILL, '(weights + read) / bandwidth', '(weights + held) / bandwidth', 'speed: a step reads the weights and the'),
    (BILL, '(weights + read) / bandwidth',
        '(weights * len(lengths) + read) / bandwidth', 'speed: the weights are read once for'),
    (BILL, 'return b // 8', 'return b / 8', 'Bytes are counted as'),
    (BILL, 'return b // 8', 'return b', 'A number of 16 bits takes 2'),
    (ANGLES, '    if s < 1:\n        s = 1.0\n', '', 'A text that is no longer than the'),
    (ANGLES, 's = length / trained', 's = trained / length', 'Nothing was stretched: pairs that go'),
    (ANGLES, '(1 - gamma) * theta / s', '(1 - gamma) * theta * s', 'A stretched pair turns more slowly: its'),
    (ANGLES, '        gamma = max(0.0, min(1.0, gamma))\n', '', 'The share lies between 0 and 1: below'),
    (ANGLES, 'gamma * theta + (1 - gamma) * theta / s',
        '(1 - gamma) * theta + gamma * theta / s', 'The fast pairs are the ones that stay'),
    (ANGLES, 'trained * theta / (2 * math.pi)',
        'length * theta / (2 * math.pi)', 'The rounds are those within the trained'),
    (ANGLES, 'trained * theta / (2 * math.pi)', 'trained * theta', 'Rounds are counted, each of them 2 pi:'),
    (ANGLES, 'if p < exact:', 'if p <= exact:', 'The tokens before `exact` are the ones'),
    (ANGLES, 'if p < exact:', 'if False:', 'The first tokens keep their old angles,'),
    (ANGLES, 'base ** (-2 * i / d)', 'base ** (-i / d)', 'Pair i turns by base ** (-2 i / d) for'),
    (ANGLES, 'out[j, i] = p * theta_new', 'out[j, i] = p / s * theta_new', 'The positions were divided as well as'),
    (ANGLES, 'out[j, i] = p * theta_new',
        'out[j, i] = (p - exact) * theta_new + exact * theta', 'Tokens at `exact` and after it have the'),
    (ANGLES, 'out[j, i] = p * theta_new', 'out[j, i] = p * theta / s', 'All pairs were stretched alike: a pair'),
    (ANGLES, '1 + 0.1 * math.log(s)', '1 + 0.1 * math.log10(s)', 'The second value is 1 + 0.1 times the'),
    (ANGLES, '1 + 0.1 * math.log(s)', 'torch.tensor(1 + 0.1 * math.log(s))', 'The second value is a plain'),
    (ANGLES, '1 + 0.1 * math.log(s)', '1 + 0.1 * math.log(s + 1)', ''),
    (BEAM, '        if seq and seq[-1] == end:\n            n -= 1\n', '', 'The end does not count in the'),
    (BEAM, 'logp / (((5 + n) / 6) ** alpha)', 'logp / max(n, 1) ** alpha', 'The score is divided by ((5 + n) / 6)'),
    (BEAM, 'logp / (((5 + n) / 6) ** alpha)',
        'logp * (((5 + n) / 6) ** alpha)', 'The score is divided by ((5 + n) / 6)'),
    (BEAM, '(-norm(c[0], c[1]), c[0])', '(-c[1], c[0])', 'The beam is chosen by score at every'),
    (BEAM, '(-norm(c[0], c[1]), c[0])', '-norm(c[0], c[1])', 'Of texts with equal scores the one'),
    (BEAM, 'return [(seq, norm(seq, logp)) for seq, logp in beams]',
        'return [(seq, logp) for seq, logp in beams]', 'The score is divided by ((5 + n) / 6)'),
    (BEAM, 'return [(seq, norm(seq, logp)) for seq, logp in beams]',
        'return [(seq, norm(seq, logp)) for seq, logp in beams if seq[-1] == end]',
        'A text of `most` tokens is at its end,'),
    (BEAM, '                cand.append((seq, logp))\n',
        '                continue\n', 'What has ended keeps its place in the'),
    (BEAM, '            if seq and seq[-1] == end:\n                cand.append((seq, logp))\n            else:\n',
        '            if True:\n', 'What has ended is not'),
    (BEAM, '                    if lp[tok] == float("-inf"):\n                        continue\n',
        '', 'Forbidden tokens are no candidates:'),
    (BEAM, 'table[seq[-1]]', 'table[:, seq[-1]]', "The next token's logarithms are in the"),
    (BEAM, 'logp + lp[tok].item()', 'logp + math.exp(lp[tok].item())', 'The logarithms of a text add up: here'),
    (BEAM, 'logp + lp[tok].item()', 'logp + lp[tok]', 'A score is a float, not a'),
    (BEAM, 'cand[:width]', 'cand[:1]', 'A whole beam goes on: all candidates of'),
    (BEAM, 'for step in range(most):', 'for step in range(most - 1):', 'A beam of this many tokens: `most`'),
    (BEAM, 'return [(seq, norm(seq, logp)) for seq, logp in beams]',
        'return beams[0]', 'The whole beam is returned, as a'),
    (BEAM, 'return [(seq, norm(seq, logp)) for seq, logp in beams]',
        'return [([t for t in seq if t != end], norm(seq, logp)) for seq, logp in beams]',
        'The end is a token of the text, too,'),
    (BEAM, '        beams = cand[:width]\n',
        '        beams = cand[:width]\n        if beams[0][0][-1] == end:\n            break\n',
        'The search goes on for `most` tokens:'),
    (FOUND, 'cached[place]).abs()', 'cached[i]).abs()', 'found: nothing fits here. Row i of raw'),
    (FOUND, 'range(256)', 'range(cached.shape[0])', 'found: positions go up to 255, beyond'),
    (FOUND, 'hit = -1', 'hit = None', 'found: where no position fits it is -1:'),
    (FOUND, 'drafts.append(n + total_dropped)',
        'drafts.append(n + dropped)', 'cause: "drafts" counts what was dropped'),
    (FOUND, '            drafts.append(n + total_dropped)\n            n += 1\n        total_dropped += dropped\n',
        '            drafts.append(n + total_dropped + dropped)\n            n += 1\n'
        '        total_dropped += dropped\n', 'cause: "drafts" counts what was dropped'),
    (FOUND, 'range(added - dropped)', 'range(added)', 'cause: "drafts" counts what was dropped'),
    (FOUND, 'restarts.append(j)', 'restarts.append(0)', 'cause: "restarts" is where each step'),
    (FOUND, '        if name == "padding" and offset <= 0:\n            continue\n',
        '', 'cause: "padding" needs one number for'),
    (FOUND, '[o - r for o, r in zip(own, rule)]',
        '[r - o for o, r in zip(own, rule)]', 'repaired: turn each key by its right'),
    (FOUND, '[o - r for o, r in zip(own, rule)]',
        '[o for o, r in zip(own, rule)]', 'repaired: the keys are turned already:'),
    (FOUND, '            repaired = turned(cached, shift)\n',
        '            repaired = cached.clone()\n            repaired[probes] = turned(cached, shift)[probes]\n',
        'repaired: the probes alone were'),
    (FOUND, 'cause = "stale" if -1 in found else "unknown"',
        'cause = "unknown"', 'cause: "stale" is where a probe fits no'),
    (FOUND, 'cause = "stale" if -1 in found else "unknown"',
        'cause = "stale"', 'cause: "unknown" is where each probe'),
    (FOUND, 'if all(rule[p]', 'if any(rule[p]', 'cause: a rule has to fit every probe,'),
    (FOUND, 'moved = 0.5 * (w1', 'moved = (w1', 'moved: half of the sum of the'),
    (FOUND, 'query = turned(q, torch.tensor(T))', 'query = q', 'moved: the query is turned too: it'),
    (FOUND, 'query = turned(q, torch.tensor(T))',
        'query = turned(q, torch.tensor(T - 1))', 'moved: the query is turned too: it'),
    (FOUND, 'repaired @ query / math.sqrt(d)', 'repaired @ query', ''),
    (FOUND, '            break\n    if cause', '    if cause', 'cause: of the causes that fit all'),
    (CACHE, 'n = new[b].item()', 'n = min(new[b].item() + 1, T)', "Of a row's T tokens only the first"),
    (CACHE, '    lengths = lengths - dropped\n',
        '    lengths = (lengths - dropped - 1).clamp(min=0)\n', 'Each row gives up its own number of'),
    (CACHE, '= v[b, :n]', '= k[b, :n]', ''),
    (BATCH, '<= pos.unsqueeze(-1)', '< S', "What lies beyond a row's length is not"),
    (SAMPLER, 'p >= val * p.max()', 'p > val * p.max()', ''),
    (SAMPLER, 'z = z / val', 'pass', 'Temperature divides the logits: a high'),
    (SAMPLER, 'return p.float(), drawn', 'return p.log().float(), drawn', 'These are logits or logarithms, and not'),
    (SAMPLER, 'masked = z.masked_fill(~alive, float("-inf"))', 'masked = z * alive', ''),
    (BILL, 'read += count(src, n + 1) * per_token(src)',
        'read += count(src, n) * per_token(src)', 'read: the new token is in the cache too'),
    (BILL, 'b += 16 * math.ceil(n / group)', 'b += 16', 'Of a vector each group has one scale:'),
    (BILL, 'grows += b - a', 'grows += b', 'grows: it is what the cache holds later'),
    (BILL, 'return min(n, layer["window"] + layer["sinks"])',
        'return layer["window"] + layer["sinks"]', 'A window has no more tokens than there'),
    (ANGLES, 'if p < exact:', 'if p < trained:', 'The tokens before `exact` are the ones'),
    (ANGLES, 'gamma = (r - low) / (high - low)', 'gamma = r / high', 'The share is (rounds - low) / (high -'),
    (ANGLES, 'gamma = (r - low) / (high - low)', 'gamma = float(r > high)', 'The share goes from 0 at the lower'),
    (ANGLES, 's = length / trained', 's = length // trained', 'A text of this length was stretched by'),
    (BEAM, '(-norm(c[0], c[1]), c[0])', '(norm(c[0], c[1]), c[0])', 'The best texts have the largest scores,'),
    (BEAM, 'logp + lp[tok].item()', 'logp * lp[tok].item()', 'The logarithms of a text add up: here'),
    (BEAM, 'if lp[tok] == float("-inf"):',
        'if lp[tok] == float("-inf") or tok == end:', 'The end is a candidate like any other'),
    (FOUND, 'hit = -1', 'hit = 0', 'found: where no position fits it is -1:'),
    (FOUND, '        total_dropped += dropped\n',
        '        total_dropped = dropped\n', 'cause: "drafts" counts what was dropped'),
    (FOUND, 'if all(rule[p] == f for p, f in zip(probes, found)):',
        'if rule[probes[0]] == found[0]:', 'cause: a rule has to fit every probe,'),
    (FOUND, '[o - r for o, r in zip(own, rule)]',
        '[-r for o, r in zip(own, rule)]', 'repaired: these are keys that were'),
    (FOUND, '(w1 - w2).abs().sum().item()', '(w1 - w2).sum().item()', 'moved: half of the sum of the'),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0], answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
