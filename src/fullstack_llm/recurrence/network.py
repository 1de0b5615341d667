"""A language model around a recurrent cell; its state can be carried from one piece of text to the next.

>>> model = Recurrent("lstm", vocabulary=10, width=8)
>>> ids = torch.arange(6).view(1, 6)
>>> whole, _ = model.read(ids)
>>> first, state = model.read(ids[:, :3])
>>> second, _ = model.read(ids[:, 3:], state)
>>> torch.allclose(whole, torch.cat([first, second], 1))
True
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fullstack_llm.recurrence.cells import open_gate

Kind = Literal["rnn", "lstm", "gru"]
LAYERS: dict[Kind, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(nn.Module):
    """Predict the next token from a state: embedding, recurrent layers, and the embedding once more for the output."""

    def __init__(self, kind: Kind, vocabulary: int, width: int, layers: int = 1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = LAYERS[kind](width, width, layers, batch_first=True)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        if isinstance(self.layers, nn.LSTM):
            open_gate(self.layers, 1.0)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.embedding.weight.device

    def read(self, ids: Int[Tensor, "B T"], state: Any = None) -> tuple[Float[Tensor, "B T V"], Any]:
        """Return the logits after each token, and the state after the last one."""
        outputs, state = self.layers(self.embedding(ids), state)
        return outputs @ self.embedding.weight.T, state

    def forward(self, ids: Int[Tensor, "B T"], **_: Any) -> Any:
        """Return an object with the `logits`, as the models of `transformers` do; each row begins with no state."""
        return SimpleNamespace(logits=self.read(ids)[0])


def detached(state: Any) -> Any:
    """Return a state through which no gradient goes: truncated backpropagation through time (Werbos 1990)."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def reach(layer: nn.RNNBase, inputs: Float[Tensor, "B T I"], generator: torch.Generator) -> Float[Tensor, " T"]:
    """Return how strongly the last output depends on each input: the norm of its gradient, the mean over the rows.

    The last output is multiplied by a random direction of norm 1, the same for all distances.
    """
    inputs = inputs.detach().clone().requires_grad_()
    outputs, _ = layer(inputs)
    direction = torch.randn(outputs.shape[0], outputs.shape[2], generator=generator)
    direction /= direction.norm(dim=-1, keepdim=True)
    (outputs[:, -1] * direction).sum().backward()
    assert inputs.grad is not None
    return inputs.grad.norm(dim=-1).mean(0)
