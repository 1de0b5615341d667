"""Collectives from point-to-point messages: a star, a ring that passes whole tensors, and the ring that passes pieces.

Each function runs inside a rank. They add in an order of their own, so sums differ from `torch.distributed`'s in the
last digits unless all sums are exact, as those of small integers are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


def exchange(out: Tensor, into: Tensor, to: int, source: int) -> None:
    """Send one tensor and receive another at the same time: if all sent first and then received, all might wait."""
    sending = dist.isend(out, to)
    dist.recv(into, source)
    sending.wait()  # type: ignore[union-attr]


def star(x: Shaped[Tensor, "*n"]) -> Shaped[Tensor, "*n"]:
    """Sum a tensor over all ranks by sending all to rank 0, which adds and sends the sum back."""
    total = x.clone()
    if dist.get_rank():
        dist.send(x, 0)
        dist.recv(total, 0)
        return total
    for other in range(1, dist.get_world_size()):
        part = torch.empty_like(x)
        dist.recv(part, other)
        total += part
    for other in range(1, dist.get_world_size()):
        dist.send(total, other)
    return total


def whole(x: Shaped[Tensor, "*n"]) -> Shaped[Tensor, "*n"]:
    """Sum a tensor over all ranks by passing every rank's whole tensor round the ring."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    total, passing = x.clone(), x.clone()
    for _ in range(ranks - 1):
        came = torch.empty_like(x)
        exchange(passing, came, (rank + 1) % ranks, (rank - 1) % ranks)
        total += came
        passing = came
    return total


def pieces(x: Shaped[Tensor, "*n"], ranks: int) -> list[Shaped[Tensor, " n"]]:
    """Copy a tensor into equal pieces, one for each rank, the last of them filled up with zeros.

    >>> [piece.tolist() for piece in pieces(torch.tensor([1, 2, 3, 4, 5]), 3)]
    [[1, 2], [3, 4], [5, 0]]
    """
    size = -(-x.numel() // ranks)
    padded = x.new_zeros(ranks * size)
    padded[: x.numel()] = x.reshape(-1)
    return list(padded.view(ranks, size))


def reduce_scatter(parts: Sequence[Shaped[Tensor, " n"]]) -> Shaped[Tensor, " n"]:
    """Return the sum over all ranks of this rank's piece: a piece goes round once, and grows at each rank."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    passing = parts[(rank - 1) % ranks].clone()
    for step in range(ranks - 1):
        came = torch.empty_like(passing)
        exchange(passing, came, (rank + 1) % ranks, (rank - 1) % ranks)
        passing = came + parts[(rank - 2 - step) % ranks]
    return passing


def all_gather(piece: Shaped[Tensor, " n"]) -> list[Shaped[Tensor, " n"]]:
    """Return every rank's piece, in the order of the ranks: each passes on what it received last."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    parts = [torch.empty_like(piece) for _ in range(ranks)]
    parts[rank].copy_(piece)
    for step in range(ranks - 1):
        out, into = parts[(rank - step) % ranks], parts[(rank - step - 1) % ranks]
        exchange(out, into, (rank + 1) % ranks, (rank - 1) % ranks)
    return parts


def all_reduce(x: Shaped[Tensor, "*n"]) -> Shaped[Tensor, "*n"]:
    """Sum a tensor over all ranks: reduce-scatter, then all-gather."""
    parts = all_gather(reduce_scatter(pieces(x, dist.get_world_size())))
    return torch.cat(parts)[: x.numel()].view(x.shape)


def all_to_all(parts: Sequence[Shaped[Tensor, " n"]]) -> list[Shaped[Tensor, " n"]]:
    """Send piece r to rank r, and return what each rank had for this one: at step s, to the rank s places on."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    got = [torch.empty_like(part) for part in parts]
    got[rank].copy_(parts[rank])
    for step in range(1, ranks):
        to, source = (rank + step) % ranks, (rank - step) % ranks
        exchange(parts[to], got[source], to, source)
    return got
