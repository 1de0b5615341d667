"""Exercise 4 of lab 02: backpropagation through time that is cut at windows, while the state goes on."""

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m02_sequence_models.inputs import LIBRARIES, normal


@exercise(minutes=25, difficulty=4, review=LIBRARIES)
def truncated_gradients(xs, targets, h, W_x, W_h, w_o, k):
    W_x, W_h, w_o = (one.detach().clone().requires_grad_() for one in (W_x, W_h, w_o))
    T, total = len(xs), 0.0
    for begin in range(0, T, k):
        h = h.detach()
        loss = 0.0
        for t in range(begin, min(begin + k, T)):
            h = torch.tanh(W_x @ xs[t] + W_h @ h)
            loss = loss + (w_o @ h - targets[t]) ** 2 / T
        loss.backward()
        total += loss.item()
    return {"loss": total, "W_x": W_x.grad, "W_h": W_h.grad, "w_o": w_o.grad, "state": h.detach()}


@truncated_gradients.right
def by_hand(xs, targets, h, W_x, W_h, w_o, k):
    T = len(xs)
    states = [h]
    for x in xs:
        states.append(torch.tanh(W_x @ x + W_h @ states[-1]))
    errors = [2 * (w_o @ states[t + 1] - targets[t]) / T for t in range(T)]
    g_x, g_h, g_o = torch.zeros_like(W_x), torch.zeros_like(W_h), torch.zeros_like(w_o)
    back = torch.zeros_like(h)
    for t in reversed(range(T)):
        if (t + 1) % k == 0:
            back = torch.zeros_like(h)
        g_o += errors[t] * states[t + 1]
        before = (errors[t] * w_o + back) * (1 - states[t + 1] ** 2)
        g_x += before[:, None] * xs[t]
        g_h += before[:, None] * states[t]
        back = W_h.T @ before
    loss = sum(((w_o @ states[t + 1] - targets[t]) ** 2).item() for t in range(T)) / T
    return {"loss": loss, "W_x": g_x, "W_h": g_h, "w_o": g_o, "state": states[-1]}


def network(draw: Draw, T: int, k: int, width: int = 2, H: int = 3):
    xs, targets, h = normal(draw, T, width), normal(draw, T, scale=2.0), normal(draw, H, scale=0.7)
    return xs, targets, h, normal(draw, H, width), normal(draw, H, H, scale=0.8), normal(draw, H), k


@truncated_gradients.part(4, "The output's gradient is a sum over all steps, however the rest is cut.", "output", items=("w_o",), rtol=1e-3)  # fmt: skip
@truncated_gradients.part(
    9, "In which window is a loss, and through how many steps does its gradient go back?", "gradients", items=("W_x", "W_h"), rtol=1e-3, atol=1e-4,
)  # fmt: skip
@truncated_gradients.part(5, "Run all of it forward: each window begins with the state that the one before it left.", "forward", items=("loss", "state"), rtol=1e-3)  # fmt: skip
def windows(draw: Draw):
    yield network(draw, 6, 3)
    yield network(draw, 7, 3)
    yield network(draw, 5, 1)
    yield network(draw, 5, 2, width=3, H=4)
    yield network(draw, 4, 9)
    yield network(draw, 11, 4, width=1, H=2)


LOSS, CUT, WINDOWS = (
    "loss = loss + (w_o @ h - targets[t]) ** 2 / T",
    "h = h.detach()\n        loss = 0.0".replace("\n", "\\n"),
    "range(0, T, k)",
)
truncated_gradients.mistakes(f"""
The state goes on from window to window: it is the gradient that is cut, and not the memory.
    {CUT} => h = torch.zeros_like(h)\\n        loss = 0.0
    {CUT} => h = h.detach() if begin == 0 else torch.zeros_like(h)\\n        loss = 0.0
The gradient goes through the whole row here: cut the state off from what made it, at each window's beginning.
    {CUT} => loss = 0.0 if begin == 0 else loss && loss.backward()\\n        total += loss.item() => pass\\n    loss.backward()\\n    total = loss.item()
The gradient is cut at every step here: within a window it goes back to the window's first step.
    W_h @ h) => W_h @ h.detach())
Windows are k steps long.
    {WINDOWS} => range(0, T, k + 1) && min(begin + k, T) => min(begin + k + 1, T)
    {WINDOWS} => range(0, T, max(1, k - 1)) && min(begin + k, T) => min(begin + max(1, k - 1), T)
The last window may be shorter, and its steps count like all others.
    {WINDOWS} => range(0, T - k + 1, k)
Each step's loss is divided by the steps of the whole row, whatever its window.
    {LOSS} => loss = loss + (w_o @ h - targets[t]) ** 2 / (min(begin + k, T) - begin)
    {LOSS} => loss = loss + (w_o @ h - targets[t]) ** 2 / k
    {LOSS} => loss = loss + (w_o @ h - targets[t]) ** 2
    {LOSS} => loss = loss + (w_o @ h - targets[t]) ** 2 / (min(begin + k, T) - begin) / -(-T // k)
The square is of the error as it stands: no half.
    {LOSS} => loss = loss + (w_o @ h - targets[t]) ** 2 / T / 2
Gradients of all windows add up: here only the last window's are left, or the first's.
    loss.backward() => W_x.grad = W_h.grad = w_o.grad = None\\n        loss.backward()
    loss.backward() => loss.backward() if begin == 0 else None
Every step has a loss: here only the last one of a window counts.
    {LOSS} => loss = (w_o @ h - targets[t]) ** 2 / T
An output comes after its step: it reads the new state.
    h = torch.tanh(W_x @ xs[t] + W_h @ h)\\n            {LOSS} => loss = loss + (w_o @ h - targets[t]) ** 2 / T\\n            h = torch.tanh(W_x @ xs[t] + W_h @ h)
The state goes through tanh.
    torch.tanh(W_x @ xs[t] + W_h @ h) => (W_x @ xs[t] + W_h @ h)
The row begins with the state that is given.
    T, total = len(xs), 0.0 => T, total, h = len(xs), 0.0, torch.zeros_like(h)
W_h multiplies the state as it stands, not transposed.
    W_h @ h) => h @ W_h)
The state that is wanted is the one after the last step.
    "state": h.detach() => "state": torch.tanh(W_x @ xs[-1]).detach()
""")
