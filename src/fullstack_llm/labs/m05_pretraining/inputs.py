"""Draw inputs for lab 05, and name what an answer is asked not to use."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("transformers", "datasketch", "fullstack_llm.pretraining", "fullstack_llm.models")


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    return torch.tensor([draw.gauss(0, scale) for _ in range(math.prod(shape))]).reshape(shape)
