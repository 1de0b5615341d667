"""Attention masks: booleans (T, S), True where the query of the row may attend to the key of the column.

>>> causal(3).int().tolist()
[[1, 0, 0], [1, 1, 0], [1, 1, 1]]
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def causal(length: int, device: torch.device | str = "cpu") -> Bool[Tensor, "T T"]:
    """Return the mask of a decoder: each token sees itself and all tokens before it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def sliding(length: int, window: int, device: torch.device | str = "cpu") -> Bool[Tensor, "T T"]:
    """Return the mask of sliding-window attention: each token sees the last `window` tokens, itself included.

    See Beltagy et al. 2020, arXiv 2004.05150.

    >>> sliding(4, 2).int().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    """
    seen = causal(length, device)
    return seen & ~seen.tril(-window)


def prefix(length: int, seen: int) -> Bool[Tensor, "T T"]:
    """Return a causal mask whose first `seen` tokens all see each other (Raffel et al. 2020, arXiv 1910.10683).

    >>> prefix(3, 2).int().tolist()
    [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    """
    mask = causal(length)
    mask[:, :seen] = True
    return mask


def documents(ids: Int[Tensor, " T"]) -> Bool[Tensor, "T T"]:
    """Return a mask that is causal within each document of a packed row; `ids` gives the document of each token.

    >>> documents(torch.tensor([0, 0, 1])).int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    """
    return causal(len(ids), ids.device) & (ids[:, None] == ids[None, :])
