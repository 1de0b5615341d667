"""Exercise 2 of lab 04: positions as rotations, in both layouts."""

import math

import torch

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m04_transformer.inputs import LIBRARIES, normal


@exercise(minutes=20, difficulty=3, review=LIBRARIES)
def rope(x, start, theta, layout):
    T, d = x.shape
    position = torch.arange(start, start + T).double()[:, None]
    pair = torch.arange(d // 2).double()
    angle = position * theta ** (-2 * pair / d)
    cos, sin = angle.cos(), angle.sin()
    wide = x.double()
    a, b = wide.chunk(2, 1) if layout == "half" else (wide[:, 0::2], wide[:, 1::2])
    new_a = a * cos - b * sin
    new_b = a * sin + b * cos
    beside = torch.cat([new_a, new_b], 1)
    turns = torch.stack([new_a, new_b], 2).flatten(1)
    return (beside if layout == "half" else turns).to(x.dtype)


@rope.right
def numbers(x, start, theta, layout):
    # Each pair as a complex number, times e to the i times its angle.
    out, d = torch.zeros(x.shape, dtype=torch.float64), x.shape[1]
    for t, row in enumerate(x.tolist()):
        for pair in range(d // 2):
            one, two = (pair, pair + d // 2) if layout == "half" else (2 * pair, 2 * pair + 1)
            phi = (start + t) * theta ** (-2 * pair / d)
            turned = complex(row[one], row[two]) * complex(math.cos(phi), math.sin(phi))
            out[t, one], out[t, two] = turned.real, turned.imag
    return out.to(x.dtype)


def from_zero(draw: Draw, layout: str):
    """Draw rows that begin at position 0: distinct sizes first, then a square, one pair, one row."""
    for T, d, theta in ((5, 6, 50.0), (7, 10, 500.0), (4, 4, 10_000.0), (2, 2, 10_000.0), (1, 6, 50.0)):
        yield normal(draw, T, d), 0, theta, layout


# Angles of a few hundred keep four digits behind the point in 32 bits.
@rope.part(5, "Pair i is columns i and i + d/2. By which angle does row t turn it?", "half", rtol=1e-3, atol=1e-4)
def half(draw: Draw):
    yield from from_zero(draw, "half")


@rope.part(
    4, "Pair i is columns 2i and 2i + 1. By which angle does row t turn it?", "interleaved", rtol=1e-3, atol=1e-4
)
def interleaved(draw: Draw):
    yield from from_zero(draw, "interleaved")


@rope.part(3, "The first row stands at `start`, the next at start + 1.", "later positions", rtol=1e-3, atol=1e-4)
def later(draw: Draw):
    for layout in ("half", "interleaved"):
        yield normal(draw, 5, 6), draw.randint(3, 60), 50.0, layout
        yield torch.tensor([[1.0, 0.0, 0.0, 0.0]]), 1, 10_000.0, layout
        yield normal(draw, 3, 8), draw.randint(200, 400), 500_000.0, layout


# An answer in 16 bits has two digits in all.
@rope.part(2, "The values are those of 32 bits, rounded to the dtype of x.", "16 bits", rtol=0.02, atol=0.05)
def in_16_bits(draw: Draw):
    # Odd positions above 256, which bfloat16 cannot write down.
    for layout in ("half", "interleaved"):
        yield normal(draw, 5, 4, dtype=torch.bfloat16), 257 + 2 * draw.randrange(40), 10_000.0, layout


rope.mistakes("""
The pairs are those of the other layout: half turns (i, i + d/2), interleaved turns (2i, 2i + 1).
    if layout == "half" else (wide => if layout != "half" else (wide && beside if layout == "half" => beside if layout != "half"
    if layout == "half" else (wide => if True else (wide && beside if layout == "half" => beside if True
    if layout == "half" else (wide => if False else (wide && beside if layout == "half" => beside if False
The pairs are turned as they should be, and put back in the order of the other layout.
    beside if layout == "half" => beside if layout != "half"
    beside if layout == "half" => beside if True
All rows turn alike, by `start` alone: row t stands at start + t. (From position 0 that is no turn at all.)
    torch.arange(start, start + T) => torch.full((T,), start)
The first row stands at position `start`, not at 0.
    torch.arange(start, start + T) => torch.arange(T)
Positions are counted from 0, so the first row stands at `start` itself, not at start + 1.
    torch.arange(start, start + T) => torch.arange(start, start + T).add(1)
Turned the wrong way: (a, b) becomes (a cos - b sin, a sin + b cos).
    cos, sin = angle.cos(), angle.sin() => cos, sin = angle.cos(), -angle.sin()
One sign is wrong: (a, b) becomes (a cos - b sin, a sin + b cos), and b sin alone is taken off.
    a * cos - b * sin => a * cos + b * sin
    a * sin + b * cos => b * cos - a * sin
    a * sin + b * cos => a * sin - b * cos
b was turned with the new a: both sums are made of the old a and b.
    new_b = a * sin => new_b = new_a * sin
The exponent is -2i/d for pair i: this one has -i/d.
    -2 * pair / d => -pair / d
The exponent is -2i/d with i counting pairs: this one has -4i/d. (Columns were counted, twice, or d was halved.)
    -2 * pair / d => -4 * pair / d
Pairs are counted from 0: the first one turns by the position itself.
    torch.arange(d // 2) => torch.arange(1, d // 2 + 1)
The exponent is negative: later pairs turn more slowly.
    -2 * pair / d => 2 * pair / d
Each pair has a frequency of its own, theta^(-2i/d).
    theta ** (-2 * pair / d) => torch.ones(d // 2)
The base is `theta`, not always 10,000.
    theta ** => 10_000.0 **
Positions or angles were rounded to 16 bits, where 257 is no number: neighbours get one angle. Use 32 bits.
    start + T).double() => start + T).to(x.dtype).double()
    angle.cos(), angle.sin() => angle.to(x.dtype).double().cos(), angle.to(x.dtype).double().sin()
    start + T).double() => start + T).to(x.dtype) && torch.arange(d // 2).double() => torch.arange(d // 2).to(x.dtype) && x.double() => x
""")


@rope.mistake(
    "The pairs are right, the angles are not those of the pairs: both columns of pair i take angle i. Each layout "
    "repeats its angles in an order of its own."
)
def spread(x, start, theta, layout):
    T, d = x.shape
    angle = torch.arange(start, start + T)[:, None] * theta ** (-torch.arange(0, d, 2).double() / d)
    if layout == "half":
        angle, other = angle.repeat_interleave(2, 1), torch.cat([-x[:, d // 2 :], x[:, : d // 2]], 1)
    else:
        angle, other = torch.cat([angle, angle], 1), torch.stack([-x[:, 1::2], x[:, 0::2]], 2).flatten(1)
    return (x * angle.cos() + other * angle.sin()).to(x.dtype)
