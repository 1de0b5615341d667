"""Exercise 4 of lab 05: signatures of two documents, their estimated likeness, and how many hashes it takes."""

import math
from collections import Counter

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m05_pretraining.inputs import LIBRARIES


@exercise(minutes=25, difficulty=3, review=LIBRARIES)
def minhash(first, second, hashes, bits, tolerance, delta):
    P = 2**61 - 1
    signatures = []
    for shingles in (first, second):
        counts = Counter(shingles)
        elements = [64 * x + j for x, count in counts.items() for j in range(count)]
        lowest = [min(((a * e + b) % P for e in elements), default=-1) for a, b in hashes]
        signatures.append([value % 2**bits for value in lowest if value >= 0])
    pairs = list(zip(*signatures))
    share = sum(one == other for one, other in pairs) / max(len(pairs), 1)
    chance = 2.0**-bits
    likeness = max(0.0, (share - chance) / (1 - chance))
    needed = math.ceil(math.log(2 / delta) / (2 * (tolerance * (1 - chance)) ** 2))
    return {"signatures": signatures, "jaccard": likeness, "hashes": needed}


@minhash.right
def one_by_one(first, second, hashes, bits, tolerance, delta):
    def signature(shingles):
        seen, least = {}, [None] * len(hashes)
        for x in shingles:
            j = seen[x] = seen.get(x, -1) + 1
            for place, (a, b) in enumerate(hashes):
                value = (a * ((x << 6) + j) + b) % ((1 << 61) - 1)
                if least[place] is None or value < least[place]:
                    least[place] = value
        return [value & ((1 << bits) - 1) for value in least] if shingles else []

    mine, theirs = signature(first), signature(second)
    if not mine or not theirs:
        likeness = 0.0
    else:
        unlike = sum(a != b for a, b in zip(mine, theirs)) / len(hashes)
        # 1 - m = (1 - J) (1 - 2^-b)
        likeness = max(1 - unlike / (1 - 0.5**bits), 0.0)
    k = 1
    half = tolerance * (1 - 0.5**bits)
    while 2 * math.exp(-2 * k * half * half) > delta:
        k += 1
    return {"signatures": [mine, theirs], "jaccard": likeness, "hashes": k}


@minhash.right
def objects(first, second, hashes, bits, tolerance, delta):
    # Python's own integers in NumPy's arrays, which do not overflow.
    def signature(shingles):
        if not shingles:
            return []
        ordered = np.sort(np.array(shingles))
        _, starts, counts = np.unique(ordered, return_index=True, return_counts=True)
        turn = np.arange(len(ordered)) - np.repeat(starts, counts)
        elements = np.array((64 * ordered + turn).tolist(), dtype=object)
        a, b = np.array(hashes, dtype=object).T
        return [
            int(value) & (2**bits - 1) for value in ((np.outer(a, elements) + b[:, None]) % (2**61 - 1)).min(axis=1)
        ]

    both = [signature(first), signature(second)]
    collide = 1 / 2**bits
    share = np.mean(np.array(both[0]) == np.array(both[1])) if all(both) else 0.0
    likeness = max(0.0, float((share - collide) / (1 - collide)))
    needed = math.ceil(np.log(2 / delta) / 2 / (tolerance - tolerance * collide) ** 2)
    return {"signatures": both, "jaccard": likeness, "hashes": needed}


def functions(draw: Draw, count: int):
    """Draw numbers a and b for so many hash functions."""
    return [(draw.randrange(2**60, 2**61 - 1), draw.randrange(2**61 - 1)) for _ in range(count)]


def pair(draw: Draw, alone: int, shared: int, repeats: int):
    """Draw two documents' shingles, which share some; some of each occur more than once."""
    pool = draw.sample(range(2**32), 2 * alone + shared)
    documents = []
    for own in (pool[:alone], pool[alone : 2 * alone]):
        shingles = own + pool[2 * alone :]
        shingles += [x for x in draw.sample(shingles, min(repeats, len(shingles))) for _ in range(draw.randint(1, 3))]
        documents.append(draw.sample(shingles, len(shingles)))
    return documents


def bound(draw: Draw):
    """Draw a tolerance and a delta, so that rounding does not decide about a hash."""
    return round(draw.uniform(0.03, 0.2), 4), round(draw.uniform(0.01, 0.1), 4)


@minhash.part(
    6, "Work out one hash of one element on paper, with whole numbers of any length, and compare.",
    "signatures", items=("signatures",),
)  # fmt: skip
def signatures(draw: Draw):
    yield *pair(draw, 7, 9, 8), functions(draw, 11), 9, *bound(draw)
    yield [8, 5, 8], [5, 8], [(3, 1), (2**61 - 3, 0)], 8, 0.1, 0.05
    for bits, count in ((1, 13), (8, 5), (64, 7)):
        yield *pair(draw, 3, 5, 4), functions(draw, count), bits, *bound(draw)
    yield [draw.randrange(2**32)] * 64, [0, 0, 1], functions(draw, 7), 16, *bound(draw)
    yield [], [4], functions(draw, 3), 8, *bound(draw)


