"""Make requests that arrive when they like: Poisson arrivals, and lengths that nobody knows beforehand.

In an open loop requests come whether or not earlier ones are answered, as readers of a site do. In a closed loop each
of a few clients waits for its answer before it asks again, so that a slow server is asked less.

>>> [round(when, 2) for when in poisson(rate=10, count=3, seed=0)]
[0.0, 0.19, 0.33]
>>> small = load(count=3, rate=10, prompts=[[7] * 300], seed=0)
>>> [(len(one.prompt), one.answer) for one in small]
[(70, 7), (27, 48), (22, 30)]
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Request:
    """Hold what is asked, when it arrives, in seconds, and how many tokens the answer has."""

    number: int
    arrival: float
    prompt: tuple[int, ...]
    answer: int


@dataclass(frozen=True)
class Lengths:
    """Hold a log-normal law of lengths, cut off at both ends: half of all are below the median.

    `spread` is the standard deviation of the logarithm; 0 makes all lengths the median.
    """

    median: int
    spread: float
    least: int = 1
    most: int = 320

    def draw(self, rng: random.Random) -> int:
        """Draw a length."""
        return min(max(round(self.median * math.exp(rng.gauss(0, self.spread))), self.least), self.most)


PROMPTS = Lengths(median=40, spread=0.6, least=8, most=160)
ANSWERS = Lengths(median=32, spread=1.1, least=2, most=320)


def poisson(rate: float, count: int, seed: int) -> list[float]:
    """Return times of arrival, the first at 0, with independent exponential gaps of mean 1 / rate."""
    rng = random.Random(seed)
    now, found = 0.0, []
    for _ in range(count):
        found.append(now)
        now += rng.expovariate(rate)
    return found


def load(
    count: int,
    rate: float,
    prompts: Sequence[Sequence[int]],
    seed: int,
    prompt: Lengths = PROMPTS,
    answer: Lengths = ANSWERS,
) -> list[Request]:
    """Return requests: beginnings of the `prompts`, in turn, with lengths drawn for the prompt and for the answer.

    The seed alone decides what is asked; the rate only stretches the times.
    """
    rng = random.Random(seed)
    return [
        Request(number, when, tuple(prompts[number % len(prompts)][: prompt.draw(rng)]), answer.draw(rng))
        for number, when in enumerate(poisson(rate, count, seed))
    ]


def at_rate(requests: Sequence[Request], factor: float) -> list[Request]:
    """Return the same requests, arriving `factor` times as fast.

    >>> [one.arrival for one in at_rate([Request(0, 0.0, (1,), 1), Request(1, 3.0, (1,), 1)], 2)]
    [0.0, 1.5]
    """
    return [replace(one, arrival=one.arrival / factor) for one in requests]
