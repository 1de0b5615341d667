"""Beam search by lists: keep the few likeliest beginnings, extend each by every token, keep the few likeliest again.

>>> table = {(0,): [0.0, 0.4, 0.6], (0, 1): [0.9, 0.05, 0.05], (0, 2): [0.4, 0.3, 0.3]}
>>> def toy(rows: list[list[int]]) -> Tensor:
...     return torch.tensor([table.get(tuple(row), [1.0, 0.0, 0.0]) for row in rows]).log()
>>> greedy, found = (beam_search(toy, [0], width, 3, stop=[0], length_penalty=0.0)[0] for width in (1, 2))
>>> greedy.tokens, round(math.exp(greedy.logp), 2), found.tokens, round(math.exp(found.logp), 2)
([2, 0], 0.24, [1, 0], 0.36)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Log-probabilities (N, V) of the next token of N rows of ids of one length.
NextToken = Callable[[list[list[int]]], Tensor]


class Hypothesis(NamedTuple):
    """Hold a continuation, the sum of its tokens' log-probabilities, and the score by which it is ranked."""

    tokens: list[int]
    logp: float
    score: float


def of_model(model: Any) -> NextToken:
    """Return the next token's log-probabilities by a model, without a cache."""

    def next_token(rows: list[list[int]]) -> Tensor:
        with torch.inference_mode():
            return model(torch.tensor(rows), use_cache=False).logits[:, -1].float().log_softmax(-1)

    return next_token


def beam_search(
    next_token: NextToken,
    prompt: Sequence[int],
    width: int,
    max_new_tokens: int,
    stop: Sequence[int],
    length_penalty: float = 1.0,
    early_stopping: bool = False,
) -> list[Hypothesis]:
    """Return up to `width` finished continuations, best first; those that reach the limit count as finished.

    A finished one is ranked by logp / length ** length_penalty, so that a positive penalty *favours* length. The rules
    are those of `transformers`: of each step's (1 + stop tokens) * width likeliest extensions the first `width` may
    finish, and the others stand in for them; the search ends where the likeliest open beam, ranked at its length, no
    longer beats the worst of `width` finished ones, or with `early_stopping` as soon as there are that many.
    """
    open_beams: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[Hypothesis] = []
    for length in range(1, max_new_tokens + 1):
        logps = next_token([[*prompt, *tokens] for _, tokens in open_beams])
        sums = logps + torch.tensor([[logp] for logp, _ in open_beams])
        best = sums.flatten().topk(min(max(2, 1 + len(stop)) * width, sums.numel()))
        kept: list[tuple[float, list[int]]] = []
        for rank, (logp, at) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            tokens = [*open_beams[at // logps.shape[1]][1], at % logps.shape[1]]
            ends = tokens[-1] in stop or length == max_new_tokens
            if ends and rank < width and math.isfinite(logp):
                finished.append(Hypothesis(tokens, logp, logp / length**length_penalty))
            elif not ends:
                kept.append((logp, tokens))
        finished = sorted(finished, key=lambda one: -one.score)[:width]
        open_beams = kept[:width]
        full = len(finished) == width
        if not open_beams or (full and early_stopping):
            break
        if full and open_beams[0][0] / length**length_penalty <= finished[-1].score:
            break
    return finished


def exhaustive(next_token: NextToken, prompt: Sequence[int], max_new_tokens: int, stop: Sequence[int]) -> Hypothesis:
    """Return the likeliest continuation of all, by looking at every one that could still win.

    >>> toy = lambda rows: torch.tensor([[0.5, 0.3, 0.2]] * len(rows)).log()
    >>> exhaustive(toy, [], 3, stop=[2]).tokens
    [2]
    """
    best = Hypothesis([], -math.inf, -math.inf)
    waiting: list[tuple[float, list[int]]] = [(0.0, [])]
    while waiting:
        logp, tokens = waiting.pop()
        if logp <= best.logp:
            continue
        for token, step in enumerate(next_token([[*prompt, *tokens]])[0].tolist()):
            longer, total = [*tokens, token], logp + step
            if total > best.logp:
                if token in stop or len(longer) == max_new_tokens:
                    best = Hypothesis(longer, total, total)
                else:
                    waiting.append((total, longer))
        waiting.sort()
    return best
