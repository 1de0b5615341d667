"""Exercise 3 of lab 10: what a cache of several kinds of layers holds, and what one step of decoding reads."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m10_decoding.inputs import LIBRARIES


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def decode_bill(layers, lengths, bits, group, weights, bandwidth):
    held, later, read = 0, 0, 0
    for layer in layers:
        source = layers[layer["layer"]] if layer["kind"] == "shared" else layer
        if source["kind"] == "latent":
            vectors = [source["rank"], source["rope"]]
        else:
            vectors = [source["head_dim"]] * 2 * source["kv_heads"]
        token = 0
        for n in vectors:
            groups = -(-n // group) if bits < 16 else 0
            token += (n * bits + 16 * groups) // 8
        for T in lengths:
            before, after = T, T + 1
            if source["kind"] == "window":
                most = source["sinks"] + source["window"]
                before, after = min(before, most), min(after, most)
            if layer is source:
                held += before * token
                later += after * token
            read += after * token
    speed = len(lengths) * bandwidth / (weights + read)
    return {"held": held, "grows": later - held, "read": read, "speed": speed}


@decode_bill.right
def by_tokens(layers, lengths, bits, group, weights, bandwidth):
    # Token by token: a window holds position p at length T if p is a sink or among the last ones.
    def vector(n):
        return n * 2 if bits == 16 else n * bits // 8 + 2 * len(range(0, n, group))

    def of(layer, T):
        kind = layer["kind"]
        if kind == "shared":
            return of(layers[layer["layer"]], T)
        if kind == "latent":
            return T * (vector(layer["rank"]) + vector(layer["rope"]))
        seen = T
        if kind == "window":
            seen = sum(p < layer["sinks"] or p >= T - layer["window"] for p in range(T))
        return seen * layer["kv_heads"] * (vector(layer["head_dim"]) + vector(layer["head_dim"]))

    own = [layer for layer in layers if layer["kind"] != "shared"]
    held = sum(of(layer, T) for T in lengths for layer in own)
    grown = sum(of(layer, T + 1) for T in lengths for layer in own)
    read = sum(of(layer, T + 1) for T in lengths for layer in layers)
    return {
        "held": held,
        "grows": grown - held,
        "read": read,
        "speed": bandwidth / (weights + read) * len(lengths),
    }


def full(K: int, d: int):
    """Return a layer that keeps every token."""
    return {"kind": "full", "kv_heads": K, "head_dim": d}


def window(K: int, d: int, size: int, sinks: int):
    """Return a layer that keeps the last tokens, and the first ones."""
    return {"kind": "window", "kv_heads": K, "head_dim": d, "window": size, "sinks": sinks}


def latent(rank: int, rope: int):
    """Return a layer of multi-head latent attention."""
    return {"kind": "latent", "rank": rank, "rope": rope}


def shared(layer: int):
    """Return a layer that has no keys and values of its own."""
    return {"kind": "shared", "layer": layer}


LLAMA_3_70B, DEEPSEEK_V3 = [full(8, 128)] * 80, [latent(512, 64)] * 61
HERE = 5_003, 7.0e6


@decode_bill.part(
    7, "Write down what each layer's attention goes through once the new token is there. Whose keys are they?", "read",
    items=("read", "speed"), whole=True,
)  # fmt: skip
@decode_bill.part(
    3,
    "Which layers hold more after the next token than before it, and how much more?",
    "grows",
    items=("grows",),
    whole=True,
)
@decode_bill.part(
    6, "Take one token in one layer: how many numbers does it hold, and how many bytes do they take? Then count tokens.",
    "held", items=("held",),
)  # fmt: skip
def caches(draw: Draw):
    # Layers of which no two take the same bytes; then windows, layers that share, and fewer bits.
    yield [latent(22, 6)] * 5 + [full(3, 10)] * 2, [13, 7, 3], 16, 32, *HERE
    yield [full(3, 10)] * 7, [11, 5, 2], 16, 32, *HERE
    yield [full(5, 8), window(3, 14, 17, 2)], [11, 41, 18, 19], 16, 32, *HERE
    yield [full(3, 10), shared(0), latent(26, 10), shared(2), shared(0)], [13], 16, 32, *HERE
    yield [full(3, 22), window(5, 22, 13, 3)], [29, 7, 15], 4, 8, *HERE
    yield [latent(34, 14), full(1, 34), shared(0)], [19, 3], 8, 16, *HERE
    yield LLAMA_3_70B, [4096], 16, 32, 140 * 10**9, 3.35e12
    yield DEEPSEEK_V3, [4096] * 5, 16, 32, 1_342 * 10**9, 2.68e13
    for _ in range(2):
        K, d, size, sinks = draw.randint(2, 5), 2 * draw.randint(5, 30), draw.randint(7, 40), draw.randint(1, 4)
        layers = [full(K, d), window(K, d, size, sinks), shared(1), latent(2 * draw.randint(11, 50), 10), shared(0)]
        lengths = [draw.randint(1, 60) for _ in range(5)] + [size, size + sinks]
        yield layers * 3, lengths, draw.choice((4, 8)), draw.choice((8, 16)), draw.randint(10**4, 10**5), 7.0e6
    yield [window(2, 6, 5, 0), shared(0)], [0, 1, 4, 5], 16, 32, *HERE
    yield [full(2, 6)], [0], 16, 32, *HERE


KIND, TOKEN, GROUPS = (
    'if source["kind"] == "window":',
    "token += (n * bits + 16 * groups) // 8",
    "-(-n // group) if bits < 16 else 0",
)
VECTORS, MOST, SPEED = (
    '[source["head_dim"]] * 2 * source["kv_heads"]',
    'source["sinks"] + source["window"]',
    "len(lengths) * bandwidth / (weights + read)",
)
LATENT, READ = 'vectors = [source["rank"], source["rope"]]', "            read += after * token"
decode_bill.mistakes(f"""
grows: a window that is full lets one token go for each that comes, and grows by nothing.
    {READ} => later += (after == before) * token * (layer is source)\\n{READ}
