"""Exercise 5 of lab 07: data parallelism where ranks have unequal shares of the data, or none."""

import torch
from torch.nn.functional import cross_entropy

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m07_parallelism.inputs import LIBRARIES, normal


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def ddp_step(W, batches, max_norm):
    ranks, total = len(batches), sum(weights.sum().item() for own in batches for _, _, weights in own)
    factors, each, loss = [], [], 0.0
    for own in batches:
        factors.append([])
        grad = torch.zeros_like(W)
        for x, labels, weights in own:
            share = weights.sum().item() / total if total else 0.0
            factor = ranks * share
            factors[-1].append(factor)
            if share == 0:
                continue
            probs = (x @ W.T).softmax(1)
            hot = torch.zeros_like(probs)
            losses = torch.zeros(len(x))
            for n, label in enumerate(labels.tolist()):
                if weights[n] > 0:
                    hot[n, label] = 1.0
                    losses[n] = -probs[n, label].log()
            mean = weights / weights.sum()
            grad += factor * ((mean[:, None] * (probs - hot)).T @ x)
            loss += share * (mean * losses).sum().item()
        each.append(grad)
    gradient = sum(each) / ranks
    norm = gradient.norm().item()
    gradient = gradient * min(1.0, max_norm / norm if norm else 1.0)
    return {"factors": factors, "each": each, "loss": loss, "gradient": gradient}


@ddp_step.right
def by_autograd(W, batches, max_norm):
    sums = [[weights.sum() for *_, weights in own] for own in batches]
    N = float(sum(map(sum, sums)))
    R = len(batches)

    def added_up(own, leaf):
        losses = [torch.tensor(0.0)]
        for x, labels, weights in own:
            seen = weights > 0
            one = cross_entropy(x[seen] @ leaf.T, labels[seen], reduction="none")
            losses.append((one * weights[seen]).sum())
        return sum(losses) / (N or 1.0)

    each, loss = [], 0.0
    for own in batches:
        leaf = W.clone().requires_grad_()
        mine = added_up(own, leaf) + 0.0 * leaf.sum()
        mine.backward()
        each.append(R * leaf.grad)
        loss += float(mine)
    gradient = torch.stack(each).mean(0)
    if gradient.norm() > max_norm:
        gradient = gradient / gradient.norm() * max_norm
    return {"factors": [[float(s) * R / N if N else 0.0 for s in own] for own in sums], "each": each, "loss": loss,
            "gradient": gradient}  # fmt: skip


def unequal(draw: Draw, V: int, D: int, rows: list[list[list[float]]], max_norm: float):
    """Draw micro-batches whose tokens have these weights; one of weight 0 may have the label of nothing."""
    batches = [
        [
            (normal(draw, len(w), D), torch.tensor([draw.randrange(V) if one or draw.random() < 0.3 else -100 for one in w], dtype=torch.int64), torch.tensor(w))
            for w in own
        ]
        for own in rows
    ]  # fmt: skip
    return normal(draw, V, D, scale=0.7), batches, max_norm


@ddp_step.part(3, "Clip what the average is, once, and only if its norm is larger.", "gradient", items=("gradient",))
@ddp_step.part(2, "The loss of one process: all weighted losses over the sum of all weights.", "loss", items=("loss",), whole=True)  # fmt: skip
@ddp_step.part(
    5, "One process would divide by the sum of all weights; the average over ranks divides by their number too.", "each",
    items=("each",),
)  # fmt: skip
@ddp_step.part(
    4, "Its own mean has divided by its own weights. What is to be taken back, and what is the all-reduce going to divide by?",
    "factors", items=("factors",), whole=True,
)  # fmt: skip
def shares(draw: Draw):
    one, two, half = 1.0, 2.0, 0.5
    yield unequal(draw, 7, 5, [[[one, half, 0.0], [two] * 4], [[one, 0.25]], [[half] * 5, [0.0, one], [two, two]]], 0.1)
    yield unequal(draw, 5, 3, [[[one] * 7], [], [[two, half]], [[one, one, 0.0]]], 99.0)
    yield unequal(draw, 5, 5, [[[0.0, 0.0], [one, two, half]], [[two, 0.0]], [[0.0]]], 0.2)
    yield unequal(draw, 3, 4, [[[one, one], [one, one]], [[one, one]]], 0.5)
    yield unequal(draw, 3, 2, [[[]], [[two], [half, one]]], 9.0)
    yield unequal(draw, 4, 3, [[[0.0, 0.0]], []], 1.0)
    yield unequal(draw, 4, 3, [[[half, two, one]]], 0.05)
    yield unequal(draw, 6, 7, [[[draw.choice((0.0, half, one, two)) for _ in range(draw.randint(1, 6))] for _ in range(draw.randint(0, 3))] for _ in range(5)] + [[[one]]], 0.3)  # fmt: skip


