"""Draw inputs for lab 04, and name what an answer is asked not to use."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: neither of the two in any answer.
LIBRARIES = ("transformers", "fullstack_llm.transformer")


def normal(draw: Draw, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    drawn = [draw.gauss(0, scale) for _ in range(math.prod(shape))]
    return torch.tensor(drawn).reshape(shape).to(dtype)


def whole(draw: Draw, *shape: int, largest: int) -> Float[Tensor, "..."]:
    """Draw whole numbers of a shape, as floats: their products and sums are exact."""
    return torch.tensor([float(draw.randint(-largest, largest)) for _ in range(math.prod(shape))]).reshape(shape)
