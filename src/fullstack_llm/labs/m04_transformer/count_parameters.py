"""Exercise 7 of lab 04: parameters and bytes from the shape."""

import math

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES


@exercise(minutes=15, difficulty=2, review=LIBRARIES)
def count_parameters(sizes):
    V, D, inner = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    L, H, K = sizes["num_layers"], sizes["num_heads"], sizes["num_kv_heads"]
    E, A = sizes["num_experts"], sizes["num_active"]
    d = D // H
    wide, narrow = D * H * d, D * K * d
    expert = (3 if sizes["gated"] else 2) * D * inner
    every = E if E else 1
    count = {
        "embedding": V * D,
        "attention": L * (2 * wide + 2 * narrow),
        "mlp": L * every * expert,
        "router": L * E * D,
        "norms": (2 * L + 1) * D,
        "output": 0 if sizes["tied"] else V * D,
    }
    total = sum(count.values())
    idle = L * (E - A) * expert
    return count | {"total": total, "active": total - idle, "kv_bytes": 2 * L * 2 * K * d}


@count_parameters.right
def matrices(sizes):
    # Every matrix and every gain, one by one: its place and its shape.
    V, D, inner = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    narrow = D // sizes["num_heads"] * sizes["num_kv_heads"]
    table = [("embedding", (V, D)), ("norms", (D,))] + [("output", (V, D))] * (not sizes["tied"])
    for _ in range(sizes["num_layers"]):
        table += [("norms", (D,)), ("attention", (D, D)), ("attention", (narrow, D)), ("attention", (narrow, D))]
        table += [("attention", (D, D)), ("norms", (D,)), ("router", (sizes["num_experts"], D))]
        for expert in range(max(1, sizes["num_experts"])):
            place = "mlp" if expert < max(1, sizes["num_active"]) else "idle"
            table += [(place, (inner, D))] * (2 if sizes["gated"] else 1) + [(place, (D, inner))]
    places = ("embedding", "attention", "mlp", "router", "norms", "output", "idle")
    count = {place: sum(math.prod(shape) for where, shape in table if where == place) for place in places}
    idle = count.pop("idle")
    active = sum(count.values())
    count["mlp"] += idle
    return count | {"total": active + idle, "active": active, "kv_bytes": sizes["num_layers"] * 2 * narrow * 2}


def shape(*numbers: int, gated: bool = True, tied: bool = False, experts: int = 0, active: int = 0):
    """Return a dict of sizes."""
    keys = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads")
    switches = {"gated": gated, "tied": tied, "num_experts": experts, "num_active": active}
    return dict(zip(keys, numbers, strict=True)) | switches


BASE = shape(512, 128, 352, 4, 4, 2, tied=True)
LLAMA_2_7B = shape(32_000, 4096, 11_008, 32, 32, 32)
LLAMA_3_8B = shape(128_256, 4096, 14_336, 32, 32, 8)
MIXTRAL = shape(32_000, 4096, 14_336, 32, 32, 8, experts=8, active=2)


def drawn(draw: Draw, *, mixture: bool):
    """Draw sizes that share out, and are otherwise distinct."""
    K, group, d = draw.choice((1, 2, 3)), draw.choice((2, 3, 5)), draw.choice((4, 6, 8))
    numbers = draw.randrange(211, 499), K * group * d, draw.randrange(101, 199), draw.choice((2, 3, 5)), K * group, K
    experts = {"experts": draw.choice((4, 5, 7)), "active": draw.choice((1, 2, 3))} if mixture else {}
    return shape(*numbers, gated=draw.random() < 0.5, tied=draw.random() < 0.5, **experts)


def parameters(value, sizes):
    """Return all counts but the bytes."""
    return {key: count for key, count in value.items() if key != "kv_bytes"}


