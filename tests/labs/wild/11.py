"""Answers to lab 11 as solvers write them: right ones, and wrong ones with what the hint must say of them.

An empty fragment stands where no cause is known: the neutral sentence of the part is expected.
"""

ALLOCATE = """
import heapq

def allocate(operations, blocks, block_size):
    free = list(range(blocks))
    ref = [0] * blocks
    tables, lens = {}, {}
    copies, refused = [], []

    def drop(b):
        ref[b] -= 1
        if ref[b] == 0:
            heapq.heappush(free, b)

    for i, (op, name, arg) in enumerate(operations):
        if op == "write":
            table = tables.get(name, [])
            old_len = lens.get(name, 0)
            new_len = old_len + arg
            need = (new_len + block_size - 1) // block_size - len(table)
            idx = old_len // block_size
            cow = arg > 0 and old_len % block_size != 0 and ref[table[idx]] > 1
            if need + int(cow) > len(free):
                refused.append(i)
                continue
            if cow:
                b = heapq.heappop(free)
                ref[b] = 1
                copies.append((table[idx], b))
                drop(table[idx])
                table[idx] = b
            for _ in range(need):
                b = heapq.heappop(free)
                ref[b] = 1
                table.append(b)
            tables[name] = table
            lens[name] = new_len
        elif op == "fork":
            tables[arg] = tables[name][:]
            lens[arg] = lens[name]
            for b in tables[name]:
                ref[b] += 1
        elif op == "cut":
            keep = (arg + block_size - 1) // block_size
            for b in tables[name][keep:]:
                drop(b)
            tables[name] = tables[name][:keep]
            lens[name] = arg
        elif op == "end":
            for b in tables[name]:
                drop(b)
            del tables[name]
            del lens[name]
    return {"tables": tables, "copies": copies, "refused": refused, "holders": ref}
"""
PAGED = """
def paged_attention(q, keys, values, tables, lengths, sinks, window):
    S, H, d = q.shape
    P, K, _, b = keys.shape
    rep = H // K
    out = torch.zeros(S, H, d)
    moved = 0
    needed = 0
    for s in range(S):
        n = int(lengths[s])
        pos = [t for t in range(n) if t < sinks or t >= n - window]
        if len(pos) == 0:
            continue
        ks, vs = [], []
        touched = set()
        for t in pos:
            blk = int(tables[s, t // b])
            touched.add(t // b)
            ks.append(keys[blk, :, :, t % b])
            vs.append(values[blk, :, t % b, :])
        k = torch.stack(ks, dim=1)
        v = torch.stack(vs, dim=1)
        k = k.repeat_interleave(rep, dim=0)
        v = v.repeat_interleave(rep, dim=0)
        scores = (q[s].unsqueeze(1) @ k.transpose(1, 2)).squeeze(1) / math.sqrt(d)
        w = torch.softmax(scores, dim=-1)
        out[s] = (w.unsqueeze(1) @ v).squeeze(1)
        moved += len(touched) * b * 2 * K * d
        needed += len(pos) * 2 * K * d
    return out, moved, needed
"""
STEP = """
def schedule_step(requests, free, block_size, budget, rows, reserve):
    def nblocks(n):
        return (n + block_size - 1) // block_size

    order = {r["name"]: i for i, r in enumerate(requests)}
    running = [r for r in requests if r["running"]]
    waiting = [r for r in requests if not r["running"]]
    chunks, preempted, admitted = {}, [], []

    def get_chunk(r):
        missing = r["length"] - r["stored"]
        if missing <= budget:
            return missing
        end = (r["stored"] + budget) // block_size * block_size
        return max(0, end - r["stored"])

    decode = [r for r in running if r["length"] - r["stored"] == 1]
    prefill = [r for r in running if r["length"] - r["stored"] > 1]
    for r in decode + prefill:
        if r["name"] in preempted:
            continue
        c = get_chunk(r)
        if c == 0:
            continue
        need = nblocks(r["stored"] + c) - nblocks(r["stored"])
        dead = False
        while need > free:
            victim = max(running, key=lambda x: (x["priority"], order[x["name"]]))
            running.remove(victim)
            preempted.append(victim["name"])
            got = chunks.pop(victim["name"], 0)
            budget += got
            free += nblocks(victim["stored"] + got)
            if victim["name"] == r["name"]:
                dead = True
                break
        if dead:
            continue
        chunks[r["name"]] = c
        budget -= c
        free -= need
    if not preempted:
        for r in sorted(waiting, key=lambda x: (x["priority"], order[x["name"]])):
            if len(running) >= rows:
                break
            c = get_chunk(r)
            if c == 0:
                break
            need = nblocks(c)
            keep = reserve if running else 0
            if free - need < keep:
                break
            running.append(r)
            admitted.append(r["name"])
            chunks[r["name"]] = c
            budget -= c
            free -= need
    return {"chunks": chunks, "preempted": preempted, "admitted": admitted, "free": free}
"""
HASHES = """
from collections import OrderedDict

def prefix_hashes(requests, block_size, room):
    cache = OrderedDict()
    all_keys, all_hits = [], []
    for r in requests:
        toks = r["tokens"]
        parent = r["salt"] + "/" + r["adapter"]
        keys = []
        for i in range(len(toks) // block_size):
            lo, hi = i * block_size, (i + 1) * block_size
            text = parent + "|" + " ".join(map(str, toks[lo:hi]))
            for a, e, name in r["images"]:
                if a < hi and e > lo:
                    text += "|" + name
            parent = hashlib.sha256(text.encode()).hexdigest()
            keys.append(parent)
        n = 0
        usable = max(0, (len(toks) - 1) // block_size)
        for k in keys[:usable]:
            if k in cache:
                n += block_size
            else:
                break
        for k in reversed(keys):
            cache[k] = True
            cache.move_to_end(k)
        while len(cache) > room:
            cache.popitem(last=False)
        all_keys.append(keys)
        all_hits.append(n)
    return all_keys, all_hits
"""
CAPACITY = """
def capacity(sizes, memory, lengths, shared):
    bs = memory["block_size"]
    heads = max(1, sizes["num_kv_heads"] // memory["ranks"])
    per_token = 2 * sizes["num_layers"] * heads * sizes["head_dim"] * sizes["bytes"]
    block_bytes = per_token * bs
    avail = memory["bytes"] * memory["percent"] // 100 - sizes["weights"] // memory["ranks"]
    avail = max(avail, 0)
    blocks = avail // block_bytes
    run = memory["longest"] * per_token
    contiguous = min(avail // run, len(lengths))
    full = shared // bs
    used = full
    paged = 0
    tokens = full * bs
    for n in lengths:
        own = -(-n // bs) - full
        if used + own > blocks:
            break
        used += own
        tokens += n - full * bs
        paged += 1
    wc = 0.0
    if contiguous > 0:
        wc = 1 - sum(lengths[:contiguous]) / (contiguous * memory["longest"])
    wp = 0.0
    if paged > 0:
        wp = 1 - tokens / (used * bs)
    return {
        "block_bytes": block_bytes,
        "blocks": blocks,
        "contiguous": contiguous,
        "paged": paged,
        "waste_contiguous": wc,
        "waste_paged": wp,
    }
"""
FOUND = """
def diagnose(log, blocks):
    tables = {}
    last_table = {}
    prev = [0] * blocks
    faults = []
    for i, (kind, name, named, counts) in enumerate(log):
        table = list(tables.get(name, []))
        expected = [0] * blocks
        if kind in ("take", "share"):
            for b in named:
                expected[b] += 1
            tables[name] = table + list(named)
        elif kind == "copy":
            old, new = named
            expected[old] -= 1
            expected[new] += 1
            t = list(table)
            t[t.index(old)] = new
            tables[name] = t
        else:
            for b in table:
                expected[b] -= 1
            tables.pop(name, None)
        excess = {}
        for b in range(blocks):
            e = counts[b] - prev[b] - expected[b]
            if e != 0:
                excess[b] = e
        if excess:
            cause = "other"
            if kind in ("preempt", "finish", "cancel"):
                held = set()
                for t in tables.values():
                    held.update(t)
                shared = [b for b in table if b in held]
                if table and excess == {b: 1 for b in table}:
                    cause = "all kept"
                elif table and excess == {table[-1]: 1}:
                    cause = "last kept"
                elif shared and excess == {b: 1 for b in shared}:
                    cause = "shared kept"
                elif name in last_table and excess == {b: -1 for b in last_table[name]}:
                    cause = "given twice"
            elif kind == "copy" and excess == {named[0]: 1}:
                cause = "source kept"
            elif kind == "share" and excess == {b: 1 for b in named}:
                cause = "counted twice"
            faults.append((i, cause))
        if kind == "preempt":
            last_table[name] = table
        prev = counts
    holders = [0] * blocks
    for t in tables.values():
        for b in t:
            holders[b] += 1
    leaked = [b for b in range(blocks) if holders[b] == 0 and prev[b] > 0]
    exposed = [b for b in range(blocks) if holders[b] > 0 and prev[b] <= 0]
    return {"faults": faults, "leaked": leaked, "exposed": exposed, "holders": holders}
"""
RIGHT = [
    ("allocate", ALLOCATE),
    ("paged_attention", PAGED),
    ("schedule_step", STEP),
    ("prefix_hashes", HASHES),
    ("capacity", CAPACITY),
    ("diagnose", FOUND),
]
# An answer above, what is replaced in it, by what, and what its hint says.
EDITS = [
    (ALLOCATE,
        'arg > 0 and old_len % block_size != 0 and ref[table[idx]] > 1',
        'False',
        'A block is written into by one holder',
    ),
    (ALLOCATE,
        'arg > 0 and old_len % block_size != 0 and',
        'bool(table) and idx < len(table) and',
        'A write of no tokens',
    ),
    (ALLOCATE, 'tables[name][:]', 'tables[name]', 'Each table is a list of its own'),
    (ALLOCATE, 'heapq.heappush(free, b)', 'free.append(b)', ''),
    (ALLOCATE, '                drop(table[idx])\n', '', 'After the copy the old block has one'),
    (ALLOCATE, 'need + int(cow) > len(free)', 'need > len(free)', ''),
    (ALLOCATE,
        '                refused.append(i)\n                continue\n',
        '                refused.append(i)\n                break\n',
        'After a write that is refused',
    ),
    (ALLOCATE, 'copies.append((table[idx], b))', 'copies.append((b, table[idx]))', 'A copy is noted as'),
    (ALLOCATE, 'keep = (arg + block_size - 1) // block_size', 'keep = arg // block_size', 'After a cut there remain'),
    (ALLOCATE, '            lens[name] = arg\n', '', 'What a cut leaves in the last block'),
    (ALLOCATE, '            for b in tables[name][keep:]:\n                drop(b)\n', '', 'A cut gives back'),
    (ALLOCATE, '            for b in tables[name]:\n                ref[b] += 1\n', '', 'A fork makes its blocks'),
    (ALLOCATE, 'refused.append(i)', 'refused.append(name)', 'refused holds the numbers'),
    (PAGED, 'or t >= n - window', 'or t > n - window', 'The window holds'),
    (PAGED, 'or t >= n - window', 'or t >= n - window - sinks', 'The sinks come on top'),
    (PAGED, 't < sinks or t >= n - window', 't >= n - window', 'The window is seen, and the sinks'),
    (PAGED, 'or t >= n - window', 'or t >= max(sinks, n - window + sinks)', 'The sinks come on top'),
    (PAGED,
        'k = k.repeat_interleave(rep, dim=0)\n        v = v.repeat_interleave(rep, dim=0)',
        'k = k.repeat(rep, 1, 1)\n        v = v.repeat(rep, 1, 1)',
        'Neighbouring query heads',
    ),
    (PAGED, ' / math.sqrt(d)', '', 'Scores are divided by the root'),
    (PAGED, '        if len(pos) == 0:\n            continue\n', '', ''),
    (PAGED,
        'moved += len(touched) * b * 2 * K * d',
        'moved += math.ceil(len(pos) / b) * b * 2 * K * d',
        'A block is read once',
    ),
    (PAGED,
        'moved += len(touched) * b * 2 * K * d',
        'moved += math.ceil(n / b) * b * 2 * K * d',
        'A block is read once',
    ),
    (PAGED, 'needed += len(pos) * 2 * K * d', 'needed += n * 2 * K * d', 'What is needed are the tokens'),
    (PAGED,
        'moved += len(touched) * b * 2 * K * d',
        'moved += len(touched) * b * 2 * H * d',
        'A block is read whole, with keys',
    ),
    (PAGED,
        'vs.append(values[blk, :, t % b, :])',
        'vs.append(values.transpose(2, 3)[blk, :, :, t % b].flip(-1))',
        '',
    ),
    (PAGED,
        'moved += len(touched) * b * 2 * K * d',
        'moved += len(touched) * b * 2 * K * d * 4',
        'Numbers are counted, and not',
    ),
    (STEP, 'for r in decode + prefill', 'for r in running[:]', 'Requests that decode come before'),
    (STEP,
        'end = (r["stored"] + budget) // block_size * block_size',
        'end = r["stored"] + budget // block_size * block_size',
        'It is the end of the chunk',
    ),
    (STEP,
        '        end = (r["stored"] + budget) // block_size * block_size\n'
        '        return max(0, end - r["stored"])',
        '        return budget',
        'A chunk that does not finish',
    ),
    (STEP,
        'max(running, key=lambda x: (x["priority"], order[x["name"]]))',
        'running[-1]',
        'The victim is the running request',
    ),
    (STEP,
        'max(running, key=lambda x: (x["priority"], order[x["name"]]))',
        'max(running, key=lambda x: x["priority"])',
        'Of equal priority',
    ),
    (STEP,
        'max(running, key=lambda x: (x["priority"], order[x["name"]]))',
        'max([x for x in running if x is not r], key=lambda x: (x["priority"], order[x["name"]]))',
        'The request that needs the blocks may',
    ),
    (STEP, '            budget += got\n', '', 'A victim that has a chunk'),
    (STEP,
        'free += nblocks(victim["stored"] + got)',
        'free += nblocks(victim["stored"])',
        "All of a victim's blocks",
    ),
    (STEP, '        if r["name"] in preempted:\n            continue\n', '', 'A victim does not run any more'),
    (STEP, '    if not preempted:\n', '    if True:\n', 'In a step that preempts'),
    (STEP,
        'key=lambda x: (x["priority"], order[x["name"]])):\n            if',
        'key=lambda x: order[x["name"]]):\n            if',
        'The queue is ordered by priority',
    ),
    (STEP,
        '            if free - need < keep:\n                break',
        '            if free - need < keep:\n                continue',
        'Nobody overtakes',
    ),
    (STEP, 'keep = reserve if running else 0', 'keep = reserve', 'With nobody running'),
    (STEP, 'need = nblocks(c)\n', 'need = nblocks(r["length"])\n', 'Its first chunk alone'),
    (STEP, 'nblocks(r["stored"] + c) - nblocks(r["stored"])', 'nblocks(c)', 'The room that is left in a request'),
    (STEP,
        '        budget -= c\n        free -= need\n    if',
        '        free -= need\n    if',
        'A chunk is what is missing',
    ),
    (HASHES,
        '            text = parent + "|"',
        '            text = r["salt"] + "/" + r["adapter"] + "|"',
        'Each key depends on the one before',
    ),
    (HASHES,
        'range(len(toks) // block_size)',
        'range(math.ceil(len(toks) / block_size))',
        'Only whole blocks have a key',
    ),
    (HASHES, 'usable = max(0, (len(toks) - 1) // block_size)', 'usable = len(keys)', 'The last token has to go'),
    (HASHES,
        'usable = max(0, (len(toks) - 1) // block_size)',
        'usable = max(0, len(keys) - 1)',
        'The block of the last token is no hit',
    ),
    (HASHES, 'if a < hi and e > lo', 'if lo <= a < hi', 'An image that goes on from'),
    (HASHES, 'if a < hi and e > lo', 'if a < hi and e >= lo', 'An image ends before its second'),
    (HASHES, 'if a < hi and e > lo', 'if a <= hi and e > lo', 'An image that begins where'),
    (HASHES, 'for k in reversed(keys)', 'for k in keys', "A request's last block is used first"),
    (HASHES, '            cache.move_to_end(k)\n', '', 'A block that is found is used'),
    (HASHES, 'cache.popitem(last=False)', 'cache.popitem()', 'The cache is full'),
    (HASHES, 'n += block_size', 'n += 1', 'Hits are counted in tokens'),
    (HASHES,
        '" ".join(map(str, toks[lo:hi]))',
        '",".join(map(str, toks[lo:hi]))',
        'The tokens are written with one space',
    ),
    (HASHES,
        'r["salt"] + "/" + r["adapter"]',
        '(r["salt"] + "/" + r["adapter"] if r["salt"] or r["adapter"] else "")',
        "The first block's parent is salt",
    ),
    (HASHES,
        'for k in reversed(keys)',
        'for k in reversed([k for k in keys if k not in cache])',
        'A block that is found is used',
    ),
    (CAPACITY,
        'heads = max(1, sizes["num_kv_heads"] // memory["ranks"])',
        'heads = sizes["num_kv_heads"]',
        'The devices share the heads',
    ),
    (CAPACITY,
        'heads = max(1, sizes["num_kv_heads"] // memory["ranks"])',
        'heads = sizes["num_kv_heads"] // memory["ranks"]',
        'Where there are more devices',
    ),
    (CAPACITY, '- sizes["weights"] // memory["ranks"]', '- sizes["weights"]', 'The weights are divided'),
    (CAPACITY, 'per_token = 2 * ', 'per_token = ', 'Keys and values are both kept'),
    (CAPACITY, 'min(avail // run, len(lengths))', 'avail // run', 'No more requests can run'),
    (CAPACITY, 'full = shared // bs', 'full = -(-shared // bs)', 'What is behind the last whole block'),
    (CAPACITY, 'full = shared // bs', 'full = 0', 'Whole blocks of the prefix are held once'),
    (CAPACITY, '    used = full\n', '    used = 0\n', 'The blocks of the prefix take room'),
    (CAPACITY,
        'if used + own > blocks:\n            break',
        'if used + own > blocks:\n            continue',
        'The requests come in order',
    ),
    (CAPACITY, 'wp = 1 - tokens / (used * bs)', 'wp = 1 - tokens / (blocks * bs)', 'The waste is one of the room'),
    (CAPACITY,
        'wc = 1 - sum(lengths[:contiguous]) / (contiguous * memory["longest"])',
        'wc = 1 - sum(lengths) / (len(lengths) * memory["longest"])',
        'Only the requests that run count',
    ),
    (CAPACITY,
        'wp = 1 - tokens / (used * bs)',
        'wp = 1 - sum(lengths[:paged]) / (used * bs)',
        'The tokens of a shared block are there once',
    ),
    (CAPACITY,
        'min(avail // run, len(lengths))',
        'min(blocks * bs // memory["longest"], len(lengths))',
        'The runs are no blocks',
    ),
    (CAPACITY, 'avail = max(avail, 0)', 'avail = avail', 'Where the weights leave nothing'),
    (FOUND,
        'e = counts[b] - prev[b] - expected[b]',
        'e = counts[b] - sum(b in t for t in tables.values())',
        'A count is wrong at the entry',
    ),
    (FOUND,
        'if table and excess == {b: 1 for b in table}',
        'if table and all(excess.get(b) == 1 for b in table)',
        'A cause fits if nothing else',
    ),
    (FOUND, 'excess == {table[-1]: 1}', 'excess == {max(table): 1}', 'last kept: the last block is that of'),
    (FOUND,
        'shared = [b for b in table if b in held]',
        'shared = [b for b in table if prev[b] > 1]',
        'shared: held by another table',
    ),
    (FOUND,
        '        if kind == "preempt":\n            last_table[name] = table\n',
        '',
        'given twice: what was lowered',
    ),
    (FOUND,
        'excess == {b: -1 for b in last_table[name]}',
        'all(e == -1 for e in excess.values())',
        'given twice: blocks of an earlier table',
    ),
    (FOUND, 'if holders[b] == 0 and prev[b] > 0', 'if prev[b] > holders[b]', 'leaked: nobody holds'),
    (FOUND, 'if holders[b] > 0 and prev[b] <= 0', 'if prev[b] < holders[b]', 'exposed: somebody holds'),
    (FOUND,
        '            tables.pop(name, None)\n',
        '            tables[name] = tables.pop(name, []) if kind == "preempt" else []\n',
        'What a table held goes to',
    ),
    (FOUND, 'holders[b] += 1', 'holders[b] = 1', 'holders: a shared block'),
    (FOUND,
        '            faults.append((i, cause))\n',
        '            if cause != "other":\n                faults.append((i, cause))\n',
        'Causes that are no pattern',
    ),
    (FOUND, 'elif kind == "copy" and excess == {named[0]: 1}', 'elif kind == "copy"', 'source kept: at a copy'),
    (FOUND,
        '                elif table and excess == {table[-1]: 1}:\n'
        '                    cause = "last kept"\n'
        '                elif shared and excess == {b: 1 for b in shared}:\n'
        '                    cause = "shared kept"\n',
        '                elif shared and excess == {b: 1 for b in shared}:\n'
        '                    cause = "shared kept"\n'
        '                elif table and excess == {table[-1]: 1}:\n'
        '                    cause = "last kept"\n',
        'The first cause that fits',
    ),
    (FOUND, 't[t.index(old)] = new', 't.remove(old)\n            t.append(new)', 'A copy puts the new block where'),
]  # fmt: skip


def _made(answer: str, old: str, new: str) -> tuple[str, str]:
    assert answer.count(old) == 1, (answer, old)
    return answer.split("def ")[1].split("(")[0] if "def " in answer else "", answer.replace(old, new)


WRONG = [(*_made(answer, old, new), hint) for answer, old, new, hint in EDITS]
