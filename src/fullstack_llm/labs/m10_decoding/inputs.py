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
