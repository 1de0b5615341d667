r"""Byte-level byte-pair encoding: train, encode, decode, save, load.

Byte-pair encoding replaces the most frequent pair of neighbouring symbols by a new symbol, again and again
(Sennrich, Haddow and Birch 2016, arXiv:1508.07909). Starting from the 256 bytes instead of from characters means that
no text is ever unknown (Radford et al. 2019, GPT-2).

>>> merges = train("ada adds, dad adds, ada adds a dad", 4)
>>> [printable(left + right) for left, right in merges]
['ad', '␣ad', 'ds', '␣adds']
>>> ids = encode("ada adds", merges)
>>> ids
[256, 97, 259]
>>> decode(ids, merges)
b'ada adds'
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import regex

Merges = list[tuple[bytes, bytes]]
Symbol = TypeVar("Symbol", int, bytes)

# As published in https://github.com/openai/gpt-2/blob/master/src/encoder.py
GPT2_PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

# As GPT2_PATTERN, but each digit is a chunk of its own, without the space before it, so that every digit has one id.
SINGLE_DIGITS_PATTERN = GPT2_PATTERN.replace(r" ?\p{N}+", r"\p{N}")

# GPT-2 writes each byte as one visible character: printable Latin-1 as itself, the other 68 from code point 256 on.
_VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]
ALPHABET: dict[int, str] = {byte: chr(byte) for byte in _VISIBLE} | {b: chr(256 + n) for n, b in enumerate(_HIDDEN)}
_BYTE_OF = {char: byte for byte, char in ALPHABET.items()}


def pretokenize(text: str, pattern: str = GPT2_PATTERN) -> list[str]:
    """Cut text into chunks that no merge may cross; joined, they are the text again.

    >>> pretokenize("Ada adds 12 and 34.")
    ['Ada', ' adds', ' 12', ' and', ' 34', '.']
    >>> pretokenize("Ada adds 12.", SINGLE_DIGITS_PATTERN)
    ['Ada', ' adds', ' ', '1', '2', '.']
    """
    return regex.findall(pattern, text)


def train(
    text_or_words: str | Iterable[str | bytes] | Mapping[str, int] | Mapping[bytes, int],
    num_merges: int,
    *,
    pattern: str = GPT2_PATTERN,
) -> Merges:
    """Learn merges, most frequent pair first; takes a text, or words already cut, or their counts.

    Among equally frequent pairs the one with the smallest ids wins, where ids are counted as the `tokenizers` library
    counts them: the bytes in the order of `ALPHABET`'s code points (so the space comes after all letters), then the
    tokens in the order in which they were made. The merges are therefore the library's. Returns fewer than
    `num_merges` when every word has become one token. Raises ValueError if `num_merges` is negative.

    >>> train({"abab": 2, "bcbc": 3}, 3)
    [(b'b', b'c'), (b'a', b'b'), (b'bc', b'bc')]
    """
    if num_merges < 0:
        raise ValueError(f"num_merges is {num_merges}: ask for zero or more merges.")
    if isinstance(text_or_words, str):
        text_or_words = pretokenize(text_or_words, pattern)
    word_counts = Counter(text_or_words)
    pieces = [bytes([byte]) for byte in ALPHABET]
    byte_id = {byte: i for i, byte in enumerate(ALPHABET)}
    words = [[byte_id[byte] for byte in (w.encode() if isinstance(w, str) else w)] for w in word_counts]
    frequency = list(word_counts.values())

    pair_counts: dict[tuple[int, int], int] = defaultdict(int)
    where: dict[tuple[int, int], set[int]] = defaultdict(set)
    for i, word in enumerate(words):
        for pair in pairwise(word):
            pair_counts[pair] += frequency[i]
            where[pair].add(i)

    # The heap is lazy: an entry's count may be too high by now, and is corrected when the entry is popped.
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapq.heapify(heap)
    merges: Merges = []
    while heap and len(merges) < num_merges:
        promised, pair = heapq.heappop(heap)
        count = pair_counts[pair]
        if count != -promised:
            if count:
                heapq.heappush(heap, (-count, pair))
            continue
        left, right = pieces[pair[0]], pieces[pair[1]]
        # No earlier merge made these bytes: uncut at both ends, they always went through the same merges.
        new = len(pieces)
        pieces.append(left + right)
        merges.append((left, right))

        # Only words that contain the pair change: subtract their pairs from the counts, rewrite them, add new pairs.
        created = set()
        for i in where.pop(pair):
            for neighbours in pairwise(words[i]):
                pair_counts[neighbours] -= frequency[i]
                where[neighbours].discard(i)
            words[i] = replace_pair(words[i], pair, new)
            for neighbours in pairwise(words[i]):
                pair_counts[neighbours] += frequency[i]
                where[neighbours].add(i)
                if new in neighbours:
                    created.add(neighbours)
        for neighbours in created:
            heapq.heappush(heap, (-pair_counts[neighbours], neighbours))
    return merges


def replace_pair(symbols: Sequence[Symbol], pair: tuple[Symbol, Symbol], new: Symbol) -> list[Symbol]:
    """Replace every occurrence of the pair, from left to right, without overlap.

    >>> replace_pair(["a", "a", "a", "b"], ("a", "a"), "aa")
    ['aa', 'a', 'b']
    """
    merged, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and symbols[i] == pair[0] and symbols[i + 1] == pair[1]:
            merged.append(new)
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


def vocabulary(merges: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """List the bytes of every id: the single bytes are 0 to 255, the merges follow in their order.

    >>> vocabulary([(b"a", b"d")])[255:]
    [b'\\xff', b'ad']
    """
    return [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]


def encode(text: str | bytes, merges: Sequence[tuple[bytes, bytes]], *, pattern: str = GPT2_PATTERN) -> list[int]:
    """Turn text, or any bytes, into ids: in each chunk, always apply the merge that was learned first.

    Bytes that are not valid UTF-8 are cut like punctuation, so every sequence of bytes can be encoded.

    >>> encode(b"dad\\xff", [(b"a", b"d")])
    [100, 256, 255]
    """
    rank = {pair: i for i, pair in enumerate(merges)}
    id_of = {piece: i for i, piece in enumerate(vocabulary(merges))}
    # surrogateescape carries each invalid byte through str and back as one lone surrogate.
    chunks: Iterable[bytes]
    if isinstance(text, str):
        chunks = (chunk.encode() for chunk in pretokenize(text, pattern))
    else:
        escaped = pretokenize(text.decode(errors="surrogateescape"), pattern)
        chunks = (chunk.encode(errors="surrogateescape") for chunk in escaped)
    cache: dict[bytes, list[int]] = {}
    ids: list[int] = []
    for chunk in chunks:
        if chunk not in cache:
            cache[chunk] = [id_of[piece] for piece in _merge_chunk(chunk, rank)]
        ids.extend(cache[chunk])
    return ids


def _merge_chunk(chunk: bytes, rank: Mapping[tuple[bytes, bytes], int]) -> list[bytes]:
    """Apply merges to one chunk, lowest rank first, until none applies."""
    pieces = [bytes([byte]) for byte in chunk]
    while len(pieces) > 1:
        pair = min(pairwise(pieces), key=lambda pair: rank.get(pair, len(rank)))
        if pair not in rank:
            break
        pieces = replace_pair(pieces, pair, pair[0] + pair[1])
    return pieces


def decode(ids: Iterable[int], merges: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Join the bytes of the ids. The result need not be valid UTF-8: a character may be cut between two ids.

    Raises ValueError for an id that the vocabulary does not have.

    >>> decode([256, 97], [(b"a", b"d")])
    b'ada'
    """
    pieces = vocabulary(merges)
    ids = list(ids)
    for i in ids:
        if not 0 <= i < len(pieces):
            raise ValueError(f"There is no id {i}: this vocabulary has the ids 0 to {len(pieces) - 1}.")
    return b"".join(pieces[i] for i in ids)


