"""Exercise 7 of lab 04, counting parameters: decoders that exist and drawn ones, and named wrong counts."""

from collections.abc import Callable
from typing import Any

from fullstack_llm.checks import Draw, same
from fullstack_llm.checks import transformer_oracles as oracle

Sizes = dict[str, Any]
Mistakes = list[tuple[Any, str]]
KEYS = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads")


def sizes(*numbers: int, gated: bool = True, tied: bool = False, experts: int = 0, active: int = 0) -> Sizes:
    """A dict of sizes, from the numbers in the order of KEYS."""
    switches = {"gated": gated, "tied": tied, "num_experts": experts, "num_active": active}
    return dict(zip(KEYS, numbers, strict=True)) | switches


BASE = sizes(512, 128, 352, 4, 4, 2, tied=True)
LLAMA_2_7B = sizes(32_000, 4096, 11_008, 32, 32, 32)
LLAMA_3_8B = sizes(128_256, 4096, 14_336, 32, 32, 8)
MIXTRAL = sizes(32_000, 4096, 14_336, 32, 32, 8, experts=8, active=2)


def draw_sizes(draw: Draw, *, experts: bool) -> Sizes:
    """Sizes that share out, and are otherwise distinct."""
    kv_heads, group, dim = draw.choice((1, 2, 3)), draw.choice((2, 3, 5)), draw.choice((4, 6, 8))
    heads = kv_heads * group
    hidden, inner = heads * dim, draw.randrange(101, 199)
    numbers = draw.randrange(211, 499), hidden, inner, draw.choice((2, 3, 5)), heads, kv_heads
    mixture = {"experts": draw.choice((4, 5, 7)), "active": draw.choice((1, 2, 3))} if experts else {}
    return sizes(*numbers, gated=draw.random() < 0.5, tied=draw.random() < 0.5, **mixture)


def dense(draw: Draw) -> list[tuple[Sizes]]:
    """Each switch once, the course's model, two of Meta's, one layer, drawn ones."""
    # The first shape has H = 3K and five layers: no factor of a mistake is that of another one.
    plain = (307, 24, 101, 5, 6, 2)
    switched = [sizes(*plain, gated=gated, tied=tied) for gated in (True, False) for tied in (True, False)]
    one_layer, multi_query = sizes(5, 6, 7, 1, 3, 3), sizes(211, 30, 103, 2, 5, 1)
    drawn = [draw_sizes(draw, experts=False) for _ in range(3)]
    return [(one,) for one in (*switched, BASE, LLAMA_2_7B, LLAMA_3_8B, one_layer, multi_query, *drawn)]


def mixtures(draw: Draw) -> list[tuple[Sizes]]:
    """Mixtral, one of which every expert is used, drawn ones."""
    everyone = sizes(307, 24, 101, 3, 6, 2, experts=3, active=3)
    return [(one,) for one in (MIXTRAL, everyone, *(draw_sizes(draw, experts=True) for _ in range(4)))]


