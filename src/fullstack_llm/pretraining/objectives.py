"""What a model has to predict: the next token, masked tokens, or spans that were cut out.

>>> ids = torch.tensor([[2, 7, 8, 9]])
>>> [found.tolist() for found in next_token(ids)]
[[[2, 7, 8]], [[7, 8, 9]]]
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

IGNORE = -100  # a target that counts for nothing, as in `torch` and `transformers`


class Example(NamedTuple):
    """Hold what goes in, and what is to come out; the targets have IGNORE where there is nothing to predict."""

    inputs: Int[Tensor, ...]
    targets: Int[Tensor, ...]


def next_token(ids: Int[Tensor, "B T1"], counted: Bool[Tensor, "B T1"] | None = None) -> Example:
    """Return all ids but the last, and for each the id that follows it, if that is `counted`."""
    targets = ids if counted is None else ids.masked_fill(~counted, IGNORE)
    return Example(ids[:, :-1], targets[:, 1:])


def mean_loss(logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Return the mean loss of the counted targets, in nats a token, and zero if none is counted.

    >>> mean_loss(torch.zeros(1, 2, 4), torch.tensor([[3, IGNORE]])).item() == torch.tensor(4.0).log().item()
    True
    >>> mean_loss(torch.zeros(1, 2, 4), torch.tensor([[IGNORE, IGNORE]])).item()
    0.0
    """
    total = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / (targets != IGNORE).sum().clamp(min=1)


def masked(
    ids: Int[Tensor, "B T"],
    mask_id: int,
    vocab_size: int,
    generator: torch.Generator,
    special: Bool[Tensor, "B T"] | None = None,
    share: float = 0.15,
) -> Example:
    """Choose a share of the tokens to predict; of these replace 80 % by the mask and 10 % by a random id.

    The last tenth stays as it is, so that the model has to have an opinion on every token (Devlin et al. 2019, arXiv
    1810.04805, section 3.1). `special` tokens are never chosen.
    """
    chances = torch.full(ids.shape, share)
    chosen = torch.bernoulli(
        chances if special is None else chances.masked_fill(special, 0.0), generator=generator
    ).bool()
    hidden = chosen & torch.bernoulli(torch.full(ids.shape, 0.8), generator=generator).bool()
    # Half of what is left of the chosen ones: a tenth of all.
    swapped = chosen & ~hidden & torch.bernoulli(torch.full(ids.shape, 0.5), generator=generator).bool()
    others = torch.randint(vocab_size, ids.shape, generator=generator)
    inputs = torch.where(swapped, others, ids.masked_fill(hidden, mask_id))
    return Example(inputs, ids.masked_fill(~chosen, IGNORE))


def noise_spans(length: int, density: float, mean_span: float, generator: torch.Generator) -> Bool[Tensor, " T"]:
    """Choose which tokens of a text to cut out: a fixed number, in a fixed number of spans of random lengths.

    The text begins with a token that is kept, and no two spans touch (Raffel et al. 2020, arXiv 1910.10683,
    section 3.1). A single span is therefore always at the end.

    >>> noise_spans(20, 0.15, 3.0, torch.Generator().manual_seed(0)).sum().item()
    3
    """
    noise = min(max(round(length * density), 1), length - 1)
    spans = min(max(round(noise / mean_span), 1), length - noise)
    cut, kept = _parts(noise, spans, generator), _parts(length - noise, spans, generator)
    lengths = torch.stack([kept, cut], dim=1).flatten()
    return (torch.arange(2 * spans) % 2 == 1).repeat_interleave(lengths)


def _parts(total: int, parts: int, generator: torch.Generator) -> Int[Tensor, " parts"]:
    """Cut a number into positive parts at random, each way equally likely."""
    cuts = torch.randperm(total - 1, generator=generator)[: parts - 1].sort().values + 1
    return torch.cat([torch.tensor([0]), cuts, torch.tensor([total])]).diff()


def span_corruption(ids: Int[Tensor, " T"], cut: Bool[Tensor, " T"], sentinel: int, end: int) -> Example:
    """Replace each span by a sentinel of its own (`sentinel`, `sentinel` + 1, …); the targets tell the spans.

    >>> ids, cut = torch.tensor([5, 6, 7, 8, 9]), torch.tensor([0, 1, 1, 0, 1]).bool()
    >>> [found.tolist() for found in span_corruption(ids, cut, sentinel=100, end=2)]
    [[5, 100, 8, 101, 2], [100, 6, 7, 101, 9, 2]]
    """
    begins = cut & ~torch.cat([torch.tensor([False]), cut[:-1]])
    number = sentinel + begins.cumsum(0) - 1
    last = torch.tensor([end])
    inputs = torch.where(begins, number, ids)[~cut | begins]
    # Each span's sentinel goes before its first token.
    pairs = torch.stack([number, ids], dim=1)
    wanted = torch.stack([begins, cut], dim=1)
    return Example(torch.cat([inputs, last]), torch.cat([pairs[wanted], last]))


def bits_per_byte(nats: float, tokens: int, data: bytes) -> float:
    """Return the bits that a compressor driven by the model needs for a byte, from the mean loss of a text's tokens.

    >>> round(bits_per_byte(0.9, tokens=100, data=bytes(260)), 3)
    0.499
    """
    return nats * tokens / torch.log(torch.tensor(2.0)).item() / len(data)
