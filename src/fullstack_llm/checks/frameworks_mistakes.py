"""Answers of lab 01 that are wrong in a way that people are wrong: each value comes with the hint that names it."""

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from jaxtyping import Float

from fullstack_llm.checks import frameworks_oracles as oracle
from fullstack_llm.checks.frameworks_oracles import Program

Mistakes = list[tuple[Any, str]]
Array = Float[np.ndarray, "..."]
Rule = Callable[[list[float], float], list[float]]

# The derivative of each operation with respect to its arguments, from their values and the result.
RULES: dict[str, Rule] = {
    "add": lambda x, _: [1.0, 1.0],
    "sub": lambda x, _: [1.0, -1.0],
    "mul": lambda x, _: [x[1], x[0]],
    "exp": lambda x, out: [out],
    "log": lambda x, _: [1 / x[0]],
    "relu": lambda x, _: [float(x[0] > 0)],
}


def backward_order(parents: list[list[int]], output: int) -> Mistakes:
    """Wrong orders: impatient ones, other ties, too many or too few nodes."""
    want = oracle.backward_order(parents, output)
    found, stack, level = [output], [output], [output]
    while stack:
        for parent in parents[stack.pop()]:
            if parent not in found:
                found.append(parent)
                stack.append(parent)
    for node in level:
        level += [parent for parent in dict.fromkeys(parents[node]) if parent not in level]
    everyone = [*parents, list(range(len(parents)))]
    too_many = [node for node in oracle.backward_order(everyone, len(parents)) if node < len(parents)]
    impatient = "A node stands here before one of its users: it would hand on a gradient that is not complete."
    return [
        (want[::-1], "This is the order of the forward pass: the output goes first, its inputs last."),
        (too_many, "A node that the output does not depend on gets no gradient: leave it out."),
        (_kahn(parents, output, pick=max), TIES),
        (_kahn(parents, output, pick=itemgetter(0)), TIES),
        (_kahn(parents, output, pick=itemgetter(-1)), TIES),
        (_kahn(parents, output, needed_only=False), WAITS),
        (_kahn(parents, output, release_each=False), SQUARE),
        (_kahn(parents, output, count_each=False), "A node stands here too early: " + TWICE),
        (level, impatient),
        (found, impatient),
        (
            sorted(want, reverse=True),
            "Numbers say nothing about the order: a parent's can be larger than its user's.",
        ),
    ]


QUOTIENT = "This looks like a difference quotient: nearly right, and slow. Apply the rule of each operation instead."
FIRST = "These are the gradients of the first steps; an input's gradient is found at the steps that read it."
WAITS = "Nodes are missing: do they wait for users that the output does not depend on? Those never come."
TWICE = "a parent that is listed twice is two uses. Count two and take off two, or count one and take off one."
SQUARE = "Nodes are missing: " + TWICE
TIES = (
    "Several nodes are ready: the smallest number goes first, not the largest, nor whichever was ready first or last."
)


def _kahn(
    parents: list[list[int]],
    output: int,
    *,
    pick: Callable[[list[int]], int] = min,
    needed_only: bool = True,
    count_each: bool = True,
    release_each: bool = True,
) -> list[int]:
    # Kahn's algorithm with another choice among the nodes that are ready, or with a wrong count of users.
    needed = set(oracle.backward_order(parents, output))
    waiting = [0] * len(parents)
    for user, mine in enumerate(parents):
        if user in needed or not needed_only:
            for parent in mine if count_each else set(mine):
                waiting[parent] += 1
    ready, order = [output], []
    while ready:
        node = pick(ready)
        ready.remove(node)
        order.append(node)
        for parent in parents[node] if release_each else dict.fromkeys(parents[node]):
            waiting[parent] -= 1
            if waiting[parent] == 0:
                ready.append(parent)
    return order


def gradient(program: Program, inputs: list[float]) -> Mistakes:
    """Wrong gradients: other rules, lost paths, other lengths."""
    want = oracle.gradient(program, inputs)

    def with_rule(name: str, rule: Rule) -> list[float]:
        return _reverse(program, inputs, RULES | {name: rule})

    return [
        (_reverse(program, inputs, once=True), "`mul i i` uses i twice: each of the two arguments gets its share."),
        (_reverse(program, inputs, last_read=True), "An input that is read twice gets the gradients of both reads."),
        (
            _reverse(program, inputs, overwrite=True),
            "A value that is used twice gets two gradients: add, do not overwrite.",
        ),
        (
            with_rule("mul", lambda x, _: list(x)),
            "In a product, a factor gets the gradient times the *other* factor.",
        ),
        (with_rule("sub", lambda x, _: [1.0, 1.0]), "In a - b, b gets minus the gradient."),
        (with_rule("sub", lambda x, _: [-1.0, 1.0]), "In a - b, b gets minus the gradient, and a plus."),
        (with_rule("exp", lambda x, _: [x[0]]), "The derivative of exp(x) is exp(x), the result, not x."),
        (with_rule("exp", lambda x, _: [1.0]), "exp passes its gradient on unchanged; its derivative is exp(x)."),
        (
            with_rule("log", lambda x, out: [1 / out if out else math.inf]),
            "The derivative of log(x) is 1/x, where x is not the result.",
        ),
        (with_rule("log", lambda x, _: [x[0]]), "The derivative of log(x) is 1/x, not x."),
        (with_rule("relu", lambda x, _: [float(x[0] >= 0)]), "relu at exactly 0: the libraries take 0 there."),
        (with_rule("relu", lambda x, _: [0.5 if x[0] == 0 else float(x[0] > 0)]), QUOTIENT),
        (with_rule("relu", lambda x, _: [1.0]), "relu passes no gradient where its input is negative."),
        (with_rule("relu", lambda x, out: [out]), "relu's derivative is 1 where its input is positive, not the value."),
        ([0 if value == 0 else value for value in want], "A derivative is a float, a zero too: start from 0.0."),
        (_whole(want), "A derivative is a float, a whole one too: start from 0.0 and 1.0."),
        (_whole(_reverse(program, inputs, steps=True)), FIRST),
        (_reverse(program, inputs, steps=True), FIRST),
        (
            [value for value in want if value],
            "There is one derivative for each input; 0.0 if it is never used.",
        ),
        (np.array(want), "These are the values in an array: return a list of floats."),
        ([math.nan if value == 0 else value for value in want], "nan where 0.0 is right: an input that is never used."),
    ]