@minhash.part(
    5, "m is the share of equal entries; J solves m = J + (1 - J) * 2^-bits, and is never below 0.",
    "likeness", items=("jaccard",), whole=True, rtol=1e-9, atol=1e-9,
)  # fmt: skip
def likeness(draw: Draw):
    yield *pair(draw, 7, 12, 8), functions(draw, 64), 2, *bound(draw)
    # With one bit half of the entries are equal by chance, more or less: here it is less, and J would be below 0.
    while True:
        case = *pair(draw, 7, 0, 3), functions(draw, 11), 1, *bound(draw)
        if minhash(*case)["jaccard"] == 0:
            yield case
            break
    for bits in (1, 4, 64):
        yield *pair(draw, 5, 11, 4), functions(draw, 32), bits, *bound(draw)
    same = pair(draw, 0, 7, 3)[0]
    yield same, same[::-1], functions(draw, 5), 3, *bound(draw)
    # Shingles that differ in their numbers alone.
    yield [7] * 3 + [9], [7] + [9] * 3, functions(draw, 32), 6, *bound(draw)
    for one, other in ((0, 0), (0, 1), (1, 0)):
        yield [7] * one, [7] * other, functions(draw, 5), 3, *bound(draw)


@minhash.part(
    5, "Hoeffding: m is off by t or more with probability at most 2 exp(-2 k t^2). Which t is a J off by the tolerance?",
    "hashes", items=("hashes",),
)  # fmt: skip
def enough(draw: Draw):
    # Few errors in a hundred: the numbers are large, and mistakes do not agree by chance.
    yield [3, 5], [5, 8], functions(draw, 2), 2, round(draw.uniform(0.011, 0.03), 4), bound(draw)[1]
    for bits in (1, 3, 64, 4, 1):
        yield [3, 5], [5, 8], functions(draw, 2), bits, *bound(draw)
    yield [], [], functions(draw, 2), 2, 0.5, 0.9
    yield [3], [5], functions(draw, 2), 8, 0.01, 0.001


