"""Exercise 2 of lab 07: a layer cut over ranks, with biases, fewer key-value heads than ranks, and a fused gate."""

import torch
from torch.nn.functional import scaled_dot_product_attention, silu

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m07_parallelism.inputs import LIBRARIES, normal


@exercise(minutes=30, difficulty=4, review=LIBRARIES)
def tp_block(x, weights, heads, kv_heads, ranks):
    (T, D), d, inner = x.shape, len(weights["q"]) // heads, weights["down"].shape[1]
    each, n = heads // ranks, inner // ranks
    attention, mlp, held, kept = [], [], [], []
    for r in range(ranks):
        part, seen = torch.zeros(T, D), []
        for head in range(r * each, (r + 1) * each):
            kv = head // (heads // kv_heads)
            seen += [kv] if kv not in seen else []
            mine, shared = slice(head * d, head * d + d), slice(kv * d, kv * d + d)
            q = x @ weights["q"][mine].T + weights["q_bias"][mine]
            k = x @ weights["k"][shared].T + weights["k_bias"][shared]
            v = x @ weights["v"][shared].T + weights["v_bias"][shared]
            scores = (q @ k.T / d**0.5).masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), -torch.inf)
            part += scores.softmax(-1) @ v @ weights["o"][:, mine].T
        attention.append(part)
        kept.append(seen)
        heads_held = each * d * (D + 1) + 2 * len(seen) * d * (D + 1)
        held.append(heads_held + D * each * d + D + 2 * n * (D + 1) + D * n + D)
    y = x + sum(attention) + weights["o_bias"]
    gate, up = (y @ weights["gate_up"].T + weights["gate_up_bias"]).split(inner, 1)
    for r in range(ranks):
        mine = slice(r * n, r * n + n)
        mlp.append((silu(gate[:, mine]) * up[:, mine]) @ weights["down"][:, mine].T)
    output = y + sum(mlp) + weights["down_bias"]
    sharing = [[other for other in range(ranks) if kept[other] == kept[r]] for r in range(ranks)]
    return {"attention": attention, "mlp": mlp, "output": output, "held": held, "sharing": sharing}


