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


# Any five in a row, in units, have the median 0 and the median distance 1, and a far larger deviation: one lies low.
CYCLE = (0, 1, -9, 2, -1)


def cycled(draw: Draw, *runs: tuple[int, float, int]):
    """Draw a level and a unit; of each run (healthy losses, a height in units, times); a height of 20 grows fourfold each time."""
    level, unit = draw.uniform(2.0, 3.0), draw.uniform(0.04, 0.06)
    units, turn = [60 + CYCLE[step % 5] / 3 for step in range(21)], 0
    for quiet, height, times in runs:
        units += [CYCLE[(turn + step) % 5] for step in range(quiet)]
        units += [height * (4**step if height == 20 else 1) for step in range(times)]
        turn += quiet
    return [round(level + unit * one, 4) for one in units]
