"""Read documents in an order that looks random, is computed from a number, and continues after an interruption.

>>> [place(at, count=7, seed=0) for at in range(7)]
[5, 2, 6, 0, 3, 4, 1]
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

_ROUNDS = 4


def _scrambled(value: int, bits: int, seed: int, round_: int) -> int:
    digest = hashlib.blake2b(f"{seed} {round_} {value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & ((1 << bits) - 1)


def place(at: int, count: int, seed: int) -> int:
    """Return which of `count` items stands at a place of the order of that seed, without a list of the order.

    A Feistel network (Luby and Rackoff 1988) permutes the numbers below a power of four: each round swaps the halves of
    the number and adds to one a hash of the other, which can be undone, so no two places get one item. Places beyond
    `count` are walked over until one lies below it.
    """
    if not 0 <= at < count:
        raise ValueError(f"place {at} is not one of {count}")
    half = max(1, (max(count - 1, 1).bit_length() + 1) // 2)
    low = (1 << half) - 1
    while True:
        left, right = at >> half, at & low
        for round_ in range(_ROUNDS):
            left, right = right, left ^ _scrambled(right, half, seed, round_)
        at = left << half | right
        if at < count:
            return at


@dataclass
class Order:
    """Read `count` items for ever, each once in every epoch, every epoch in an order of its own.

    The state is one number, `read`: how many items have been read so far.

    >>> order = Order(count=5, seed=0)
    >>> first = [next(order) for _ in range(7)]
    >>> resumed = Order(count=5, seed=0, read=3)
    >>> [next(resumed) for _ in range(4)] == first[3:]
    True
    """

    count: int
    seed: int
    read: int = 0

    def __iter__(self) -> Iterator[int]:
        """Return the order itself."""
        return self

    def __next__(self) -> int:
        """Return the next item's index."""
        epoch, at = divmod(self.read, self.count)
        self.read += 1
        return place(at, self.count, _seed(self.seed, epoch))


def _seed(seed: int, epoch: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed} epoch {epoch}".encode(), digest_size=6).digest(), "big")
