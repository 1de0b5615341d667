"""Data parallelism by hand: each rank reads its own rows, and gradients are summed, over tokens and not over means."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def share(rows: Int[Tensor, "B T"], rank: int, ranks: int) -> Int[Tensor, "b T"]:
    """Return the rows of one rank: every `ranks`-th, beginning at its number.

    >>> share(torch.tensor([[1], [2], [3], [4], [5]]), 1, 2).tolist()
    [[2], [4]]
    """
    return rows[rank::ranks]


def loss_sum(model: nn.Module, ids: Int[Tensor, "B T"], labels: Int[Tensor, "B T"]) -> tuple[Float[Tensor, ""], int]:
    """Return the loss added up over all tokens that count, and their number; a label of -100 does not count."""
    logits, wanted = model(ids)[:, :-1], labels[:, 1:]
    total = cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="sum")
    return total, int((wanted != -100).sum())


def buckets(parameters: Iterable[nn.Parameter], most: int) -> list[list[nn.Parameter]]:
    """Group parameters, the last first as backward finishes them, so that a group has at most `most` bytes if it can.

    >>> [len(group) for group in buckets([nn.Parameter(torch.zeros(n)) for n in (10, 10, 30)], 100)]
    [1, 2]
    """
    groups: list[list[nn.Parameter]] = []
    room = 0
    for p in reversed(list(parameters)):
        size = p.numel() * p.element_size()
        if not groups or size > room:
            groups.append([])
            room = most
        groups[-1].append(p)
        room -= size
    return groups


def sum_gradients(model: nn.Module, most: int = 25 * 2**20) -> None:
    """Add each gradient up over all ranks, one all-reduce for each bucket."""
    for group in buckets(model.parameters(), most):
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in group])
        dist.all_reduce(flat)
        for p, summed in zip(group, flat.split([p.numel() for p in group]), strict=True):
            p.grad = summed.view_as(p).clone()


def gradients(model: nn.Module, ids: Int[Tensor, "b T"], labels: Int[Tensor, "b T"]) -> float:
    """Set the gradients of the mean loss over the tokens of *all* ranks, and return that loss.

    The number of tokens is summed first: each rank divides by the number of all, so that what is left is a sum.
    """
    model.zero_grad()
    total, count = loss_sum(model, ids, labels)
    counts = torch.tensor([float(count)], dtype=torch.float64)
    dist.all_reduce(counts)
    loss = total / counts.item()
    loss.backward()
    sum_gradients(model)
    loss = loss.detach().clone()
    dist.all_reduce(loss)
    return float(loss.item())
