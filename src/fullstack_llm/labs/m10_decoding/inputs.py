"""Draw inputs for lab 10, turn vectors as its text does, and name what an answer is asked not to use."""

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("transformers", "fullstack_llm.decoding", "fullstack_llm.engine", "fullstack_llm.transformer")


def turned(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = positions[..., None] * base ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.gauss(0, scale) for _ in range(count)]).reshape(shape)


def stable(sampler, draw: Draw, logits, seen, steps):
    """Draw random numbers, such that no sum and no chance is near to a bound of the steps, or to one of them."""
    logits = torch.tensor(logits)
    while True:
        kept = set()
        for f in (1, 0.999, 1.001):
            moved = [(name, value * f if name in ("top_p", "min_p") and value < 1 else value) for name, value in steps]
            chances, _ = sampler(logits, seen, moved, [])
            kept.add(tuple((chances > 0).tolist()))
        if len(kept) == 1:
            break
        logits = logits + torch.tensor([draw.gauss(0, 0.01) for _ in logits])
    us: list[float] = []
    while len(us) < 7:
        near = [draw.random()] * 3
        near[1], near[2] = near[0] - 1e-3, near[0] + 1e-3
        if len(set(sampler(logits, seen, steps, near)[1])) == 1 and near[2] < 1:
            us.append(near[0])
    return logits, seen, steps, us


def row(draw: Draw, V: int, scale: float = 1.3):
    """Draw logits whose order is not that of the ids."""
    while True:
        logits = [draw.gauss(0, scale) for _ in range(V)]
        ranked = sorted(range(V), key=lambda i: -logits[i])
        if V < 7 or all(abs(i - place) > 1 for place, i in enumerate(ranked[:4])):
            return logits