def _reverse(
    program: Program,
    inputs: Sequence[float],
    rules: dict[str, Rule] = RULES,
    *,
    overwrite: bool = False,
    once: bool = False,
    last_read: bool = False,
    steps: bool = False,
) -> list[float]:
    """A backward pass with a mistake in it."""
    values = [one.item() for one in oracle.run(program, inputs)[0]]
    grads, result = [0.0] * len(program), [0.0] * len(inputs)
    grads[-1] = 1.0
    for i in reversed(range(len(program))):
        name, *args = program[i]
        if name == "input":
            result[args[0]] = grads[i] + (0.0 if last_read or overwrite else result[args[0]])
            continue
        local = dict(enumerate(rules[name]([values[arg] for arg in args], values[i])))
        for place, arg in {arg: (place, arg) for place, arg in enumerate(args)}.values() if once else enumerate(args):
            grads[arg] = grads[i] * local[place] + (0.0 if overwrite else grads[arg])
    return grads[: len(inputs)] if steps else result


def _whole(values: Sequence[float]) -> list[float]:
    return [int(value) if value == int(value) else value for value in values]


def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Mistakes:
    """Wrong shapes, and other ways to make one number of many."""
    want = oracle.unbroadcast(grad, shape)
    lead = grad.ndim - len(shape)
    stretched = (*range(lead), *(lead + i for i, size in enumerate(shape) if size == 1))
    count = max(1, math.prod(grad.shape[i] for i in stretched))
    first = grad[tuple(slice(0, 1) if i in stretched else slice(None) for i in range(grad.ndim))]
    last_axes = tuple(range(len(shape), grad.ndim))
    return [
        (grad, "This is the gradient as it came: sum over the places to which the array was broadcast."),
        (want / count, "This is the mean: each place has its own share of the blame, and shares add up."),
        (first.reshape(shape) if first.size else want, "These are the entries of one place only: add up all of them."),
        (want.reshape([n for n in shape if n != 1]), "A dimension of size 1 is lost: keep it (keepdims)."),
        (
            grad.sum(axis=tuple(range(lead))),
            "The dimensions in front are summed; those of size 1 were stretched too.",
        ),
        (want.reshape((1,) * lead + want.shape), "Dimensions that the array did not have must go, not shrink to 1."),
        (
            grad.sum(axis=last_axes).reshape(-1)[: want.size].reshape(want.shape)
            if _fits(grad, last_axes, want)
            else None,
            "Shapes are aligned at the *last* dimension: the missing ones are in front.",
        ),
        (
            want.astype("float64" if grad.dtype != "float64" else "float32"),
            f"The gradient is {grad.dtype}: keep it so.",
        ),
    ]


def _fits(grad: Array, axes: tuple[int, ...], want: Array) -> bool:
    return bool(axes) and grad.sum(axis=axes).shape == want.shape


def matmul_backward(A: Array, B: Array, dC: Array) -> Mistakes:  # noqa: N803, the lab's own names
    """Wrong pairs: exchanged, not transposed, not summed."""
    a, b, dc = A, B, dC
    da, db = oracle.matmul_backward(a, b, dc)
    full_a, full_b = dc @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ dc
    found: Mistakes = [
        ((db, da), "The two gradients have changed places: first the one for A."),
        ([da, db], "Return a tuple of two arrays."),
        ((full_a, full_b), "A matrix that served many batches gets the sum of their gradients: see unbroadcast."),
        ((da, full_b), "A matrix that served many batches gets the sum of their gradients: see unbroadcast."),
        ((full_a, db), "A matrix that served many batches gets the sum of their gradients: see unbroadcast."),
        (
            (da / (full_a.size / da.size), db / (full_b.size / db.size)),
            "This is the mean over batches: gradients add up.",
        ),
        ((full_b.swapaxes(-1, -2), full_a.swapaxes(-1, -2)), "dA has the shape of A, dB that of B."),
    ]
    attempts = [
        (lambda: (dc @ b, a @ dc), "Nothing is transposed: dA = dC B^T, dB = A^T dC."),
        (lambda: (dc @ b.swapaxes(-1, -2), a @ dc), "A must be transposed in dB = A^T dC."),
        (lambda: (dc @ b, a.swapaxes(-1, -2) @ dc), "B must be transposed in dA = dC B^T."),
        (lambda: (b.swapaxes(-1, -2) @ dc, dc @ a.swapaxes(-1, -2)), "The order matters: dA = dC B^T, dB = A^T dC."),
        (lambda: (dc @ b.T, a.T @ dc), "Transpose the last two dimensions only: .T turns all of them round."),
    ]
    for attempt, hint in attempts:
        try:
            found.append((attempt(), hint))
        except ValueError:
            continue  # shapes that do not fit raise in the student's code as well
    return found