grows: a window that is not full still grows.
    later += after * token => later += (before if source["kind"] == "window" else after) * token
grows: every text of the batch gets one more token.
    "grows": later - held => "grows": (later - held) // max(1, len(lengths))
grows: it is what the cache holds later less what it holds now.
    "grows": later - held => "grows": held - later
    "grows": later - held => "grows": later
grows: a shared layer holds nothing, now or later.
    later += after * token => later += after * token\\n            else:\\n                later += (after - before) * token
read: a shared layer holds nothing, but its attention goes through the tokens of the other layer all the same, once more.
    {READ} => read += after * token * (layer is source)
    "read": read, => "read": later, && (weights + read) => (weights + later)
read: the new token is in the cache too when its attention goes through it.
    {READ} => read += before * token
    {READ} => read += (after if layer is source else before) * token
read: attention goes through a window's tokens, not through all of the text.
    {READ} => read += (T + 1) * token
read: this is what is read with the weights; they count in the speed alone.
    "read": read, => "read": read + weights,
speed: a step reads the weights and the caches, one after the other.
    (weights + read) => weights
    (weights + read) => read
    (weights + read) => max(weights, read)
    (weights + read) => (weights + held)
    (weights + read) => (weights + later - held)
speed: a step makes one token for each text of the batch.
    {SPEED} => bandwidth / (weights + read)
    {SPEED} => len(layers) * bandwidth / (weights + read)
    {SPEED} => (sum(lengths) + len(lengths)) * bandwidth / (weights + read)
    {SPEED} => sum(lengths) * bandwidth / (weights + read)
speed: the weights are read once for all texts of the batch.
    (weights + read) => (len(lengths) * weights + read)
speed: tokens for each second are wanted: this is the time of a step or of a token.
    {SPEED} => (weights + read) / bandwidth
    {SPEED} => (weights + read) / bandwidth / len(lengths)
speed: `weights` are bytes already.
    (weights + read) => (2 * weights + read)
A token has a key and a value in each head: two vectors.
    {VECTORS} => [source["head_dim"]] * source["kv_heads"]
All of the layer's key-value heads hold a key and a value: kv_heads of each, with head_dim numbers.
    {VECTORS} => [source["head_dim"]] * 2
    {VECTORS} => [source["kv_heads"]] * 2
