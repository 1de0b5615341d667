"""Exercise 8 of lab 01: a residual block whose backward pass has one mistake, the right one, and the cases."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from fullstack_llm.checks import Draw
from fullstack_llm.checks.frameworks_cases import normal

Array = Float[np.ndarray, "..."]
Arrays = dict[str, Array]

ORDER = ("dz", "dW3", "dr", "dW2", "dh", "da", "dW1", "db1", "dx")

# A report is right within a millionth of the largest entry; so much its entries are off, and one that is wrong.
LIMIT, ROUNDING, SLIP = 1e-6, 8e-7, 4e-6


def _slipped(value: Array, by: float) -> Array:
    # One entry, the smallest, is off: too little for a mean or a norm to show.
    value = value.copy()
    value.flat[np.abs(value).argmin()] += by * np.abs(value).max()
    return value


# Each mistake replaces one gradient by what somebody computes instead; what comes after it is computed from that.
BUGS: dict[str, tuple[str, Any]] = {
    "nothing": ("", None),
    "no mean": ("dz", lambda f, g: g["dz"] * len(f["x"])),
    "mean over classes": ("dz", lambda f, g: g["dz"] / g["dz"].shape[1]),
    "hidden for residual": ("dW3", lambda f, g: (f["r"] - f["x"]).T @ g["dz"]),
    "sign": ("dr", lambda f, g: -g["dr"]),
    "input of the relu": ("dW2", lambda f, g: f["a"].T @ g["dr"]),
    "residual here too": ("dW2", lambda f, g: 2 * g["dW2"]),
    "half": ("dh", lambda f, g: g["dh"] / 2),
    "no mask": ("da", lambda f, g: g["dh"]),
    "mask of the gradient": ("da", lambda f, g: g["dh"] * (g["dh"] > 0)),
    "masked twice": ("da", lambda f, g: g["dh"] * f["h"]),
    "one entry too low": ("dW2", lambda f, g: _slipped(g["dW2"], -SLIP)),
    "one entry too high": ("dW1", lambda f, g: _slipped(g["dW1"], SLIP)),
    "mean over rows": ("dW1", lambda f, g: g["dW1"] / len(f["x"])),
    "bias averaged": ("db1", lambda f, g: g["da"].mean(axis=0)),
    "bias of one row": ("db1", lambda f, g: g["da"][0]),
    "no residual": ("dx", lambda f, g: g["da"] @ f["W1"].T),
    "only residual": ("dx", lambda f, g: g["dr"]),
    "residual of the loss": ("dx", lambda f, g: g["da"] @ f["W1"].T + 2 * g["dr"]),
}


def autograd(x: Array, y: Int[np.ndarray, "N"], weights: Arrays) -> Arrays:
    """All nine gradients as torch.autograd has them."""
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in {"x": x, **weights}.items()}
    a = leaves["x"] @ leaves["W1"] + leaves["b1"]
    h = a.relu()
    r = h @ leaves["W2"] + leaves["x"]
    z = r @ leaves["W3"]
    wanted = {"z": z, "r": r, "h": h, "a": a, **leaves}
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(y))
    grads = torch.autograd.grad(loss, [wanted[name[1:]] for name in ORDER])
    return {name: grad.numpy() for name, grad in zip(ORDER, grads, strict=True)}


def backward(x: Array, y: Int[np.ndarray, "N"], weights: Arrays, bug: str = "nothing") -> Arrays:
    """The same gradients by hand, with one mistake."""
    f = {"x": x, **weights}
    f["a"] = x @ f["W1"] + f["b1"]
    f["h"] = np.maximum(f["a"], 0)
    f["r"] = f["h"] @ f["W2"] + x
    z = f["r"] @ f["W3"]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    right = {
        "dz": lambda g: p / len(y),
        "dW3": lambda g: f["r"].T @ g["dz"],
        "dr": lambda g: g["dz"] @ f["W3"].T,
        "dW2": lambda g: f["h"].T @ g["dr"],
        "dh": lambda g: g["dr"] @ f["W2"].T,
        "da": lambda g: g["dh"] * (f["a"] > 0),
        "dW1": lambda g: x.T @ g["da"],
        "db1": lambda g: g["da"].sum(axis=0),
        "dx": lambda g: g["da"] @ f["W1"].T + g["dr"],
    }
    grads: Arrays = {}
    place, wrong = BUGS[bug]
    for name in ORDER:
        grads[name] = right[name](grads)
        if name == place:
            grads[name] = wrong(f, grads)
    return grads


def cases(draw: Draw) -> Iterator[tuple[Array, Int[np.ndarray, "N"], Arrays, Arrays, str]]:
    """For each mistake: inputs, labels, weights, the gradients that were reported, the first that is wrong."""
    N, D, H, V = 3, 5, 7, 2
    # In an order of the class's own, so that counting calls tells nothing.
    for bug in draw.sample(list(BUGS), len(BUGS)):
        place = BUGS[bug][0]
        x, y = normal(draw, N, D), np.array([draw.randrange(V) for _ in range(N)])
        shapes = {"W1": (D, H), "b1": (H,), "W2": (H, D), "W3": (D, V)}
        weights = {name: normal(draw, *shape) for name, shape in shapes.items()}
        # Arrays of all sizes, where a limit that is the same for all of them is too strict here and too lax there.
        if bug == "nothing":
            x, weights["W3"] = 30 * x, 0.03 * weights["W3"]
        reported = {name: _rounded(draw, value) for name, value in backward(x, y, weights, bug).items()}
        yield x, y, weights, reported, place


def _rounded(draw: Draw, value: Array) -> Array:
    signs = np.array([draw.choice((-1, 1)) for _ in range(value.size)]).reshape(value.shape)
    return value + ROUNDING * np.abs(value).max() * signs


def gradient_mistakes(x: Array, y: Int[np.ndarray, "N"], weights: Arrays, reported: Arrays) -> list[tuple[Any, str]]:
    """The gradients with each known mistake, named."""
    hints = {
        "no mean": "dz: the loss is a mean over the rows, so dz is divided by their number.",
        "mean over classes": "dz: the loss is a mean over the rows; it is not divided by the number of classes.",
        "hidden for residual": "dW3: its input is r, the sum of both paths.",
        "sign": "dr has the wrong sign.",
        "input of the relu": "dW2: its input is h, after the ReLU, not a.",
        "no mask": "da: the ReLU passes nothing back where a was negative.",
        "mask of the gradient": "da: the mask is where a is positive, not where the gradient is.",
        "masked twice": "da: the mask is 0 or 1, not the value of h.",
        "mean over rows": "dW1: rows add up; the mean is in dz already.",
        "bias averaged": "db1: the bias was added to every row, so its gradient is the sum over rows, not the mean.",
        "bias of one row": "db1: the bias was added to every row, so its gradient is the sum over all of them.",
        "no residual": "dx: x reaches the loss by two paths, and the direct one is missing.",
        "only residual": "dx: x reaches the loss by two paths, and the one through W1 is missing.",
    }
    found = [(backward(x, y, weights, bug), hint) for bug, hint in hints.items()]
    want = autograd(x, y, weights)
    return [
        (reported, "These are the gradients as they were reported: compute your own."),
        *found,
        (list(want.values()), "The gradients are a dict from name to array."),
    ]


def culprit_mistakes(right: Arrays, reported: Arrays) -> list[tuple[str, str]]:
    """Wrong names: a later one, none where something is wrong, one that is right within the limit."""
    off = {name: float(np.abs(reported[name] - right[name]).max()) for name in ORDER}
    largest = {name: float(np.abs(right[name]).max()) for name in ORDER}
    wrong = [name for name in ORDER if off[name] > LIMIT * largest[name]]
    limit = "each entry of an array may be off by 1e-6 times its largest absolute entry"
    blame = "is wrong only because something before it is: name the first in the order of the backward pass"
    rounding = f"differs in its last digits only, which is rounding: {limit}."
    found = [(name, f"{name} {rounding}") for name in ORDER if name not in wrong]
    if not wrong:
        return found
    first, *later = wrong
    error = (reported[first] - right[first]) / (LIMIT * largest[first])
    signed = error.max() <= 1 or error.min() >= -1
    also = f" {first} is off in one direction only: take absolute differences." if signed else ""
    nothing = f"Something is wrong: compare each reported gradient with yours, from {ORDER[0]} on; {limit}."
    if off[first] < 2 * SLIP * largest[first]:
        nothing = f"{first} is wrong, in one entry only: take the largest difference, no mean; {limit}."
    return [("", nothing + also), *found, *((name, f"{name} {blame}.{also}") for name in later)]
