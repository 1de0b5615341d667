"""Rows of different lengths in one rectangle: where the padding goes, which keys are seen, what position a token has.

>>> ids, mask = rectangle([[5, 6, 7], [8]], side="left")
>>> ids.tolist(), mask.int().tolist(), positions(mask).tolist()
([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]], [[0, 1, 2], [0, 0, 0]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fullstack_llm.models.chat import PAD
from fullstack_llm.transformer import masks

# From what is written so far (B, T) and the logits (B, V) to the next tokens (B,).
Choose = Callable[[Tensor, Tensor], Tensor]


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


def likeliest(ids: Int[Tensor, "B T"], logits: Float[Tensor, "B V"]) -> Int[Tensor, " B"]:
    """Choose the likeliest token, the first of equal ones."""
    return logits.argmax(-1)


def sampler(
    seed: int, rules: Callable[[Tensor, Tensor], Tensor] = lambda ids, scores: scores, draws: int = 1
) -> Choose:
    """Return a choice that draws from what the rules leave; the seed decides the draws.

    >>> choose = sampler(0, rules=lambda ids, scores: scores * torch.tensor([1.0, torch.inf]))
    >>> choose(torch.zeros(1, 0), torch.tensor([[0.0, -1.0]])).tolist()
    [0]
    """
    generator = torch.Generator().manual_seed(seed)

    def choose(ids: Tensor, logits: Tensor) -> Tensor:
        return torch.multinomial(rules(ids, logits).softmax(-1), draws, generator=generator)[:, 0]

    return choose


@torch.inference_mode()
def generate(
    model: Any,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop: Sequence[int],
    choose: Choose = likeliest,
) -> list[list[int]]:
    """Continue all rows at once, each up to its first stop token, which is kept.

    Rows are padded on the left, so that the next token of every row stands in the same column.
    """
    ids, mask = rectangle(rows)
    place, cache, fed = positions(mask), None, ids
    ends, open_rows = torch.tensor(list(stop)), torch.ones(len(rows), dtype=torch.bool)
    for _ in range(max_new_tokens):
        out = model(fed, attention_mask=mask.long(), position_ids=place, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        chosen = choose(ids, out.logits[:, -1].float()).masked_fill(~open_rows, PAD)
        ids, mask = torch.cat([ids, chosen[:, None]], 1), torch.cat([mask, open_rows[:, None]], 1)
        place, fed = place[:, -1:] + 1, chosen[:, None]
        open_rows = open_rows & ~torch.isin(chosen, ends)
        if not open_rows.any():
            break
    width = max(map(len, rows))
    return [row[own].tolist() for row, own in zip(ids[:, width:], mask[:, width:], strict=True)]
