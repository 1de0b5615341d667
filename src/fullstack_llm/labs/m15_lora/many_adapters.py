"""Exercise 5 of lab 15: one batch, many adapters of different ranks, whose rows lie scattered in one pool."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m15_lora.inputs import LIBRARIES, normal


@exercise(minutes=15, difficulty=3, review=LIBRARIES)
def many_adapters(x, W, which, pool_A, pool_B, rows, alphas):
    y, ranks = [], []
    for one, i in zip(x, which.tolist(), strict=True):
        out = W @ one
        if i >= 0:
            mine = rows[i]
            A, B = pool_A[mine], pool_B[mine].T
            out = out + alphas[i] / len(mine) * (B @ (A @ one))
            ranks.append(len(mine))
        y.append(out)
    size = 2 * (x.shape[1] + len(W))
    own = size * sum(ranks)
    padded = size * len(x) * max(ranks, default=0)
    return torch.stack(y), own, padded


@many_adapters.right
def with_a_mask(x, W, which, pool_A, pool_B, rows, alphas):
    # Every request meets the whole pool; a table of factors leaves what is its own.
    factors = torch.zeros(len(x), len(pool_A))
    for n, i in enumerate(which):
        if i != -1:
            factors[n, rows[i]] = alphas[i] / len(rows[i])
    y = torch.nn.functional.linear(x, W) + ((x @ pool_A.T) * factors) @ pool_B
    used = [len(rows[i]) for i in which.tolist() if i != -1]
    each = 2 * pool_A.shape[1] + 2 * pool_B.shape[1]
    return y, each * sum(used), each * len(x) * max([0, *used])


def batch(draw: Draw, D: int, E: int, ranks: list[int], which: list[int]):
    """Draw a pool that holds adapters of these ranks, and unused rows, in no order."""
    places = draw.sample(range(sum(ranks) + 3), sum(ranks))
    rows = [[places.pop() for _ in range(r)] for r in ranks]
    pool_A, pool_B = normal(draw, sum(ranks) + 3, D), normal(draw, sum(ranks) + 3, E)
    alphas = [draw.choice((1.0, 3.0, 8.0, 16.0)) + i for i in range(len(ranks))]
    return normal(draw, len(which), D), normal(draw, E, D), torch.tensor(which), pool_A, pool_B, rows, alphas


@many_adapters.part(
    3, "Every request, of whatever adapter, as if it had the largest rank that the batch asks for.", "padded",
    items=(2,), whole=True,
)  # fmt: skip
@many_adapters.part(
    3, "Two FLOP for each number of A and of B. Of which requests, with how many rows each?", "own", items=(1,)
)
@many_adapters.part(
    8, "Compute one request alone: which rows of the pool are its own, what is its factor, and has it an adapter at all?",
    "outputs", items=(0,),
)  # fmt: skip
def batches(draw: Draw):
    # The widest adapter waits for nobody; two requests share one; no rank is the number of requests.
    yield batch(draw, 7, 5, [2, 4, 1, 8, 3], [1, -1, 0, 1, 2, -1])
    yield batch(draw, 5, 11, [3, 2, 7], [2, 2, 0, 1, 0])
    yield batch(draw, 6, 6, [4, 4], [-1, 1, 0])
    ranks = [draw.choice((1, 2, 3, 5, 8)) for _ in range(5)]
    yield batch(draw, 4, 7, ranks, [draw.randint(-1, 4) for _ in range(11)])
    yield batch(draw, 5, 3, [2, 3], [-1, -1])
    yield batch(draw, 3, 4, [3], [0])
    yield batch(draw, 3, 3, [1, 6, 3], [2])


MINE, SCALE, OWN = "mine = rows[i]", "alphas[i] / len(mine)", "ranks.append(len(mine))"
many_adapters.mistakes(f"""
A request with -1 has no adapter: as an index, -1 is the last one, and Python does not complain.
    if i >= 0: => if True:
A request without an adapter gets what W gives: here it gets nothing.
    y.append(out) => y.append(out if i >= 0 else out * 0)
    y.append(out) => if i >= 0: y.append(out)
Adapter 0 is an adapter: only -1 is none.
    if i >= 0: => if i > 0:
Here the outputs are W's alone: each request has its own adapter's update added.
    if i >= 0: => if False:
The update is added to W's output: here it stands alone.
    out = out + alphas[i] => out = alphas[i]
The rows of an adapter are those that its list names, which lie anywhere in the pool: here others were taken.
    {MINE} => mine = list(range(rows[i][0], rows[i][0] + len(rows[i])))
    {MINE} => mine = [r % len(pool_A) for r in range(rows[i][0], rows[i][0] + len(rows[i]))]
    {MINE} => mine = list(range(len(rows[i])))
    {MINE} => mine = list(range(sum(map(len, rows[:i])), sum(map(len, rows[: i + 1]))))
    {MINE} => mine = list(range(min(rows[i]), max(rows[i]) + 1))
Row p of pool_A and row p of pool_B belong together: here one of the two was looked up elsewhere, or in another order.
    pool_B[mine].T => pool_B[sorted(mine)].T
    pool_B[mine].T => pool_B[: len(mine)].T
    pool_B[mine].T => pool_B[mine[::-1]].T
    pool_A[mine], => pool_A[sorted(mine)],
    pool_A[mine], => pool_A[: len(mine)],
