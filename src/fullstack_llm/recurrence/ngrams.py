"""Count what follows each context of n - 1 tokens, and make probabilities of the counts.

>>> table = count(torch.tensor([0, 1, 0, 1, 0, 2]), order=2, size=3)
>>> table.following((0,)).tolist()
[0, 2, 1]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

Context = tuple[int, ...]
# Probabilities of the next token (V,), from a table and the tokens before it.
Smoothing = Callable[["Table", Context], Float[ndarray, " V"]]


@dataclass
class Table:
    """Hold counts of all orders up to `order`: for each context of k tokens, which token followed how often.

    `counts[k]` maps a context of k tokens to ids and counts; `size` is the number of ids in the vocabulary.
    """

    order: int
    size: int
    counts: list[dict[Context, tuple[Int[ndarray, " K"], Int[ndarray, " K"]]]] = field(default_factory=list)

    def following(self, context: Context) -> Int[ndarray, " V"]:
        """Return how often each token followed the context."""
        found = np.zeros(self.size, dtype=np.int64)
        if context in self.counts[len(context)]:
            ids, times = self.counts[len(context)][context]
            found[ids] = times
        return found

    def cut(self, context: Context) -> Context:
        """Return the last tokens of a context, as many as the table looks at."""
        return context[len(context) - self.order + 1 :] if self.order > 1 else ()


def count(tokens: Int[Tensor, " N"], order: int, size: int) -> Table:
    """Count the n-grams of a row of tokens, for n from 1 to `order`."""
    row = tokens.numpy().astype(np.int64)
    table = Table(order, size)
    for n in range(1, order + 1):
        # An n-gram as one number, so that equal ones can be sorted together.
        keys = np.zeros(len(row) - n + 1, dtype=np.int64)
        for place in range(n):
            keys = keys * size + row[place : len(row) - n + 1 + place]
        found, times = np.unique(keys, return_counts=True)
        contexts, ids = np.divmod(found, size)
        starts = np.flatnonzero(np.diff(contexts, prepend=-1))
        level: dict[Context, tuple[ndarray, ndarray]] = {}
        for start, end in zip(starts, [*starts[1:], len(found)], strict=True):
            level[_unpacked(int(contexts[start]), n - 1, size)] = (ids[start:end], times[start:end])
        table.counts.append(level)
    return table


def _unpacked(number: int, length: int, size: int) -> Context:
    found = []
    for _ in range(length):
        number, token = divmod(number, size)
        found.append(token)
    return tuple(reversed(found))


def maximum_likelihood(table: Table, context: Context) -> Float[ndarray, " V"]:
    """Return the shares with which each token followed the context; nothing but zeros after an unseen one.

    >>> table = count(torch.tensor([0, 1, 0, 1, 0, 2]), order=2, size=3)
    >>> maximum_likelihood(table, (0,)).round(2).tolist()
    [0.0, 0.67, 0.33]
    """
    found = table.following(table.cut(context))
    return found / max(1, found.sum())


def add_k(k: float) -> Smoothing:
    """Return the smoothing that adds k to each count: p = (c + k) / (sum of c + k V) (Lidstone 1920).

    >>> table = count(torch.tensor([0, 1, 0, 1, 0, 2]), order=2, size=3)
    >>> add_k(1.0)(table, (0,)).round(2).tolist()
    [0.17, 0.5, 0.33]
    """

    def smoothed(table: Table, context: Context) -> Float[ndarray, " V"]:
        found = table.following(table.cut(context))
        return (found + k) / (found.sum() + k * table.size)

    return smoothed


def backoff(discount: float) -> Smoothing:
    """Return Katz's backoff with one discount: what was seen loses `discount`, and the shorter context fills the gap.

    A token that followed the context has (c - D) / n. The others share what is left as they do after the context
    without its first token, and in the end evenly (Katz 1987, with absolute discounting of Ney, Essen and Kneser 1994).
    """

    def smoothed(table: Table, context: Context) -> Float[ndarray, " V"]:
        context = table.cut(context)
        found = table.following(context)
        shorter = smoothed(_lower(table), context[1:]) if context else np.full(table.size, 1 / table.size)
        if not found.sum():
            return shorter
        seen = found > 0
        left = discount * seen.sum() / found.sum()
        unseen = shorter * ~seen
        kept = np.where(seen, (found - discount) / found.sum(), 0.0)
        # Where every token has followed, the shorter context has nobody to give to.
        return kept + left * (unseen / unseen.sum() if unseen.sum() else found / found.sum())

    return smoothed


def _lower(table: Table) -> Table:
    return Table(table.order - 1, table.size, table.counts)


def kneser_ney(table: Table) -> Smoothing:
    """Return interpolated Kneser-Ney smoothing for a table.

    p(w | c) = max(n(c w) - D, 0) / n(c) + D N(c) / n(c) * p(w | shorter c), where N(c) is how many different tokens
    followed. Below the highest order a token counts by how many different tokens came before it, not by how often it
    occurs. D of an order is n1 / (n1 + 2 n2), from how many n-grams were seen once and twice (Kneser and Ney 1995;
    Chen and Goodman 1999, section 2.7).
    """
    levels = [_before(table, k) for k in range(table.order - 1)] + [table.counts[table.order - 1]]
    discounts = [_discount(level) for level in levels]

    def at(context: Context) -> Float[ndarray, " V"]:
        shorter = at(context[1:]) if context else np.full(table.size, 1 / table.size)
        if context not in levels[len(context)]:
            return shorter
        ids, times = levels[len(context)][context]
        discount, total = discounts[len(context)], times.sum()
        found = shorter * (discount * len(ids) / total)
        found[ids] += (times - discount) / total
        return found

    return lambda _, context: at(table.cut(context))


def _before(table: Table, k: int) -> dict[Context, tuple[ndarray, ndarray]]:
    """Return for each context of k tokens which token follows it, each counted by how many tokens can stand before."""
    found: dict[Context, dict[int, int]] = {}
    for context, (ids, _) in table.counts[k + 1].items():
        of = found.setdefault(context[1:], {})
        for token in ids.tolist():
            of[token] = of.get(token, 0) + 1
    return {c: (np.array(list(of)), np.array(list(of.values()))) for c, of in found.items()}


def _discount(level: dict[Context, tuple[ndarray, ndarray]]) -> float:
    times = np.concatenate([times for _, times in level.values()])
    once, twice = (times == 1).sum(), (times == 2).sum()
    return float(once / (once + 2 * twice)) if once else 0.5


def losses(table: Table, smoothing: Smoothing, tokens: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return the loss of each token given all before it, in nats; infinite where the probability is 0.

    >>> table = count(torch.tensor([0, 1, 0, 1, 0, 2]), order=2, size=3)
    >>> losses(table, maximum_likelihood, torch.tensor([0, 1, 2])).tolist()
    [inf, 0.40546509623527527, inf]
    """
    row, cache = tokens.tolist(), dict[Context, ndarray]()
    found = []
    for place, token in enumerate(row):
        context = tuple(row[max(0, place - table.order + 1) : place])
        if len(context) < table.order - 1:
            found.append(np.inf if smoothing is maximum_likelihood else _short(table, smoothing, context, token))
            continue
        if context not in cache:
            cache[context] = smoothing(table, context)
        with np.errstate(divide="ignore"):
            found.append(-np.log(cache[context][token]))
    return torch.tensor(np.array(found), dtype=torch.float32)


def _short(table: Table, smoothing: Smoothing, context: Context, token: int) -> float:
    # The first tokens of a row have fewer before them.
    return float(-np.log(smoothing(Table(len(context) + 1, table.size, table.counts), context)[token]))


def perplexity(losses: Float[Tensor, " N"]) -> float:
    """Return exp of the mean loss: the number of equally likely tokens that would be as hard to guess.

    >>> round(perplexity(torch.full((5,), np.log(7))), 4)
    7.0
    """
    return losses.double().mean().exp().item()


def sample(
    table: Table, smoothing: Smoothing, start: list[int], length: int, generator: np.random.Generator
) -> list[int]:
    """Draw tokens one after another, and return all with the start."""
    tokens = list(start)
    for _ in range(length):
        tokens.append(int(generator.choice(table.size, p=smoothing(table, tuple(tokens)))))
    return tokens
