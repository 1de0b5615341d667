"""Count the longest chain of operations behind a result: what no number of processors can shorten.

>>> import torch
>>> x = torch.ones(4, requires_grad=True)
>>> longest((x * 2 + 1).sum()), longest(x.cumsum(0).sum())
(3, 2)
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def longest(output: Tensor) -> int:
    """Return how many operations of the recorded graph have to wait for one another, each one step.

    The node at a leaf, where its gradient would be added up, is not counted. A row of T products is T operations if
    they are called one by one, and one if they are called as one product.
    """
    found: dict[Any, int] = {None: 0}
    waiting: list[Any] = [output.grad_fn]
    while waiting:
        node = waiting[-1]
        before = [] if node is None else [other for other, _ in node.next_functions]
        missing = [other for other in before if other not in found]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        if node is not None:
            leaf = not before
            found[node] = 0 if leaf else 1 + max(found[other] for other in before)
    return found[output.grad_fn]
