"""The optimizers of the course's model, one tensor and one step at a time, and what happens to a gradient before them.

>>> w, kept = torch.tensor([1.0]), {}
>>> round(adamw(w, torch.tensor([250.0]), kept, lr=0.1).item(), 4)
0.9
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Kept = dict[str, Tensor]  # what an optimizer remembers of a tensor


@torch.no_grad()
def adamw(
    w: Float[Tensor, ...],
    g: Float[Tensor, ...],
    kept: Kept,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-8,
    decay: float = 0.0,
) -> Float[Tensor, ...]:
    """Take a step of AdamW in place, and return the weights (Loshchilov and Hutter 2019, arXiv 1711.05101)."""
    m, v = (kept.setdefault(name, torch.zeros_like(w)) for name in ("m", "v"))
    t = kept["t"] = kept.get("t", torch.tensor(0)) + 1
    m.lerp_(g, 1 - betas[0])
    v.lerp_(g.square(), 1 - betas[1])
    size = (v / (1 - betas[1] ** t)).sqrt() + eps
    return w.mul_(1 - lr * decay).sub_(lr * (m / (1 - betas[0] ** t)) / size)


def orthogonal(g: Float[Tensor, "M N"], steps: int = 5) -> Float[Tensor, "M N"]:
    """Return a matrix with the singular vectors of `g`, and singular values near one, by an iteration of products only.

    Each round maps a singular value s to 3.4445 s - 4.775 s³ + 2.0315 s⁵ (Jordan et al. 2024); it computes in bf16.

    >>> spectrum = torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([5.0, 1.0, 0.2])), steps=5).float())
    >>> bool((spectrum > 0.6).all() and (spectrum < 1.3).all())
    True
    """
    x = g.bfloat16()
    x = x.T if g.shape[0] > g.shape[1] else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x.T if g.shape[0] > g.shape[1] else x


@torch.no_grad()
def muon(
    w: Float[Tensor, "M N"], g: Float[Tensor, "M N"], kept: Kept, lr: float, momentum: float = 0.95
) -> Float[Tensor, "M N"]:
    """Take a step of Muon in place, and return the weights: the momentum's directions, each by the same length.

    The momentum looks ahead (Nesterov), and a matrix with more rows than columns moves by the root of their ratio more.
    """
    m = kept.setdefault("m", torch.zeros_like(w))
    m.lerp_(g, 1 - momentum)
    ahead = g.lerp(m, momentum)
    return w.sub_(lr * max(1.0, w.shape[0] / w.shape[1]) ** 0.5 * orthogonal(ahead).to(w.dtype))


@torch.no_grad()
def clip(gradients: Sequence[Tensor], most: float) -> Float[Tensor, ""]:
    """Scale gradients in place so that together they are no longer than `most`, and return how long they were.

    >>> one, other = torch.tensor([3.0]), torch.tensor([4.0])
    >>> clip([one, other], 1.0).item(), round(one.item(), 3), round(other.item(), 3)
    (5.0, 0.6, 0.8)
    """
    norm = torch.stack([g.norm() for g in gradients]).norm()
    for g in gradients:
        g.mul_((most / (norm + 1e-6)).clamp(max=1.0))
    return norm
