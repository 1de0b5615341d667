"""Count what a rank sends through `torch.distributed`, and how many bytes its tensors hold at most."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# The namespaces of the collectives' operators: those that `torch.distributed` calls, and those of DTensor and FSDP2.
SPACES = ("c10d", "_c10d_functional", "_c10d_functional_autograd")
# What an operator's name begins with, without underscores, and what the course calls it: the longer ones first.
NAMES = {
    "reducescatter": "reduce_scatter",
    "allreduce": "all_reduce",
    "allgather": "all_gather",
    "alltoall": "all_to_all",
    "broadcast": "broadcast",
    "reduce": "reduce",
    "gather": "gather",
    "scatter": "scatter",
    "isend": "send",
    "send": "send",
    "irecv": "recv",
    "recv": "recv",
}


@dataclass
class Sent:
    """Hold how often a rank called a collective, and the bytes of all tensors that it handed over."""

    calls: int = 0
    bytes: int = 0


def collective(func: Any) -> tuple[str, int]:
    """Give a collective's name and which of its arguments it sends; an empty name for any other operator.

    >>> collective(torch.ops.c10d.allreduce_.default)
    ('all_reduce', 0)
    >>> collective(torch.ops.c10d._reduce_scatter_base_.default)
    ('reduce_scatter', 1)
    >>> collective(torch.ops.aten.add.Tensor)
    ('', 0)
    """
    if func.namespace not in SPACES:
        return "", 0
    plain = func._schema.name.split("::")[1].replace("_", "")
    name = next((name for start, name in NAMES.items() if plain.startswith(start)), "")
    names = [argument.name for argument in func._schema.arguments]
    return name, next((place for place, given in enumerate(names) if given.startswith("input")), 0)


class Counter(TorchDispatchMode):
    """Watch every operation of this thread: the collectives that it calls, and the storages that it touches.

    `sent` has a `Sent` for each collective, under torch's name. Its bytes are those of the tensors that the rank hands
    over, whatever the library then sends to whom. `live` and `peak` are bytes of storages, each counted once however
    many tensors share it. `moved` is called before each operation.
    """

    def __init__(self, moved: Callable[[], None] = lambda: None):
        super().__init__()
        self.sent: dict[str, Sent] = {}
        self.live = self.peak = 0
        self.moved = moved
        self.known = weakref.WeakSet[Any]()

    def touch(self, values: Any) -> None:
        """Count the storages of all tensors in a nest of values, if they are new."""
        for tensor in tree_leaves(values):
            if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.device.type == "meta":
                continue
            storage = tensor.untyped_storage()
            if storage not in self.known:
                self.known.add(storage)
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self.free, storage.nbytes())

    def free(self, count: int) -> None:
        """Take the bytes of a storage that is gone from those alive."""
        self.live -= count

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # A DTensor first becomes operations on its local tensors, which come here in their turn.
        if any(kind.__name__ == "DTensor" for kind in types):
            return NotImplemented
        self.moved()
        self.touch((args, kwargs))
        name, place = collective(func)
        if name:
            told = self.sent.setdefault(name, Sent())
            told.calls += 1
            tensors = [value for value in tree_leaves(args[place]) if isinstance(value, torch.Tensor)]
            told.bytes += sum(value.numel() * value.element_size() for value in tensors)
        out = func(*args, **(kwargs or {}))
        self.touch(out)
        return out


@contextmanager
def counted() -> Iterator[Counter]:
    """Count what is done inside a block, in code that `launch` did not start.

    >>> with counted() as counts:
    ...     a = torch.zeros(1000)
    ...     b = a + 1
    ...     del a
    ...     c = b[:10]
    >>> counts.peak, counts.live
    (8000, 4000)
    """
    with Counter() as counter:
        yield counter
