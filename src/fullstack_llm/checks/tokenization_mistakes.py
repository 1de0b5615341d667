"""Answers of lab 03 that are wrong in a way that people are wrong: each value comes with the hint that names it."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from fullstack_llm.checks import tokenization_oracles as oracle
from fullstack_llm.checks.tokenization_merging import get_pairs, merge
from fullstack_llm.checks.tokenization_oracles import OTHER_TIES, Pair

__all__ = ["decode", "encode", "get_pairs", "merge", "train", "viterbi"]

Mistakes = list[tuple[Any, str]]


def train(words: dict[bytes, int], num_merges: int) -> Mistakes:
    """Wrong merges: other counts, other ids, other rules for ties."""
    want = oracle.train(words, num_merges)
    counts: dict[Pair, int] = {}
    for word, times in words.items():
        for pair, places in oracle.get_pairs(list(word)).items():
            counts[pair] = counts.get(pair, 0) + places * times
    once = sorted(counts, key=lambda pair: (-counts[pair], pair))[:num_merges]
    joined = {b"".join(word * min(times, 50) for word, times in words.items()): 1}
    made: list[Pair] = []

    def by_bytes(found: list[Pair]) -> Pair:
        made.append(min(found, key=lambda pair: [oracle.token_bytes(i, made) for i in pair]))
        return made[-1]

    shift = [[tuple(i + by * (i > 255) for i in pair) for pair in want] for by in (-1, 1)]
    return [
        (oracle.train(words, num_merges + 1), "One merge too many: num_merges is how many there are at most."),
        (
            oracle.train(words, num_merges, by_bytes),
            "The rule for ties is the smallest pair of *ids*; your code compares the bytes of the two tokens.",
        ),
        (
            oracle.train(words, num_merges, weighted=False),
            "Each word is counted once: a word that occurs 3 times brings each of its pairs 3 times.",
        ),
        (
            oracle.train(words, num_merges, repeats=False),
            "Each word counts a pair only once: a pair that stands twice in a word brings twice the word's count.",
        ),
        (
            want[:1] * num_merges,
            "The same pair wins again and again: it must be replaced in every word before the next count.",
        ),
        (
            oracle.train(joined, num_merges),
            "A pair joins the end of one word to the start of the next: count word by word.",
        ),
        (shift[0], "New ids are one too low: 255 is a byte, the first merge makes 256."),
        (shift[1], "New ids are one too high: the first merge makes 256."),
        (
            want[:-1],
            "The last merge is missing: stop when there is no pair at all or num_merges is reached, not earlier. "
            "(A merge that loses ids ends training early, too.)",
        ),
        (once, "The pairs are counted only before the first merge: each merge changes what stands next to what."),
        ([list(pair) for pair in want], "Each pair is a tuple, not a list."),
        *(
            (
                oracle.train(words, num_merges, choose),
                f"The rule for ties is the smallest pair; your code takes {name}.",
            )
            for name, choose in OTHER_TIES.items()
        ),
    ]


def encode(text: str, merges: Sequence[Pair]) -> Mistakes:
    """Wrong ids: other orders of merging, other numbers."""
    want, plain = oracle.encode(text, merges), text.encode()
    table = {pair: 256 + rank for rank, pair in reversed(list(enumerate(merges)))}
    spelling: dict[bytes, int] = {}
    for token in range(256 + len(merges)):
        spelling.setdefault(oracle.token_bytes(token, merges), token)
    longest, start = [], 0
    while start < len(plain):
        end = max(e for e in range(start + 1, min(len(plain), start + 64) + 1) if plain[start:e] in spelling)
        longest.append(spelling[plain[start:end]])
        start = end
    greedy: list[int] = []
    for byte in plain:
        greedy.append(byte)
        while len(greedy) > 1 and (greedy[-2], greedy[-1]) in table:
            greedy[-2:] = [table[greedy[-2], greedy[-1]]]
    counted = [*plain]
    while known := {pair: n for pair, n in Counter(pairwise(counted)).items() if pair in table}:
        most = min(known, key=lambda pair: (-known[pair], pair))
        counted = oracle.merge(counted, most, table[most])
    once, backwards, points = plain.decode("latin-1"), plain.decode("latin-1"), text
    for rank, pair in enumerate(merges):
        once = once.replace(oracle.as_text(pair), chr(256 + rank), 1)
        points = points.replace(oracle.as_text(pair), chr(256 + rank))
    for rank, pair in reversed(list(enumerate(merges))):
        backwards = backwards.replace(oracle.as_text(pair), chr(256 + rank))
    numbered, stands = plain.decode("latin-1"), 256
    for pair in merges:
        if oracle.as_text(pair) in numbered:
            numbered, stands = numbered.replace(oracle.as_text(pair), chr(stands)), stands + 1
    return [
        ([*map(ord, numbered)], "A merge that finds nothing keeps its id: merges[i] makes 256 + i, whatever the text."),
        (oracle.encode(text.strip(), merges), "White space at the ends is lost: it is bytes too."),
        ([i + (i > 255) for i in want], "New ids are one too high: merges[0] makes 256."),
        ([i - (i > 255) for i in want], "New ids are one too low: merges[0] makes 256, for 255 is a byte."),
        ([*plain], "These are the bytes before any merge: apply the merges too."),
        ([*map(ord, text)], "These are code points: begin with the UTF-8 bytes of the text."),
        ([*map(ord, points)], "The merges are applied to code points: begin with the UTF-8 bytes of the text."),
        ([i - 256 * (i > 255) for i in want], "New ids begin at 0, which is a byte: merges[i] makes 256 + i."),
        ([i for word in text.split(" ") for i in oracle.encode(word, merges)], "Spaces are lost: they are bytes too."),
        (counted, "This merges the most frequent pair first: counts were for training, the order learned decides."),
        (
            [*map(ord, once)],
            "Each merge, or the merge that you call, takes one place only: take all, then go to the next.",
        ),
        ([*map(ord, backwards)], "The merges are applied from the last to the first: apply them in the order learned."),
        (oracle.encode(text, merges[:1]), "Only merges[0] is applied: does your loop return, or begin anew, too soon?"),
        (longest, "This is longest match: BPE applies its merges in the order learned, and often ends elsewhere."),
        (
            greedy,
            "This merges while reading: a merge learned earlier comes first, wherever in the text it stands.",
        ),
    ]


def decode(ids: list[int], merges: Sequence[Pair]) -> Mistakes:
    """Wrong texts of the right bytes."""
    pieces = [oracle.token_bytes(i, merges) for i in ids]
    data = b"".join(pieces)
    shown = data.decode(errors="replace")
    return [
        ("\0" * sum(data), "bytes(97) is 97 bytes of zero: a byte is made from a list with one number in it."),
        (b" ".join(pieces).decode(errors="replace"), "Something stands between the tokens: nothing does."),
        (shown.replace("\ufffd", "?"), "The sign is U+FFFD, which is no question mark."),
        (
            "\ufffd" if "\ufffd" in shown else None,
            "One sign stands for all of it: what is text stays, beside the signs.",
        ),
        (
            "".join(piece.decode(errors="replace") for piece in pieces),
            "Each token is decoded alone, but a character can begin in one and end in the next: join the bytes first.",
        ),
        (
            data.decode("utf-8", errors="ignore"),
            "Invalid bytes vanish: each must leave a U+FFFD, as errors='replace' does.",
        ),
        (
            oracle.decode(ids, [(second, first) for first, second in merges]),
            "The two halves of a merged token have changed places: merges[i][0] comes first.",
        ),
        (data.decode("latin-1"), "Each byte became one character: decode the bytes as UTF-8."),
        (data, "These are the bytes: decode them into text."),
    ]


def viterbi(text: str, log_probs: dict[str, float]) -> Mistakes:
    """Wrong segmentations: greedy ones, other ties, other penalties."""
    greedy: list[str] = []
    rest, longest = text, max(map(len, log_probs))
    while rest:
        greedy.append(next((rest[:n] for n in range(longest, 0, -1) if rest[:n] in log_probs), rest[0]))
        rest = rest[len(greedy[-1]) :]
    likely, rest = [], text
    while rest:
        likely.append(max((p for p in log_probs if rest.startswith(p)), key=log_probs.__getitem__, default=rest[0]))
        rest = rest[len(likely[-1]) :]
    growing = dict(log_probs)
    for char in text:
        growing.setdefault(char, min(growing.values()) - 10)
    want, lowest = oracle.viterbi(text, log_probs), min(log_probs.values())
    shorter = {piece: value for piece, value in log_probs.items() if len(piece) < longest} or log_probs
    fewest = oracle.viterbi(text, log_probs, lambda score, lengths: (-len(lengths), score, lengths))
    worst = oracle.viterbi(text, log_probs, lambda score, lengths: (-score, -len(lengths), lengths))
    average = oracle.viterbi(text, log_probs, lambda score, lengths: (score / max(1, len(lengths)), lengths))
    tie = "Of several best sums your code takes {}: the fewest pieces win, then the longest last piece."
    free = "An unknown character costs too little: its log-probability lies 10 below the lowest."
    return [
        (
            oracle.viterbi(text, log_probs, lambda s, n: (s, n)),
            tie.format("the longest last piece at once"),
        ),
        (oracle.viterbi(text, log_probs, lambda s, n: (s, len(n), n)), tie.format("the one with the most pieces")),
        (
            oracle.viterbi(text, log_probs, lambda s, n: (s, -len(n), [-k for k in n])),
            tie.format("the shortest last piece"),
        ),
        (oracle.viterbi(text, log_probs, lambda s, n: (s, -len(n), n[::-1])), tie.format("the longest first piece")),
        (
            oracle.viterbi(text, log_probs, lambda s, n: (s, [-k for k in n])),
            tie.format("the shortest last piece at once"),
        ),
        (oracle.viterbi(text, log_probs, penalty=0.0), free),
        (oracle.viterbi(text, log_probs, penalty=-10.0), free),
        (oracle.viterbi(text, log_probs, penalty=lowest), free),
        (
            oracle.viterbi(text, log_probs, penalty=-1e9),
            "An unknown character costs too much: its log-probability lies 10 below the lowest.",
        ),
        (
            oracle.viterbi(text, growing),
            "Each unknown character costs 10 more than the one before: all cost the same, 10 below the lowest given.",
        ),
        (greedy, "This is the longest piece first, again and again: a shorter piece here can make a better whole."),
        (likely, "This is the most probable piece first, again and again: a rarer one here can make a better whole."),
        (worst, "This is the lowest sum: log-probabilities are negative, and the highest sum is the one nearest to 0."),
        (fewest, "This has the fewest pieces: the sum of log-probabilities comes first."),
        (average, "This has the best average: compare sums of log-probabilities, not means."),
        ([p for p in want if p in log_probs], "Unknown characters are lost: each is a piece of its own."),
        (want[::-1], "The pieces are the right ones in reverse order."),
        (_joined(want, log_probs), "Unknown characters side by side are joined: each is a piece of its own."),
        ([text], "All of it in one piece: sums are below 0, so a table that begins with zeros keeps them."),
        (oracle.viterbi(text[:-1], log_probs), "The last character is lost: how far do the ends of pieces go?"),
        (
            oracle.viterbi(text, shorter, penalty=lowest - 10),
            "The longest pieces are never tried: a piece can be as long as the longest key.",
        ),
    ]


def _joined(pieces: list[str], log_probs: dict[str, float]) -> list[str]:
    # As SentencePiece shows them: a run of unknown characters is one piece.
    found = []
    for known, run in groupby(pieces, log_probs.__contains__):
        together = list(run)
        found += together if known else ["".join(together)]
    return found
