"""Exercise 3 of lab 01: undo broadcasting, and repeated entries."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import FRAMEWORKS, normal


@exercise(minutes=15, difficulty=3, review=FRAMEWORKS)
def unbroadcast(grad, shape):
    total = np.zeros(shape, grad.dtype)
    missing = grad.ndim - len(shape)
    for place in np.ndindex(*grad.shape):
        sizes = zip(place[missing:], shape, grad.shape[missing:])
        home = tuple(i * size // big for i, size, big in sizes)
        total[home] += grad[place]
    return total


@unbroadcast.right
def library(grad, shape):
    import torch

    array = torch.zeros(shape, dtype=torch.tensor(grad).dtype, requires_grad=True)
    repeated = array
    for axis, (size, big) in enumerate(zip(shape, grad.shape[grad.ndim - len(shape) :])):
        if 1 < size < big:
            repeated = repeated.repeat_interleave(big // size, axis)
    return torch.autograd.grad(repeated.expand(grad.shape), array, torch.tensor(grad))[0].numpy()


def drawn(draw: Draw, *shapes):
    return [(normal(draw, *big), small) for big, small in shapes]


@unbroadcast.part(3, "The array lacked dimensions in front: add up over them.", "missing")
def missing_in_front(draw: Draw):
    yield np.array([[0.5, -0.5], [0.25, 1.0]]), (2,)
    yield from drawn(draw, ((5, 3), (3,)), ((3, 3, 3), (3,)), ((2, 5, 3), (3,)), ((2, 5, 3), (5, 3)), ((5, 3), (5, 3)))
    yield from drawn(draw, ((7,), ()), ((2, 3), ()), ((0, 3), (3,)))
    yield normal(draw, 5, 3, dtype="float32"), (3,)


@unbroadcast.part(3, "Where the array had size 1 and the gradient has more: add up, and keep the size 1.", "size 1")
def stretched(draw: Draw):
    yield np.array([[0.5, -0.5], [0.25, 1.0]]), (2, 1)
    yield from drawn(draw, ((2, 5, 7, 3), (5, 1, 3)), ((3, 3, 5), (3, 1)), ((2, 3, 3), (1, 3)), ((5, 3), (1, 3)))
    yield from drawn(draw, ((5, 3), (1, 1)), ((2, 5, 1), (1, 1)), ((3, 3, 3), (3, 1, 3)), ((1, 5), (1, 1)))
    yield normal(draw, 5, 3, dtype="float32"), (1, 3)


@unbroadcast.part(4, "Where n has become k * n, each entry stands k times in a row: add up each run.", "repeated")
def repeated(draw: Draw):
    yield np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]), (2,)
    yield from drawn(draw, ((6,), (3,)), ((4, 3), (2, 3)), ((5, 6), (3,)), ((3, 3, 6), (3, 2)), ((4, 4), (2, 2)))
    yield from drawn(draw, ((2, 10, 3, 7), (5, 1, 7)), ((7, 6, 6), (7, 2, 3)), ((2, 3, 15, 2), (1, 3, 5, 2)))
    yield normal(draw, 9, 2, dtype="float32"), (3, 1)


unbroadcast.mistakes("""
This is the mean: each place has its own share of the blame, and shares add up.
    += grad[place] => += grad[place] * total.size / grad.size
This is the entry of one place: add up all the places to which a number went.
    += grad[place] => = grad[place]
The dimensions in front are summed; those of size 1 were stretched too.
    return total => return grad.sum(axis=tuple(range(missing))) if 1 in shape else total
A dimension of size 1 is lost: keep it.
    return total => return total.reshape([size for size in shape if size != 1])
Dimensions that the array did not have must go, not shrink to 1.
    return total => return total.reshape((1,) * missing + tuple(shape))
A dimension that grew from n to k * n, with n above 1, is not summed yet: add up each run of k.
    return total => while grad.ndim > len(shape):\\n        grad = grad.sum(0)\\n    return grad.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)
A repeated dimension is summed to size 1: each run of k is a sum of its own.
    (i * size // big for => (0 if size < big else i for && return total => return total[tuple(slice(1 if 1 < n < m else None) for n, m in zip(shape, grad.shape[missing:]))]
These are sums over every n-th entry, as for np.tile: an entry's copies stand side by side, as np.repeat puts them.
    i * size // big => i % size
All that was summed is summed as if it had stood in front: each dimension is summed in its own place.
    return total => return grad.reshape(-1, *shape).sum(0)
""")


@unbroadcast.mistake("Shapes are aligned at the *last* dimension: what is missing is missing in front.")
def from_the_left(grad, shape):
    return unbroadcast(np.moveaxis(grad, range(len(shape)), range(-len(shape), 0)), shape) if shape else grad.sum()
