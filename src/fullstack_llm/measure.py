"""Measure the peak memory of a computation: the most bytes of tensors alive at once, beside the inputs."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Ledger(TorchDispatchMode):
    """Count the bytes of each new storage from when an operation returns it until its last tensor is freed.

    Views share a storage, and count once. Memory that a kernel allocates and frees within an operation is not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count the storages that are new; those of its inputs count as zero bytes."""
        for tensor in tree_leaves((args, kwargs)):
            self._enter(tensor, new=False)
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            self._enter(tensor, new=True)
        return out

    def _enter(self, value: object, new: bool) -> None:
        if not isinstance(value, Tensor) or id(storage := value.untyped_storage()) in self.alive:
            return
        self.alive[id(storage)] = storage.nbytes() if new else 0
        self.now += self.alive[id(storage)]
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._strike, id(storage))

    def _strike(self, key: int) -> None:
        self.now -= self.alive.pop(key)


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the most bytes of tensors that `work` had alive at once, including its result and excluding its inputs.

    >>> import torch
    >>> x = torch.zeros(1000)
    >>> peak_bytes(lambda: x + 1), peak_bytes(lambda: x + 1 + 1 + 1), peak_bytes(lambda: x[5:])
    (4000, 8000, 0)
    """
    with Ledger() as ledger:
        work()
    return ledger.peak