@count_parameters.part(6, "What shapes have the matrices of the place that is named?", "dense", view=parameters)
def dense(draw: Draw):
    # Each switch once. K, H / K, d and the layers are such that no factor of a mistake is that of another one.
    for gated in (True, False):
        for tied in (True, False):
            yield (shape(307, 72, 101, 5, 9, 3, gated=gated, tied=tied),)
    yield from ((BASE,), (LLAMA_2_7B,), (LLAMA_3_8B,), (shape(5, 6, 7, 1, 3, 3),), (shape(211, 30, 103, 2, 5, 1),))
    yield from ((drawn(draw, mixture=False),) for _ in range(3))


@count_parameters.part(4, "All experts have weights, and a token uses num_active.", "mixtures", view=parameters)
def mixtures(draw: Draw):
    yield (shape(307, 72, 101, 5, 9, 3, experts=11, active=4),)
    yield (MIXTRAL,)
    yield (shape(307, 24, 101, 3, 6, 2, experts=3, active=3),)
    yield from ((drawn(draw, mixture=True),) for _ in range(4))


@count_parameters.part(
    2, "How many numbers does a token keep in a layer, and of how many bytes?", "cache", items=("kv_bytes",)
)
def cache(draw: Draw):
    yield from dense(draw)
    yield from mixtures(draw)


count_parameters.mistakes("""
Keys and values have K heads of d columns each: with K < H their two matrices are narrower.
    D * K * d => D * H * d
Attention has four matrices: q, k, v, and o, which brings the heads back.
    2 * wide + 2 * narrow => wide + 2 * narrow
Keys have a matrix, and values have another one, each of D by K * d numbers, where d = hidden_size / num_heads.
    2 * wide + 2 * narrow => 2 * wide + narrow
This is one layer's: all L have attention, and MLPs.
    L * (2 * wide => (2 * wide
    L * every * expert => every * expert
There are no biases here.
    2 * wide + 2 * narrow => 2 * wide + 2 * narrow + 2 * D + 2 * K * d
A gated MLP has three matrices, gate, up and down; one without a gate has two.
    (3 if sizes["gated"] else 2) => 2
    (3 if sizes["gated"] else 2) => 3
Where there is no mixture num_experts is 0, and each layer has an MLP all the same.
    every = E if E else 1 => every = E
Where there is no mixture num_active is 0, and a token uses the one MLP of each layer.
    (E - A) => (every - A)
Each layer has two norms, and there is one after the last layer: a gain each, no bias.
    (2 * L + 1) => (2 * L)
    (2 * L + 1) => (L + 1)
    (2 * L + 1) * D => 2 * (2 * L + 1) * D
Tied: the output matrix is the embedding, and counted once. Not tied: it is one of its own.
    0 if sizes["tied"] else V * D => V * D
    0 if sizes["tied"] else V * D => 0
The total is the sum of all six places, the embedding and an untied output among them.
    total = sum(count.values()) => total = sum(count.values()) - V * D
Each layer has a router of its own: one row of hidden_size for each expert.
    L * E * D => 0
    L * E * D => E * D
All experts have weights, whether a token uses them or not: count every one in `mlp` and `total`.
    every = E if E else 1 => every = 1
    every = E if E else 1 => every = 1 && L * (E - A) => 0 * (E - A)
One token uses num_active experts of each layer, and everything else: attention, norms, router, embedding.
    total - idle => total
    total - idle => total - idle - V * D
    total - idle => L * A * expert
    total - idle => total * A // every
    idle = L * => idle =
The cache holds key-value heads, K of them, not one for each query head.
    2 * L * 2 * K * d => 2 * L * 2 * H * d
One factor is missing, or larger: keys *and* values, in each layer, K heads, d = D / H columns, two bytes.
    2 * L * 2 * K * d => L * 2 * K * d
    2 * L * 2 * K * d => 2 * L * 4 * K * d
    2 * L * 2 * K * d => 2 * 2 * K * d
    2 * L * 2 * K * d => 2 * L * 2 * K
Counts are ints: divide with //.
    D // H => D / H
Where there is no mixture, num_experts and num_active are 0, and nothing can be divided by them.
    L * (E - A) * expert => L * (E - A) * (every * expert // E)
""")
