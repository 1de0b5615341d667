"""RoPE for texts that are longer than those of training: other frequencies for the pairs, the same weights.

A pair of columns turns by its frequency, in radians a token. Of the ways to stretch the positions by a factor s:

| method | what it does |
| --- | --- |
| `interpolated` | divides all frequencies by s, so that s times the positions fit into the trained angles |
| `ntk` | raises theta, so that the slowest pair is divided by s and the fastest by nothing |
| `dynamic_ntk` | the same with a factor that grows with the text |
| `by_parts` | divides by s where a pair turns less than once in training, by nothing where it turns often; for YaRN |

>>> plain(4).tolist(), interpolated(4, 4).tolist()
([1.0, 0.009999999776482582], [0.25, 0.0024999999441206455])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

THETA = 10_000.0


def plain(dim: int, theta: float = THETA) -> Float[Tensor, " P"]:
    """Return the frequency of each pair as RoPE has it: theta^(-2i/d)."""
    return 1.0 / theta ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim)


def turns(dim: int, length: int, theta: float = THETA) -> Float[Tensor, " P"]:
    """Return how often each pair turns around in a text.

    >>> turns(4, 628).round().tolist()
    [100.0, 1.0]
    """
    return length * plain(dim, theta) / (2 * math.pi)


def interpolated(dim: int, factor: float, theta: float = THETA) -> Float[Tensor, " P"]:
    """Divide all frequencies by the factor (Chen et al. 2023, arXiv 2306.15595)."""
    return plain(dim, theta) / factor


def ntk(dim: int, factor: float, theta: float = THETA) -> Float[Tensor, " P"]:
    """Raise theta by s^(d/(d-2)), which divides the slowest frequency by s and leaves the fastest alone (bloc97 2023).

    >>> (plain(8) / ntk(8, 4.0)).round(decimals=2)
    tensor([1.0000, 1.5900, 2.5200, 4.0000])
    """
    return plain(dim, theta * factor ** (dim / (dim - 2)))


def dynamic_ntk(dim: int, factor: float, trained: int, length: int, theta: float = THETA) -> Float[Tensor, " P"]:
    """Use `ntk` with the factor that a text of this length needs: none up to the trained length (emozilla 2023).

    At `length` = factor · trained the factor is s² - s + 1, as in `transformers`: with factor 1 it is length / trained.

    >>> bool((dynamic_ntk(8, 4.0, 256, 100) == plain(8)).all())
    True
    """
    return ntk(dim, factor * max(length, trained) / trained - (factor - 1), theta)


def ramp(dim: int, trained: int, theta: float = THETA, fast: float = 32, slow: float = 1) -> Float[Tensor, " P"]:
    """Return the share of interpolation of each pair: 0 if it turns more than `fast` times, 1 if less than `slow`.

    Between the two it is a straight line in the number of the pair, whose ends are rounded outwards to whole pairs.

    >>> ramp(16, 256).round(decimals=2).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]
    """
    first, last = (dim * math.log(trained / (n * 2 * math.pi)) / (2 * math.log(theta)) for n in (fast, slow))
    low, high = max(math.floor(first), 0), min(math.ceil(last), dim - 1)
    return ((torch.arange(dim // 2) - low) / max(high - low, 1e-3)).clamp(0, 1)


def by_parts(dim: int, factor: float, trained: int, theta: float = THETA, **ends: float) -> Float[Tensor, " P"]:
    """Mix plain and interpolated frequencies by `ramp` (Peng et al. 2024, arXiv 2309.00071, section 3.2)."""
    share = ramp(dim, trained, theta, **ends)
    return share * interpolated(dim, factor, theta) + (1 - share) * plain(dim, theta)


def sharpened(factor: float) -> float:
    """Return by what YaRN multiplies queries and keys, so that the scores grow by its square.

    >>> round(sharpened(4.0), 4), sharpened(1.0)
    (1.1386, 1.0)
    """
    return 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0


class Stretch(NamedTuple):
    """Hold what a way of stretching changes: the frequencies, and what queries and keys are multiplied by."""

    frequencies: Float[Tensor, " P"]
    scale: float = 1.0


METHODS: dict[str, Callable[[int, float, int], Stretch]] = {
    "none": lambda dim, factor, trained: Stretch(plain(dim)),
    "interpolation": lambda dim, factor, trained: Stretch(interpolated(dim, factor)),
    "ntk": lambda dim, factor, trained: Stretch(ntk(dim, factor)),
    "yarn": lambda dim, factor, trained: Stretch(by_parts(dim, factor, trained), sharpened(factor)),
}


def stretch(model: Any, method: str, factor: float, trained: int) -> Any:
    """Give a Llama the frequencies of one of `METHODS` in place, and return it; its weights stay as they are."""
    rotary = model.model.rotary_emb
    found = METHODS[method](model.config.head_dim, factor, trained)
    rotary.inv_freq = found.frequencies.to(rotary.inv_freq.device)
    rotary.attention_scaling = found.scale
    return model
