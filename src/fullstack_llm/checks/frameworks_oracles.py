"""Oracles of lab 01: PyTorch's autograd and optimizers, and slow plain code."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

Program = list[tuple[Any, ...]]
State = dict[str, Any]

IGNORED = -100  # PyTorch's ignore_index
IN_TORCH: dict[str, Callable[..., torch.Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "exp": torch.exp,
    "log": torch.log,
    "relu": torch.relu,
}


def backward_order(parents: Sequence[Sequence[int]], output: int) -> list[int]:
    """Look again and again for the smallest node that waits for nobody.

    >>> backward_order([[], [0], [0, 1], [2, 0]], 3)
    [3, 2, 1, 0]
    """
    needed, frontier = {output}, [output]
    while frontier:
        new = [parent for parent in parents[frontier.pop()] if parent not in needed]
        needed.update(new)
        frontier += new
    waits_for = {node: {user for user in needed if node in parents[user]} for node in needed}
    order: list[int] = []
    while len(order) < len(needed):
        done = set(order)
        order.append(min(node for node in needed - done if waits_for[node] <= done))
    return order


def run(program: Program, inputs: Sequence[float]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The program's values in torch, and the leaves for its inputs."""
    leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in inputs]
    values: list[torch.Tensor] = []
    for name, *args in program:
        values.append(leaves[args[0]] * 1 if name == "input" else IN_TORCH[name](*(values[arg] for arg in args)))
    return values, leaves


def gradient(program: Program, inputs: Sequence[float]) -> list[float]:
    """What torch.autograd says.

    >>> gradient([("input", 0), ("input", 1), ("mul", 0, 1)], [3.0, 5.0])
    [5.0, 3.0]
    """
    values, leaves = run(program, inputs)
    grads = torch.autograd.grad(values[-1], leaves, allow_unused=True)
    return [0.0 if grad is None else grad.item() for grad in grads]


def unbroadcast(grad: Float[np.ndarray, "..."], shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Every entry of the gradient goes to the one place from which it was broadcast.

    >>> unbroadcast(np.array([[0.5, -0.5], [0.25, 1.0]]), (2,)).tolist()
    [0.75, 0.5]
    """
    total = np.zeros(shape, grad.dtype)
    missing = grad.ndim - len(shape)
    for place in product(*map(range, grad.shape)):
        home = tuple(0 if size == 1 else at for at, size in zip(place[missing:], shape, strict=True))
        total[home] += grad[place]
    return total


def matmul_backward(
    a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."], dc: Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """What torch.autograd says of `a @ b`."""
    ta, tb = (torch.tensor(one, requires_grad=True) for one in (a, b))
    da, db = torch.autograd.grad(ta @ tb, [ta, tb], torch.tensor(dc))
    return da.numpy(), db.numpy()


def cross_entropy(
    logits: Float[np.ndarray, "N V"], targets: Int[np.ndarray, "N"]
) -> tuple[float, Float[np.ndarray, "N V"]]:
    """What torch says of the mean over the rows that are not ignored.

    >>> loss, grad = cross_entropy(np.array([[1.0, 1.0]]), np.array([1]))
    >>> round(loss, 6), grad.tolist()
    (0.693147, [[0.5, -0.5]])
    """
    z = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(targets), ignore_index=IGNORED)
    return loss.item(), torch.autograd.grad(loss, z)[0].numpy()


def difference(program: Program, inputs: Sequence[float], eps: float) -> list[float]:
    """Central differences of the program's last value, one input at a time."""
    found = []
    for i in range(len(inputs)):
        up, down = list(inputs), list(inputs)
        up[i] += eps
        down[i] -= eps
        found.append((run(program, up)[0][-1].item() - run(program, down)[0][-1].item()) / (2 * eps))
    return found


def suspects(claimed: Sequence[float], found: Sequence[float], tolerance: float) -> list[int]:
    """Where a claim is not within the tolerance; a claim that is no finite number never is."""
    wrong = []
    for i, (claim, value) in enumerate(zip(claimed, found, strict=True)):
        if not abs(claim - value) <= tolerance * max(1.0, abs(claim), abs(value)) or not np.isfinite(claim):
            wrong.append(i)
    return wrong


def optimizer_step(
    rule: str, p: Float[np.ndarray, "..."], g: Float[np.ndarray, "..."], state: State, settings: dict[str, float]
) -> tuple[Float[np.ndarray, "..."], State]:
    """One step of torch.optim.SGD or torch.optim.AdamW, with the state put in and taken out."""
    weight = torch.nn.Parameter(torch.tensor(p))
    weight.grad = torch.tensor(g)
    lr = settings["lr"]
    if rule == "sgd":
        sgd = torch.optim.SGD([weight], lr=lr, momentum=settings["momentum"])
        if state:
            sgd.state[weight]["momentum_buffer"] = torch.tensor(state["u"])
        sgd.step()
        return weight.detach().numpy(), {"u": sgd.state[weight]["momentum_buffer"].numpy()}
    betas = settings["beta1"], settings["beta2"]
    adamw = torch.optim.AdamW([weight], lr=lr, betas=betas, eps=settings["eps"], weight_decay=settings["decay"])
    if state:
        moments = {"exp_avg": torch.tensor(state["m"]), "exp_avg_sq": torch.tensor(state["v"])}
        adamw.state[weight].update(step=torch.tensor(float(state["t"])), **moments)
    adamw.step()
    after = adamw.state[weight]
    new = {"t": int(after["step"]), "m": after["exp_avg"].numpy(), "v": after["exp_avg_sq"].numpy()}
    return weight.detach().numpy(), new
