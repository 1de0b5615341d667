"""Exercise 5 of lab 01: the loss of a language model and its gradient, with padding and the z-loss."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import FRAMEWORKS, normal


@exercise(minutes=25, difficulty=3, review=FRAMEWORKS)
def cross_entropy_with_z_loss(logits, targets, z_weight):
    kept = np.flatnonzero(targets != -100)
    z, y = logits[kept], targets[kept]
    top = z.max(axis=1, keepdims=True)
    log_z = top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
    p = np.exp(z - log_z)
    one_hot = np.eye(z.shape[1])[y]
    losses = log_z[:, 0] - z[np.arange(len(y)), y] + z_weight * log_z[:, 0] ** 2
    grad = np.zeros_like(logits)
    grad[kept] = (p - one_hot + 2 * z_weight * log_z * p) / len(y)
    return float(losses.mean()), grad


@cross_entropy_with_z_loss.right
def library(logits, targets, z_weight):
    import torch

    z, y = torch.tensor(logits, requires_grad=True), torch.tensor(targets)
    loss = torch.nn.functional.cross_entropy(z, y, ignore_index=-100)
    loss = loss + z_weight * z[y != -100].logsumexp(1).square().mean()
    return loss.item(), torch.autograd.grad(loss, z)[0].numpy()


def drawn(draw: Draw, n: int, v: int, scale: float = 1.0):
    return normal(draw, n, v, scale=scale), np.array([draw.randrange(v) for _ in range(n)])


@cross_entropy_with_z_loss.part(6, "The mean over rows of log Z - z[target] + z_weight * (log Z)^2; and its gradient.")
def moderate(draw: Draw):
    yield *drawn(draw, 3, 3), 0.25
    yield np.array([[1.0, 1.0]]), np.array([1]), 0.0
    yield np.array([[3.0]]), np.array([0]), 0.5
    yield from ((*drawn(draw, n, v, 2.0), draw.uniform(0.1, 0.5)) for n, v in ((1, 5), (3, 2), (7, 11)))


@cross_entropy_with_z_loss.part(5, "Subtract the row's largest logit before exp, and add it to log Z.", "large logits")
def large(draw: Draw):
    for shift, z_weight in ((1e3, 1e-4), (-1e3, 0.0), (-1e5, 1e-9)):
        logits, targets = drawn(draw, 5, 7)
        yield logits + shift, targets, z_weight
    yield np.array([[1e4, -1e4, 0.0], [0.0, 800.0, 801.0]]), np.array([1, 0]), 1e-3
    masked = normal(draw, 3, 5)
    masked[:, 1:3] = -np.inf
    yield masked, np.array([0, 3, 4]), 0.25


@cross_entropy_with_z_loss.part(5, "A target of -100: no loss, a gradient of zeros, no place in the mean.", "padding")
def padding(draw: Draw):
    # More than a hundred classes first, so that -100 is a valid index.
    for n, v, kept in ((5, 127, 3), (3, 5, 2), (7, 11, 1)):
        logits, targets = drawn(draw, n, v)
        targets[draw.sample(range(n), n - kept)] = -100
        yield logits, targets, 0.25


LOSS, Z, GRAD = "log_z[:, 0] - z[np.arange(len(y)), y]", "z_weight * log_z[:, 0] ** 2", "2 * z_weight * log_z * p"
TARGET = "p[np.arange(len(y)), y]"
PADDED = "np.exp(logits - np.logaddexp.reduce(logits, 1, keepdims=True))"
TINY = ("1e-7", "1e-8", "1e-9", "1e-10", "1e-12", "1e-15", "1e-16", "1e-30")
CAPPED = "\n".join(f"    {LOSS} => -np.log({TARGET}{end})" for tiny in TINY for end in (f" + {tiny}", f".clip({tiny})"))

cross_entropy_with_z_loss.mistakes(f"""
This is the sum over the rows: take the mean.
    losses.mean() => losses.sum() && * p) / len(y) => * p)
    losses.mean() => losses.sum()
The loss is a mean over rows, so its gradient is divided by their number too.
    * p) / len(y) => * p)
The sign of the gradient: it is p - one_hot, so that a step against it raises the target's logit.
    (p - one_hot => (one_hot - p
The gradient of the cross-entropy is p - one_hot: subtract 1 at the target.
    (p - one_hot => (p
The z-loss is part of the loss, and its gradient is missing.
    + {GRAD} =>
The derivative of a square has a factor 2.
    {GRAD} => {GRAD[4:]}
log Z has a gradient: it is p, the softmax.
    {GRAD} => {GRAD[:-4]}
    {GRAD} => {GRAD[:-1]}(p - one_hot)
log Z belongs to the logits as they came: add the largest, which was subtracted, again.
    {Z} => z_weight * (log_z - top)[:, 0] ** 2 && {GRAD} => 2 * z_weight * (log_z - top) * p
The z-loss is a mean over rows, and so is its gradient.
    {Z} => len(y) * {Z} && {GRAD} => len(y) * {GRAD}
    {GRAD} => len(y) * {GRAD}
exp overflows, or all of it vanishes: subtract the largest logit of the row before, and add it to log Z after.
    z.max(axis=1, keepdims=True) => 0.0
    z.max(axis=1, keepdims=True) => 0.0 && np.exp(z - log_z) => np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
0 times minus infinity is nan: pick the target's entry by its index, not by one_hot times a logarithm.
    {LOSS} => -(one_hot * (z - log_z)).sum(axis=1)
The softmax is stable, its logarithm is not: a p of 0 has no logarithm. Use log Z - z[target].
    {LOSS} => -np.log({TARGET})
A small number added to p, or put in its place, caps the loss. Use log Z - z[target].
{CAPPED}
Rows whose target is -100 do not count: divide by the number of the others.
    losses.mean() => losses.sum() / len(targets) && * p) / len(y) => * p) / len(targets)
    losses.mean() => losses.sum() / len(targets)
    * p) / len(y) => * p) / len(targets)
Rows whose target is -100 get a gradient of zeros.
    np.zeros_like(logits) => {PADDED} * (1 + 2 * z_weight * np.logaddexp.reduce(logits, 1, keepdims=True)) / len(y)
Rows whose target is -100 have no z-loss either.
    losses.mean() => losses.mean() - (z_weight * log_z**2).mean() + z_weight * (np.logaddexp.reduce(logits, 1) ** 2).mean()
-100 was used as an index here, the hundredth class from the end: such a row is left out.
    targets != -100 => targets < 10**6
""")
