"""Slow and plainly correct versions, and libraries behind the course's interface, to compare the package with."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
LIBRARY_ORDER = PRINTABLE + [byte for byte in range(256) if byte not in PRINTABLE]


def lowest_ids(pair: tuple[int, int]) -> tuple[int, ...]:
    """The library's tie-break: among equally frequent pairs, the one with the smallest ids."""
    return (-pair[0], -pair[1])


def naive_merges(
    chunks: Iterable[str | bytes],
    *,
    byte_order: Iterable[int] = LIBRARY_ORDER,
    prefer: Callable[[tuple[int, int]], tuple[int, ...]] = lowest_ids,
) -> Iterator[tuple[bytes, bytes]]:
    """For each merge, count every pair of every chunk afresh, take the most frequent, and rewrite every chunk.

    Nothing is shared or kept: a chunk that occurs a thousand times is counted and rewritten a thousand times.
    """
    pieces = [bytes([byte]) for byte in byte_order]
    ids = {piece[0]: i for i, piece in enumerate(pieces)}
    corpus = [[ids[byte] for byte in (c.encode() if isinstance(c, str) else c)] for c in chunks]
    while True:
        counts = Counter(pair for symbols in corpus for pair in pairwise(symbols))
        if not counts:
            return
        best = max(counts, key=lambda pair: (counts[pair], *prefer(pair)))
        pieces.append(pieces[best[0]] + pieces[best[1]])
        corpus = [rewrite(symbols, best, len(pieces) - 1) for symbols in corpus]
        yield pieces[best[0]], pieces[best[1]]


def rewrite(symbols: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out: list[int] = []
    skip = False
    for left, right in zip(symbols, [*symbols[1:], -1], strict=True):
        if skip:
            skip = False
        elif (left, right) == pair:
            out.append(new)
            skip = True
        else:
            out.append(left)
    return out


def library_tokenizer(texts: Iterable[str], num_merges: int) -> Tokenizer:
    """Train the `tokenizers` library's byte-level BPE with GPT-2's pattern; it ends early when no pair is left."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + num_merges, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def library_merges(tokenizer: Tokenizer) -> list[tuple[bytes, bytes]]:
    """Read the merges of a `tokenizers` BPE as bytes."""
    visible = {chr(byte): byte for byte in PRINTABLE}
    visible |= {chr(256 + n): byte for n, byte in enumerate(LIBRARY_ORDER[len(PRINTABLE) :])}
    pairs = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(bytes(visible[c] for c in left), bytes(visible[c] for c in right)) for left, right in pairs]
