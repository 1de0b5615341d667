"""What part 07b runs on several ranks: the seed model cut by heads and columns, and what it keeps for backward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from fullstack_llm.parallel import counted, tensor
from fullstack_llm.parallel.data_parallel import loss_sum

from . import m07_collectives as seed


def batch(rows: int = 4, multiple: int = 8) -> tuple[Tensor, Tensor]:
    """Return ids and labels of some documents, cut to a number of tokens that ranks share out."""
    ids, labels = seed.batch(rows)
    tokens = ids.shape[1] // multiple * multiple
    return ids[:, :tokens], labels[:, :tokens]


def alone(ids: Tensor, labels: Tensor) -> tuple[float, dict[str, Tensor]]:
    """Return loss and gradients of one process."""
    model = seed.seed_model()
    total, count = loss_sum(model, ids, labels)
    (total / count).backward()
    return total.item() / count, tensor.gradients(model)


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
    found = {}
    for name, gradient in wanted.items():
        whole = tensor.joined(name, [one.gradients[name] for one in steps], seed.SHAPE.num_kv_heads)
        found[name] = float((whole - gradient).norm() / gradient.norm())
    return found


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
