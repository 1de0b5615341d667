"""Mixture of experts: a router sends each token to a few of many MLPs.

Routing is that of Mixtral (Jiang et al. 2024, arXiv 2401.04088): a softmax over all experts, then the `num_active` most
probable ones, with their probabilities scaled to add up to one. The balance loss is that of the Switch Transformer
(Fedus et al. 2022, arXiv 2101.03961, equation 4), divided by the number of experts that a token uses, so that its
value at perfect balance is 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .mlp import ACTIVATIONS
from .shape import Shape


def route(
    logits: Float[Tensor, "N E"], active: int
) -> tuple[Float[Tensor, "N A"], Int[Tensor, "N A"], Float[Tensor, "N E"]]:
    """Return the weights and the indices of each token's experts, best first, and the probabilities of all experts.

    >>> shares, experts, _ = route(torch.tensor([[0.0, 2.0, 1.0]]), active=2)
    >>> experts.tolist(), shares.round(decimals=2).tolist()
    ([[1, 2]], [[0.7300000190734863, 0.27000001072883606]])
    """
    probabilities = logits.float().softmax(-1)
    shares, experts = probabilities.topk(active, dim=-1)
    return shares / shares.sum(-1, keepdim=True), experts, probabilities


def balance_loss(probabilities: Float[Tensor, "N E"], active: int) -> Float[Tensor, ""]:
    """Return E · Σ f·P over the E experts: f is an expert's share of all choices, P its mean probability.

    >>> round(balance_loss(torch.full((8, 4), 0.25), 2).item(), 3), balance_loss(torch.eye(4)[[0, 0]], 1).item()
    (1.0, 4.0)
    """
    E = probabilities.shape[-1]
    return E * (load(probabilities, active) * probabilities.mean(0)).sum()


def load(probabilities: Float[Tensor, "N E"], active: int) -> Float[Tensor, " E"]:
    """Return the share of all choices that each expert got; it is 1/E at perfect balance."""
    chosen = probabilities.topk(active, dim=-1).indices.flatten()
    return torch.bincount(chosen, minlength=probabilities.shape[-1]) / chosen.numel()


class Mixture(nn.Module):
    """A router and gated experts; one tensor holds the same matrix of all experts."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if not shape.gated:
            raise ValueError("a mixture's experts have a gate: use activation='swiglu' or 'geglu'")
        E, D, inner = shape.num_experts, shape.hidden_size, shape.intermediate_size
        self.active, self.activation = shape.num_active, ACTIVATIONS[shape.activation]
        self.router = nn.Linear(D, E, bias=False)
        self.gate_proj, self.up_proj = (nn.Parameter(torch.randn(E, inner, D) * D**-0.5) for _ in range(2))
        self.down_proj = nn.Parameter(torch.randn(E, D, inner) * inner**-0.5)

    def forward(
        self, x: Float[Tensor, "B T D"], record: dict[str, list[Tensor]] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Send each token through its experts; append the router's probabilities (B · T, E) to `record["routing"]`."""
        tokens = x.flatten(0, 1)
        shares, experts, probabilities = route(self.router(tokens), self.active)
        if record is not None and "routing" in record:
            record["routing"].append(probabilities)
        out = torch.zeros_like(tokens)
        for expert in range(len(self.gate_proj)):
            # Only the tokens that chose this expert, so that the work is that of `active` experts and not of all.
            rows, place = (experts == expert).nonzero(as_tuple=True)
            chosen = tokens[rows]
            hidden = self.activation(chosen @ self.gate_proj[expert].T) * (chosen @ self.up_proj[expert].T)
            out.index_add_(0, rows, (hidden @ self.down_proj[expert].T) * shares[rows, place, None].to(x.dtype))
        return out.view_as(x)
