"""Draw inputs for lab 07, and name what an answer is asked not to use."""

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("torch.distributed", "fullstack_llm.parallel")


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.gauss(0, scale) for _ in range(count)]).reshape(shape)
