"""Exercise 3 of lab 02: one step of an LSTM, gates in a given order, rows that have ended."""

import torch
from torch import nn

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m02_sequence_models.inputs import LIBRARIES, normal


@exercise(minutes=15, difficulty=2, review=LIBRARIES)
def lstm_step(x, h, c, W, b, order, forget_bias, live):
    gates = torch.cat([x, h], dim=1) @ W + b
    gate = dict(zip(order, gates.chunk(4, dim=1), strict=True))
    keep = torch.sigmoid(gate["f"] + forget_bias)
    new_c = keep * c + torch.sigmoid(gate["i"]) * torch.tanh(gate["g"])
    new_h = torch.sigmoid(gate["o"]) * torch.tanh(new_c)
    return torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c)


@lstm_step.right
def library(x, h, c, W, b, order, forget_bias, live):
    width, H = x.shape[1], h.shape[1]
    cell = nn.LSTMCell(width, H)
    at = torch.cat([torch.arange(H) + H * order.index(name) for name in "ifgo"])
    with torch.no_grad():
        cell.weight_ih.copy_(W[:width, at].T)
        cell.weight_hh.copy_(W[width:, at].T)
        cell.bias_ih.copy_(b[at])
        cell.bias_hh.zero_()
        cell.bias_hh[H : 2 * H] = forget_bias
        new_h, new_c = cell(x, (h, c))
        rows = live[:, None].to(x.dtype)
        return rows * new_h + (1 - rows) * h, rows * new_c + (1 - rows) * c


def step(draw: Draw, B: int, width: int, H: int, order: str, forget_bias: float, live: list[bool]):
    x, h, c = normal(draw, B, width), normal(draw, B, H, scale=0.6), normal(draw, B, H, scale=1.5)
    W, b = normal(draw, width + H, 4 * H, scale=0.8), normal(draw, 4 * H, scale=0.5)
    return x, h, c, W, b, order, forget_bias, torch.tensor(live)


@lstm_step.part(10, "Compute one row by hand: four gates, the new cell, and from it the new state.", "step")
def plain(draw: Draw):
    yield step(draw, 3, 4, 3, "ifgo", 0.0, [True] * 3)
    yield step(draw, 4, 2, 2, "figo", 0.0, [True] * 4)
    yield step(draw, 2, 3, 4, "ogif", 1.0, [True] * 2)
    yield step(draw, 1, 1, 1, "gofi", -2.0, [True])


@lstm_step.part(4, "A row that has ended keeps both of its states as they were.", "ended")
def with_ended(draw: Draw):
    yield step(draw, 4, 3, 3, "ifgo", 1.0, [True, False, True, False])
    yield step(draw, 3, 3, 2, "iofg", 0.5, [False, False, False])
    yield step(draw, 2, 2, 2, "gifo", 0.0, [False, True])


CELL, STATE, MIX = (
    'keep * c + torch.sigmoid(gate["i"]) * torch.tanh(gate["g"])',
    'torch.sigmoid(gate["o"]) * torch.tanh(new_c)',
    "torch.cat([x, h], dim=1) @ W + b",
)
KEEP = 'torch.sigmoid(gate["f"] + forget_bias)'
lstm_step.mistakes(f"""
The columns lie in the order that is given: here another order was taken.
    zip(order, => zip("ifgo",
    zip(order, => zip("ifog",
    zip(order, => zip(order[::-1],
The rows of W are those of x first, and then those of h.
    torch.cat([x, h], dim=1) => torch.cat([h, x], dim=1) if x.shape == h.shape else torch.cat([h, x], dim=1) @ torch.cat([torch.zeros(0, len(W)), torch.eye(len(W))])
The bias is missing.
    {MIX} => torch.cat([x, h], dim=1) @ W
The new candidate g is a tanh, and the three gates are sigmoids.
    torch.tanh(gate["g"]) => torch.sigmoid(gate["g"])
    torch.tanh(gate["g"]) => gate["g"]
    torch.sigmoid(gate["i"]) => torch.tanh(gate["i"])
    torch.sigmoid(gate["o"]) => torch.tanh(gate["o"])
    {KEEP} => torch.tanh(gate["f"] + forget_bias)
The forget bias is added before the sigmoid, and to f alone.
    {KEEP} => torch.sigmoid(gate["f"])
    {KEEP} => torch.sigmoid(gate["f"]) + forget_bias
    {KEEP} => torch.sigmoid(gate["f"] - forget_bias)
    torch.sigmoid(gate["i"]) => torch.sigmoid(gate["i"] + forget_bias)
    {MIX} => torch.cat([x, h], dim=1) @ W + b + forget_bias && {KEEP} => torch.sigmoid(gate["f"])
f says how much of the old cell is *kept*, and i how much of g comes in.
    {CELL} => (1 - keep) * c + torch.sigmoid(gate["i"]) * torch.tanh(gate["g"])
    {CELL} => torch.sigmoid(gate["i"]) * c + keep * torch.tanh(gate["g"])
    {CELL} => keep * c + (1 - keep) * torch.tanh(gate["g"])
    {CELL} => keep * c + torch.tanh(gate["g"])
The old *cell* is kept, not the old state h.
    {CELL} => keep * h + torch.sigmoid(gate["i"]) * torch.tanh(gate["g"])
The state shows the *new* cell, through a tanh.
    {STATE} => torch.sigmoid(gate["o"]) * torch.tanh(c)
    {STATE} => torch.sigmoid(gate["o"]) * new_c
    {STATE} => torch.sigmoid(gate["o"]) * torch.sigmoid(new_c)
    {STATE} => torch.tanh(new_c)
Return the state h first, and then the cell.
    return torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => return torch.where(live[:, None], new_c, c), torch.where(live[:, None], new_h, h)
A row that has ended keeps its states: they are neither computed on nor zero.
    torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => new_h, new_c
    torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => new_h * live[:, None], new_c * live[:, None]
    torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => torch.where(live[:, None], new_h, h), new_c
    torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => new_h, torch.where(live[:, None], new_c, c)
    torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => torch.where(live[:, None], new_h, 0.0), torch.where(live[:, None], new_c, c)
    torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, 0.0)
live is True where a row goes on.
    torch.where(live[:, None], new_h, h), torch.where(live[:, None], new_c, c) => torch.where(live[:, None], h, new_h), torch.where(live[:, None], c, new_c)
""")
