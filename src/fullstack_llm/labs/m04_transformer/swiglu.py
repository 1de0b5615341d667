"""Exercise 5 of lab 04: the MLP with a gate."""

import math

import torch
import torch.nn.functional as F

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES, normal


@exercise(minutes=5, difficulty=1, review=LIBRARIES)
def swiglu(x, gate, up, down):
    x, gate, up, down = x.double(), gate.double(), up.double(), down.double()
    g = x @ gate.T
    u = x @ up.T
    hidden = g * torch.sigmoid(g) * u
    return (hidden @ down.T).float()


@swiglu.right
def library(x, gate, up, down):
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


@swiglu.right
def loops(x, gate, up, down):
    out = torch.zeros(len(x), len(down), dtype=torch.float64)
    for t in range(len(x)):
        for i in range(len(gate)):
            g, u = float(gate[i].double() @ x[t].double()), float(up[i].double() @ x[t].double())
            out[t] += u * (g / (1 + math.exp(-g)) if g > -700 else 0.0) * down[:, i]
    return out.float()


def drawn(draw: Draw, T: int, D: int, inner: int):
    """Draw tokens and the three matrices."""
    return normal(draw, T, D), normal(draw, inner, D), normal(draw, inner, D), normal(draw, D, inner)


@swiglu.part(5, "Take the docstring's example apart: there g is 2 and u is 4. What are your g, SiLU(g), u and product?")
def moderate_gates(draw: Draw):
    # Square first, where nothing raises however a matrix is turned; then distinct sizes, and ones.
    for sizes in ((7, 7, 7), (3, 5, 7), (2, 7, 5), (1, 2, 3), (5, 1, 1)):
        yield drawn(draw, *sizes)


@swiglu.part(
    3, "What does your SiLU make of 800 and of -800? It should be 800 and 0.", "large gates", rtol=1e-3, atol=0.02
)
def large_gates(draw: Draw):
    # One moderate gate beside those in the hundreds, which alone could not tell SiLU from ReLU.
    x, gate, up, down = drawn(draw, 5, 3, 7)
    gate[1:] *= 200
    yield x, gate, up, down
    yield torch.tensor([[1.0], [-1.0]]), torch.tensor([[800.0]]), torch.tensor([[0.01]]), torch.tensor([[1.0]])


swiglu.mistakes("""
SiLU is z times sigmoid(z); this is the sigmoid alone.
    g * torch.sigmoid(g) => torch.sigmoid(g)
The exponent's sign: SiLU divides by 1 + e to the power of *minus* z.
    g * torch.sigmoid(g) => g * torch.sigmoid(-g)
Gate and up have changed places: SiLU is for the gate.
    g * torch.sigmoid(g) * u => u * torch.sigmoid(u) * g
This is ReLU, which makes it ReGLU: SiLU is z times sigmoid(z).
    g * torch.sigmoid(g) => F.relu(g)
This is GELU, which makes it GeGLU: SiLU is z times sigmoid(z).
    g * torch.sigmoid(g) => F.gelu(g)
There is no activation: SiLU is for the gate, before the product.
    g * torch.sigmoid(g) * u => g * u
SiLU is for g alone, the gate behind its matrix: not for the product, nor for up as well.
    g * torch.sigmoid(g) * u => F.silu(g * u)
    g * torch.sigmoid(g) * u => F.silu(g) * F.silu(u)
Gate and up are multiplied, number by number, not added.
    torch.sigmoid(g) * u => torch.sigmoid(g) + u
One of the three matrices is not used: SiLU of the gate, times up, then through down.
    torch.sigmoid(g) * u => torch.sigmoid(g)
    g * torch.sigmoid(g) * u => F.silu(u)
The residual is the block's affair: return the MLP alone.
    (hidden @ down.T) => (x + hidden @ down.T)
A weight lies as nn.Linear stores it, outputs first: x @ W.T.
    x @ gate.T => x @ gate && x @ up.T => x @ up && hidden @ down.T => hidden @ down
    hidden @ down.T => hidden @ down
exp overflows for large gates: 1 / (1 + exp(-z)) does not, nor does torch.sigmoid.
    torch.sigmoid(g) => (g.float().exp() / (1 + g.float().exp()))
""")
