"""Exercise 4 of lab 04: the norm, in 16 bits too."""

import math

import torch
import torch.nn.functional as F

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES, normal

NORMS = ("torch.nn.functional.rms_norm", "torch.rms_norm", "torch.nn.RMSNorm")


@exercise(minutes=10, difficulty=1, review=(*NORMS, *LIBRARIES))
def rms_norm(x, gain, eps):
    wide = x.double()
    mean = wide.square().mean(-1, keepdim=True)
    return (wide / (mean + eps).sqrt() * gain).to(x.dtype)


@rms_norm.right
def library(x, gain, eps):
    return F.rms_norm(x.float(), gain.shape, gain.float(), eps).to(x.dtype)


@rms_norm.right
def loops(x, gain, eps):
    done = []
    for row in x.reshape(-1, x.shape[-1]).tolist():
        root = math.sqrt(sum(a * a for a in row) / len(row) + eps)
        done.append([a / root * g for a, g in zip(row, gain.tolist(), strict=True)])
    return torch.tensor(done).reshape(x.shape).to(x.dtype)


@rms_norm.part(6, "x over the root of (the mean of its squares along the last dimension, plus eps), times gain.")
def in_32_bits(draw: Draw):
    # A square first, which no wrong axis makes raise; one row, where eps counts, a batch, one column, zeros.
    for shape, s, eps in (
        ((5, 5), 1, 1e-6),
        ((3,), 2, 1e-5),
        ((5, 7), 0.01, 2e-3),
        ((2, 3, 5), 1, 0.3),
        ((3, 1), 1, 1e-6),
    ):
        yield normal(draw, *shape, scale=s) + s, 1 + normal(draw, shape[-1]), eps
    yield torch.zeros(2, 3), normal(draw, 3), 1e-6


@rms_norm.part(
    4, "What are your squares and their mean? Compare with those of x.float().", "16 bits", rtol=0.02, atol=1e-3
)
def in_16_bits(draw: Draw):
    # What rounds to eight bits, where each place for eps gives other numbers; squares that overflow, and that vanish.
    for dtype, scale, eps in ((torch.bfloat16, 1.0, 0.3), (torch.float16, 500.0, 1e-9), (torch.float16, 2e-4, 1e-9)):
        yield normal(draw, 3, 7, scale=scale, dtype=dtype), (1 + normal(draw, 7, scale=0.2)).to(dtype), eps


rms_norm.mistakes("""
RMSNorm takes no mean off, neither from x nor, as a standard deviation does, from what is squared.
    x.double() => x.double() - x.double().mean(-1, keepdim=True)
    (mean + eps).sqrt() => (wide.std(-1, keepdim=True) + eps)
    (mean + eps).sqrt() => (wide.std(-1, correction=0, keepdim=True) + eps)
eps stands inside the root, beside the mean of the squares: here it is outside.
    (mean + eps).sqrt() => (mean.sqrt() + eps)
eps is missing, or too small to count here: a row of zeros, or of tiny numbers, needs it.
    + eps =>
eps is the argument, not always the same number.
    + eps => + 1e-5
The gain is missing.
    * gain =>
The gain is the factor itself: not added, and not 1 + gain, as Gemma has it.
    * gain => + gain
    * gain => * (1 + gain)
The gain comes after the norm: here it has changed the root mean square.
    x.double() => x.double() * gain && * gain) => )
This is the root of the sum of squares: take their mean.
    .mean(-1 => .sum(-1
Divide by the *root* of the mean square: here the root is missing.
    .sqrt() =>
Each row has a mean of its own, along the last dimension: not one for all rows, nor along the first.
    mean(-1, keepdim=True) => mean()
    mean(-1 => mean(0
Column j is divided by the size of row j: the mean has lost its dimension.
    keepdim=True => keepdim=False
The squares are computed in 16 bits, where they overflow or vanish: go to 32 bits first, and back after.
    x.double() => x
""")
