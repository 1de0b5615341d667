"""The most bytes that a piece of work has in tensors at once: what an implementation needs beside its inputs."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Ledger(TorchDispatchMode):
    """Enters each new storage when an operation returns it, and strikes it out when its last tensor has gone.

    Views share a storage and count once; what an operation needs inside its kernel, and frees there, is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and enter what is new; what was there before costs nothing."""
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
    """The most bytes of tensors that `work` had alive at once, its result included and its inputs not.

    >>> import torch
    >>> x = torch.zeros(1000)
    >>> peak_bytes(lambda: x + 1), peak_bytes(lambda: x + 1 + 1 + 1), peak_bytes(lambda: x[5:])
    (4000, 8000, 0)
    """
    with Ledger() as ledger:
        work()
    return ledger.peak
