"""Draw random numbers that are the same in every process, on every machine and with every Python version.

`random.Random.random()` is promised to stay the same between Python versions; `choice`, `shuffle` and `sample` are not,
so the helpers here draw from `random()` alone. Seeds go through SHA-256 because `hash()` of a string changes with
every process. (For the same reason floats are added with `math.fsum`: `sum` rounds differently since Python 3.12.)

>>> pick(stream(0, "a"), "abcdef") == pick(stream(0, "a"), "abcdef")
True
"""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def stream(seed: int, *names: str) -> random.Random:
    """Return a random generator for a seed and names, so that draws for one purpose never change those for another.

    >>> round(stream(0, "biographies").random(), 6)
    0.051169
    """
    digest = hashlib.sha256("/".join(("tinytown", str(seed), *names)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def bucket(text: str, buckets: int) -> int:
    """Return the number of a text's bucket, which depends on the text alone: the way to make a split.

    The number is a checksum: a sum of digits, for example, would reveal something about the answer of a problem.

    >>> bucket("12 34", 10)
    2
    """
    return zlib.crc32(text.encode()) % buckets


def below(rng: random.Random, limit: int) -> int:
    """Draw an integer from 0 to limit - 1.

    >>> all(0 <= below(stream(1), 3) < 3 for _ in range(9))
    True
    """
    return int(rng.random() * limit)


def between(rng: random.Random, low: int, high: int) -> int:
    """Draw an integer from low to high, both included.

    >>> between(stream(0), 5, 5)
    5
    """
    return low + int(rng.random() * (high - low + 1))


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """Draw one item.

    >>> pick(stream(0), ["only"])
    'only'
    """
    return items[int(rng.random() * len(items))]


def shuffled(rng: random.Random, items: Sequence[T]) -> list[T]:
    """Return the items in a random order (Fisher-Yates).

    >>> sorted(shuffled(stream(0), [3, 1, 2]))
    [1, 2, 3]
    """
    order = list(items)
    for last in range(len(order) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        order[last], order[other] = order[other], order[last]
    return order


def sample(rng: random.Random, items: Sequence[T], count: int) -> list[T]:
    """Draw `count` different items, in random order; all of them where there are fewer.

    >>> sorted(sample(stream(0), "ab", 5))
    ['a', 'b']
    """
    order = list(items)
    for done in range(min(count, len(order))):
        other = done + int(rng.random() * (len(order) - done))
        order[done], order[other] = order[other], order[done]
    return order[:count]