Each request has its own adapter: here one adapter, or one request's, served others too.
    {MINE} => i = max(which.tolist())\\n            mine = rows[i]
    {MINE} => i = next(w for w in which.tolist() if w >= 0)\\n            mine = rows[i]
    {MINE} => i = len(y) % len(rows)\\n            mine = rows[i]
    (A @ one) => (A @ x[i])
The factor is alpha / r of the request's own adapter, with r the number of its rows.
    {SCALE} => 1.0
    {SCALE} => alphas[i]
    {SCALE} => 1 / len(mine)
    {SCALE} => alphas[i] / len(mine) ** 0.5
    {SCALE} => alphas[i] / max(map(len, rows))
    {SCALE} => alphas[i] / max(len(rows[w]) for w in which.tolist() if w >= 0)
    {SCALE} => alphas[i] / len(pool_A)
    {SCALE} => alphas[0] / len(mine)
    {SCALE} => alphas[i - 1] / len(mine)
    {SCALE} => alphas[len(y) % len(alphas)] / len(mine)
    {SCALE} => alphas[i] / len(rows[0])
    {SCALE} => alphas[i] / len(rows)
    {SCALE} => len(mine) / alphas[i]
Every row of its adapter counts for a request, not the first alone.
    {MINE} => mine = rows[i][:1] && {SCALE} => alphas[i] / len(rows[i]) && {OWN} => ranks.append(len(rows[i]))
Here each request has all the rows of the pool, and the rows of others with them.
    {MINE} => mine = list(range(len(pool_A)))
A weight lies outputs first: x @ W.T.
    W @ one => W.T @ one
A row of pool_B has E numbers, and is a column of B: B is pool_B[rows].T.
    pool_B[mine].T => pool_B[mine]
The requests keep their order: here they stand in that of the adapters.
    torch.stack(y), own => torch.stack(y)[which.argsort(stable=True)], own
W's own products are left out: count those with the rows of adapters.
    own = size * sum(ranks) => own = size * sum(ranks) + 2 * len(x) * W.numel()
    padded = size => padded = 2 * len(x) * W.numel() + size
    own = size * sum(ranks) => own = size * sum(ranks) + 2 * len(x) * W.numel() && padded = size => padded = 2 * len(x) * W.numel() + size
A multiplication and an addition: 2 FLOP for each number of A and of B.
    size = 2 * (x.shape[1] + len(W)) => size = x.shape[1] + len(W)
    size = 2 * (x.shape[1] + len(W)) => size = 4 * (x.shape[1] + len(W))
A row of A has D numbers and a column of B has E: each is gone through once.
    size = 2 * (x.shape[1] + len(W)) => size = 2 * x.shape[1]
    size = 2 * (x.shape[1] + len(W)) => size = 2 * len(W)
    size = 2 * (x.shape[1] + len(W)) => size = 2 * x.shape[1] * len(W)
    own = size * sum(ranks) => own = 2 * x.shape[1] * len(W) * sum(ranks)
    size = 2 * (x.shape[1] + len(W)) => size = 4 * x.shape[1]
    size = 2 * (x.shape[1] + len(W)) => size = 4 * len(W)
Each request is computed, also the second one of an adapter.
    own = size * sum(ranks) => own = size * sum(len(rows[i]) for i in set(which.tolist()) if i >= 0)
The padded batch is as wide as the largest rank among its own requests: an adapter that is not asked for widens nothing.
    max(ranks, default=0) => max(map(len, rows))
    max(ranks, default=0) => max(map(len, rows)) * bool(ranks)
The largest rank of the batch is wanted: here it is that of one request, or the smallest.
    max(ranks, default=0) => ranks[-1] if ranks else 0
    max(ranks, default=0) => ranks[0] if ranks else 0
    max(ranks, default=0) => min(ranks, default=0)
In the padded batch a request without an adapter is padded as well, as if it had the largest rank.
    size * len(x) * max => size * len(ranks) * max
The padded batch has one line for each request, not for each adapter.
    size * len(x) * max => size * len(rows) * max
    size * len(x) * max => size * len(set(which.tolist()) - {{-1}}) * max
Padding fills each request's rows up to the largest rank: here the ranks were added up, or the padding alone was counted.
    padded = size * len(x) * max(ranks, default=0) => padded = size * sum(ranks)
    padded = size * len(x) * max(ranks, default=0) => padded = size * len(x) * max(ranks, default=0) - own
    padded = size * len(x) * max(ranks, default=0) => padded = size * len(x) * len(pool_A)
    padded = size * len(x) * max(ranks, default=0) => padded = size * len(x) * sum(map(len, rows))
First what the requests need, then what the padded batch takes.
    own, padded\\n => padded, own\\n
Nobody in the batch may have an adapter: the largest of no ranks is 0.
    max(ranks, default=0) => max(ranks)
    max(ranks, default=0) => max(len(rows[w]) for w in which.tolist() if w >= 0)
    max(ranks, default=0) => torch.tensor(ranks).max().item()
Counts are ints.
    own = size * sum(ranks) => own = float(size * sum(ranks))
    own = size * sum(ranks) => own = torch.tensor(size * sum(ranks))
""")
