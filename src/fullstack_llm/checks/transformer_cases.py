"""Inputs of lab 04: the edges that always occur, and what is drawn afresh for each class."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from fullstack_llm.checks import Draw

Cases = list[tuple[Any, ...]]
FLOAT = torch.float32

# The pencil-and-paper example: the last token finds the first one, and the others share what is left.
ADA = (
    torch.tensor([[0.0], [0.0], [math.log(2)]]),
    torch.tensor([[1.0], [0.0], [0.0]]),
    torch.tensor([[4.0, 0.0], [0.0, 4.0], [0.0, 0.0]]),
)


def normal(draw: Draw, *shape: int, scale: float = 1.0, dtype: torch.dtype = FLOAT) -> Float[Tensor, "..."]:
    """Normal numbers of a shape."""
    drawn = [draw.gauss(0, scale) for _ in range(math.prod(shape))]
    return torch.tensor(drawn).reshape(shape).to(dtype)


def whole(draw: Draw, *shape: int, largest: int) -> Float[Tensor, "..."]:
    """Whole numbers of a shape, as floats: their products and sums are exact."""
    return torch.tensor([float(draw.randint(-largest, largest)) for _ in range(math.prod(shape))]).reshape(shape)


def _attended(draw: Draw, num_queries: int, num_keys: int, d: int, e: int) -> tuple[Tensor, Tensor, Tensor]:
    return normal(draw, num_queries, d, scale=1.5), normal(draw, num_keys, d, scale=1.5), normal(draw, num_keys, e)


def causal_attention(draw: Draw) -> Cases:
    """As many queries as keys: Ada's three tokens, drawn ones, two, one; values as wide as the keys, and not."""
    sizes = [(5, 3, 2), (7, 5, 3), (11, 4, 4), (3, 3, 3), (2, 2, 5), (1, 3, 2), (1, 1, 1)]
    return [ADA, *(_attended(draw, T, T, d, e) for T, d, e in sizes)]


def causal_attention_large(draw: Draw) -> Cases:
    """Scores in the hundreds and thousands, of whole numbers and a root of 1, 2 or 4, so that they are exact."""
    steep = torch.ones(2, 1), torch.tensor([[200.0], [100.0]]), normal(draw, 2, 3)
    # Where the past scores just above a finite mask, its future still gets a share.
    near = [(torch.ones(2, 1), torch.tensor([[1.0 - size], [0.0]]), normal(draw, 2, 3)) for size in (1e2, 1e3, 1e4)]
    cases: Cases = [
        (whole(draw, T, d, largest=size), whole(draw, T, d, largest=size), normal(draw, T, 3))
        for T, d, size in ((5, 4, 40), (7, 16, 20), (11, 4, 90))
    ]
    # All scores far below zero, and a future far above the past.
    low = torch.full((3, 4), -50.0)
    rising = torch.tensor([[1.0], [1.0], [1.0]]), torch.tensor([[0.0], [200.0], [30_000.0]]), normal(draw, 3, 2)
    return [steep, *near, *cases, (low, -low, normal(draw, 3, 2)), rising]


def causal_attention_longer(draw: Draw) -> Cases:
    """More keys than queries, as when earlier keys and values lie in a cache."""
    sizes = [(3, 5, 3, 2), (1, 7, 3, 2), (2, 11, 5, 3), (5, 7, 4, 4), (1, 2, 1, 1)]
    last = ADA[0][2:], ADA[1], ADA[2]
    return [last, *(_attended(draw, T, S, d, e) for T, S, d, e in sizes)]


def _rope(draw: Draw, layout: str) -> Cases:
    sizes = [(5, 6, 50.0), (3, 4, 10_000.0), (7, 10, 500.0), (2, 2, 10_000.0), (1, 6, 50.0)]
    return [(normal(draw, T, d), 0, theta, layout) for T, d, theta in sizes]


def rope_half(draw: Draw) -> Cases:
    """From position 0, in the half layout."""
    return _rope(draw, "half")


def rope_interleaved(draw: Draw) -> Cases:
    """From position 0, in the interleaved layout."""
    return _rope(draw, "interleaved")


def rope_later(draw: Draw) -> Cases:
    """From later positions, in both layouts; in 16 bits too, where 257 is no number."""
    paper = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    cases: Cases = [(paper, 1, 10_000.0, layout) for layout in ("half", "interleaved")]
    for layout in ("half", "interleaved"):
        cases += [
            (normal(draw, T, d), draw.randint(3, 60), theta, layout) for T, d, theta in ((3, 6, 50.0), (2, 4, 1e4))
        ]
        cases.append((normal(draw, 3, 8), draw.randint(200, 400), 500_000.0, layout))
        cases.append((normal(draw, 5, 4, dtype=torch.bfloat16), 257 + 2 * draw.randrange(40), 10_000.0, layout))
    return cases


