"""The MLP of a block: two matrices with GELU between them, or three with a gate (SwiGLU, GeGLU)."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, silu

from .shape import Shape

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"swiglu": silu, "geglu": gelu, "gelu": gelu}


def gated(
    x: Float[Tensor, "... D"],
    gate: Float[Tensor, "I D"],
    up: Float[Tensor, "I D"],
    down: Float[Tensor, "D I"],
    activation: str = "swiglu",
) -> Float[Tensor, "... D"]:
    """Return down(act(gate x) · up x): SwiGLU if act is SiLU, z · σ(z), and GeGLU if act is GELU.

    See Shazeer 2020, arXiv 2002.05202. The weights have the layout of `nn.Linear`, (outputs, inputs).
    """
    return linear(ACTIVATIONS[activation](linear(x, gate)) * linear(x, up), down)


class MLP(nn.Module):
    """The MLP of a shape, with or without a gate."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        D, inner = shape.hidden_size, shape.intermediate_size
        self.activation = shape.activation
        self.gate_proj = nn.Linear(D, inner, bias=False) if shape.gated else None
        self.up_proj, self.down_proj = nn.Linear(D, inner, bias=False), nn.Linear(inner, D, bias=False)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Apply the MLP to each token independently."""
        if self.gate_proj is None:
            return self.down_proj(ACTIVATIONS[self.activation](self.up_proj(x)))
        return gated(x, self.gate_proj.weight, self.up_proj.weight, self.down_proj.weight, self.activation)
