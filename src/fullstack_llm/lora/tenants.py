"""Answer requests of many tenants in one batch: each row has an adapter of its own, and all share the base.

Three ways to add the rows' updates: one row at a time, one adapter at a time, or all at once, with each row's matrices
gathered into a batch of matrix products (Chen et al. 2023, arXiv 2310.18547, have a kernel that needs no copies).

>>> torch.manual_seed(0) and None
>>> down, up, x = torch.randn(3, 2, 5), torch.randn(3, 4, 2), torch.randn(6, 1, 5)
>>> tenant = torch.tensor([2, 0, 2, 1, 0, 2])
>>> torch.allclose(gathered(x, tenant, down, up), one_row(x, tenant, down, up), atol=1e-5)
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fullstack_llm.lora.layer import LoRALinear, layers

# The updates' outputs, for rows of inputs, each row's tenant, and all tenants' matrices.
Way = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def one_row(
    x: Float[Tensor, "R T in"], tenant: Int[Tensor, " R"], down: Float[Tensor, "N r in"], up: Float[Tensor, "N out r"]
) -> Float[Tensor, "R T out"]:
    """Apply to each row the matrices of its tenant, one row after the other."""
    return torch.stack([row @ down[n].T @ up[n].T for row, n in zip(x, tenant.tolist(), strict=True)])


def one_adapter(
    x: Float[Tensor, "R T in"], tenant: Int[Tensor, " R"], down: Float[Tensor, "N r in"], up: Float[Tensor, "N out r"]
) -> Float[Tensor, "R T out"]:
    """Apply each adapter once, to all rows that are its tenant's."""
    out = x.new_empty(*x.shape[:-1], up.shape[1])
    for n in tenant.unique().tolist():
        rows = tenant == n
        out[rows] = x[rows] @ down[n].T @ up[n].T
    return out


def gathered(
    x: Float[Tensor, "R T in"], tenant: Int[Tensor, " R"], down: Float[Tensor, "N r in"], up: Float[Tensor, "N out r"]
) -> Float[Tensor, "R T out"]:
    """Copy out each row's matrices and apply them all in two batched products."""
    return torch.bmm(torch.bmm(x, down[tenant].mT), up[tenant].mT)


class TenantLinear(nn.Module):
    """Add to a linear layer, which all rows share, the update of each row's tenant.

    `rows` holds the tenant of each row of the present batch; `served` sets it.
    """

    down: Float[Tensor, "N r in"]
    up: Float[Tensor, "N out r"]

    def __init__(self, base: nn.Linear, down: Float[Tensor, "N r in"], up: Float[Tensor, "N out r"]) -> None:
        super().__init__()
        self.base = base
        self.register_buffer("down", down)
        self.register_buffer("up", up)
        self.rows: Tensor | None = None
        self.way: Way = gathered

    def forward(self, x: Float[Tensor, "R T in"]) -> Float[Tensor, "R T out"]:
        """Return the base's output, and each row's own update added to it; before `served`, the base's alone."""
        out = self.base(x)
        return out if self.rows is None else out + self.way(x, self.rows, self.down, self.up).to(out.dtype)


def share(model: Any, adapters: Sequence[Mapping[str, Tensor]]) -> Any:
    """Turn a model adapted by `lora.layer.adapt` into one that serves many tenants, in place, and return it.

    Each adapter is what `lora.layer.adapter` returns for one tenant's training, all of one rank and one scale, which
    goes into B. Raises ValueError where an adapter's names are not the model's.
    """
    found: list[tuple[str, LoRALinear]] = list(layers(model))
    names = {f"{name}.{part}" for name, _ in found for part in ("A", "B")}
    for number, one in enumerate(adapters):
        if set(one) != names:
            raise ValueError(f"Adapter {number} was not made for this model: its matrices are named otherwise.")
    for name, layer in found:
        down = torch.stack([one[f"{name}.A"] for one in adapters])
        up = torch.stack([layer.scale * one[f"{name}.B"] for one in adapters])
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, TenantLinear(layer.base, down, up))
    return model


@contextmanager
def served(model: nn.Module, rows: Int[Tensor, " R"], way: Way = gathered) -> Iterator[None]:
    """Let the rows of the batches inside the block be answered with these tenants' adapters."""
    shared = [m for m in model.modules() if isinstance(m, TenantLinear)]
    for layer in shared:
        layer.rows, layer.way = rows, way
    try:
        yield
    finally:
        for layer in shared:
            layer.rows = None


def gathered_bytes(rows: int, down: Float[Tensor, "N r in"], up: Float[Tensor, "N out r"]) -> int:
    """Return the bytes that `gathered` copies before it computes: a pair of matrices for each row.

    >>> gathered_bytes(40, torch.zeros(3, 2, 5), torch.zeros(3, 4, 2))
    2880
    """
    return rows * (down[0].nbytes + up[0].nbytes)
