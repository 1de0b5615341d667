"""Exercise 2 of lab 15: what a low-rank update of some layers trains, holds and computes, from the shape alone."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m15_lora.inputs import LIBRARIES


@exercise(minutes=25, difficulty=4, review=LIBRARIES)
def lora_bill(sizes, rank, targets, first):
    V, D, inner, L = (sizes[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "num_layers"))
    H, K, d = sizes["num_heads"], sizes["num_kv_heads"], sizes["head_dim"]
    steps = [
        {"q_proj": (D, H * d), "k_proj": (D, K * d), "v_proj": (D, K * d)},
        {"o_proj": (H * d, D)},
        {"gate_proj": (D, inner), "up_proj": (D, inner)},
        {"down_proj": (inner, D)},
    ]
    path = [(layer, step) for layer in range(L) for step in steps] + [(L, {"lm_head": (D, V)})]
    weights, trained, flop, below = 0, 0, 0, False
    for layer, step in path:
        reached = below
        for name, (m, n) in step.items():
            r = rank if name in targets and layer >= first else 0
            reached = reached or r > 0
            weights += m * n
            trained += r * (m + n)
            forward = m * n + r * m + r * n
            # The gradients of A and of B, what B carries to A, and what W and A carry down to what they read.
            own = r * m + r * n
            inside = r * n
            down = (m * n + r * m) * below
            flop += 2 * (forward + own + inside + down)
        below = reached
    norms = (2 * L + 1) * D
    frozen = weights + norms + (0 if sizes["tied"] else V * D)
    return {"trained": trained, "bytes": 2 * frozen + 16 * trained, "flop": flop, "share": flop / (6 * weights)}


@lora_bill.right
def closed(sizes, rank, targets, first):
    # One layer of each kind: below the lowest update, the lowest one with an update, and those above.
    D, V, wide = sizes["hidden_size"], sizes["vocab_size"], sizes["num_heads"] * sizes["head_dim"]
    narrow, inner = sizes["num_kv_heads"] * sizes["head_dim"], sizes["intermediate_size"]
    table = [("q_proj", D, wide, 0), ("k_proj", D, narrow, 0), ("v_proj", D, narrow, 0), ("o_proj", wide, D, 1)]
    table += [("gate_proj", D, inner, 2), ("up_proj", D, inner, 2), ("down_proj", inner, D, 3)]
    places = [place for name, _, _, place in table if name in targets]
    lowest = min(places, default=4)
    layers = sizes["num_layers"] - first if places else 0
    size = sum(m * n for _, m, n, _ in table)
    number = sum(rank * (m + n) for name, m, n, _ in table if name in targets)
    head = "lm_head" in targets
    trained = layers * number + head * rank * (D + V)
    weights = sizes["num_layers"] * size + D * V
    # Forward everything; backward the updates' own gradients, and the way down, less what nobody asks for.
    flop = 2 * weights + 6 * trained
    if layers:
        flop += 2 * (layers * size + D * V)
        flop -= sum(2 * m * n for _, m, n, place in table if place <= lowest)
        flop -= sum(2 * rank * m for name, m, _, place in table if name in targets and place == lowest)
    elif head:
        flop -= 2 * rank * D
    frozen = weights + D * (2 * sizes["num_layers"] + 1) + V * D * (not sizes["tied"])
    share = flop / weights / 6
    return {"trained": trained, "bytes": frozen * 2 + trained * (4 + 4 + 8), "flop": flop, "share": share}


KEYS = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads", "head_dim")
ATTENTION, MLP = ["q_proj", "k_proj", "v_proj", "o_proj"], ["gate_proj", "up_proj", "down_proj"]


def shape(*numbers: int, tied: bool = False):
    """Return a dict of sizes."""
    return dict(zip(KEYS, numbers, strict=True)) | {"tied": tied}


ODD = (307, 61, 101, 7, 10, 2, 8)
LLAMA_3_8B = shape(128_256, 4096, 14_336, 32, 32, 8, 128)
QWEN_3_4B = shape(151_936, 2560, 9728, 36, 32, 8, 128, tied=True)


@lora_bill.part(
    8, "Follow the gradient down from the output. How far does it go, and which products does each matrix then have?",
    "flop", items=("flop", "share"), whole=True,
)  # fmt: skip
@lora_bill.part(
    4,
    "Frozen numbers take 2 bytes each, trained ones 16: count each matrix and each gain once.",
    "bytes",
    items=("bytes",),
)
@lora_bill.part(
    4,
    "Write down the shape of each matrix that has an update: r rows of A, r columns of B.",
    "trained",
    items=("trained",),
)
def configurations(draw: Draw):
    # No factor of a mistake is that of another one; the first lowest update is neither at an end of its layer nor in a group.
    yield shape(*ODD), 3, ["o_proj", "up_proj"], 2
    yield shape(*ODD), 3, ["q_proj", "v_proj"], 2
    yield shape(*ODD, tied=True), 5, ATTENTION + MLP, 0
    yield shape(*ODD), 4, MLP, 4
    yield shape(*ODD, tied=True), 2, ["down_proj", "lm_head", "k_proj"], 6
    yield shape(*ODD), 3, ["lm_head"], 0
    yield shape(*ODD), 3, ["gate_proj", "lm_head"], 7
    yield LLAMA_3_8B, 16, ATTENTION + MLP, 0
    yield QWEN_3_4B, 256, ["q_proj", "v_proj"], 24
    for tied in (True, False):
        K, group, d = draw.choice((1, 2, 3)), draw.choice((2, 3, 5)), draw.choice((4, 6, 8))
        numbers = draw.randrange(211, 499), draw.randrange(50, 99), draw.randrange(101, 199), draw.choice((3, 5, 7))
        names = draw.sample([*ATTENTION, *MLP, "lm_head"], draw.randint(2, 5))
        yield shape(*numbers, K * group, K, d, tied=tied), draw.choice((2, 3, 7)), names, draw.randint(0, 2)
    yield shape(5, 6, 7, 1, 3, 3, 2), 1, ["k_proj"], 0


lora_bill.mistakes("""
Keys and values have num_kv_heads heads: their matrices are narrower.
    "k_proj": (D, K * d), "v_proj": (D, K * d) => "k_proj": (D, H * d), "v_proj": (D, H * d)
    "v_proj": (D, K * d) => "v_proj": (D, H * d)
