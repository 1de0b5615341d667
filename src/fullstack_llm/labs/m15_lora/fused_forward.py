"""Exercise 1 of lab 15: a layer that is q, k and v in one, with updates on some of its parts, and dropout."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m15_lora.inputs import LIBRARIES, normal


@exercise(minutes=15, difficulty=2, review=LIBRARIES)
def fused_forward(x, W, heights, adapters, alpha, kept, p):
    seen = torch.where(kept, x / (1 - p), 0.0)
    parts = []
    for rows, pair in zip(W.split(heights), adapters, strict=True):
        part = x @ rows.T
        if pair is not None:
            A, B = pair
            part = part + alpha / len(A) * (seen @ A.T @ B.T)
        parts.append(part)
    return torch.cat(parts, 1)


@fused_forward.right
def one_weight(x, W, heights, adapters, alpha, kept, p):
    # The updates as one matrix of W's shape, with zeros where there is none.
    update, top = torch.zeros_like(W), 0
    for height, pair in zip(heights, adapters, strict=True):
        if pair:
            update[top : top + height] = pair[1] @ pair[0] * (alpha / pair[0].shape[0])
        top += height
    return torch.einsum("nd,ed->ne", x, W) + torch.einsum("nd,ed->ne", x * kept / (1 - p), update)


def layer(draw: Draw, N: int, D: int, heights: list[int], ranks: list[int], alpha: float, p: float):
    """Draw a layer; a rank of 0 is a part without an update."""
    adapters = [(normal(draw, r, D), normal(draw, h, r)) if r else None for h, r in zip(heights, ranks, strict=True)]
    kept = torch.tensor([[draw.random() >= p for _ in range(D)] for _ in range(N)])
    return normal(draw, N, D), normal(draw, sum(heights), D), heights, adapters, alpha, kept, p


@fused_forward.part(
    8, "Take one part alone, with its rows of W and its own pair. Where does it begin in the output?", "parts"
)
def parts(draw: Draw):
    # Nothing dropped; k and v equally high, so that they can be mistaken for each other; then drawn heights.
    yield layer(draw, 5, 7, [6, 3, 3], [2, 0, 4], 16.0, 0.0)
    yield layer(draw, 4, 5, [7, 3, 3], [0, 2, 3], 5.0, 0.0)
    yield layer(draw, 3, 11, [8, 4, 4], [2, 2, 2], 8.0, 0.0)
    yield layer(draw, 3, 6, [draw.randint(2, 9) for _ in range(5)], [3, 0, 1, 0, 5], 7.0, 0.0)
    yield layer(draw, 3, 3, [3, 3, 3], [3, 3, 0], 9.0, 0.0)
    yield layer(draw, 2, 5, [4], [1], 2.0, 0.0)
    yield layer(draw, 2, 5, [4, 2], [0, 0], 2.0, 0.0)


@fused_forward.part(
    6,
    "kept, and no draw of yours, says what the updates see. What does W see, and how large is a number that is kept?",
    "dropout",
)
def dropout(draw: Draw):
    yield layer(draw, 5, 7, [6, 3, 3], [2, 0, 4], 16.0, 0.25)
    yield layer(draw, 4, 13, [5, 2], [3, 1], 5.0, 0.6)
    yield layer(draw, 3, 4, [3, 3], [0, 2], 4.0, 0.5)
    x, W, heights, adapters, alpha, kept, p = layer(draw, 3, 4, [3, 3], [2, 2], 4.0, 0.1)
    yield x, W, heights, adapters, alpha, torch.zeros_like(kept), p
    yield x, W, heights, adapters, alpha, torch.ones_like(kept), p


SCALE, SEEN, ROWS = (
    "alpha / len(A) * (",
    "torch.where(kept, x / (1 - p), 0.0)",
    "zip(W.split(heights), adapters, strict=True)",
)
fused_forward.mistakes(f"""
W sees all of x: dropout is for the updates alone.
    part = x @ rows.T => part = seen @ rows.T
    part = x @ rows.T => part = (x * kept) @ rows.T
    part = x @ rows.T => part = seen @ rows.T && {SEEN} => x * kept
