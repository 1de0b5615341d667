"""Draw inputs for lab 15, and name what an answer is asked not to use."""

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("peft", "bitsandbytes", "fullstack_llm.lora")


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.gauss(0, scale) for _ in range(count)]).reshape(shape)


def coarse(draw: Draw, *shape: int) -> Float[Tensor, "..."]:
    """Draw small multiples of a power of two, so that products and sums are exact in 32 bits, in any order."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.randint(-31, 31) / 64 for _ in range(count)]).reshape(shape)
