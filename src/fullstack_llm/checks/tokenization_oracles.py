"""Oracles of lab 03: slow, plain answers, each by another route than the lab's reference."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

Pair = tuple[int, int]
Rule = Callable[[float, tuple[int, ...]], tuple[Any, ...]]

# Rules for ties that the lab does not have, by what they take; candidates come in the order in which they were met.
OTHER_TIES: dict[str, Callable[[list[Pair]], Pair]] = {
    "the pair that was met first": lambda found: found[0],
    "the pair that was met last": lambda found: found[-1],
    "the largest pair": max,
    "the pair with the smallest second id": lambda found: min(found, key=lambda pair: pair[::-1]),
}


def get_pairs(ids: Sequence[int]) -> dict[Pair, int]:
    """Count neighbours the long way round: for every pair there is, look at every place.

    >>> get_pairs([5, 5, 5, 2])
    {(5, 5): 2, (5, 2): 1}
    """
    places = [(ids[i], ids[i + 1]) for i in range(len(ids) - 1)]
    return {place: sum(place == other for other in places) for place in places}


def as_text(ids: Sequence[int]) -> str:
    """One character for each id, so that merging is what `str.replace` does: left to right, without overlaps."""
    return "".join(map(chr, ids))


def merge(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Merge by text replacement.

    >>> merge([1, 1, 1, 2], (1, 1), 9)
    [9, 1, 2]
    """
    return [ord(c) for c in as_text(ids).replace(as_text(pair), chr(new_id))]


def train(
    words: dict[bytes, int],
    num_merges: int,
    choose: Callable[[list[Pair]], Pair] = min,
    *,
    weighted: bool = True,
    repeats: bool = True,
) -> list[Pair]:
    """Recount everything before every merge; `choose` settles ties among the pairs of the highest count, in text order.

    >>> train({b"ada": 2, b"adds": 3}, 2)
    [(97, 100), (100, 115)]
    """
    spelled = {word.decode("latin-1"): count if weighted else 1 for word, count in words.items()}
    merges: list[Pair] = []
    while len(merges) < num_merges:
        found: dict[Pair, int] = {}
        for text, count in spelled.items():
            for first, second in pairwise(text) if repeats else dict.fromkeys(pairwise(text)):
                found[ord(first), ord(second)] = found.get((ord(first), ord(second)), 0) + count
        if not found:
            break
        best = choose([pair for pair in found if found[pair] == max(found.values())])
        merges.append(best)
        spelled = {t.replace(as_text(best), chr(255 + len(merges))): count for t, count in spelled.items()}
    return merges


def encode(text: str, merges: Sequence[Pair]) -> list[int]:
    """Every merge in turn, over the whole text.

    >>> encode("dads", [(100, 115), (97, 100)])
    [100, 97, 256]
    """
    spelled = text.encode().decode("latin-1")
    for rank, pair in enumerate(merges):
        spelled = spelled.replace(as_text(pair), chr(256 + rank))
    return [ord(c) for c in spelled]


def token_bytes(token: int, merges: Sequence[Pair]) -> bytes:
    """The bytes that a token stands for."""
    if token < 256:
        return bytes([token])
    first, second = merges[token - 256]
    return token_bytes(first, merges) + token_bytes(second, merges)


def decode(ids: Sequence[int], merges: Sequence[Pair]) -> str:
    """Undo the merges from the last to the first, until only bytes are left.

    >>> decode([256, 115], [(97, 100)])
    'ads'
    """
    spelled = as_text(ids)
    for rank in reversed(range(len(merges))):
        spelled = spelled.replace(chr(256 + rank), as_text(merges[rank]))
    return spelled.encode("latin-1").decode("utf-8", errors="replace")


def viterbi(
    text: str,
    log_probs: dict[str, float],
    key: Rule | None = None,
    penalty: float | None = None,
) -> list[str]:
    """For every prefix keep the best list of pieces whole: its score and its lengths, last piece first.

    >>> viterbi("adds", {"a": -2.0, "ad": -1.5, "d": -1.0, "dds": -1.25, "s": -2.0})
    ['a', 'dds']
    """
    rank = key or (lambda score, lengths: (score, -len(lengths), lengths))
    unknown = min(log_probs.values()) - 10 if penalty is None else penalty
    longest = max(map(len, log_probs))
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for end in range(1, len(text) + 1):
        candidates = []
        for length in range(1, min(end, longest) + 1):
            piece = text[end - length : end]
            if piece in log_probs or length == 1:
                score, lengths = best[end - length]
                candidates.append((score + log_probs.get(piece, unknown), (length, *lengths)))
        best.append(max(candidates, key=lambda candidate: rank(*candidate)))
    pieces, end = [], len(text)
    for length in best[-1][1]:
        pieces.append(text[end - length : end])
        end -= length
    return pieces[::-1]
