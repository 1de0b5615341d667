"""Exercise 1 of lab 03: count neighbours in weighted words, most frequent pair first."""

from itertools import pairwise

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN


@exercise(minutes=5, difficulty=1, review=FORBIDDEN)
def count_pairs(words):
    counts = {}
    for ids, times in words:
        for i in range(len(ids) - 1):
            pair = (ids[i], ids[i + 1])
            counts[pair] = counts.get(pair, 0) + times
    order = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return [(*pair, counts[pair]) for pair in order]


@count_pairs.right
def arrays(words):
    # NumPy's integers are as good as Python's.
    places = [(a, b, n) for ids, n in words for a, b in pairwise(ids)]
    table = np.array(places, dtype=np.int64).reshape(-1, 3)
    kinds, which = np.unique(table[:, :2], axis=0, return_inverse=True)
    counts = np.zeros(len(kinds), dtype=np.int64)
    np.add.at(counts, which.reshape(-1), table[:, 2])
    return [(*kinds[k], counts[k]) for k in np.argsort(-counts, kind="stable")]


@count_pairs.part(5, "n ids hold n - 1 pairs of neighbours; each counts as often as its word occurs; most first.")
def without_ties(draw: Draw):
    # Each declared mistake gives another value in the first case.
    yield ([([5, 5, 5, 5, 2, 5], 3), ([2, 7, 2, 7, 2], 5), ([2, 7, 7], 2), ([9], 4), ([7, 2, 5, 5], 11)],)
    yield ([],)
    yield ([([], 3), ([7], 2)],)
    yield ([([7, 7], 1)],)
    yield ([([256, 100_003, 256], 2), ([100_003, 256], 1)],)
    while True:
        words = [([draw.randrange(4) for _ in range(n)], draw.randint(1, 97)) for n in (13, 2, 1, 17, 0, 7)]
        if len({count for _, _, count in count_pairs(words)}) == len(count_pairs(words)):
            yield (words,)
            return


@count_pairs.part(3, "Of equal counts the smaller pair stands first: first ids are compared, then second ids.", "ties")
def with_ties(draw: Draw):
    yield ([([4, 9], 2), ([3, 1, 8, 6], 2), ([1, 5], 2), ([3, 0], 1), ([2, 1, 8], 1)],)
    yield ([([3, 2, 1, 0, 3, 3, 2], 1)],)
    yield ([([draw.randrange(7) for _ in range(5)], draw.randint(1, 3)) for _ in range(31)],)


count_pairs.mistakes("""
Each word counts once here: a word that occurs 3 times brings each of its pairs 3 times.
    + times => + 1
A count is overwritten where its pair comes again: add up.
    counts.get(pair, 0) + times => times
Order matters inside a pair: (1, 2) and (2, 1) are different pairs.
    (ids[i], ids[i + 1]) => tuple(sorted(ids[i : i + 2]))
A pair at one end of each word is missing: where does the loop begin, where does it end?
    range(len(ids) - 1) => range(len(ids) - 2)
Each entry is one flat tuple of three numbers, (left, right, count).
    (*pair, counts[pair]) for => (pair, counts[pair]) for
A list is wanted, of tuples (left, right, count), not a dict.
    return [(*pair, counts[pair]) for pair in order] => return counts
The counts are right, but not sorted: the most frequent pair stands first.
    (-counts[pair], pair) => pair
    (-counts[pair], pair) => 0
Of equal counts the smaller pair stands first: the smaller first id, and only if these are equal the smaller second id.
    (-counts[pair], pair) => (-counts[pair], -pair[0], -pair[1])
    (-counts[pair], pair) => -counts[pair]
An index runs past the end of a word: n ids hold n - 1 pairs.
    range(len(ids) - 1) => range(len(ids))
""")


@count_pairs.mistake("A word that holds a pair at two places brings it twice: counting it once gives these numbers.")
def once_a_word(words):
    return count_pairs([(list(pair), times) for ids, times in words for pair in dict.fromkeys(pairwise(ids))])


@count_pairs.mistake("The last id of a word and the first id of the next are no pair: count word by word.")
def across_words(words):
    return count_pairs([([i for ids, times in words for i in ids * times], 1)])
