"""Low-rank adaptation of linear layers (Hu et al. 2021, arXiv 2106.09685): W' = W + scale B A, with W frozen.

>>> base = nn.Linear(3, 2, bias=False)
>>> layer = LoRALinear(base, rank=1, alpha=2.0)
>>> torch.equal(layer(torch.eye(3)), base(torch.eye(3)))
True
>>> sum(p.numel() for p in layer.parameters() if p.requires_grad)
5
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
ALL = ATTENTION + MLP


class LoRALinear(nn.Module):
    """Add a trainable update of low rank to a linear layer that stays as it is.

    `A` begins with random numbers and `B` with zeros, so that the first output is the base's. The update is multiplied
    by `alpha / rank`, or by `alpha / sqrt(rank)` with `rank_stable` (Kalajdzievski 2023, arXiv 2312.03732).
    """

    A: Float[Tensor, "r in"]
    B: Float[Tensor, "out r"]

    def __init__(self, base: nn.Linear, rank: int, alpha: float, rank_stable: bool = False) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"A rank of {rank} leaves nothing to train: it must be 1 or more.")
        self.base = base.requires_grad_(False)
        device = base.weight.device
        self.A = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / (math.sqrt(rank) if rank_stable else rank)
        self.merged = False

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """Return the base's output, and the update's added to it unless the weight holds that already."""
        out = self.base(x)
        if self.merged:
            return out
        return out + (self.scale * linear(linear(x.to(self.A.dtype), self.A), self.B)).to(out.dtype)

    @property
    def update(self) -> Float[Tensor, "out in"]:
        """Return what is added to the weight."""
        return self.scale * self.B @ self.A


def adapt(
    model: Any, rank: int, alpha: float, targets: Sequence[str] = ALL, rank_stable: bool = False, seed: int = 0
) -> Any:
    """Freeze a model and put a low-rank update on each linear layer named in `targets`, in place; return the model.

    The names are the last part of the layers' names. Raises ValueError where a name fits no layer.
    """
    found = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear) and _last(name) in targets}
    missing = set(targets) - set(map(_last, found))
    if missing:
        raise ValueError(f"The model has no linear layer named {', '.join(sorted(missing))}.")
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, base in found.items():
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, _last(name), LoRALinear(base, rank, alpha, rank_stable))
    return model


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def layers(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """Yield the adapted layers with their names."""
    return ((name, m) for name, m in model.named_modules() if isinstance(m, LoRALinear))


@torch.no_grad()
def merge(model: Any) -> Any:
    """Add each update to its weight, in place: the model then costs what it did before it was adapted.

    Raises ValueError where that has been done already.
    """
    return _move(model, 1)


@torch.no_grad()
def unmerge(model: Any) -> Any:
    """Subtract each update from its weight again, in place; what rounding took from the weight is not restored.

    Raises ValueError where the updates are not in the weights.
    """
    return _move(model, -1)


def _move(model: Any, sign: int) -> Any:
    chosen = [layer for _, layer in layers(model)]
    if not chosen or any(layer.merged is (sign > 0) for layer in chosen):
        raise ValueError("There is no update to merge." if sign > 0 else "There is no merged update to take out.")
    for layer in chosen:
        weight = layer.base.weight
        weight.copy_((weight.to(layer.A.dtype) + sign * layer.update).to(weight.dtype))
        layer.merged = sign > 0
    return model


def adapter(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the trained matrices by name: all that has to be stored beside the base."""
    return {f"{name}.{part}": getattr(m, part).detach().clone() for name, m in layers(model) for part in ("A", "B")}
