"""One step of the three recurrent cells, as torch writes them: weights (gates · H, I) and (gates · H, H), two biases.

>>> torch.manual_seed(0) and None
>>> cell = nn.LSTMCell(3, 2)
>>> x, h, c = torch.randn(4, 3), torch.zeros(4, 2), torch.zeros(4, 2)
>>> mine, theirs = lstm_step(x, (h, c), *cell.parameters()), cell(x, (h, c))
>>> all(torch.allclose(a, b) for a, b in zip(mine, theirs))
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


def rnn_step(
    x: Float[Tensor, "B I"],
    h: Float[Tensor, "B H"],
    w_x: Float[Tensor, "H I"],
    w_h: Float[Tensor, "H H"],
    b_x: Float[Tensor, " H"],
    b_h: Float[Tensor, " H"],
) -> Float[Tensor, "B H"]:
    """Return the next state of a plain RNN: h' = tanh(W_x x + W_h h + b) (Elman 1990)."""
    return torch.tanh(x @ w_x.T + b_x + h @ w_h.T + b_h)


def lstm_step(
    x: Float[Tensor, "B I"],
    state: tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]],
    w_x: Float[Tensor, "4H I"],
    w_h: Float[Tensor, "4H H"],
    b_x: Float[Tensor, " 4H"],
    b_h: Float[Tensor, " 4H"],
) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
    """Return the next output and cell of an LSTM: c' = f c + i g, h' = o tanh(c').

    The gates i, f, o are sigmoids, and g is a tanh, of one product each; torch stacks them in the order i, f, g, o
    (Hochreiter and Schmidhuber 1997; the forget gate of Gers, Schmidhuber and Cummins 2000).
    """
    h, c = state
    i, f, g, o = (x @ w_x.T + b_x + h @ w_h.T + b_h).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(
    x: Float[Tensor, "B I"],
    h: Float[Tensor, "B H"],
    w_x: Float[Tensor, "3H I"],
    w_h: Float[Tensor, "3H H"],
    b_x: Float[Tensor, " 3H"],
    b_h: Float[Tensor, " 3H"],
) -> Float[Tensor, "B H"]:
    """Return the next state of a GRU: h' = (1 - z) n + z h, with n = tanh(W x + b + r (U h + b')).

    The gates r and z are sigmoids; torch stacks r, z, n. It applies r after the product with h, where the paper does it
    before (Cho et al. 2014), so that all products are made at once.
    """
    r_x, z_x, n_x = (x @ w_x.T + b_x).chunk(3, dim=-1)
    r_h, z_h, n_h = (h @ w_h.T + b_h).chunk(3, dim=-1)
    z = (z_x + z_h).sigmoid()
    n = torch.tanh(n_x + (r_x + r_h).sigmoid() * n_h)
    return (1 - z) * n + z * h


def unrolled(
    step: Callable[..., Any], xs: Float[Tensor, "T B I"], state: Any, weights: Iterable[Tensor]
) -> tuple[Float[Tensor, "T B H"], Any]:
    """Run a cell along a row, one step after another; return the outputs and the last state."""
    outputs, weights = [], tuple(weights)
    for x in xs:
        state = step(x, state, *weights)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs), state


def open_gate(layer: nn.LSTM | nn.GRU, bias: float) -> None:
    """Set the bias of the gate that keeps the state to a value, in place: of f in an LSTM, of z in a GRU.

    Both are the second of the stacked gates. Two biases are added, so one of them gets the value and the other 0
    (Gers et al. 2000; Jozefowicz et al. 2015, section 2.2).
    """
    size = layer.hidden_size
    for name, parameter in layer.named_parameters():
        if name.startswith("bias"):
            with torch.no_grad():
                parameter[size : 2 * size].fill_(bias if name.startswith("bias_ih") else 0.0)
