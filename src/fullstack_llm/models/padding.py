"""Rows of different lengths in one rectangle: where the padding goes, and what position a token has.

>>> ids, mask = rectangle([[5, 6, 7], [8]], side="left")
>>> ids.tolist(), mask.int().tolist(), positions(mask).tolist()
([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]], [[0, 1, 2], [0, 0, 0]])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from fullstack_llm.models.chat import PAD


def rectangle(
    rows: Sequence[Sequence[int]], side: Literal["left", "right"] = "left", pad: int = PAD
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Return rows as one tensor, padded on a side, and the mask of what is no padding.

    >>> rectangle([[5, 6], [8]], side="right")[0].tolist()
    [[5, 6], [8, 0]]
    """
    width = max(map(len, rows))
    fill = [[pad] * (width - len(row)) for row in rows]
    pieces = [(one, list(row)) if side == "left" else (list(row), one) for one, row in zip(fill, rows, strict=True)]
    ids = torch.tensor([first + second for first, second in pieces])
    lengths = torch.tensor([len(row) for row in rows])[:, None]
    places = torch.arange(width)[None]
    return ids, places >= width - lengths if side == "left" else places < lengths


def positions(mask: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Return each token's place among its row's own tokens; padding gets the next one's or the last one's.

    >>> positions(torch.tensor([[False, True, True]])).tolist()
    [[0, 0, 1]]
    """
    return (mask.long().cumsum(1) - 1).clamp(min=0)
