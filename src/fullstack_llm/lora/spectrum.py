"""Look at what fine-tuning changed as a sum of directions, and cut it to a few of them.

>>> change = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
>>> torch.linalg.svdvals(change).tolist(), energy(torch.tensor([4.0, 3.0])).tolist()
([4.0, 3.0], [0.6399999856948853, 1.0])
>>> cut(change, 1).round(decimals=4).abs().tolist()
[[0.0, 0.0], [0.0, 4.0]]
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fullstack_llm.lora.layer import ALL, adapt, layers


def difference(before: nn.Module, after: nn.Module) -> dict[str, Tensor]:
    """Return what was added to each parameter between two models of one shape, in 32 bits."""
    old = dict(before.named_parameters())
    return {name: (new.detach().float() - old[name].detach().float()) for name, new in after.named_parameters()}


def targets(change: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the changes of the layers' linear weights, without embeddings and norms."""
    return {name: found for name, found in change.items() if name.split(".")[-2] in ALL}


def factors(change: Float[Tensor, "out in"], rank: int) -> tuple[Float[Tensor, "out k"], Float[Tensor, "k in"]]:
    """Return B and A whose product is the matrix of at most that rank that is nearest to the change.

    Nearest in the sum of squared differences (Eckart and Young 1936); each singular value is split evenly, as roots.

    >>> B, A = factors(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), 1)
    >>> B.shape, A.shape, (B @ A).round(decimals=4).abs().tolist()
    (torch.Size([2, 1]), torch.Size([1, 2]), [[0.0, 0.0], [0.0, 4.0]])
    """
    U, S, V = torch.linalg.svd(change.float(), full_matrices=False)
    root = S[:rank].sqrt()
    return U[:, :rank] * root, root[:, None] * V[:rank]


def cut(change: Float[Tensor, "out in"], rank: int) -> Float[Tensor, "out in"]:
    """Return the change with only its `rank` strongest directions left."""
    B, A = factors(change, rank)
    return B @ A


def energy(singular: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Return which share of the squared norm the first singular value, the first two, … hold."""
    squares = singular.square()
    return squares.cumsum(0) / squares.sum()


def needed(singular: Float[Tensor, " k"], share: float) -> int:
    """Return how many of the strongest directions hold that share of the squared norm.

    >>> needed(torch.tensor([4.0, 3.0]), 0.6), needed(torch.tensor([4.0, 3.0]), 0.7)
    (1, 2)
    """
    return int((energy(singular) < share).sum()) + 1


def noise_like(change: Float[Tensor, "out in"], seed: int) -> Float[Tensor, "out in"]:
    """Return normal random numbers in the change's shape, scaled to its norm: what has no structure at all."""
    drawn = torch.randn(change.shape, generator=torch.Generator().manual_seed(seed))
    return drawn * (change.norm() / drawn.norm())


def turned(change: Float[Tensor, "out in"], seed: int) -> Float[Tensor, "out in"]:
    """Return a matrix with the change's singular values and random directions."""
    generator = torch.Generator().manual_seed(seed)
    S = torch.linalg.svdvals(change.float())
    U, V = (torch.linalg.qr(torch.randn(n, len(S), generator=generator))[0] for n in change.shape)
    return (U * S) @ V.T


@torch.no_grad()
def added(model: Any, change: Mapping[str, Tensor]) -> Any:
    """Return a copy of the model with the change added to the parameters that it names."""
    model = copy.deepcopy(model)
    for name, p in model.named_parameters():
        if name in change:
            p.add_(change[name].to(p.dtype))
    return model


@torch.no_grad()
def extracted(model: Any, change: Mapping[str, Tensor], rank: int) -> Any:
    """Put adapters on a model, in place, that hold the nearest change of that rank; return the model."""
    adapt(model, rank, alpha=rank)
    for name, layer in layers(model):
        B, A = factors(change[f"{name}.weight"], rank)
        layer.B.copy_(B)
        layer.A.copy_(A)
    return model
