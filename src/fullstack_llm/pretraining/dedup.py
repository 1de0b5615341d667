"""Find copies in a collection of texts: exact ones by a hash, near ones by MinHash and bands, and choose what to keep.

>>> ada = "Ada lives on Lantern Row and works at the school."
>>> copy, bo = f"From the Town Book. {ada}", "Bo lives on Market Street and works at the bakery."
>>> round(jaccard(shingles(ada), shingles(copy)), 3), round(jaccard(shingles(ada), shingles(bo)), 3)
(0.667, 0.143)

The hash functions are those of `datasketch` 2 ("affine32"), so that signatures are equal to its own, number by number.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import UInt32
from numpy import ndarray

Pair = tuple[int, int]


def shingles(text: str, width: int = 3) -> set[str]:
    """Return the runs of `width` words of a text; a text with fewer words is one shingle, an empty one has none.

    >>> sorted(shingles("Ada lives on Lantern Row."))
    ['Ada lives on', 'lives on Lantern', 'on Lantern Row.']
    """
    words = text.split()
    if len(words) < width:
        return {" ".join(words)} if words else set()
    return {" ".join(words[at : at + width]) for at in range(len(words) - width + 1)}


def character_shingles(text: str, width: int = 5) -> set[str]:
    """Return the runs of `width` characters of a text.

    >>> sorted(character_shingles("Lantern"))
    ['Lante', 'anter', 'ntern']
    """
    return {text[at : at + width] for at in range(max(1, len(text) - width + 1))}


def jaccard(a: set[str], b: set[str]) -> float:
    """Return the share of the items of two sets that both have; of two empty sets 1.

    >>> jaccard({"a", "b"}, {"b", "c"}) == 1 / 3
    True
    """
    return len(a & b) / len(a | b) if a or b else 1.0


def exact_copies(texts: Sequence[str]) -> list[int]:
    """Return the indices of texts that stood before, but for case and spaces.

    >>> exact_copies(["Bo is a baker.", "Ada", "bo  is a baker."])
    [2]
    """
    seen, found = set[bytes](), []
    for at, text in enumerate(texts):
        digest = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
        if digest in seen:
            found.append(at)
        seen.add(digest)
    return found


def permutations(count: int, seed: int = 1) -> UInt32[ndarray, "2 K"]:
    """Return the factors (odd) and the summands of `count` functions that shuffle the numbers below 2^32.

    An odd factor makes x -> a x + b a permutation modulo 2^32: no two numbers get the same value.
    """
    rng = np.random.RandomState(seed)
    factors = rng.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.array([factors, rng.randint(0, 1 << 32, count, dtype=np.uint32)])


def hashed(items: Collection[str]) -> UInt32[ndarray, " N"]:
    """Return a number of 32 bits for each item: from its SHA-1, mixed once more by MurmurHash3's last step."""
    data = b"".join(hashlib.sha1(item.encode()).digest()[:4] for item in items)
    x = np.frombuffer(data, dtype="<u4").astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def signature(items: Collection[str], shuffles: UInt32[ndarray, "2 K"]) -> UInt32[ndarray, " K"]:
    """Return for each shuffle the smallest number that it gives to an item (Broder 1997); 2^32 - 1 for no items.

    Two sets agree in a place with a probability that is their Jaccard similarity.
    """
    if not items:
        return np.full(shuffles.shape[1], 2**32 - 1, dtype=np.uint32)
    return (hashed(items)[:, None] * shuffles[0] + shuffles[1]).min(0)


def signatures(sets: Sequence[Collection[str]], shuffles: UInt32[ndarray, "2 K"]) -> UInt32[ndarray, "N K"]:
    """Return the signature of each set, one a row."""
    return np.stack([signature(items, shuffles) for items in sets])


