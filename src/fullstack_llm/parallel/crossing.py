"""Collectives that backward passes through: each has another collective as its gradient.

| forward | what it is for | backward |
| --- | --- | --- |
| `copied`: nothing | the same vector goes into every rank's part of a layer | all-reduce |
| `summed`: all-reduce | the parts of a layer's output become the output | nothing |
| `gathered`: all-gather | tokens that lie on different ranks go into a layer | reduce-scatter |
| `scattered`: reduce-scatter | parts of the output are summed, each rank keeps its tokens | all-gather |
| `passed`: to the next rank | keys and values go round a ring | to the rank before |
| `swapped`: all-to-all | tokens go to their experts, and come back | all-to-all |

The first two are f and g of Shoeybi et al. 2019 (arXiv 1909.08053, section 3), the next two g and its conjugate of
Korthikanti et al. 2022 (arXiv 2205.05198, section 4.2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from .ring import exchange

Move = Callable[[Tensor], Tensor]


class _Crossing(torch.autograd.Function):
    """One movement of a tensor forward, and another of its gradient backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Move, back: Move) -> Tensor:
        """Move a tensor."""
        ctx.back = back
        return there(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Move a gradient."""
        return ctx.back(gradient.contiguous()), None, None


def _cross(x: Tensor, there: Move, back: Move) -> Tensor:
    moved: Tensor = _Crossing.apply(x, there, back)
    return moved


def _same(x: Tensor) -> Tensor:
    return x.view_as(x)


def _sum(x: Tensor) -> Tensor:
    total = x.clone()
    dist.all_reduce(total)
    return total


def _gather(x: Tensor) -> Tensor:
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts, dim=1)


def _scatter(x: Tensor) -> Tensor:
    parts = [part.contiguous() for part in x.chunk(dist.get_world_size(), dim=1)]
    mine = torch.empty_like(parts[0])
    dist.reduce_scatter(mine, parts)
    return mine


def copied(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
    """Hand a tensor that all ranks have to this rank's part of a layer; its gradients are summed over all parts."""
    return _cross(x, _same, _sum)


def summed(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
    """Sum the parts of an output over all ranks; each part has the gradient of the sum."""
    return _cross(x, _sum, _same)


def gathered(x: Float[Tensor, "B t D"]) -> Float[Tensor, "B T D"]:
    """Put the tokens of all ranks in a row; a token's gradients are summed, and go to the rank that has it."""
    return _cross(x, _gather, _scatter)


def scattered(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B t D"]:
    """Sum the parts of an output over all ranks, of which each keeps its own tokens."""
    return _cross(x, _scatter, _gather)


def _pass(step: int) -> Move:
    def move(x: Tensor) -> Tensor:
        rank, ranks, came = dist.get_rank(), dist.get_world_size(), torch.empty_like(x)
        exchange(x.contiguous(), came, (rank + step) % ranks, (rank - step) % ranks)
        return came

    return move


def passed(x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Send a tensor to the next rank of the ring, and return that of the rank before."""
    return _cross(x, _pass(1), _pass(-1))


def swapped(x: Float[Tensor, "n D"], out: list[int], into: list[int]) -> Float[Tensor, "m D"]:
    """Send `out[r]` rows to each rank r, in order, and return the `into[r]` rows that came from each."""

    def swap(out: list[int], into: list[int]) -> Move:
        def move(rows: Tensor) -> Tensor:
            came = rows.new_empty(sum(into), *rows.shape[1:])
            dist.all_to_all_single(came, rows.contiguous(), into, out)
            return came

        return move

    return _cross(x, swap(out, into), swap(into, out))