def count_parameters(sizes: Sizes) -> Mistakes:
    """Wrong counts of one place, each with a total that follows from it, and wrong numbers beside right ones."""
    right = oracle.count_parameters(sizes)
    V, D, _, layers, heads, kv_heads = (sizes[key] for key in KEYS)
    E, active = sizes["num_experts"], sizes["num_active"]
    dim, mats = D // heads, 3 if sizes["gated"] else 2
    narrow, every = kv_heads * dim, max(1, E)

    def by(place: str, value: int, idle: int | None = None) -> dict[str, int]:
        # What follows from one wrong place: the total, and the parameters that one token uses.
        off = value - right[place]
        used = off if idle is None else idle
        return right | {place: value, "total": right["total"] + off, "active": right["active"] + used}

    mlp, gates = right["mlp"], "A gated MLP has three matrices: gate, up, down."
    heads_hint = "Keys and values have K heads of d columns each: with K < H their two matrices are narrower."
    active_hint = (
        "One token uses num_active experts of each layer, and everything else: attention, norms, router, embedding."
    )
    one_expert = "All experts have weights, whether a token uses them or not: count every one."
    found: Mistakes = [
        (by("attention", layers * 4 * D * D), heads_hint),
        (
            by("attention", layers * 3 * D * D),
            "Attention has four matrices: q, k, v, and o, which brings the heads back.",
        ),
        (by("attention", layers * (D * D + 2 * D * narrow)), "Where is o, which brings the heads back to the stream?"),
        (by("attention", layers * (2 * D * D + 2 * D * dim)), "K heads, not one: keys and values have K * d columns."),
        (by("attention", layers * (2 * D * D + 2 * D * kv_heads)), "A head has d = hidden_size / num_heads columns."),
        (by("attention", layers * (2 * D * D + D * narrow)), "Keys have a matrix, and values have another one."),
        (by("attention", right["attention"] // layers), "This is the attention of one layer."),
        (by("attention", right["attention"] + layers * (2 * D + 2 * narrow)), "There are no biases here."),
        (by("mlp", mlp // mats * 2, _used(sizes, 2) - _used(sizes, mats)), gates),
        (
            by("mlp", mlp // mats * 3, _used(sizes, 3) - _used(sizes, mats)),
            "Without a gate the MLP has two matrices: up and down.",
        ),
        (by("mlp", 0) if not E else None, "Where there is no mixture num_experts is 0, and each layer has an MLP."),
        (
            right | {"active": right["total"] - mlp} if not E else None,
            "Where there is no mixture num_active is 0, and a token uses the one MLP of each layer.",
        ),
        (by("mlp", mlp // layers, _used(sizes, mats) // layers - _used(sizes, mats)), "This is the MLP of one layer."),
        (by("norms", layers * 2 * D), "There is one more norm, after the last layer."),
        (by("norms", (layers + 1) * D), "Each layer has two norms: before attention and before the MLP."),
        (by("norms", 2 * right["norms"]), "An RMSNorm has a gain for each column and no bias."),
        (by("norms", 0), "The norms have parameters too: a gain for each column."),
        (by("output", V * D), "Tied: the output matrix is the embedding, and counted once."),
        (by("output", 0), "Not tied: the output matrix is one of its own."),
        (by("embedding", 0), "The embedding has parameters too: one row for each token of the vocabulary."),
        (right | {"total": right["total"] - right["embedding"]}, "The total includes the embedding."),
        (by("router", 0), "Each layer has a router: one row of hidden_size for each expert."),
        (by("router", E * D), "Each layer has a router of its own."),
        (by("router", layers * active * D), "The router scores all experts, not the chosen alone."),
        (by("mlp", mlp // every, 0), one_expert),
        (by("mlp", mlp // every), one_expert),
        (by("mlp", mlp // every, mlp // every - _used(sizes, mats)), one_expert),
        (
            by("mlp", mlp // every * max(1, active), 0),
            "All experts count in `mlp` and `total`; the used ones alone in `active`.",
        ),
        (right | {"active": right["total"]}, active_hint),
        (right | {"active": right["active"] - right["router"]}, "A token uses the router of each layer too."),
        (right | {"active": right["active"] - right["embedding"]}, active_hint),
        (right | {"active": right["total"] - mlp + mlp // every}, active_hint),
        (right | {"active": _used(sizes, mats)}, active_hint),
        (
            right | {"active": right["total"] * max(1, active) // every},
            f"Experts share nothing but the rest: {active_hint}",
        ),
        (right | {"kv_bytes": right["kv_bytes"] // 2}, "Keys *and* values, at two bytes a number."),
        (right | {"kv_bytes": right["kv_bytes"] * 8}, "Bytes, not bits."),
        (right | {"kv_bytes": right["kv_bytes"] * 2}, "Two bytes a number, not four."),
        (right | {"kv_bytes": right["kv_bytes"] // 4}, "Keys *and* values, at two bytes a number."),
        (
            right | {"kv_bytes": layers * 4 * D},
            "The cache holds key-value heads, K of them, not one for each query head.",
        ),
        (right | {"kv_bytes": right["kv_bytes"] // layers}, "Every layer has its own keys and values."),
        (right | {"kv_bytes": layers * 4 * kv_heads}, "A head has d = hidden_size / num_heads numbers for each token."),
    ]
    floats = {key: float(value) for key, value in right.items()}
    return [*found, (floats, "Counts are ints: divide with //."), *_partly_floats(right)]


ABOUT = {
    "embedding": "One row of hidden_size for each token of the vocabulary.",
    "attention": "Four matrices a layer: q and o with D by D, k and v with D by K * d, where d = D / H.",
    "mlp": "Each expert has two matrices of D by I, or three with a gate; times experts (one if none), times layers.",
    "router": "One row of hidden_size for each expert in each layer; 0 where there is no mixture.",
    "norms": "Two gains of hidden_size a layer, and one after the last.",
    "output": "0 where it is tied to the embedding, else as large as that.",
    "total": "The sum of the six places: embedding, attention, mlp, router, norms, output.",
    "active": "The total without the experts that a token does not use: num_experts - num_active in each layer.",
}


def first_wrong(student: Callable[..., Any], sizes: Sizes) -> str:
    """What belongs under the first key whose number is wrong, or an empty string."""
    match student(sizes):
        case dict(got):
            wanted = oracle.count_parameters(sizes)
            return next((hint for key, hint in ABOUT.items() if key in got and not same(got[key], wanted[key])), "")
    return ""


def _used(sizes: Sizes, mats: int) -> int:
    """Parameters of the MLPs that one token uses, with so many matrices each."""
    count = sizes["num_active"] if sizes["num_experts"] else 1
    return sizes["num_layers"] * count * mats * sizes["hidden_size"] * sizes["intermediate_size"]


def _partly_floats(right: dict[str, int]) -> Mistakes:
    hint = "Counts are ints: divide with //."
    after = ("total", "active")
    changed = {"attention": after, "total": (), "active": (), "kv_bytes": ()}
    cases = [right | {key: float(right[key]) for key in (place, *more)} for place, more in changed.items()]
    both = right | {key: float(right[key]) for key in ("attention", "kv_bytes", *after)}
    return [(one, hint) for one in (*cases, both)]