The numbers that are kept grow by 1 / (1 - p), so that their sum is as large as before on average.
    {SEEN} => torch.where(kept, x, 0.0)
    {SEEN} => torch.where(kept, x * (1 - p), 0.0)
    {SEEN} => torch.where(kept, x / p, 0.0)
    {SEEN} => torch.where(kept, x / kept.float().mean(), 0.0)
    {SEEN} => torch.where(kept, x * x.shape[1] / kept.sum(1, keepdim=True), 0.0)
The updates see what is hidden, and what is kept they do not: kept is True where a number is seen.
    {SEEN} => torch.where(~kept, x / p, 0.0) if p else x
    {SEEN} => torch.where(~kept, x / (1 - p), 0.0) if p else x
The updates see all of x: kept says which of its numbers they may see.
    {SEEN} => torch.where(kept.any(0), x / (1 - p), 0.0)
    {SEEN} => x
    {SEEN} => x / (1 - p)
The update is not scaled, or not by alpha / r, with r the rank of its own pair.
    {SCALE} => 1.0 * (
    {SCALE} => alpha * (
    {SCALE} => 1 / len(A) * (
    {SCALE} => alpha / len(A) ** 0.5 * (
    {SCALE} => len(A) / alpha * (
    {SCALE} => alpha / len(B) * (
    {SCALE} => alpha / A.shape[1] * (
    {SCALE} => alpha / (2 * len(A)) * (
The ranks differ: each pair is divided by its own, not by that of another pair or of all.
    {SCALE} => alpha / len(next(a for a in adapters if a)[0]) * (
    {SCALE} => alpha / sum(len(a[0]) for a in adapters if a) * (
    {SCALE} => alpha / max(len(a[0]) for a in adapters if a) * (
The update was scaled twice: alpha / r stands before the product of the two matrices, once.
    {SCALE} => (alpha / len(A)) ** 2 * (
    {SCALE} => alpha / len(A) ** 2 * (
The update is added to what W gives: here it stands alone.
    part = part + alpha => part = alpha
    return torch.cat(parts, 1) => return torch.cat(parts, 1) - x @ W.T
These are W's outputs alone: a part that has a pair gets its update, of the numbers that stay (there kept is True).
    if pair is not None: => if False:
    torch.where(kept, => torch.where(~kept,
The update stands at the wrong place: a pair is for the part with the same number, None counting.
    {ROWS} => zip(W.split(heights), sorted(adapters, key=lambda a: a is None))
    {ROWS} => zip(W.split(heights), adapters[1:] + adapters[:1])
    {ROWS} => zip(W.split(heights), adapters[::-1])
The rows of a part begin where those of the part before it end: here some part has rows of another.
    W.split(heights), adapters, strict => [W[:height] for height in heights], adapters, strict
    W.split(heights), adapters, strict => [W[sum(h for h, a in zip(heights[:i], adapters) if a) :][:height] for i, height in enumerate(heights)], adapters, strict
A part without an update is W's output all the same.
    parts.append(part) => parts.append(part if pair is not None else part * 0)
    parts.append(part) => if pair is not None: parts.append(part)
Only one of the updates is there: each pair belongs to its part.
    parts = [] => parts = []\\n    adapters = [a if a is next((b for b in adapters if b), 0) else None for a in adapters]
The order of the outputs is the order of the rows of W.
    torch.cat(parts, 1) => torch.cat(parts[::-1], 1)
The parts lie side by side, as columns of one output of N rows.
    torch.cat(parts, 1) => torch.cat(parts, 0)
    torch.cat(parts, 1) => parts
A matrix lies outputs first, and x holds its tokens as rows: x @ W.T for a weight, and x @ A.T @ B.T for a pair.
    x @ rows.T => x @ rows
    seen @ A.T @ B.T => seen @ A @ B
    seen @ A.T @ B.T => seen @ (A.T @ B)
    seen @ A.T @ B.T => seen @ A @ B.T
    seen @ A.T @ B.T => seen @ (A @ B)
    seen @ A.T @ B.T => seen @ B.T @ A.T
    seen @ A.T @ B.T => seen @ (B @ A)
A part without an update is None, and has no A and no B.
    if pair is not None: => if True:
""")