@tp_block.right
def shards_first(x, weights, heads, kv_heads, ranks):
    # Each rank's weights are cut out first, and counted as they lie there.
    D, K = x.shape[1], max(1, kv_heads // ranks)
    d = weights["q"].shape[0] // heads
    whose = [r * kv_heads // ranks for r in range(ranks)]
    shards = []
    for r in range(ranks):
        one = {name: weights[name].chunk(ranks)[r] for name in ("q", "q_bias")}
        for name in ("k", "v"):
            for key in (name, name + "_bias"):
                one[key] = weights[key][whose[r] * d : (whose[r] + K) * d]
        for key in ("gate_up", "gate_up_bias"):
            one[key] = torch.cat([half.chunk(ranks)[r] for half in weights[key].chunk(2)])
        one |= {name: weights[name].chunk(ranks, dim=1)[r] for name in ("o", "down")}
        shards.append(one)

    def attend(one):
        q, k, v = (
            torch.nn.functional.linear(x, one[name], one[name + "_bias"]).unflatten(1, (-1, d)).transpose(0, 1)[None]
            for name in "qkv"
        )
        out = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)[0]
        return out.transpose(0, 1).flatten(1) @ one["o"].T

    attention = [attend(one) for one in shards]
    y = torch.stack(attention).sum(0) + x + weights["o_bias"]
    mlp = []
    for one in shards:
        gate, up = torch.nn.functional.linear(y, one["gate_up"], one["gate_up_bias"]).chunk(2, -1)
        mlp.append(gate * gate.sigmoid() * up @ one["down"].T)
    held = [sum(tensor.numel() for tensor in one.values()) + 2 * D for one in shards]
    sharing = [[q for q in range(ranks) if whose[q] == whose[r]] for r in range(ranks)]
    return {"attention": attention, "mlp": mlp, "output": torch.stack(mlp).sum(0) + y + weights["down_bias"],
            "held": held, "sharing": sharing}  # fmt: skip


def block(draw: Draw, T: int, D: int, d: int, inner: int, heads: int, kv_heads: int, ranks: int):
    """Draw a layer."""
    shapes = {"q": (heads * d, D), "k": (kv_heads * d, D), "v": (kv_heads * d, D), "o": (D, heads * d)}
    shapes |= {"gate_up": (2 * inner, D), "down": (D, inner)}
    weights = {name: normal(draw, *shape, scale=shape[1] ** -0.5) for name, shape in shapes.items()}
    weights |= {f"{name}_bias": normal(draw, shape[0]) for name, shape in shapes.items()}
    return normal(draw, T, D), weights, heads, kv_heads, ranks


@tp_block.part(3, "With whom does a rank have its key and value heads in common?", "sharing", items=("sharing",))
@tp_block.part(
    4, "Count one rank's tensors one by one: which are cut, which are whole on every rank?", "held", items=("held",)
)
@tp_block.part(
    4, "x, and what the two sums added to it, each with its bias, once.", "output", items=("output",), whole=True
)
@tp_block.part(
    5, "The second half reads x + the sum of all ranks' first halves + o_bias. Which rows of gate_up are this rank's?",
    "mlp", items=("mlp",),
)  # fmt: skip
@tp_block.part(
    6, "Which query heads are this rank's, which key and value head does each read, and what is this product still without?",
    "attention", items=("attention",),
)  # fmt: skip
def layers(draw: Draw):
    # Fewer key-value heads than ranks, as many, and more; no two of the numbers are the same.
    yield block(draw, 5, 7, 3, 8, 8, 2, 4)
    yield block(draw, 7, 11, 5, 12, 12, 3, 6)
    yield block(draw, 5, 6, 2, 9, 6, 3, 3)
    yield block(draw, 3, 5, 2, 6, 8, 4, 2)
    yield block(draw, 5, 4, 3, 6, 6, 1, 6)
    yield block(draw, 1, 6, 3, 4, 4, 4, 4)
    yield block(draw, 4, 5, 2, 3, 3, 3, 1)


KV, Y = "head // (heads // kv_heads)", 'y = x + sum(attention) + weights["o_bias"]'
PART, SPLIT = 'part += scores.softmax(-1) @ v @ weights["o"][:, mine].T', "gate, up = (y @"
HELD, COUNT = (
    "held.append(heads_held + D * each * d + D + 2 * n * (D + 1) + D * n + D)",
    "heads_held = each * d * (D + 1) + 2 * len(seen) * d * (D + 1)",
)
MLP, OUT = (
    'mlp.append((silu(gate[:, mine]) * up[:, mine]) @ weights["down"][:, mine].T)',
    'output = y + sum(mlp) + weights["down_bias"]',
)
SHARING = "[[other for other in range(ranks) if kept[other] == kept[r]] for r in range(ranks)]"
tp_block.mistakes(f"""
A rank holds the key-value heads that its own queries read, neither all of them nor one for each query.
    {COUNT} => heads_held = each * d * (D + 1) + 2 * kv_heads * d * (D + 1)
    {COUNT} => heads_held = 3 * each * d * (D + 1)
Ranks that follow each other hold the same head.
    {SHARING} => [[other for other in range(ranks) if other % kv_heads == r % kv_heads] for r in range(ranks)]
Query heads that follow each other share a key-value head: head h reads head h // (heads // kv_heads).
    {KV} => head % kv_heads
    {KV} => r % kv_heads
    {KV} => min(r, kv_heads - 1)
    {KV} => (head - r * each) % kv_heads
    {KV} => (head - r * each) * kv_heads // heads
    {KV} => 0
Head h has the rows from h d to (h + 1) d: ranks have neighbouring heads, and not every ranks-th one.
    range(r * each, (r + 1) * each) => range(r, heads, ranks)
What a rank has before the sum is without o_bias: with it on every rank, it is added once for each of them.
    attention.append(part) => attention.append(part + weights["o_bias"])
    attention.append(part) => attention.append(part + weights["o_bias"]) && {Y} => y = x + sum(attention)
    attention.append(part) => attention.append(part + weights["o_bias"] / ranks) && {Y} => y = x + sum(attention)
    attention.append(part) => attention.append(part + weights["o_bias"] * (r == 0)) && {Y} => y = x + sum(attention)
What a rank has before the sum is its own product alone: x is added after the sum, once.
    attention.append(part) => attention.append(part + x)
    attention.append(part) => attention.append(part + x) && {Y} => y = sum(attention) + weights["o_bias"]
    attention.append(part) => attention.append(part + x / ranks)
Each rank's own partial result is wanted: here all ranks have the sum.
    "attention": attention => "attention": [sum(attention)] * ranks
Biases of q, k and v are cut along with the rows: here they are missing, or those of other rows.
    + weights["q_bias"][mine] =>
    + weights["v_bias"][shared] =>
    + weights["q_bias"][mine] => && + weights["k_bias"][shared] => && + weights["v_bias"][shared] =>
    weights["q_bias"][mine] => weights["q_bias"][:d]
    weights["v_bias"][shared] => weights["v_bias"][:d]
A token sees itself and those before it.
    .masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), -torch.inf) =>
    .tril(), => .triu(),
    .tril(), => .tril(-1),
Scores are divided by the root of d, the columns of one head, however many ranks there are.
    / d**0.5 =>
    / d**0.5 => / d
    / d**0.5 => / D**0.5
    / d**0.5 => / (each * d) ** 0.5
    / d**0.5 => / (heads * d) ** 0.5
The second half needs the sum over all ranks: here a rank goes on with its own part alone.
    {MLP} => g, u = ((x + attention[r] + weights["o_bias"]) @ weights["gate_up"].T + weights["gate_up_bias"]).split(inner, 1)\\n        mlp.append((silu(g[:, mine]) * u[:, mine]) @ weights["down"][:, mine].T)
    {MLP} => g, u = ((x + attention[r] + weights["o_bias"] / ranks) @ weights["gate_up"].T + weights["gate_up_bias"]).split(inner, 1)\\n        mlp.append((silu(g[:, mine]) * u[:, mine]) @ weights["down"][:, mine].T)
The second half reads x + the sum + o_bias: here something of that is missing, or there more than once.
    {Y} => y = x + sum(attention)
    {Y} => y = sum(attention) + weights["o_bias"]
    {Y} => y = x + sum(attention) / ranks + weights["o_bias"]
    {SPLIT} => gate, up = (x @
    {SPLIT} => gate, up = (sum(attention) @
gate_up holds all gates and then all rows of up: a rank has its share of each, and no run of rows from the whole.
    {MLP} => g, u = torch.cat([gate, up], 1)[:, 2 * r * n : 2 * r * n + 2 * n].split(n, 1)\\n        mlp.append((silu(g) * u) @ weights["down"][:, mine].T)
    {MLP} => both = torch.cat([gate, up], 1)\\n        g, u = both[:, 0::2], both[:, 1::2]\\n        mlp.append((silu(g[:, mine]) * u[:, mine]) @ weights["down"][:, mine].T)
silu is for the gate, which comes first, and the product with up follows.
    silu(gate[:, mine]) * up[:, mine] => gate[:, mine] * silu(up[:, mine])
    silu(gate[:, mine]) * up[:, mine] => gate[:, mine] * up[:, mine]
    silu(gate[:, mine]) * up[:, mine] => gate[:, mine].relu() * up[:, mine]
    silu(gate[:, mine]) * up[:, mine] => gate[:, mine].sigmoid() * up[:, mine]
    silu(gate[:, mine]) * up[:, mine] => torch.nn.functional.gelu(gate[:, mine]) * up[:, mine]
    silu(gate[:, mine]) * up[:, mine] => silu(gate[:, mine]) + up[:, mine]
gate_up_bias is cut in the same way as gate_up, and added on every rank to its own rows.
    weights["gate_up"].T + weights["gate_up_bias"] => weights["gate_up"].T
What a rank has of the second half is its product with down alone: y and down_bias are added once, after the sum.
    {MLP} => {MLP}\\n        mlp[-1] = mlp[-1] + weights["down_bias"]
    {MLP} => {MLP}\\n        mlp[-1] = mlp[-1] + weights["down_bias"] * (r == 0) && {OUT} => output = y + sum(mlp)
    {MLP} => {MLP}\\n        mlp[-1] = mlp[-1] + y && {OUT} => output = sum(mlp) + weights["down_bias"]
    {MLP} => {MLP}\\n        mlp[-1] = mlp[-1] + weights["down_bias"] / ranks && {OUT} => output = y + sum(mlp)
    "mlp": mlp => "mlp": [sum(mlp)] * ranks
The output is y, with both of its own parts in it, plus the sum and down_bias: here one is missing, or there too often.
    {OUT} => output = y + sum(mlp)
    {OUT} => output = x + sum(mlp) + weights["down_bias"]
    {OUT} => output = sum(mlp) + weights["down_bias"]
    {OUT} => output = y + sum(mlp) + ranks * weights["down_bias"]
    {OUT} => output = y + sum(mlp) / ranks + weights["down_bias"]
    {OUT} => output = x + y + sum(mlp) + weights["down_bias"]
A key-value head that several ranks need is held by each of them, whole: what a rank holds is not its share of kv_heads.
    {COUNT} => heads_held = each * d * (D + 1) + 2 * kv_heads * d * (D + 1) // ranks
    {COUNT} => heads_held = each * d * (D + 1) + 2 * (kv_heads // ranks) * d * (D + 1)
o_bias and down_bias are not cut: every rank holds both whole, though each is added once.
    {HELD} => held.append(heads_held + D * each * d + D * (r == 0) + 2 * n * (D + 1) + D * n + D * (r == 0))
    {HELD} => held.append(heads_held + D * each * d + 2 * n * (D + 1) + D * n)
    {HELD} => held.append(heads_held + D * each * d + D // ranks + 2 * n * (D + 1) + D * n + D // ranks)
    {HELD} => held.append(heads_held + D * each * d + D + 2 * n * (D + 1) + D * n)
Biases are held too: each row of q, k, v and gate_up has one.
    {HELD} => held.append(heads_held - (each + 2 * len(seen)) * d + D * each * d + 2 * n * D + D * n)
    {HELD} => held.append(heads_held - (each + 2 * len(seen)) * d + D * each * d + D + 2 * n * D + D * n + D)
    {HELD} => held.append(heads_held + D * each * d + D + 2 * n * D + D * n + D)
What one rank holds is asked for, for each rank: here it is the whole layer, or nearly that.
    {HELD} => held.append(sum(one.numel() for one in weights.values()))
    {HELD} => held.append(sum(one.numel() for one in weights.values()) // ranks)
A rank shares with itself too, so that its own number is in its list.
    {SHARING} => [[other for other in range(ranks) if kept[other] == kept[r] and other != r] for r in range(ranks)]
sharing has one list for each rank, and not one for each set of heads.
    {SHARING} => [[r for r in range(ranks) if kept[r] == one] for one in sorted(set(map(tuple, kept)))]
    {SHARING} => [[r for r in range(ranks) if kept[r] == one] for n, one in enumerate(kept) if one not in kept[:n]]
The list names ranks: here it names key-value heads.
    {SHARING} => kept
""")