The heads side by side have num_heads * head_dim columns, which need not be hidden_size.
    "q_proj": (D, H * d) => "q_proj": (D, D) && "o_proj": (H * d, D) => "o_proj": (D, D)
    "o_proj": (H * d, D) => "o_proj": (D, D)
    sizes["head_dim"] => D // sizes["num_heads"]
An update has two matrices: r times the inputs, and r times the outputs, r * (in + out).
    trained += r * (m + n) => trained += r * m
    trained += r * (m + n) => trained += r * n
    trained += r * (m + n) => trained += m * n * (r > 0)
    trained += r * (m + n) => trained += r * m * n
    trained += r * (m + n) => trained += 2 * r * m
    trained += r * (m + n) => trained += 2 * r * D
The layers below first have no update: layers are counted from 0, and first is the lowest that has one.
    and layer >= first => and (layer > first or name == "lm_head")
    and layer >= first => and (layer >= first - 1)
    and layer >= first =>
    and layer >= first => and (layer < first or name == "lm_head")
lm_head is in no layer: it has an update, one, whenever it is among the targets.
    and layer >= first => and first <= layer < L
    and layer >= first => and first <= layer and (layer < L or first < L)
    trained += r * (m + n) => trained += r * (m + n) * (1 if layer < L else L - first)
    trained += r * (m + n) => trained += r * (m + n) * (1 if layer < L else L)
Each of the layers from first on has its own updates: these are one layer's.
    and layer >= first => and (layer == first or name == "lm_head")
    trained += r * (m + n) => trained += r * (m + n) if layer in (first, L) else 0
Tied: the output matrix is the embedding, held once. Not tied: the embedding is one of its own, and held too.
    (0 if sizes["tied"] else V * D) => 0
    (0 if sizes["tied"] else V * D) => V * D
    (0 if sizes["tied"] else V * D) => (V * D if sizes["tied"] else 0)
    (0 if sizes["tied"] else V * D) => (-V * D if sizes["tied"] else 0)
    (0 if sizes["tied"] else V * D) => (V * D if sizes["tied"] else 2 * V * D)
The norms' gains are held as well: two for each layer, and one after the last.
    norms = (2 * L + 1) * D => norms = 0
    norms = (2 * L + 1) * D => norms = 2 * L * D
    norms = (2 * L + 1) * D => norms = (L + 1) * D
    norms = (2 * L + 1) * D => norms = 2 * (2 * L + 1) * D
A trained number takes 16 bytes: itself, its gradient and two averages of the optimizer's, of 4 bytes each.
    16 * trained => 12 * trained
    16 * trained => 8 * trained
    16 * trained => 4 * trained
    16 * trained => 2 * trained
    16 * trained => 18 * trained
    16 * trained => 0 * trained
A frozen number takes 2 bytes, and has neither a gradient nor averages.
    2 * frozen + => 4 * frozen +
    2 * frozen + => 16 * frozen +
    2 * frozen + => 8 * frozen +
    2 * frozen + => frozen +
    2 * frozen + =>
The updates lie beside the frozen weights and replace none of them: 16 bytes for each trained number, and all that is frozen.
    16 * trained => 14 * trained
    frozen = weights + norms => frozen = weights - trained + norms
