"""Draw inputs for lab 02, and name what an answer is asked not to use."""

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

# The lab's text says: none of them in any answer.
LIBRARIES = ("torch.nn.RNN", "torch.nn.LSTM", "torch.nn.GRU", "fullstack_llm.recurrence")


def normal(draw: Draw, *shape: int, scale: float = 1.0) -> Float[Tensor, "..."]:
    """Draw normal numbers of a shape."""
    count = torch.Size(shape).numel()
    return torch.tensor([draw.gauss(0, scale) for _ in range(count)]).reshape(shape)


def text(draw: Draw, length: int, V: int) -> list[int]:
    """Draw ids, small ones more often."""
    return [min(draw.randrange(V), draw.randrange(V)) for _ in range(length)]
