"""Losses of lab 01 that are wrong in a way that people are wrong: each value comes with the hint that names it."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from fullstack_llm.checks import frameworks_oracles as oracle
from fullstack_llm.checks.frameworks_oracles import IGNORED

Mistakes = list[tuple[Any, str]]

OVERFLOW = (
    "exp overflows, or all of it underflows: subtract the largest logit of the row first. That changes no probability."
)
LOGARITHM = "The softmax is stable, its logarithm is not: a p of 0 has no logarithm. Use z - max - log(sum)."
CAPPED = "A small number added to p, or put in its place, caps the loss. Compute log p as z - max - log(sum)."
ZERO_TIMES = "0 times minus infinity is nan: pick the target's log p by its index, not by one-hot times log p."
TINY = (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, float(np.finfo("float64").eps), 1e-16, 1e-20, 1e-30, 1e-38, 1e-300)


def cross_entropy(logits: Float[np.ndarray, "N V"], targets: Int[np.ndarray, "N"]) -> Mistakes:
    """Wrong losses, wrong gradients, or both: another average, another sign, overflow."""
    loss, grad = oracle.cross_entropy(logits, targets)
    kept, (n, v) = targets != IGNORED, logits.shape
    some = int(kept.sum())
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    y = np.zeros_like(p)
    y[kept, targets[kept]] = 1
    with np.errstate(all="ignore"):
        naive_p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        naive = float(-np.log(naive_p[kept, targets[kept]]).sum() / some)
        log_of_softmax = float(-np.log(p[kept, targets[kept]]).sum() / some)
        one_hot = float(-(y * np.log(p)).sum() / some)
    chosen = p[kept, targets[kept]]
    capped = [float(-np.log(low).sum() / some) for tiny in TINY for low in (chosen + tiny, np.maximum(chosen, tiny))]
    found: Mistakes = [
        ((loss * some, grad * some), "This is the sum over the rows: take the mean."),
        ((loss * some, grad), "This is the sum over the rows: take the mean."),
        ((loss, grad * some), "The loss is a mean over rows, so its gradient is divided by their number too."),
        ((loss, -grad), "The sign of the gradient: it is p - y, so that a step against it raises the target's logit."),
        ((-loss, grad), "The loss is minus the log-probability: it is never negative."),
        ((loss, p / some * kept[:, None]), "The gradient is p - y: subtract 1 at the target."),
        ((loss, y / some), "The gradient is p - y."),
        ((loss * some / n, grad * some / n), "Rows that are ignored do not count: divide by the number of the others."),
        ((loss * some / n, grad), "Rows that are ignored do not count: divide by the number of the others."),
        ((loss, grad * some / n), "Rows that are ignored do not count: divide by the number of the others."),
        ((loss, (p - y) / some), "Rows that are ignored get a gradient of zero."),
        ((loss, (p - y) / n), "Rows that are ignored get a gradient of zero, and do not count."),
        ((loss / math.log(2), grad), "This is in bits: use the natural logarithm."),
        ((loss, grad.astype("float32")), "The gradient has the dtype of the logits."),
        ((np.float64(loss) * np.ones(()), grad), "The loss is a plain float."),
        (grad, "Return a tuple of two: the loss and the gradient."),
        (loss, "Return a tuple of two: the loss and the gradient."),
        ((log_of_softmax, grad), LOGARITHM),
        ((one_hot, grad), ZERO_TIMES if np.isinf(logits).any() else LOGARITHM),
        ((naive, grad), OVERFLOW),
        ((naive, (naive_p - y) / some), OVERFLOW),
        *(((value, grad), CAPPED) for value in capped),
    ]
    if v > -IGNORED:
        each, index = np.arange(n), targets.copy()
        hot = np.zeros_like(p)
        hot[each, index] = 1
        mean = float(-np.log(p[each, index]).mean())
        hint = "-100 was used as an index, the hundredth class from the end."
        found += [((mean, other), hint) for other in ((p - hot) / n, grad, grad * some / n)]
    return found
