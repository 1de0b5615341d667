"""Exercise 8 of lab 01: a residual block, the report of a backward pass with one mistake, and the mistake's place."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import FRAMEWORKS, normal


def gradients(x, y, weights, place="", change=None):
    W1, b1, W2, W3 = (weights[name] for name in ("W1", "b1", "W2", "W3"))
    a = x @ W1 + b1
    h = np.maximum(a, 0)
    r = h @ W2 + x
    z = r @ W3
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    rules = {
        "dz": lambda g: p / len(y),
        "dW3": lambda g: r.T @ g["dz"],
        "dr": lambda g: g["dz"] @ W3.T,
        "dW2": lambda g: h.T @ g["dr"],
        "dh": lambda g: g["dr"] @ W2.T,
        "da": lambda g: g["dh"] * (a > 0),
        "dW1": lambda g: x.T @ g["da"],
        "db1": lambda g: g["da"].sum(axis=0),
        "dx": lambda g: g["da"] @ W1.T + g["dr"],
    }
    g = {}
    for name, rule in rules.items():
        g[name] = rule(g)
        if name == place:
            g[name] = change(g[name], {"x": x, "a": a, "h": h, "r": r, **g})
    return g


@exercise(minutes=20, difficulty=4, review=FRAMEWORKS, uses=(gradients,))
def diagnose(x, y, weights, reported):
    mine = gradients(x, y, weights)
    for name in mine:
        error, largest = np.abs(reported[name] - mine[name]), np.abs(mine[name]).max()
        if not (error <= 1e-6 * largest).all():
            return mine, name
    return mine, ""


@diagnose.right
def library(x, y, weights, reported):
    import torch

    v = {name: torch.tensor(value, requires_grad=True) for name, value in {"x": x, **weights}.items()}
    v["a"] = v["x"] @ v["W1"] + v["b1"]
    v["h"] = v["a"].relu()
    v["r"] = v["h"] @ v["W2"] + v["x"]
    v["z"] = v["r"] @ v["W3"]
    loss = torch.nn.functional.cross_entropy(v["z"], torch.tensor(y))
    names = ["dz", "dW3", "dr", "dW2", "dh", "da", "dW1", "db1", "dx"]
    right = dict(zip(names, (one.numpy() for one in torch.autograd.grad(loss, [v[name[1:]] for name in names]))))
    with np.errstate(invalid="ignore"):
        bad = [n for n in names if not np.abs(reported[n] - right[n]).max() <= 1e-6 * np.abs(right[n]).max()]
    return right, bad[0] if bad else ""


# A report is right within a millionth of the largest entry: so much its entries are off, and those that are wrong.
ROUNDING, SLIP = 8e-7, 4e-6


def off(by):
    """Return a change of one entry, the smallest, by so many times the largest: too little for a mean to show."""
    return lambda v, f: np.where(np.arange(v.size).reshape(v.shape) == np.abs(v).argmin(), v + by * np.abs(v).max(), v)


# In this order known mistakes are told apart: rounding, a chain, too large, too small, nan, infinity, one entry.
FIRST = [
    *[("", None), ("dr", lambda v, f: -v), ("db1", lambda v, f: v + np.abs(v).max())],
    *[("db1", lambda v, f: v - np.abs(v).max()), ("dW1", off(np.nan)), ("dx", off(np.inf))],
    *[("dW2", off(-SLIP)), ("dW1", off(SLIP))],
]
OTHERS = [
    *[("", None), ("dz", lambda v, f: v * len(v)), ("dz", lambda v, f: v / v.shape[1]), ("dz", off(SLIP))],
    *[("dW3", lambda v, f: (f["r"] - f["x"]).T @ f["dz"]), ("dW2", lambda v, f: f["a"].T @ f["dr"])],
    *[("dW2", lambda v, f: 2 * v), ("dh", lambda v, f: v / 2), ("da", lambda v, f: f["dh"])],
    *[("da", lambda v, f: f["dh"] * (f["dh"] > 0)), ("da", lambda v, f: f["dh"] * f["h"]), ("dW1", lambda v, f: v / 3)],
    *[("db1", lambda v, f: v / 3), ("db1", lambda v, f: f["da"][0]), ("db1", off(-SLIP)), ("dx", lambda v, f: f["dr"])],
    *[("dx", lambda v, f: v - f["dr"]), ("dx", lambda v, f: v + f["dr"])],
]


@diagnose.part(6, "In the order of the pass, entry by entry: what is off by more than 1e-6 * the largest?", "culprit")
@diagnose.part(6, "One line backwards for each line forwards, in a dict, from dz to dx.", "gradients", items=(0,))
def reports(draw: Draw):
    # The first ones tell known mistakes apart; the order of the rest is a class's own: counting calls tells nothing.
    for number, (place, change) in enumerate([*FIRST, *draw.sample(OTHERS, len(OTHERS))]):
        x, y = normal(draw, 3, 5), np.array([draw.randrange(2) for _ in range(3)])
        weights = {name: normal(draw, *shape) for name, shape in (("W1", (5, 7)), ("b1", (7,)), ("W2", (7, 5)))}
        weights["W3"] = normal(draw, 5, 2)
        if number == 0:
            # Arrays of all sizes, where a limit that is the same for all is too strict here and too lax there.
            x, weights["W3"] = 30 * x, 0.03 * weights["W3"]
        reported = gradients(x, y, weights, place, change)
        for name, value in reported.items():
            signs = np.array([draw.choice((-1, 1)) for _ in range(value.size)]).reshape(value.shape)
            reported[name] = value + ROUNDING * np.abs(value[np.isfinite(value)]).max() * signs
        yield x, y, weights, reported


ERROR, TEST = "np.abs(reported[name] - mine[name])", "not (error <= 1e-6 * largest).all()"
diagnose.mistakes(f"""
dx: x reaches the loss by two paths, and the direct one, around the layers, is missing.
    W1.T + g["dr"] => W1.T