def candidates(rows: UInt32[ndarray, "N K"], bands: int, size: int) -> set[Pair]:
    """Return the pairs that agree in all `size` places of at least one of `bands` bands, the smaller index first.

    >>> sorted(candidates(np.array([[1, 2, 3, 4], [1, 2, 9, 9], [7, 2, 3, 4]], dtype=np.uint32), bands=2, size=2))
    [(0, 1), (0, 2)]
    """
    if bands * size > rows.shape[1]:
        raise ValueError(f"{bands} bands of {size} need {bands * size} places, and a signature has {rows.shape[1]}")
    found: set[Pair] = set()
    for band in range(bands):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for at, row in enumerate(rows):
            buckets[row[band * size : (band + 1) * size].tobytes()].append(at)
        for members in buckets.values():
            found.update(combinations(members, 2))
    return found


def chance(similarity: float, bands: int, size: int) -> float:
    """Return the probability that two sets of that similarity become a candidate: 1 - (1 - s^r)^b.

    >>> [round(chance(s, bands=20, size=6), 3) for s in (0.3, 0.6, 0.9)]
    [0.014, 0.615, 1.0]
    """
    return 1 - (1 - similarity**size) ** bands


def similar_pairs(sets: Sequence[set[str]], threshold: float) -> dict[Pair, float]:
    """Return all pairs whose Jaccard similarity is at least the threshold (above 0), by counting shared items.

    >>> similar_pairs([{"a", "b"}, {"b", "c"}, {"d"}], 0.3) == {(0, 1): 1 / 3}
    True
    """
    holders: dict[str, list[int]] = defaultdict(list)
    shared: Counter[Pair] = Counter()
    for at, items in enumerate(sets):
        earlier = Counter[int]()
        for item in items:
            earlier.update(holders[item])
            holders[item].append(at)
        shared.update({(other, at): count for other, count in earlier.items()})
    ratios = {(a, b): count / (len(sets[a]) + len(sets[b]) - count) for (a, b), count in shared.items()}
    return {pair: ratio for pair, ratio in ratios.items() if ratio >= threshold}


def verified(pairs: Iterable[Pair], sets: Sequence[set[str]], threshold: float) -> set[Pair]:
    """Return those of the pairs whose Jaccard similarity, computed in full, is at least the threshold."""
    return {(a, b) for a, b in pairs if jaccard(sets[a], sets[b]) >= threshold}


def clusters(count: int, pairs: Iterable[Pair]) -> list[list[int]]:
    """Return the groups of items that pairs connect, directly or through others, by union and find; singles too.

    >>> clusters(4, [(0, 1), (1, 3)])
    [[0, 1, 3], [2]]
    """
    parent = list(range(count))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = at = parent[parent[at]]
        return at

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for at in range(count):
        groups[root(at)].append(at)
    return list(groups.values())


def leaders(count: int, pairs: Iterable[Pair]) -> list[int]:
    """Return the items to keep, in order: each that is paired with none that is kept already.

    >>> leaders(4, [(0, 1), (1, 2), (2, 3)])
    [0, 2]
    """
    earlier: dict[int, list[int]] = defaultdict(list)
    for a, b in pairs:
        earlier[max(a, b)].append(min(a, b))
    kept: list[int] = []
    chosen: set[int] = set()
    for at in range(count):
        if not chosen.intersection(earlier[at]):
            kept.append(at)
            chosen.add(at)
    return kept


def simhash(items: Collection[str], bits: int = 64) -> int:
    """Return a fingerprint in which each bit is the majority of that bit in the items' hashes (Charikar 2002)."""
    width = bits // 8
    data = np.frombuffer(b"".join(hashlib.sha256(item.encode()).digest()[:width] for item in items), dtype=np.uint8)
    votes = np.unpackbits(data.reshape(-1, width), axis=1).sum(0) if len(items) else np.zeros(bits)
    return int.from_bytes(np.packbits(2 * votes > len(items)).tobytes(), "big")


def tail(hashes: int, similarity: float, error: float) -> float:
    """Return the probability that an estimate from that many hashes is off by `error` or more: a binomial's two tails.

    >>> round(tail(128, 0.5, 0.1), 4)
    0.0267
    """
    off = [k for k in range(hashes + 1) if abs(k / hashes - similarity) >= error]
    return sum(comb(hashes, k) * similarity**k * (1 - similarity) ** (hashes - k) for k in off)
