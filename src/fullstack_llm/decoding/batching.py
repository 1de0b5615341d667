"""Attend over rows of different lengths in one rectangle, and continue all of them at once.

>>> visible(torch.tensor([[False, True, True]])).int().tolist()
[[[1, 0, 0], [0, 1, 0], [0, 1, 1]]]
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import LlamaForCausalLM

from fullstack_llm.models.generate import Choose, extend, likeliest
from fullstack_llm.models.padding import rectangle
from fullstack_llm.transformer import masks


def visible(mask: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T T"]:
    """Return which keys each query sees: tokens before it that are no padding, and itself.

    A padded query would see nothing without itself, and a softmax over nothing is not a number.

    >>> visible(torch.tensor([[False, True]])).int().tolist()
    [[[1, 0], [0, 1]]]
    """
    T = mask.shape[1]
    return (masks.causal(T) & mask[:, None, :]) | torch.eye(T, dtype=torch.bool)


def attend(
    q: Float[Tensor, "B T d"], k: Float[Tensor, "B T d"], v: Float[Tensor, "B T d"], seen: Bool[Tensor, "B T T"]
) -> Float[Tensor, "B T d"]:
    """Attend with one head, in the open: the scores of keys that are not seen become -inf.

    >>> q = k = v = torch.ones(1, 2, 3)
    >>> attend(q, k, v, visible(torch.tensor([[True, True]])))[0, 0].tolist()
    [1.0, 1.0, 1.0]
    """
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen, -torch.inf)
    return scores.softmax(-1) @ v


def generate(
    model: LlamaForCausalLM,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop: Sequence[int],
    choose: Choose = likeliest,
) -> list[list[int]]:
    """Continue all rows at once, each up to its first stop token, which is kept.

    Rows are padded on the left, so that the next token of every row stands in the same column.
    """
    found = extend(model, *rectangle(rows), max_new_tokens, stop, choose).tolist()
    ends = [next((at for at, token in enumerate(row, 1) if token in stop), len(row)) for row in found]
    return [row[:end] for row, end in zip(found, ends, strict=True)]