FACTOR, SHARE, LOSS = (
    "factor = ranks * share",
    "weights.sum().item() / total if total else 0.0",
    "loss += share * (mean * losses).sum().item()",
)
CLIP, MEAN, AVERAGE = (
    "gradient = gradient * min(1.0, max_norm / norm if norm else 1.0)",
    "mean = weights / weights.sum()",
    "gradient = sum(each) / ranks",
)
COUNT, SKIP = (
    "sum(weights.sum().item() for own in batches for _, _, weights in own)",
    "if share == 0:\\n                continue",
)
ddp_step.mistakes(f"""
The average over ranks divides by their number, and the factor has to take that back: times ranks.
    {FACTOR} => factor = share
This is plain averaging, a mean of means: micro-batches with few tokens, or small weights, count as much as others.
    {FACTOR} => factor = 1.0
    {FACTOR} => factor = 1.0 if weights.sum() else 0.0
    {FACTOR} => factor = 1 / len(own)
    {FACTOR} => factor = 1 / len(own) if weights.sum() else 0.0
    {FACTOR} => factor = ranks / sum(map(len, batches))
The weights of all ranks make the total: here a rank divides by its own.
    {FACTOR} => factor = weights.sum().item() / (sum(w.sum().item() for *_, w in own) or 1.0)
    {FACTOR} => factor = ranks * weights.sum().item() / (sum(w.sum().item() for *_, w in own) or 1.0)
Weights are added up, not tokens: one of weight 2 counts twice, one of weight 1/2 half.
    {SHARE} => (weights > 0).sum().item() / max(1, sum((w > 0).sum().item() for own in batches for *_, w in own))
    {SHARE} => len(weights) / max(1, sum(len(w) for own in batches for *_, w in own))
    {SHARE} => (labels >= 0).sum().item() / max(1, sum((l >= 0).sum().item() for own in batches for _, l, _ in own))
A rank without data takes part in the average: it hands in zeros, and counts among the ranks.
    ranks, total = len(batches) => ranks, total = sum(map(bool, batches))
    ranks, total = len(batches) => ranks, total = sum(any(w.sum() > 0 for *_, w in own) for own in batches) or 1
    each.append(grad) => each += [grad] * bool(own)
The factor multiplies the micro-batch's mean, which has divided by its weights already: the sum of its weights belongs in.
    {FACTOR} => factor = ranks / total if total else 0.0
    {FACTOR} => factor = 1 / total if total else 0.0
Here the factor is upside down: the more weight a micro-batch has, the more it counts.
    {FACTOR} => factor = ranks * (total / weights.sum().item() if weights.sum() else 0.0)
    {FACTOR} => factor = total / (ranks * weights.sum().item()) if weights.sum() else 0.0
The number of micro-batches does not matter, and nothing is divided by it.
    {FACTOR} => factor = ranks * share / len(own)
    {FACTOR} => factor = ranks * share * len(own)
Each token's loss counts with its weight.
    {MEAN} => mean = (weights > 0) / (weights > 0).sum()
    {MEAN} => mean = torch.ones(len(x)) / len(x)
A micro-batch's mean divides by the sum of its weights: here by nothing, or by the number of its tokens.
    {MEAN} => mean = weights / len(x)
    {MEAN} => mean = weights / (weights > 0).sum()
    {MEAN} => mean = weights
Without a weight that counts a mean is 0 / 0: such a micro-batch adds nothing, and has the factor 0.0.
    {SKIP} => pass
Where no rank has any weight, the loss, the factors and the gradient are 0.
    {SHARE} => weights.sum().item() / total
    {SHARE} => weights.sum().item() / total if total else float("nan")
A label of weight 0 may be -100, which is no column.
    if weights[n] > 0: => if True:
The gradient of a cross-entropy is the probabilities less 1 at the label, times x.
    (probs - hot)).T => (hot - probs)).T
    (probs - hot)).T => probs).T
The gradient is the average over ranks: here it is their sum.
    {AVERAGE} => gradient = sum(each)
What a rank hands in is the gradient of its own losses, and is summed over its own micro-batches alone.
    "each": each => "each": [gradient] * ranks
    grad += factor => grad = factor
    grad = torch.zeros_like(W) => grad = each[-1] if each else torch.zeros_like(W)
The loss is that of one process: each micro-batch's mean counts with its share of all weights.
    {LOSS} => loss += (mean * losses).sum().item() / sum(map(len, batches))
    {LOSS} => loss += factor * (mean * losses).sum().item()
    {LOSS} => loss += (mean * losses).sum().item() / len(own) / ranks
    {LOSS} => loss += (weights * losses).sum().item()
    {LOSS} => loss += (mean * losses).sum().item()
    {LOSS} => loss += share * losses.mean().item()
The loss is a float, not a tensor.
    "loss": loss => "loss": torch.tensor(loss)
Clip the average, once: here each rank has clipped its own.
    {AVERAGE} => each = [grad * min(1.0, max_norm / (grad.norm().item() or 1.0)) for grad in each]\\n    gradient = sum(each) / ranks
    {AVERAGE} => gradient = sum(grad * min(1.0, max_norm / (grad.norm().item() or 1.0)) for grad in each) / ranks
    {AVERAGE} => gradient = sum(grad * min(1.0, max_norm / (grad.norm().item() or 1.0)) for grad in each) / ranks && {CLIP} => pass
Clipping makes no gradient longer: one whose norm is small enough stays as it is.
    {CLIP} => gradient = gradient * (max_norm / norm if norm else 1.0)
Here nothing is clipped: the norm of the gradient is max_norm at most.
    {CLIP} => pass
Clipping is by the norm of the whole gradient, so that its direction stays.
    {CLIP} => gradient = gradient.clamp(-max_norm, max_norm)
    {CLIP} => gradient = gradient * (max_norm / gradient.norm(dim=1, keepdim=True).clamp(min=1e-9)).clamp(max=1.0)
    {CLIP} => gradient = gradient * min(1.0, max_norm / gradient.abs().max().item() if norm else 1.0)
    {CLIP} => gradient = gradient * min(1.0, max_norm / norm**2 if norm else 1.0)
The average is clipped, and not what the ranks hand in: each is from before.
    "each": each => "each": [grad * min(1.0, max_norm / norm if norm else 1.0) for grad in each]
""")
