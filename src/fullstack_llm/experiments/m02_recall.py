"""Say at the end of a row which symbol it began with: the row holds nothing but chance between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from fullstack_llm.recurrence.cells import open_gate
from fullstack_llm.recurrence.network import LAYERS, Kind

SYMBOLS, WIDTH, ROWS, STEPS, RATE = 8, 64, 64, 600, 3e-3
TEST = 1_000


@dataclass(frozen=True)
class Setting:
    """Name a layer at its start: its kind, the bias of the gate that keeps the state, the spread of an RNN's matrix.

    None leaves torch's own start. `orthogonal` makes the matrix between states an orthogonal one times this number.
    """

    kind: Kind
    gate: float | None = None
    orthogonal: float | None = None

    @property
    def name(self) -> str:
        """Return a name for tables."""
        more = f", gate {self.gate:g}" if self.gate is not None else ""
        return self.kind + more + (f", orthogonal {self.orthogonal:g}" if self.orthogonal else "")

    def layer(self, width: int) -> nn.RNNBase:
        """Return the layer before its first step."""
        made: nn.RNNBase = LAYERS[self.kind](width, width, batch_first=True)
        if self.gate is not None:
            assert isinstance(made, nn.LSTM | nn.GRU)
            open_gate(made, self.gate)
        if self.orthogonal:
            nn.init.orthogonal_(made.get_parameter("weight_hh_l0"), self.orthogonal)
        return made


SETTINGS = (
    Setting("rnn"),
    Setting("rnn", orthogonal=1.0),
    Setting("gru"),
    Setting("gru", gate=3.0),
    Setting("lstm"),
    Setting("lstm", gate=1.0),
    Setting("lstm", gate=3.0),
)
DISTANCES, SEEDS = (5, 10, 20, 40, 80), range(3)


def rows(
    length: int, count: int, generator: torch.Generator, marked: bool = False
) -> tuple[Int[Tensor, "B T"], Int[Tensor, " B"]]:
    """Return rows of symbols that end with a question, and what each begins with.

    Where the first symbol is marked, it is written with an id of its own, as a capital letter would be.
    """
    ids = torch.randint(SYMBOLS, (count, length), generator=generator)
    ids[:, -1] = SYMBOLS
    first = ids[:, 0].clone()
    ids[:, 0] += marked * (SYMBOLS + 1)
    return ids, first


def recalled(setting: Any, length: int, seed: int, steps: int = STEPS, marked: bool = False) -> float:
    """Return the share of fresh rows whose first symbol a network names, after training on rows of that length.

    `setting.layer(width)` gives the layer, which returns its outputs first.
    """
    torch.manual_seed(seed)
    symbols = 2 * SYMBOLS + 1 if marked else SYMBOLS + 1
    embedding, layer, out = nn.Embedding(symbols, WIDTH), setting.layer(WIDTH), nn.Linear(WIDTH, SYMBOLS)
    parameters = [*embedding.parameters(), *layer.parameters(), *out.parameters()]
    optimizer = torch.optim.Adam(parameters, RATE)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        ids, first = rows(length, ROWS, generator, marked)
        loss = nn.functional.cross_entropy(out(layer(embedding(ids))[0][:, -1]), first)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    with torch.no_grad():
        ids, first = rows(length, TEST, generator, marked)
        return (out(layer(embedding(ids))[0][:, -1]).argmax(-1) == first).float().mean().item()