A latent layer holds one vector of `rank` numbers for a token, from which keys and values of all heads are made: it is there once.
    {LATENT} => vectors = [source["rank"], source["rope"]] * 2
    {LATENT} => vectors = [source["rank"], source["rank"], source["rope"]]
A latent layer holds its `rope` numbers too, which carry the position: once for a token, as its `rank` numbers.
    {LATENT} => vectors = [source["rank"]]
    {LATENT} => vectors = [source["rank"]] * 2
    {LATENT} => vectors = [source["rank"], source["rope"], source["rope"]]
    {LATENT} => vectors = [source["rope"]]
A number of 16 bits takes 2 bytes.
    {TOKEN} => token += n * bits + 16 * groups
    {TOKEN} => token += n * 4 if bits == 16 else (n * bits + 16 * groups) // 8
    {TOKEN} => token += n if bits == 16 else (n * bits + 16 * groups) // 8
A number of fewer bits takes bits / 8 bytes: here it takes another size.
    {TOKEN} => token += (n * 16 + 16 * groups) // 8
    {TOKEN} => token += n * 2
    {TOKEN} => token += n * bits + 2 * groups if bits < 16 else n * 2
Each group has a scale of 16 bits more: here there is none, or it takes less.
    {GROUPS} => 0
A scale takes 16 bits, which are 2 bytes.
    {TOKEN} => token += (n * bits + 8 * groups) // 8
    {TOKEN} => token += (n * bits + 32 * groups) // 8
    {TOKEN} => token += (n * bits) // 8 + 16 * groups
    {TOKEN} => token += (n * bits + bits * groups) // 8 if bits < 16 else n * 2
The last group of a vector may be short, and has a scale like any other: round up.
    -(-n // group) if => n // group if
Each vector has groups of its own, the last one short: they do not run on from one vector into the next.
    for n in vectors: => for n in [sum(vectors)]:
    for n in vectors: => for n in [source["head_dim"] * source["kv_heads"]] * 2 if source["kind"] != "latent" else vectors:
    for n in vectors: => for n in [2 * source["head_dim"]] * source["kv_heads"] if source["kind"] != "latent" else vectors:
Of a vector each group has one scale: here there is one for the whole vector, or one for each number.
    {GROUPS} => 1 if bits < 16 else 0
    {GROUPS} => n if bits < 16 else 0
    {GROUPS} => group if bits < 16 else 0
16 bits are not quantized, and have no scales.
    {GROUPS} => -(-n // group)
A window holds its last tokens only: here it holds all.
    {KIND} => if False:
    before, after = min(before, most), min(after, most) => pass
A window has no more tokens than there are: take the smaller of the two numbers.
    min(before, most), min(after, most) => most, most
    min(before, most), min(after, most) => most + 0 * min(before, most), most
The first tokens, the sinks, stay beside the window: so many more than its own.
    most = {MOST} => most = source["window"]
    most = {MOST} => most = source["window"] - source["sinks"]
A token is held once, be it a sink or in the window: a short text has no more tokens than its length.
    min(before, most), min(after, most) => min(before, source["window"]) + source["sinks"], min(after, source["window"]) + source["sinks"]
    min(before, most), min(after, most) => min(before, source["window"]) + min(before, source["sinks"]), min(after, source["window"]) + min(after, source["sinks"])
Each text has its own length, and its own tokens in a window: here they were added up first, or all taken to be as long.
    for T in lengths: => for T in [sum(lengths)]:
    for T in lengths: => for T in [max(lengths)] * len(lengths):
    for T in lengths: => for T in lengths[:1] * len(lengths):
Every text of the batch holds its own tokens: here one alone is counted.
    for T in lengths: => for T in [max(lengths)]:
    for T in lengths: => for T in lengths[:1]:
A shared layer holds nothing of its own.
    if layer is source: => if True:
The layers hold their own tokens each: here one layer alone is counted, or as if all were like the first.
    for layer in layers: => for layer in layers[:1]:
    for layer in layers: => for layer in layers[:1] * len(layers):
held is what is there now, before the next token.
    held += before * token => held += after * token && later - held => later - held + sum(0 for _ in layers)
Bytes are counted as ints.
    (n * bits + 16 * groups) // 8 => (n * bits + 16 * groups) / 8
""")
