"""Cells and networks: torch's outputs and gradients, and a state that can be carried, cut and kept open."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fullstack_llm.recurrence import cells
from fullstack_llm.recurrence.network import LAYERS, Recurrent, detached, reach

STEPS: dict[str, Any] = {"rnn": cells.rnn_step, "lstm": cells.lstm_step, "gru": cells.gru_step}
KINDS = tuple(STEPS)


def made(kind: str, inputs: int = 5, width: int = 7, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return LAYERS[kind](inputs, width).double()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("length", "rows"), [(1, 1), (11, 3)])
def test_outputs_states_and_all_gradients_are_torchs(kind: str, length: int, rows: int) -> None:
    layer = made(kind)
    x = torch.randn(length, rows, 5, dtype=torch.float64, requires_grad=True)
    h, c = torch.randn(2, rows, 7, dtype=torch.float64, requires_grad=True)
    state, theirs = ((h, c), (h[None], c[None])) if kind == "lstm" else (h, h[None])
    ours, last = cells.unrolled(STEPS[kind], x, state, layer.parameters())
    library, end = layer(x, theirs)
    torch.testing.assert_close(ours, library, rtol=0, atol=1e-12)
    for mine, other in zip(last if kind == "lstm" else (last,), end if kind == "lstm" else (end,), strict=True):
        torch.testing.assert_close(mine, other[0], rtol=0, atol=1e-12)
    wanted = [x, *layer.parameters()]
    for mine, other in zip(
        *(torch.autograd.grad(out.pow(3).sum(), wanted, retain_graph=True) for out in (ours, library)), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-11)


def test_gates_in_another_order_make_another_cell() -> None:
    cell = nn.LSTMCell(5, 7)
    x, h, c = torch.randn(3, 5), torch.randn(3, 7), torch.randn(3, 7)
    weights = [torch.cat([w[:7], w[14:21], w[7:14], w[21:]]) for w in cell.parameters()]
    assert (cells.lstm_step(x, (h, c), *weights)[0] - cell(x, (h, c))[0]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece", [1, 4, 9])
def test_reading_in_pieces_is_reading_at_once(kind: Any, piece: int) -> None:
    torch.manual_seed(1)
    model = Recurrent(kind, 13, 8, layers=2)
    ids = torch.randint(13, (3, 17))
    whole, _ = model.read(ids)
    state, found = None, []
    for some in ids.split(piece, 1):
        logits, state = model.read(some, state)
        found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model(ids).logits, whole)
    state = None
    restarted = torch.cat([model.read(some)[0] for some in ids.split(piece, 1)], 1)
    assert (restarted - whole).abs().max() > 1e-3, "a state that is dropped is missed"


@pytest.mark.parametrize("kind", KINDS)
def test_the_future_does_not_reach_the_past(kind: Any) -> None:
    model = Recurrent(kind, 13, 8)
    ids = torch.randint(13, (2, 9))
    other = ids.clone()
    other[:, 5] = (other[:, 5] + 1) % 13
    moved = (model.read(ids)[0] - model.read(other)[0]).abs().amax((0, 2))
    assert (moved[:5] == 0).all() and (moved[5:] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_goes_through_a_cut_and_the_values_do(kind: Any) -> None:
    torch.manual_seed(2)
    model = Recurrent(kind, 13, 8)
    x = torch.randn(1, 10, 8, requires_grad=True)
    _, state = model.layers(x[:, :6])
    cut, _ = model.layers(x[:, 6:], detached(state))
    whole, _ = model.layers(x)
    torch.testing.assert_close(cut, whole[:, 6:])
    found, full = (torch.autograd.grad(out[:, -1].sum(), x)[0].norm(dim=-1)[0] for out in (cut, whole))
    assert (found[:6] == 0).all() and (full > 0).all()
    torch.testing.assert_close(found[6:], full[6:])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("bias", [-4.0, 0.0, 1.0, 3.0])
def test_the_gate_that_keeps_has_the_bias_that_it_was_given(kind: str, bias: float) -> None:
    layer = made(kind)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    cells.open_gate(layer, bias)
    state = torch.full((1, 1, 7), 0.5, dtype=torch.float64)
    x = torch.zeros(1, 1, 5, dtype=torch.float64)
    kept = layer(x, (state, state))[1][1] if kind == "lstm" else layer(x, state)[1]
    torch.testing.assert_close(kept, state * torch.tensor(bias).double().sigmoid())


@pytest.mark.parametrize("kind", KINDS)
def test_reach_is_the_gradient_of_one_output(kind: str) -> None:
    layer = LAYERS[kind](6, 6, batch_first=True).double()
    inputs = torch.randn(2, 5, 6, dtype=torch.float64)
    found = reach(layer, inputs, torch.Generator().manual_seed(3))
    direction = torch.randn(2, 6, generator=torch.Generator().manual_seed(3))
    direction = (direction / direction.norm(dim=-1, keepdim=True)).double()
    step, gradient = 1e-6, torch.zeros(2, 5, 6, dtype=torch.float64)
    for t in range(5):
        for i in range(6):
            moved = inputs.clone()
            moved[:, t, i] += step
            difference = layer(moved)[0][:, -1] - layer(inputs)[0][:, -1]
            gradient[:, t, i] = ((difference * direction).sum(-1) / step).detach()
    torch.testing.assert_close(found, gradient.norm(dim=-1).mean(0), rtol=1e-3, atol=1e-6)
