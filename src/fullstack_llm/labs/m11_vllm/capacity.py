"""Exercise 5 of lab 11: how many requests a memory holds at once, in runs of one length and in blocks, and the waste."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m11_vllm.inputs import LIBRARIES


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def capacity(sizes, memory, lengths, shared):
    ranks, size = memory["ranks"], memory["block_size"]
    heads = max(sizes["num_kv_heads"] // ranks, 1)
    token = 2 * sizes["num_layers"] * heads * sizes["head_dim"] * sizes["bytes"]
    left = memory["bytes"] * memory["percent"] // 100 - sizes["weights"] // ranks
    left = max(left, 0)
    blocks = left // (token * size)
    runs, own = 0, 0
    for length in lengths:
        if (runs + 1) * memory["longest"] * token > left:
            break
        runs += 1
        own += length
    whole = shared // size
    paged, taken, stored = 0, whole, whole * size
    for length in lengths:
        rest = length - whole * size
        more = -(-rest // size)
        if taken + more > blocks:
            break
        paged += 1
        taken += more
        stored += rest
    return {
        "block_bytes": token * size,
        "blocks": blocks,
        "contiguous": runs,
        "paged": paged,
        "waste_contiguous": 1 - own / (runs * memory["longest"]) if runs else 0.0,
        "waste_paged": 1 - stored / (taken * size) if paged else 0.0,
    }


@capacity.right
def block_by_block(sizes, memory, lengths, shared):
    # The blocks of each request as a set; the tokens in each block as a number.
    size, ranks = memory["block_size"], memory["ranks"]
    kv = sizes["num_kv_heads"]
    per_rank = kv // ranks if kv >= ranks else 1
    block = 2 * per_rank * sizes["head_dim"] * sizes["num_layers"] * sizes["bytes"] * size
    usable = memory["percent"] * memory["bytes"] // 100 - sizes["weights"] // ranks
    blocks = max(0, usable) // block
    fixed = memory["longest"] * block // size
    contiguous = min(len(lengths), max(0, usable) // fixed)
    filled, paged = {}, 0
    for number, length in enumerate(lengths):
        mine = {}
        for t in range(length):
            part = t // size
            name = ("common", part) if (part + 1) * size <= shared else (number, part)
            mine[name] = mine.get(name, 0) + 1
        if len(filled | mine) > blocks:
            break
        filled |= mine
        paged += 1
    unused = sum(size - tokens for tokens in filled.values())
    mean = sum(lengths[:contiguous]) / contiguous if contiguous else memory["longest"]
    return {
        "block_bytes": block,
        "blocks": blocks,
        "contiguous": contiguous,
        "paged": paged,
        "waste_contiguous": (memory["longest"] - mean) / memory["longest"],
        "waste_paged": unused / (len(filled) * size) if filled else 0.0,
    }


def model(layers: int, heads: int, d: int, width: int, weights: int):
    """Return what the exercise says of a model."""
    return {"num_layers": layers, "num_kv_heads": heads, "head_dim": d, "bytes": width, "weights": weights}


def device(ranks: int, amount: int, percent: int, size: int, longest: int):
    """Return what the exercise says of the memory."""
    return {"ranks": ranks, "bytes": amount, "percent": percent, "block_size": size, "longest": longest}


LLAMA_3_8B = model(32, 8, 128, 2, 16_060_522_496)
LLAMA_3_70B = model(80, 8, 128, 2, 141_107_412_992)


def room(blocks: float, one: dict, at: dict):
    """Return a memory in which about so many blocks have room."""
    heads = max(one["num_kv_heads"] // at["ranks"], 1)
    block = 2 * one["num_layers"] * heads * one["head_dim"] * one["bytes"] * at["block_size"]
    return at | {"bytes": int((blocks * block + one["weights"] // at["ranks"]) * 100 / at["percent"]) + 1}


@capacity.part(
    5, "Of the room that is taken, how much holds no token? Only requests that fit count; a shared block counts once.",
    "waste", items=("waste_contiguous", "waste_paged"), whole=True,
)  # fmt: skip
@capacity.part(
    5, "Put one request after the other in, until the next does not fit. Which of its blocks are there already?",
    "requests", items=("contiguous", "paged"), whole=True,
)  # fmt: skip
@capacity.part(
    4, "Bytes of one token on one device: of which heads, of how many layers, and of keys and values. Then what is left.",
    "blocks", items=("block_bytes", "blocks"),
)  # fmt: skip
def memories(draw: Draw):
    # Prime sizes; enough of a prefix that a part of a block is left of it.
    odd = model(7, 6, 11, 1, 3_000_018)
    yield odd, room(617.6, odd, device(3, 0, 90, 13, 136)), [draw.randint(50, 136) for _ in range(150)], 31
    # More devices than heads, each of which holds one whole.
    few = model(5, 2, 7, 4, 1_000_024)
    yield few, room(839.5, few, device(8, 0, 85, 5, 97)), [draw.randint(20, 90) for _ in range(150)], 14
    yield odd, room(477.8, odd, device(1, 0, 95, 7, 119)), [draw.randint(9, 110) for _ in range(90)], 0
    # A prefix that ends with a block, and requests that do.
    yield odd, room(37.2, odd, device(3, 0, 80, 6, 71)), [12 + 6 * draw.randint(1, 7) for _ in range(30)], 12
    yield LLAMA_3_8B, device(1, 80 * 2**30, 90, 16, 8192), [draw.randint(950, 4000) for _ in range(300)], 900
    yield LLAMA_3_70B, device(4, 80 * 2**30, 92, 32, 4096), [draw.randint(300, 2500) for _ in range(300)], 263
    # All fit; the first does not; the weights alone are too large; nobody asks.
    yield odd, room(99.0, odd, device(2, 0, 90, 13, 150)), [40, 75, 33], 7
    yield odd, room(13.5, odd, device(2, 0, 90, 13, 150)), [40, 75, 33], 7
    yield odd, room(9.7, odd, device(2, 0, 90, 13, 300)), [131, 20], 0
    yield odd, device(1, 2_000_000, 90, 13, 50), [20, 30], 0
    yield odd, room(9.7, odd, device(2, 0, 90, 13, 30)), [], 0


HEADS, TOKEN = 'max(sizes["num_kv_heads"] // ranks, 1)', 'token = 2 * sizes["num_layers"] * heads'
LEFT = 'memory["bytes"] * memory["percent"] // 100 - sizes["weights"] // ranks'
PAGED = "1 - stored / (taken * size)"
RUNS = '1 - own / (runs * memory["longest"])'
capacity.mistakes(f"""
Keys and values are both kept: twice as many numbers.
    {TOKEN} => token = sizes["num_layers"] * heads