The share is one of 6 FLOP for each weight that multiplies: neither a looked-up embedding nor a gain does, and no update is there.
    flop / (6 * weights) => flop / (6 * frozen)
    flop / (6 * weights) => flop / (6 * (weights + trained))
    flop / (6 * weights) => flop / (6 * (weights + norms))
    flop / (6 * weights) => flop / (6 * (frozen + trained))
    flop / (6 * weights) => flop / weights
    flop / (6 * weights) => flop / (2 * weights)
    flop / (6 * weights) => 6 * weights / flop
    flop / (6 * weights) => trained / weights
The gradient goes down to the lowest update, and no further: what lies below has a forward pass only.
    return { => flop = 4 * weights + 6 * trained\\n    return {
    flop, below = 0, 0, 0, False => flop, below = 0, 0, 0, True
    * below => * (below or layer < L)
Of the lowest layer with updates, what lies below the update itself has a forward pass only.
    * below => * (below or (first <= layer < L and set(targets) != {"lm_head"}))
    (m * n + r * m) * below => m * n * (below or first <= layer < L) + r * m * below
    (m * n + r * m) * below => m * n * (below or layer >= first) + r * m * below
    * below => * (below and (layer > first or layer == L))
What the lowest updates read comes from below, where nothing is trained: neither W nor A carries a gradient there.
    * below => * (below or (layer >= first and bool(set(step) & set(targets))))
    * below => * reached
q, k and v read the same input, side by side, and so do gate and up: an update of one lies below none of the others.
    reached = reached or r > 0 => was, reached = reached, reached or r > 0 && * below => * was
A product with B is missing: B has a gradient of its own, and carries one back to A x, from which A learns, in the lowest update too.
    own = r * m + r * n => own = r * m
    inside = r * n => inside = r * n * below
    inside = r * n => inside = 0
    inside = r * n => inside = r * m
A carries the gradient on to what it reads, as W does beside it, except in the lowest updates.
    (m * n + r * m) * below => m * n * below
    (m * n + r * m) * below => m * n * below + r * m
    (m * n + r * m) * below => (m * n + r * m + r * n) * below
A frozen weight has no gradient of its own: backwards it has one product, the one that carries the gradient down.
    (m * n + r * m) * below => (2 * m * n + r * m) * below
    own = r * m + r * n => own = r * m + r * n + m * n
    own = r * m + r * n => own = r * m + r * n + m * n * (r > 0)
Frozen weights carry the gradient down, too: each above the lowest update has a product for it.
    (m * n + r * m) * below => r * m * below
    (m * n + r * m) * below => (m * n * (r > 0) + r * m) * below
    (m * n + r * m) * below => 0
W is multiplied with beside its update: that product is there for every matrix, forwards.
    forward = m * n + => forward = m * n * (r == 0) +
    forward = m * n + => forward = m * n * (name not in targets) +
    forward = m * n + => forward = m * n * (layer >= first) +
The updates have products of their own: forwards by A and by B, and backwards for the gradient of each.
    own = r * m + r * n => own = 0
    own = r * m + r * n => own = r * n
    forward = m * n + r * m + r * n => forward = m * n
    forward = m * n + r * m + r * n => forward = m * n && own = r * m + r * n => own = 0 && inside = r * n => inside = 0
    forward = m * n + r * m + r * n => forward = m * n && own = r * m + r * n => own = 0 && inside = r * n => inside = 0 && (m * n + r * m) * below => m * n * below
A multiplication and an addition for each product of two numbers: 2 FLOP.
    2 * (forward + own => 1 * (forward + own
Three times a forward pass is the cost where all is trained: a frozen weight has no gradient of its own.
    return { => flop = 6 * (weights + trained)\\n    return {
    return { => flop = 6 * weights\\n    return {
This is the forward pass alone: a training step has a backward one.
    return { => flop = 2 * (weights + trained)\\n    return {
    return { => flop = 2 * weights\\n    return {
The output matrix is multiplied with, tied or not, and carries the gradient down: it costs FLOP, and counts in the share.
    flop / (6 * weights) => flop / (6 * (weights - V * D))
    return { => flop -= 2 * V * D\\n    return {
    return { => flop -= 4 * V * D\\n    return {
    return { => flop -= 4 * V * D if sizes["tied"] else 0\\n    return {
One product of the vocabulary's size too many: looking up multiplies nothing, and a frozen lm_head has no gradient of its own.
    return { => flop += 2 * V * D\\n    return {
    return { => flop += 2 * V * D * (not sizes["tied"])\\n    return {
Counts are ints: no division is needed.
    16 * trained => 16.0 * trained
    2 * (forward + own => 2.0 * (forward + own
""")
