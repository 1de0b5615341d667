"""Exercise 4 of lab 01: the gradients of a product whose second factor comes transposed."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m01_frameworks.inputs import FRAMEWORKS, normal


def summed(grad, shape):
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    return grad.sum(axis=tuple(i for i, size in enumerate(shape) if size == 1), keepdims=True)


@exercise(minutes=15, difficulty=2, review=FRAMEWORKS, uses=(summed,))
def matmul_backward(A, B, dC):
    dA = dC @ B
    dB = dC.swapaxes(-1, -2) @ A
    return summed(dA, A.shape), summed(dB, B.shape)


@matmul_backward.right
def library(A, B, dC):
    import torch

    a, b = (torch.tensor(one, requires_grad=True) for one in (A, B))
    dA, dB = torch.autograd.grad(a @ b.mT, [a, b], torch.tensor(dC))
    return dA.numpy(), dB.numpy()


def products(draw: Draw, *shapes):
    for one, two in shapes:
        A, B = normal(draw, *one), normal(draw, *two)
        yield A, B, normal(draw, *(A @ B.swapaxes(-1, -2)).shape)


@matmul_backward.part(6, "C = A B^T, so dA = dC B and dB = dC^T A: return a tuple of the two.")
def two_matrices(draw: Draw):
    # A square first: nothing raises there, however it is turned.
    yield from products(draw, ((3, 3), (3, 3)))
    yield np.array([[2.0, 1.0]]), np.array([[1.0, -1.0], [0.5, 0.0]]), np.array([[0.5, -0.5]])
    yield from products(draw, ((5, 3), (2, 3)), ((1, 7), (3, 7)), ((5, 3), (1, 3)), ((1, 1), (1, 1)), ((2, 1), (5, 1)))
    yield from ([one.astype("float32") for one in values] for values in products(draw, ((2, 3), (5, 3))))


@matmul_backward.part(6, "Only the last two dimensions are turned; add up over what was broadcast.", "batches")
def batches(draw: Draw):
    yield from products(draw, ((3, 3, 3), (3, 3, 3)), ((3, 3, 3), (3, 3)), ((3, 3), (3, 3, 3)), ((5, 3, 2), (5, 7, 2)))
    yield from products(
        draw, ((5, 3, 2), (7, 2)), ((3, 2), (5, 7, 2)), ((1, 3, 2), (5, 7, 3, 2)), ((5, 1, 3, 2), (7, 3, 2))
    )
    yield from products(draw, ((1, 3, 2), (5, 3, 2)), ((1, 1), (1, 1, 1)), ((1, 7, 3, 2), (5, 1, 2, 2)))


matmul_backward.mistakes("""
These are the gradients of A @ B. Here B comes with its rows and columns exchanged: C = A B^T.
    dC @ B => dC @ B.swapaxes(-1, -2) && dC.swapaxes(-1, -2) @ A => A.swapaxes(-1, -2) @ dC
dA is right for C = A B^T; dB is the gradient of B^T: transpose it, or compute dC^T A.
    dC.swapaxes(-1, -2) @ A => A.swapaxes(-1, -2) @ dC
dB = dC^T A: dC must be transposed there.
    dC.swapaxes(-1, -2) @ A => dC @ A
dA = dC B: B stands there as it came.
    dC @ B => dC @ B.swapaxes(-1, -2)
.T turns *all* dimensions round: exchange the last two only.
    dC.swapaxes(-1, -2) => dC.T
A matrix that met many others gets the sum of their gradients: add up over the dimensions that were broadcast.
    summed(dA, A.shape), summed(dB, B.shape) => dA, dB
    summed(dB, B.shape) => dB
Missing dimensions are summed, and those of size 1 were broadcast too.
    grad.sum(axis=tuple(i for i, size in enumerate(shape) if size == 1), keepdims=True) => grad
This is the mean over what was broadcast: gradients add up.
    grad = grad.sum(axis=tuple( => grad = grad.mean(axis=tuple( && return grad.sum( => return grad.mean(
""")