Each layer keeps its own keys and values.
    {TOKEN} => token = 2 * heads
Only the requests that run count: their lengths, and no others.
    {RUNS} => 1 - sum(lengths) / (len(lengths) * memory["longest"])
    {PAGED} => 1 - (whole * size + sum(lengths) - len(lengths) * whole * size) / (whole * size + sum(-(-(one - whole * size) // size) * size for one in lengths))
A block has room for block_size tokens.
    left // (token * size) => left // token && "block_bytes": token * size => "block_bytes": token
    "block_bytes": token * size => "block_bytes": token
The size of a number is sizes["bytes"].
    * sizes["bytes"]\\n => * 2\\n
    * sizes["bytes"]\\n =>\\n
Where there are more devices than heads each keeps one head, and no part of one.
    {HEADS} => -(-sizes["num_kv_heads"] // ranks) + (ranks > sizes["num_kv_heads"])
    {HEADS} => (sizes["num_kv_heads"] if ranks > sizes["num_kv_heads"] else sizes["num_kv_heads"] // ranks)
    {HEADS} => (sizes["num_kv_heads"] // ranks)
The devices share the heads: each keeps num_kv_heads / ranks of them.
    {HEADS} => sizes["num_kv_heads"]
The bytes of a block are those on one device: the memory is that of one, too.
    "block_bytes": token * size => "block_bytes": token * size * ranks
    {LEFT} => (memory["bytes"] * memory["percent"] // 100 - sizes["weights"] // ranks) * ranks
    {LEFT} => memory["bytes"] * ranks * memory["percent"] // 100 - sizes["weights"]
    {LEFT} => memory["bytes"] * ranks * memory["percent"] // 100 - sizes["weights"] // ranks
The weights are divided among the devices: each holds its part.
    {LEFT} => memory["bytes"] * memory["percent"] // 100 - sizes["weights"]
    {LEFT} => memory["bytes"] * memory["percent"] // 100 - sizes["weights"] * ranks
The weights lie in the same memory: take them off.
    {LEFT} => memory["bytes"] * memory["percent"] // 100
The percentage is one of the whole memory, and the weights come off that.
    {LEFT} => (memory["bytes"] - sizes["weights"] // ranks) * memory["percent"] // 100
    {LEFT} => memory["bytes"] - sizes["weights"] // ranks
Blocks are whole: round down.
    left // (token * size) => -(-left // (token * size))
    left // (token * size) => left / (token * size)
    left // (token * size) => round(left / (token * size))
Where the weights leave nothing there are no blocks, and not fewer than none.
    left = max(left, 0) => pass
In one run of memory each request reserves room for the longest, whatever its own length.
    (runs + 1) * memory["longest"] * token > left => (own + length) * token > left
    (runs + 1) * memory["longest"] * token > left => (runs + 1) * max(lengths) * token > left
The runs are no blocks: they take what is left, to the last byte.
    (runs + 1) * memory["longest"] * token > left => (runs + 1) * -(-memory["longest"] // size) > blocks
    (runs + 1) * memory["longest"] * token > left => (runs + 1) * memory["longest"] > blocks * size
No more requests can run than there are.
    runs += 1\\n => runs += 1\\n        if runs == len(lengths): runs = left // (memory["longest"] * token)\\n
Whole blocks of the prefix are held once, for all requests: they are no request's own.
    rest = length - whole * size => rest = length
    whole = shared // size => whole = 0
    paged, taken, stored = 0, whole, whole * size => paged, taken, stored = 0, 0, 0 && taken += more => taken += more + whole && taken + more > => taken + more + whole > && stored += rest => stored += length
The blocks of the prefix take room too, once.
    {PAGED} => 1 - (stored - whole * size) / ((taken - whole) * size)
    paged, taken, stored = 0, whole, whole * size => paged, taken, stored = 0, 0, 0
    paged, taken, stored = 0, whole, whole * size => paged, taken, stored = 0, 0, whole * size
What is behind the last whole block of the prefix is each request's own: it lies in a block that the request fills up.
    whole = shared // size => whole = -(-shared // size)
    whole = shared // size => whole = shared / size
    rest = length - whole * size => rest = length - shared
A block that is begun is taken: round up.
    more = -(-rest // size) => more = rest // size
    more = -(-rest // size) => more = rest / size
A request that ends with its block needs no further one.
    more = -(-rest // size) => more = rest // size + 1
In blocks a request takes what its own length needs, and not the longest.
    more = -(-rest // size) => more = -(-(memory["longest"] - whole * size) // size)
The last free block may be taken.
    taken + more > blocks => taken + more >= blocks
The requests come in order: where one does not fit, the ones after it wait.
    if taken + more > blocks:\\n            break => if taken + more > blocks:\\n            continue
Where nobody runs nothing is wasted: 0.0.
    if runs else 0.0 => if runs else 1.0
    if paged else 0.0 => if paged else 1.0
    if runs else 0.0 =>
    if paged else 0.0 =>
Here the mean length was used, or all lengths together: put one request after the other in.
    paged += 1\\n => paged += 1\\n    paged = min(len(lengths), int((blocks - whole) * size * len(lengths) / max(1, sum(lengths) - len(lengths) * whole * size)))\\n    for length in lengths[:0]:\\n
Waste is the share that holds no token: this is the share that does.
    {RUNS} => own / (runs * memory["longest"])
    {PAGED} => stored / (taken * size)
    {RUNS} => own / (runs * memory["longest"]) && {PAGED} => stored / (taken * size)
The waste is one of the room that requests have taken, not of all that there is.
    {PAGED} => 1 - stored / (blocks * size)
    {RUNS} => 1 - own * token / left
    {RUNS} => 1 - own * token / left && {PAGED} => 1 - stored / (blocks * size)
The waste is a share between 0 and 1, and not a percentage or a count of tokens.
    {PAGED} => 100 * (1 - stored / (taken * size))
    {PAGED} => (taken * size - stored)
    {RUNS} => 100 * (1 - own / (runs * memory["longest"])) && {PAGED} => 100 * (1 - stored / (taken * size))
    {RUNS} => (runs * memory["longest"] - own) && {PAGED} => (taken * size - stored)
The tokens of a shared block are there once, however many requests read them.
    {PAGED} => 1 - sum(lengths[:paged]) / (taken * size)
    {PAGED} => 1 - sum(lengths[:paged]) / ((taken - whole + paged * whole) * size)
    {PAGED} => 1 - (stored + paged * whole * size) / (taken * size)
The tokens of the prefix lie in its blocks, once: here they are left out.
    {PAGED} => 1 - (stored - whole * size) / (taken * size)
A part of a block at the prefix's end is each request's own, and is counted there: the shared blocks are full, and hold no more.
    {PAGED} => 1 - (stored - whole * size + shared) / (taken * size)
Of a prefix's last block, the part that is not whole is stored by each request: here it is not counted.
    {PAGED} => 1 - (shared + sum(lengths[:paged]) - paged * shared) / (taken * size)
Counts are ints.
    "blocks": blocks => "blocks": float(blocks)
    "paged": paged => "paged": float(paged)
    "contiguous": runs => "contiguous": float(runs)
""")
