"""From logits to the distribution that a token is drawn from, a function a rule; each is a processor of `transformers`.

>>> logits = torch.tensor([[3.0, 2.0, 2.0, 0.0]])
>>> top_k(logits, 2).tolist()
[[3.0, 2.0, 2.0, -inf]]
>>> [round(p, 3) for p in distribution(logits, top_p=0.5)[0].tolist()]
[1.0, 0.0, 0.0, 0.0]

A rule takes scores and returns scores; what it forbids becomes -inf. Ties, empty sets and rounding follow version 5.23.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

Scores = Float[Tensor, "B V"]

# ---- rules that look at the scores alone


def temperature(scores: Scores, value: float) -> Scores:
    """Divide by a temperature: below 1 the gaps between scores grow, above 1 they shrink.

    >>> temperature(torch.tensor([[2.0, 1.0]]), 0.5).tolist()
    [[4.0, 2.0]]
    """
    return scores / value


def top_k(scores: Scores, k: int) -> Scores:
    """Keep every score that is at least the k-th largest: more than k of them if that one is tied.

    >>> top_k(torch.tensor([[1.0, 1.0, 0.0]]), 1).tolist()
    [[1.0, 1.0, -inf]]
    """
    smallest = scores.topk(min(k, scores.shape[-1])).values[:, -1:]
    return scores.masked_fill(scores < smallest, -torch.inf)


def top_p(scores: Scores, p: float) -> Scores:
    """Keep the likeliest tokens up to the first whose sum reaches p, and one at least.

    It is counted from the other end: cut the unlikely ones while their sum is at most 1 - p. Of equal scores, those
    that a stable sort from small to large puts first are cut first.

    >>> top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.6).isfinite().tolist()
    [[True, True, False]]
    """
    ascending, order = scores.sort()
    cut = ascending.softmax(-1).cumsum(-1) <= 1 - p
    cut[:, -1] = False
    return scores.masked_fill(cut.scatter(1, order, cut), -torch.inf)


def min_p(scores: Scores, p: float) -> Scores:
    """Keep the tokens that are at least p times as likely as the likeliest (Nguyen et al. 2024, arXiv 2407.01082).

    >>> min_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.5).isfinite().tolist()
    [[True, True, False]]
    """
    shares = scores.softmax(-1)
    cut = shares < p * shares.amax(-1, keepdim=True)
    return scores.masked_fill(cut.scatter(-1, shares.topk(1).indices, False), -torch.inf)


def typical(scores: Scores, mass: float) -> Scores:
    """Keep the tokens whose surprise is nearest to the entropy, up to a mass (Meister et al. 2023, arXiv 2202.00666).

    The likeliest token may be cut: here its surprise, 0.51 nats, is further from the entropy of 1.09 than that of 0.2.

    >>> typical(torch.tensor([[0.6, 0.2, 0.1, 0.1]]).log(), 0.15).isfinite().tolist()
    [[False, True, False, False]]
    """
    logp = scores.log_softmax(-1)
    entropy = -(logp * logp.exp()).nansum(-1, keepdim=True)
    distance, order = (-logp - entropy).abs().sort()
    held = scores.gather(-1, order).softmax(-1).cumsum(-1)
    last = (held < mass).sum(-1, keepdim=True).clamp(max=scores.shape[-1] - 1)
    cut = distance > distance.gather(1, last)
    cut[:, 0] = False
    return scores.masked_fill(cut.scatter(1, order, cut), -torch.inf)


def epsilon(scores: Scores, cutoff: float) -> Scores:
    """Cut the tokens under a probability, but not the likeliest (Hewitt et al. 2022, arXiv 2210.15191).

    >>> epsilon(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.25).isfinite().tolist()
    [[True, True, False]]
    """
    cut = scores.softmax(-1) < cutoff
    return scores.masked_fill(cut & (scores < scores.amax(-1, keepdim=True)), -torch.inf)


def eta(scores: Scores, cutoff: float) -> Scores:
    """Cut as `epsilon` does, at a bound that falls where the distribution is flat: min(c, sqrt(c) exp(-entropy)).

    >>> eta(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.5).isfinite().tolist()
    [[True, True, False]]
    """
    logp = scores.log_softmax(-1)
    entropy = -(logp.clamp(min=torch.finfo(logp.dtype).min) * logp.exp()).sum(-1, keepdim=True)
    bound = torch.tensor(cutoff)
    cut = logp.exp() < torch.min(bound, bound.sqrt() * (-entropy).exp())
    return scores.masked_fill(cut & (scores < scores.amax(-1, keepdim=True)), -torch.inf)


# ---- rules that look at what was written


def counts(ids: Int[Tensor, "B T"], size: int, padding: Sequence[int] | None = None) -> Int[Tensor, "B V"]:
    """Return how often each token occurs in each row, the first `padding` places of a row left out.

    >>> counts(torch.tensor([[0, 2, 2]]), 4, padding=[1]).tolist()
    [[0, 0, 2, 0]]
    """
    places = torch.arange(ids.shape[1])
    own = torch.ones_like(ids) if padding is None else (places >= torch.tensor(padding)[:, None]).long()
    return torch.zeros(len(ids), size, dtype=torch.long).scatter_add(1, ids, own)


def repetition(scores: Scores, seen: Int[Tensor, "B V"], penalty: float) -> Scores:
    """Divide the scores of seen tokens by the penalty (Keskar et al. 2019); multiply those below 0, as libraries do.

    So it depends on where the model put its zero: logits that differ by a constant, and mean the same, come out
    differently.

    >>> repetition(torch.tensor([[2.0, -1.0, 2.0]]), torch.tensor([[1, 3, 0]]), 2.0).tolist()
    [[1.0, -2.0, 2.0]]
    """
    return torch.where(seen > 0, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def frequency(scores: Scores, seen: Int[Tensor, "B V"], alpha: float, presence: float = 0.0) -> Scores:
    """Subtract alpha for each time that a token was written, and `presence` once (the penalties of OpenAI's API).

    >>> frequency(torch.tensor([[2.0, 2.0, 2.0]]), torch.tensor([[0, 1, 3]]), 0.5, presence=0.25).tolist()
    [[2.0, 1.25, 0.25]]
    """
    return scores - alpha * seen - presence * (seen > 0)


def no_repeat(scores: Scores, ids: Int[Tensor, "B T"], n: int) -> Scores:
    """Forbid each token that would complete an n-gram that the row holds already (Paulus et al. 2018).

    >>> no_repeat(torch.zeros(1, 4), torch.tensor([[1, 2, 3, 1]]), 2).tolist()
    [[0.0, 0.0, -inf, 0.0]]
    """
    out = scores.clone()
    for row, written in enumerate(ids.tolist()):
        ending = written[len(written) - n + 1 :]
        for at in range(len(written) - n + 1):
            if written[at : at + n - 1] == ending:
                out[row, written[at + n - 1]] = -torch.inf
    return out


# ---- rules in a row

# The order of `transformers`, which no setting of `generate` changes.
RULES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "temperature": temperature,
    "top_k": lambda scores, k: top_k(scores, int(k)),
    "top_p": top_p,
    "min_p": min_p,
    "typical": typical,
    "epsilon": epsilon,
    "eta": eta,
}


def chain(scores: Scores, order: Sequence[str] | None = None, **settings: float) -> Scores:
    """Apply the named rules, in the order of `transformers` or in another one.

    >>> scores = torch.tensor([[0.5, 0.3, 0.2]]).log()
    >>> warm_first = chain(scores, temperature=2.0, min_p=0.7)
    >>> cut_first = chain(scores, order=["min_p", "temperature"], temperature=2.0, min_p=0.7)
    >>> warm_first.isfinite().sum().item(), cut_first.isfinite().sum().item()
    (2, 1)

    Raises ValueError for a setting that is no rule, or that the order leaves out.
    """
    order = list(RULES) if order is None else order
    missed = set(settings) - set(RULES) | set(settings) - set(order)
    if missed:
        raise ValueError(f"{', '.join(sorted(missed))}: no such rule in the order {', '.join(order)}.")
    for name in order:
        if name in settings:
            scores = RULES[name](scores, settings[name])
    return scores


def distribution(scores: Scores, order: Sequence[str] | None = None, **settings: float) -> Float[Tensor, "B V"]:
    """Return the probabilities that are left after the named rules.

    >>> distribution(torch.tensor([[1.0, 1.0, 0.0]]), top_k=1).tolist()
    [[0.5, 0.5, 0.0]]
    """
    return chain(scores, order, **settings).softmax(-1)
