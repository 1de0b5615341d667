"""Exercise 3 of lab 06: FLOP, hours and money of a training run, from the shape alone."""

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m06_scaling_laws.inputs import LIBRARIES


@exercise(minutes=20, difficulty=2, review=LIBRARIES)
def training_bill(sizes, stages, cluster):
    V, D, inner = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    L, H, K, d = sizes["num_layers"], sizes["num_heads"], sizes["num_kv_heads"], sizes["head_dim"]
    attention = 2 * D * H * d + 2 * D * K * d
    mlp = 3 * D * inner
    norms = 2 * L * D + D
    parameters = V * D + L * (attention + mlp) + norms + (0 if sizes["tied"] else V * D)
    flop, tokens = 0, 0
    for count, T in stages:
        products = 2 * L * (attention + mlp) + 2 * V * D
        pairs = T * (T + 1) // 2
        scores = 2 * 2 * L * H * d * pairs
        flop += 3 * (count // T) * (T * products + scores)
        tokens += count
    hours = flop / (cluster["peak"] * cluster["mfu"]) / 3600
    return {
        "parameters": parameters,
        "flop": flop,
        "six_nd": 6 * parameters * tokens,
        "gpu_hours": hours,
        "days": hours / cluster["gpus"] / 24,
        "cost": hours * cluster["price"],
    }


@training_bill.right
def matrices(sizes, stages, cluster):
    # Every matrix of the model, and then every pair of tokens that meet.
    V, D, inner = sizes["vocab_size"], sizes["hidden_size"], sizes["intermediate_size"]
    wide, narrow = sizes["num_heads"] * sizes["head_dim"], sizes["num_kv_heads"] * sizes["head_dim"]
    layer = [(D, wide), (D, narrow), (D, narrow), (wide, D), (D, inner), (D, inner), (inner, D)]
    used = sum(a * b for a, b in layer * sizes["num_layers"]) + V * D
    total = used + (2 * sizes["num_layers"] + 1) * D + V * D * (not sizes["tied"])
    flop = 0
    for count, T in stages:
        met = sum(range(1, T + 1)) * (count // T)
        flop += 6 * used * count + 3 * sizes["num_layers"] * 4 * wide * met
    seconds = flop / cluster["peak"] / cluster["mfu"]
    bill = {"gpu_hours": seconds / 3600, "days": seconds / 86_400 / cluster["gpus"]}
    bill["cost"] = bill["gpu_hours"] * cluster["price"]
    return {"parameters": total, "flop": flop, "six_nd": 6 * total * sum(count for count, _ in stages)} | bill


@training_bill.right
def a_token(sizes, stages, cluster):
    # The mean number of keys that a token sees is (T + 1) / 2, in whole numbers as long as that is doubled.
    D, L, heads = sizes["hidden_size"], sizes["num_layers"], sizes["num_heads"] + sizes["num_kv_heads"]
    weights = L * D * (2 * heads * sizes["head_dim"] + 3 * sizes["intermediate_size"])
    table = sizes["vocab_size"] * D
    total = weights + (2 * L + 1) * D + table * (1 if sizes["tied"] else 2)
    flop = sum(
        count * (6 * (weights + table) + 6 * L * sizes["num_heads"] * sizes["head_dim"] * (T + 1))
        for count, T in stages
    )
    rate = cluster["peak"] * cluster["mfu"] * 3600
    return {
        "cost": flop / rate * cluster["price"],
        "days": flop / rate / (24 * cluster["gpus"]),
        "gpu_hours": flop / rate,
        "six_nd": sum(6 * total * count for count, _ in stages),
        "flop": flop,
        "parameters": total,
    }


KEYS = ("vocab_size", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads", "head_dim")


def shape(*numbers: int, tied: bool = False):
    """Return a dict of sizes."""
    return dict(zip(KEYS, numbers, strict=True)) | {"tied": tied}


BASE = shape(512, 128, 352, 4, 4, 2, 32, tied=True)
LLAMA_3_8B = shape(128_256, 4096, 14_336, 32, 32, 8, 128)
QWEN_3_4B = shape(151_936, 2560, 9728, 36, 32, 8, 128, tied=True)
LAPTOP = {"peak": 1e11, "mfu": 0.25, "gpus": 1, "price": 0.02}
H100S = {"peak": 989e12, "mfu": 0.38, "gpus": 2048, "price": 2.5}


def drawn(draw: Draw, *, tied: bool, many: bool):
    """Draw sizes that are distinct, stages and a cluster."""
    K, group, d = draw.choice((1, 2, 3)), draw.choice((2, 3, 5)), draw.choice((4, 6, 8))
    numbers = draw.randrange(211, 499), draw.randrange(50, 99), draw.randrange(101, 199), draw.choice((2, 3, 5))
    lengths = [draw.choice((64, 128, 37)), draw.choice((512, 411)), draw.choice((2048, 1777))][: 3 if many else 1]
    stages = [(T * draw.randrange(50, 9000) // (1 + i), T) for i, T in enumerate(lengths)]
    stages = [(count // T * T, T) for count, T in stages]
    cluster = {"peak": 10 ** draw.uniform(11, 15), "mfu": draw.uniform(0.2, 0.6)}
    cluster |= {"gpus": draw.choice((7, 48, 1024)), "price": draw.uniform(0.5, 4)}
    return shape(*numbers, K * group, K, d, tied=tied), stages, cluster


@training_bill.part(
    6, "GPUs times hours is what is paid; peak times MFU is what one GPU does.", "bill",
    items=("six_nd", "gpu_hours", "days", "cost"), rtol=1e-6, whole=True,
)  # fmt: skip
@training_bill.part(
    7, "Whose products does a token take part in, and how many keys does it meet?", "flop", items=("flop",)
)
@training_bill.part(3, "Write down the shape of each matrix in a layer.", "parameters", items=("parameters",))
def runs(draw: Draw):
    # No factor of a mistake is that of another one: 7 layers, 10 heads, 2 of keys, 8 columns.
    for tied in (True, False):
        yield shape(307, 61, 101, 7, 10, 2, 8, tied=tied), [(640_000, 64), (57_540, 411)], H100S
    yield BASE, [(10_240_000, 256)], LAPTOP
    yield LLAMA_3_8B, [(15 * 10**12 // 8192 * 8192, 8192), (800 * 10**9 // 131_072 * 131_072, 131_072)], H100S
    yield QWEN_3_4B, [(10**12 // 4096 * 4096, 4096)], H100S
    yield shape(5, 6, 7, 1, 3, 3, 2), [(1, 1)], LAPTOP
    for tied in (False, True):
        yield drawn(draw, tied=tied, many=True)
        yield drawn(draw, tied=tied, many=False)


training_bill.mistakes("""
Keys and values have num_kv_heads heads: with fewer of them their two matrices are narrower.
    2 * D * K * d => 2 * D * H * d
Attention has four matrices: q, k, v, and o, which brings the heads back.
    2 * D * H * d + => D * H * d +
    + 2 * D * K * d => + D * K * d
A head has head_dim columns, which need not be hidden_size / num_heads.
    sizes["head_dim"] => D // sizes["num_heads"]
The heads side by side have num_heads * head_dim columns, which need not be hidden_size.
    2 * D * H * d + 2 * D * K * d => 2 * D * D + 2 * D * K * d
The MLP has three matrices: gate, up and down.
    mlp = 3 * => mlp = 2 *
Each layer has two norms, and there is one after the last: a gain each.
    norms = 2 * L * D + D => norms = 2 * L * D
    norms = 2 * L * D + D => norms = 0
    norms = 2 * L * D + D => norms = L * D + D
Tied: the output matrix is the embedding, counted once. Not tied: it is one of its own.
    (0 if sizes["tied"] else V * D) => 0
    (0 if sizes["tied"] else V * D) => V * D
    (0 if sizes["tied"] => (V * D if sizes["tied"] && else V * D) => else 0)
The embedding has parameters as well: a row of hidden_size numbers for each token of the vocabulary.
    parameters = V * D + => parameters =
This is one layer's: all num_layers have attention, and MLPs.
    parameters = V * D + L * ( => parameters = V * D + (
    2 * L * (attention + mlp) => 2 * (attention + mlp)
The output matrix is multiplied with for every token, tied or not.
    + 2 * V * D => + (0 if sizes["tied"] else 2 * V * D)
    + 2 * V * D =>
Looking up a row of the embedding multiplies nothing: the table costs FLOP as the output matrix only, once.
    + 2 * V * D => + 4 * V * D
    + 2 * V * D => + 2 * V * D * (1 if sizes["tied"] else 2)
A multiplication and an addition for each weight: 2 FLOP forwards.
    2 * L * (attention + mlp) + 2 * V * D => L * (attention + mlp) + V * D
Training takes three times a forward pass: the backward one has two products for each of its one.
    flop += 3 * => flop +=
    flop += 3 * => flop += 2 *
    flop += 3 * => flop += 4 *
Norms multiply by no matrix, and the embedding is looked up: their parameters cost nothing here.
    2 * L * (attention + mlp) + 2 * V * D => 2 * parameters
    2 * L * (attention + mlp) + 2 * V * D => 2 * L * (attention + mlp) + 2 * V * D + 2 * norms
The scores are gone through backwards as well: three times, like everything.
    flop += 3 * (count // T) * (T * products + scores) => flop += (count // T) * (3 * T * products + scores)
The scores are missing: each query meets keys, and their values.
    (T * products + scores) => (T * products)
This is 6 N D, the rule of thumb. It has the parameters that multiply nothing, and leaves out the scores.
    flop += 3 * (count // T) * (T * products + scores) => flop += 6 * parameters * count
What is hidden is not computed here: a token meets itself and those before it, T (T + 1) / 2 pairs in all.
    T * (T + 1) // 2 => T * T
A token meets itself, too: T (T + 1) / 2 pairs.
    T * (T + 1) // 2 => T * (T - 1) // 2
    T * (T + 1) // 2 => T * T // 2
Two products for each pair of tokens: query by key, and weight by value.
    2 * 2 * L * H * d * pairs => 2 * L * H * d * pairs
Every query head has scores, whether or not it shares its keys.
    2 * 2 * L * H * d * pairs => 2 * 2 * L * K * d * pairs
The vectors that meet have head_dim columns in each of num_heads heads, which is not hidden_size.
    2 * 2 * L * H * d * pairs => 2 * 2 * L * D * pairs
All layers have scores, and each of the heads.
    2 * 2 * L * H * d * pairs => 2 * 2 * H * d * pairs
    2 * 2 * L * H * d * pairs => 2 * 2 * L * d * pairs
The pairs of one document were counted once: count // T documents were read.
    3 * (count // T) * (T * products + scores) => 3 * (count * products + scores)
Each stage has a length of its own, and its own tokens: all of them count.
    flop += 3 * => flop = 3 *
    flop, tokens = 0, 0 => flop, tokens = 0, 0\\n    stages = [(sum(count for count, _ in stages) // stages[0][1] * stages[0][1], stages[0][1])]
    flop, tokens = 0, 0 => flop, tokens = 0, 0\\n    stages = [(sum(count for count, _ in stages) // stages[-1][1] * stages[-1][1], stages[-1][1])]
    flop, tokens = 0, 0 => flop, tokens = 0, 0\\n    stages = stages[:1]
    tokens += count => tokens = count
MFU is the share of the peak that the run uses: divide by it, for a lower one takes longer.
    / (cluster["peak"] * cluster["mfu"]) => / cluster["peak"]
    / (cluster["peak"] * cluster["mfu"]) => / cluster["peak"] * cluster["mfu"]
The hours were divided by the GPUs: GPU-hours are those of all GPUs together.
    / 3600 => / 3600 / cluster["gpus"] && hours / cluster["gpus"] / 24 => hours / 24
    / 3600 => / 3600 / cluster["gpus"]
GPU-hours are what one GPU would take alone: more GPUs are done sooner, and cost the same.
    / 3600 => / 3600 * cluster["gpus"] && hours / cluster["gpus"] / 24 => hours / 24
    / 3600 => / 3600 * cluster["gpus"]
    hours * cluster["price"] => hours * cluster["price"] * cluster["gpus"]
    hours * cluster["price"] => hours * cluster["price"] / cluster["gpus"]
The days are by the calendar: all GPUs work at once.
    hours / cluster["gpus"] / 24 => hours / 24
A day has 24 hours, and an hour 3600 seconds.
    hours / cluster["gpus"] / 24 => hours / cluster["gpus"]
    / 3600 => / 60
    / 3600 =>
6 N D takes all parameters and all tokens, whatever multiplies and whatever does not.
    6 * parameters * tokens => 6 * (parameters - V * D) * tokens
    6 * parameters * tokens => 2 * parameters * tokens
    6 * parameters * tokens => 6 * L * (attention + mlp) * tokens
    6 * parameters * tokens => flop
Counts are ints: // where it comes out even.
    T * (T + 1) // 2 => T * (T + 1) / 2
    (count // T) => (count / T)
""")
