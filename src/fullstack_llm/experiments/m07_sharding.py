"""What part 07b runs on several ranks: the seed model cut by heads and columns, and what it keeps for backward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from fullstack_llm.parallel import counted, tensor

from . import m07_collectives as seed


@dataclass
class Step:
    """What one rank tells of a step; collectives as (calls, bytes), bytes of what is kept for backward."""

    loss: float
    gradients: dict[str, Tensor]
    forward: dict[str, tuple[int, int]]
    backward: dict[str, tuple[int, int]]
    kept: int


@contextmanager
def keeping(known: set[int]) -> Iterator[list[int]]:
    """Add up the bytes of storages that are saved for backward, each once; those in `known` do not count."""
    sizes: list[int] = []

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in known:
            known.add(storage.data_ptr())
            sizes.append(storage.nbytes())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        yield sizes


def step(ids: Tensor, labels: Tensor, sequence: bool = False, share: bool = True) -> Step:
    """Compute loss and gradients of the seed model, cut for this rank.

    Without `share` the gradients of what several ranks hold are left as they are: the control.
    """
    model = tensor.cut(seed.seed_model(), dist.get_rank(), dist.get_world_size())
    known = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with counted() as forward, keeping(known) as kept:
        loss = tensor.loss(model, ids, labels, sequence)
    with counted() as backward:
        loss.backward()
    if share:
        tensor.share_gradients(model, sequence)
    told = [{name: (one.calls, one.bytes) for name, one in counts.sent.items()} for counts in (forward, backward)]
    return Step(loss.item(), tensor.gradients(model), told[0], told[1], sum(kept))


def off(steps: list[Step], wanted: dict[str, Tensor]) -> dict[str, float]:
    """Return by how much each gradient, put together, differs from the one of one process, as a share of its norm."""
    heads = seed.SHAPE.num_kv_heads
    whole = {name: tensor.joined(name, [one.gradients[name] for one in steps], heads) for name in wanted}
    return seed.off(whole, wanted)


def trained(ids: Tensor, labels: Tensor, sequence: bool, steps: int = 3) -> dict[str, Tensor]:
    """Take some steps of plain gradient descent on the cut model, and return this rank's weights."""
    model = tensor.cut(seed.seed_model(), dist.get_rank(), dist.get_world_size())
    optimizer = torch.optim.SGD(model.parameters(), lr=seed.RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        tensor.loss(model, ids, labels, sequence).backward()
        tensor.share_gradients(model, sequence)
        optimizer.step()
    return {name: p.detach().clone() for name, p in model.named_parameters()}