VALUE, NEEDED = "((a * e + b) % P for e in elements)", "math.log(2 / delta) / (2 * (tolerance * (1 - chance)) ** 2)"
LIKENESS, KEPT = "max(0.0, (share - chance) / (1 - chance))", "value % 2**bits for value"
SHARE = "sum(one == other for one, other in pairs) / max(len(pairs), 1)"
minhash.mistakes(f"""
Bits that are equal by chance are in there: with J = 0, still one entry in 2^bits is equal.
    {LIKENESS} => share
The chance is taken off, but what is left goes from 0 to 1 - 2^-bits: divide by that.
    {LIKENESS} => max(0.0, share - chance)
The chance is in the share: take it off first, and then divide.
    {LIKENESS} => share / (1 - chance)
    {LIKENESS} => min(share / (1 - chance), 1.0)
J solves m = J + (1 - J) * 2^-bits: what is divided by is 1 - 2^-bits.
    {LIKENESS} => max(0.0, (share - chance) / (1 + chance))
    {LIKENESS} => max(0.0, (share - chance) / share) if share else 0.0
An estimate below 0 is one of 0.0.
    {LIKENESS} => (share - chance) / (1 - chance)
The chance that unlike entries agree is 2^-bits.
    chance = 2.0**-bits => chance = 1 / bits if bits > 1 else 0.5
    chance = 2.0**-bits => chance = 2.0 ** -(bits + 1)
This is the Jaccard similarity itself, counted: estimate it from the signatures.
    likeness = {LIKENESS} => likeness = (Counter(first) & Counter(second)).total() / max((Counter(first) | Counter(second)).total(), 1)
    likeness = {LIKENESS} => likeness = len(set(first) & set(second)) / max(len(set(first) | set(second)), 1)
Entries are compared place by place: an entry that stands elsewhere in the other signature is another function's.
    {SHARE} => sum(one in signatures[1] for one in signatures[0]) / max(len(pairs), 1)
    {SHARE} => len(set(signatures[0]) & set(signatures[1])) / max(len(set(signatures[0]) | set(signatures[1])), 1)
Nothing is like an empty document, not even another one: 0.0.
    {SHARE} => ({SHARE} if pairs else 1.0)
    / max(len(pairs), 1) => / len(pairs)
    {SHARE} => {SHARE.replace("max(len(pairs), 1)", "len(hashes)")} if first or second else 1.0
A shingle that occurs c times is c elements, 64 x + 0 to 64 x + c - 1: here it is one, as in a set.
    for j in range(count)] => for j in range(1)]
A shingle that occurs c times is c elements: here it is one, with its count in it.
    64 * x + j for x, count in counts.items() for j in range(count)] => 64 * x + count for x, count in counts.items()]
The first occurrence has j = 0.
    for j in range(count)] => for j in range(1, count + 1)]
The elements are the shingles themselves here: 64 x + j is hashed.
    64 * x + j for x, count in counts.items() for j in range(count)] => x for x in counts]
The j-th occurrence of x is 64 x + j: without the 64, or with it at another place, it may be another shingle's element.
    64 * x + j for => x + j for
    64 * x + j for => 64 * (x + j) for
    64 * x + j for => x + 64 * j for
j counts the occurrences of one shingle, not the places of the document, nor the different shingles.
    elements = [64 * x + j for x, count in counts.items() for j in range(count)] => elements = [64 * x + j for j, x in enumerate(shingles)]
    elements = [64 * x + j for x, count in counts.items() for j in range(count)] => elements = [64 * x + j for j, x in enumerate(counts)]
This is the largest hash: the signature has the smallest.
    lowest = [min => lowest = [max
a * e has more than 64 bits, and NumPy and PyTorch drop the upper ones: use Python's integers.
    {VALUE} => (int((np.array([a]) * np.array([e]) + np.array([b]))[0]) % P for e in elements)
    {VALUE} => (int((np.array([a], dtype=np.uint64) * np.array([e], dtype=np.uint64) + np.array([b], dtype=np.uint64))[0]) % P for e in elements)
The modulus is the prime 2^61 - 1.
    P = 2**61 - 1 => P = 2**61
    P = 2**61 - 1 => P = 2**32
    P = 2**61 - 1 => P = 2**31 - 1
    P = 2**61 - 1 => P = 2**61 + 1
    (a * e + b) % P => a * e + b
    (a * e + b) % P => a * e % P + b
b is missing: the hash is (a e + b) mod (2^61 - 1).
    (a * e + b) => (a * e)
First the smallest hash, then its low bits: the smallest of low bits is another thing.
    {VALUE} => ((a * e + b) % P % 2**bits for e in elements)
The low bits are kept, the remainder by 2^bits: these are the upper ones.
    {KEPT} => value >> max(0, 61 - bits) for value
All bits are there: keep the lowest ones, the remainder by 2^bits.
    {KEPT} => value for value
The remainder is by 2^bits, not by bits, nor by one less than that.
    {KEPT} => value % bits for value
    {KEPT} => value % (2**bits - 1 or 1) for value
A document without shingles has no smallest hash: its signature is an empty list.
    default=-1) => default=0)
    elements), default=-1) => elements))
An error can lie on either side: Hoeffding's bound has a 2 before exp, and the logarithm is of 2 / delta.
    math.log(2 / delta) => math.log(1 / delta)
The exponent is -2 k t^2: solve 2 exp(-2 k t^2) = delta for k, with its 2 below the line.
    {NEEDED} => 2 * math.log(2 / delta) / (tolerance * (1 - chance)) ** 2
    {NEEDED} => math.log(2 / delta) / (4 * (tolerance * (1 - chance)) ** 2)
    {NEEDED} => math.log(2 / delta) / (tolerance * (1 - chance)) ** 2
The tolerance is for J, and m moves by (1 - 2^-bits) of what J does.
    {NEEDED} => math.log(2 / delta) / (2 * tolerance**2)
    {NEEDED} => math.log(2 / delta) / (2 * (tolerance - chance) ** 2)
    {NEEDED} => math.log(2 / delta) / (2 * (tolerance + chance) ** 2)
J moves more than m does, by 1 / (1 - 2^-bits): t is smaller than the tolerance, not larger.
    {NEEDED} => math.log(2 / delta) / (2 * (tolerance / (1 - chance)) ** 2)
The tolerance is squared: half the error takes four times the hashes.
    {NEEDED} => math.log(2 / delta) / (2 * tolerance * (1 - chance))
    {NEEDED} => math.log(2 / delta) / (2 * tolerance * (1 - chance) ** 2)
    {NEEDED} => math.log(2 / delta) / (2 * tolerance**2 * (1 - chance))
This is Chebyshev's bound, which is another one: Hoeffding's has a logarithm.
    {NEEDED} => 1 / (4 * delta * (tolerance * (1 - chance)) ** 2)
    {NEEDED} => 1 / (delta * (tolerance * (1 - chance)) ** 2)
    {NEEDED} => 1 / (4 * delta * tolerance**2)
The bound holds for the next larger whole number, not for the next smaller one.
    math.ceil( => math.floor(
    math.ceil( => int(
The logarithm is the natural one.
    math.log(2 / delta) => math.log2(2 / delta)
    math.log(2 / delta) => math.log10(2 / delta)
This takes errors for normal, and is no bound: Hoeffding's holds for every k and every J.
    {NEEDED} => 1.96**2 / (4 * (tolerance * (1 - chance)) ** 2)
delta is the probability of an error that is too large, not that of a small one.
    math.log(2 / delta) => math.log(2 / (1 - delta))
""")