def printable(piece: bytes) -> str:
    """Show a token to a reader: a space as ␣, other invisible characters and broken UTF-8 as escapes.

    >>> printable(b" caf\\xc3"), printable(b"\\n")
    ('␣caf\\\\xc3', '\\\\n')
    """
    text = piece.decode(errors="backslashreplace").replace(" ", "␣")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def save(path: str | Path, merges: Sequence[tuple[bytes, bytes]]) -> None:
    """Write one merge per line in GPT-2's visible alphabet, under a header with the number of merges."""
    lines = [f"#version: 0.2 merges={len(merges)}"]
    lines += [" ".join("".join(ALPHABET[byte] for byte in piece) for piece in pair) for pair in merges]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def load(path: str | Path) -> Merges:
    """Read merges from a file that `save` wrote; raise ValueError, which names the line, if the file is damaged."""
    raw = Path(path).read_bytes()
    try:
        header, *lines = raw.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a merges file: byte {error.start} is not UTF-8. Save it again.") from None
    if header != f"#version: 0.2 merges={len(lines)}":
        raise ValueError(
            f"{path} is damaged: line 1 should be '#version: 0.2 merges={len(lines)}', for the {len(lines)} merges "
            f"below it, but is {header[:60]!r}. Save it again."
        )
    merges: Merges = []
    known = set(vocabulary([]))
    for number, line in enumerate(lines, start=2):
        parts = line.split(" ")
        if len(parts) != 2 or not set("".join(parts)) <= _BYTE_OF.keys():
            raise ValueError(f"{path} is damaged: line {number} is not two tokens in GPT-2's alphabet: {line[:60]!r}.")
        left, right = (bytes(_BYTE_OF[char] for char in part) for part in parts)
        if left not in known or right not in known:
            raise ValueError(f"{path} is damaged: line {number} merges {line[:60]!r}, but no earlier line makes both.")
        if left + right in known:
            raise ValueError(
                f"{path} is damaged: line {number} makes a token that an earlier line made: {line[:60]!r}."
            )
        merges.append((left, right))
        known.add(left + right)
    return merges
