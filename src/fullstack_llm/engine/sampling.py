"""Choose tokens from logits: each row by its own settings, and with its own random number.

>>> logits = torch.tensor([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
>>> cut = restrict(logits, [Settings(top_k=2), Settings(top_p=0.6)])
>>> cut.tolist()
[[2.0, 1.0, -inf], [2.0, -inf, -inf]]
>>> draw(cut, torch.tensor([0.9, 0.9])).tolist()
[1, 0]
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fullstack_llm.engine.requests import LogProb, Settings


def restrict(logits: Float[Tensor, "B V"], settings: Sequence[Settings]) -> Float[Tensor, "B V"]:
    """Divide each row by its temperature, then put -inf in place of what top-k, top-p and min-p cut, in this order.

    The rules for ties are those of `transformers`: top-k keeps what equals the k-th logit; top-p sorts and may cut one
    of two equal logits; the likeliest token always stays.
    """

    def column(values: Sequence[float]) -> Float[Tensor, "B 1"]:
        return torch.tensor(values, device=logits.device, dtype=logits.dtype)[:, None]

    scores = logits / column([each.temperature for each in settings])
    if any(each.top_k for each in settings):
        size = scores.shape[-1]
        ranks = torch.tensor([min(each.top_k or size, size) - 1 for each in settings], device=logits.device)
        smallest = scores.sort(descending=True).values.gather(1, ranks[:, None])
        scores = scores.masked_fill(scores < smallest, -torch.inf)
    if any(each.top_p < 1 for each in settings):
        # A row that is not to be cut has a bound below every sum.
        bounds = column([1 - each.top_p if each.top_p < 1 else -1 for each in settings])
        ascending, order = scores.sort()
        cut = ascending.softmax(-1).cumsum(-1) <= bounds
        cut[:, -1] = False
        scores = scores.masked_fill(torch.zeros_like(cut).scatter(1, order, cut), -torch.inf)
    if any(each.min_p for each in settings):
        shares = scores.softmax(-1)
        cut = shares < column([each.min_p for each in settings]) * shares.amax(-1, keepdim=True)
        cut.scatter_(1, shares.argmax(-1, keepdim=True), value=False)
        scores = scores.masked_fill(cut, -torch.inf)
    return scores


def draw(scores: Float[Tensor, "B V"], uniform: Float[Tensor, " B"]) -> Int[Tensor, " B"]:
    """Draw a token from each row's softmax: the first one whose cumulative share exceeds the row's random number."""
    cumulative = scores.double().softmax(-1).cumsum(-1)
    return torch.searchsorted(cumulative, uniform[:, None].double() * cumulative[:, -1:], right=True)[:, 0]


def choose(
    logits: Float[Tensor, "B V"], settings: Sequence[Settings], generators: Sequence[torch.Generator]
) -> list[int]:
    """Choose a token for each row: the likeliest at temperature 0, and a draw otherwise.

    A draw takes one random number of the row's own generator, so that it does not depend on the other rows.
    """
    chosen = logits.argmax(-1)
    drawn = [at for at, each in enumerate(settings) if each.temperature > 0]
    if drawn:
        uniform = torch.cat([torch.rand(1, generator=generators[at], dtype=torch.float64) for at in drawn])
        scores = restrict(logits[drawn].float(), [settings[at] for at in drawn])
        chosen[drawn] = draw(scores, uniform.to(logits.device))
    return list(chosen.tolist())


def log_probabilities(
    logits: Float[Tensor, "B V"], tokens: Sequence[int], counts: Sequence[int | None]
) -> list[LogProb | None]:
    """Return the log-probabilities of each row's token and of its likeliest tokens, or None where none is asked for.

    >>> log_probabilities(torch.tensor([[0.0, 0.0]]), [1], [0])
    [LogProb(logprob=-0.6931..., top=[])]
    """
    found: list[LogProb | None] = [None] * len(tokens)
    for at, (token, count) in enumerate(zip(tokens, counts, strict=True)):
        if count is not None:
            row = logits[at].float().log_softmax(-1)
            top = row.topk(min(count, len(row)))
            found[at] = LogProb(row[token].item(), list(zip(top.indices.tolist(), top.values.tolist(), strict=True)))
    return found