dz: the loss is a mean over the rows, so dz is divided by their number.
    p / len(y), => p,
dW3: the input of W3 is r, the sum of both paths.
    r.T @ g["dz"] => h.T @ g["dz"]
dW2: the input of W2 is h, after the ReLU, not a.
    h.T @ g["dr"] => a.T @ g["dr"]
da: the mask is where a is positive, not where the gradient is.
    (a > 0) => (g["dh"] > 0)
da: the ReLU passes nothing back where a was negative.
    g["dh"] * (a > 0) => g["dh"]
db1: the bias was added to every row, so its gradient is the sum over rows, not the mean.
    .sum(axis=0), => .mean(axis=0),
nan > anything is False, so an entry of nan passes: ask whether each entry *is* within the limit.
    {TEST} => (error > 1e-6 * largest).any()
A millionth of *your* largest entry is the limit: what is reported may be infinite.
    np.abs(mine[name]).max() => np.abs(reported[name]).max()
This differs in its last digits only, which is rounding: an entry may be off by 1e-6 times the largest absolute one.
    {TEST} => (error > 0).any()
    {TEST} => (error > 1e-6 * np.abs(mine[name])).any()
    {TEST} => not np.allclose(reported[name], mine[name])
    {TEST} => error.mean() > 1e-6 * np.abs(mine[name]).mean()
    {TEST} => np.linalg.norm(error) > 1e-6 * np.linalg.norm(mine[name])
    {TEST} => not (error <= 1e-6 * mine[name].max()).all()
One entry is off by four millionths of the largest one: compare entry by entry, with a limit of one millionth.
    {TEST} => not (error <= 1e-5 * largest).all()
    {TEST} => not error.mean() <= 1e-6 * largest
What is wrong here is off in one direction only: take absolute differences.
    {ERROR} => (reported[name] - mine[name])
    {ERROR} => (mine[name] - reported[name])
This is wrong only because something before it is: name the first in the order of the backward pass.
    for name in mine: => for name in reversed(mine):
    for name in mine: => for name in sorted(mine, key=lambda n: -np.abs(reported[n] - mine[n]).max()):
""")