def _grouped(draw: Draw, sizes: list[tuple[int, int, int, int]]) -> Cases:
    return [(normal(draw, H, T, d), normal(draw, K, T, d), normal(draw, K, T, d)) for H, K, T, d in sizes]


def grouped_all(draw: Draw) -> Cases:
    """A key-value head for each query head."""
    return _grouped(draw, [(2, 2, 3, 2), (3, 3, 5, 2), (1, 1, 4, 3), (5, 5, 1, 3)])


def grouped_shared(draw: Draw) -> Cases:
    """Fewer key-value heads than query heads, down to one."""
    return _grouped(draw, [(4, 2, 5, 3), (6, 3, 3, 2), (6, 2, 7, 3), (5, 1, 3, 2), (4, 2, 1, 3)])


def rms_norm(draw: Draw) -> Cases:
    """32 bits: one row, many, a batch, small numbers where eps counts, zeros, one number."""
    shapes: list[tuple[tuple[int, ...], float, float]] = [
        ((5, 5), 1.0, 1e-6),
        ((3,), 2.0, 1e-5),
        ((5, 7), 0.01, 2e-3),
        ((2, 3, 5), 1.0, 0.3),
        ((3, 1), 1.0, 1e-6),
    ]
    cases: Cases = [(normal(draw, *shape, scale=s) + s, 1 + normal(draw, shape[-1]), eps) for shape, s, eps in shapes]
    return [*cases, (torch.zeros(2, 3), normal(draw, 3), 1e-6)]


def rms_norm_half(draw: Draw) -> Cases:
    """16 bits: squares that overflow, squares that underflow, and what rounds to eight bits."""
    cases: Cases = []
    for dtype, scale in ((torch.float16, 500.0), (torch.float16, 2e-4), (torch.bfloat16, 1.0)):
        cases.append((normal(draw, 3, 7, scale=scale, dtype=dtype), (1 + normal(draw, 7, scale=0.2)).to(dtype), 1e-9))
    return cases


def _mlp(draw: Draw, num: int, width: int, inner: int, scale: float = 1.0) -> tuple[Tensor, ...]:
    x, gate, up = normal(draw, num, width), normal(draw, inner, width, scale=scale), normal(draw, inner, width)
    return x, gate, up, normal(draw, width, inner)


def swiglu(draw: Draw) -> Cases:
    """Square first, where nothing raises however it is turned; then distinct sizes, and ones."""
    return [_mlp(draw, *sizes) for sizes in ((3, 3, 3), (3, 5, 7), (2, 7, 5), (1, 2, 3), (5, 1, 1))]


def swiglu_large(draw: Draw) -> Cases:
    """Gates in the hundreds, on both sides, where a careless exponential overflows."""
    x, gate, up, down = _mlp(draw, 3, 5, 7, scale=200.0)
    both = torch.tensor([[1.0], [-1.0]])
    return [(x, gate, up, down), (both, torch.tensor([[800.0]]), torch.tensor([[0.01]]), torch.tensor([[1.0]]))]


def route(draw: Draw) -> Cases:
    """Without ties. Many tokens first, where mistakes differ most; few, one expert, all of them, large logits."""
    paper = torch.tensor([[1.0, 6.0, 2.0, 1.0]]).log(), 2
    drawn = [(normal(draw, N, E), k) for N, E, k in ((11, 7, 3), (7, 4, 1), (5, 8, 2), (4, 3, 3), (1, 2, 1))]
    return [drawn[0], paper, *drawn[1:], (normal(draw, 5, 4) + 1000, 2)]


def route_ties(draw: Draw) -> Cases:
    """Equal logits, and logits that differ where their probabilities are zero in 32 bits."""
    flat = torch.zeros(2, 5), 2
    tied = torch.tensor([[1.0, 3.0, 3.0, 2.0, 3.0], [2.0, 2.0, 0.0, 1.0, 2.0]])
    # More equal logits than a sorting network keeps in order by chance.
    many = torch.tensor([[float(draw.randrange(3)) for _ in range(64)] for _ in range(3)])
    low = draw.sample(range(-400, -200), 5)
    vanished = torch.tensor([[*map(float, low), 0.0], [0.0, *map(float, sorted(low))]])
    return [flat, (tied, 2), (tied, 4), (many, 7), (vanished, 4)]
