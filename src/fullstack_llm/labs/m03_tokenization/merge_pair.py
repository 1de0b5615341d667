"""Exercise 2 of lab 03: replace a pair by a new id, except where a merge may not begin."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN


@exercise(minutes=10, difficulty=2, review=FORBIDDEN)
def merge_pair(ids, pair, new_id, skip):
    merged = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair and i not in skip:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@merge_pair.right
def arrays(ids, pair, new_id, skip):
    table = np.array(ids, dtype=np.int64)
    hits = np.flatnonzero((table[:-1] == pair[0]) & (table[1:] == pair[1]))
    taken = []
    for i in hits[~np.isin(hits, skip)]:
        if not taken or taken[-1] + 1 < i:
            taken.append(i)
    table[taken] = new_id
    return list(np.delete(table, [i + 1 for i in taken]))


@merge_pair.part(
    5, "Where a merge may begin and the next two ids are the pair, write new_id; else copy one id.", "pairs"
)
def pairs(draw: Draw):
    # Each declared mistake about two different ids gives another value in the first case.
    yield [3, 1, 2, 2, 1, 2, 7, 1, 2, 1, 3, 1, 2, 1], (1, 2), 256, [0, 4, 8]
    # One id ends as the first of the pair does, and another begins as the second one.
    yield [17, 23, 7, 2, 7, 25, 17, 2, 7, 2], (7, 2), 256, [8]
    for small in ([], [1], [2, 1], [1, 2], [1, 2, 3, 1, 2, 3], [1, 1, 2, 2, 1]):
        yield small, (1, 2), 256, []
    yield [256, 257, 256, 256, 257], (256, 257), 100_003, [0]
    yield [1, 2, 1, 2], (1, 2), 256, [0, 1, 2, 3]
    for pair, new_id in (((0, 1), 257), ((2, 0), 3)):
        ids = [draw.randrange(3) for _ in range(53)]
        yield ids, pair, new_id, sorted(draw.sample(range(53), 17))


@merge_pair.part(
    5, "From the left; each id is in one merge at most; after a skipped place go on by one id.", "runs of one id"
)
def runs(draw: Draw):
    yield [9, 9, 9, 9, 4, 9, 9, 9, 9, 9, 9, 4, 9], (9, 9), 256, [0, 7]
    yield [9, 9, 9], (9, 9), 256, [0]
    for length in range(2, 8):
        yield [9] * length, (9, 9), 256, []
    yield [4, 9, 9, 9, 4, 9, 9], (9, 9), 256, [2]
    ids = [draw.choice([9, 9, 9, 4]) for _ in range(61)]
    yield ids, (9, 9), 256, sorted(draw.sample(range(61), 13))


merge_pair.mistakes("""
The places in `skip` are merged too: no merge may begin there.
    and i not in skip =>
Only the places in `skip` are merged here: these are the ones where no merge may begin.
    i not in skip => i in skip
`skip` holds positions in `ids` as it came in: not in the new list, and not among the occurrences.
    i not in skip => len(merged) not in skip
A merge may end at a place of `skip`: only none may begin there.
    i not in skip => i not in skip and i + 1 not in skip
Only the first occurrence is merged: go on to the end.
    i not in skip => i not in skip and new_id not in merged
The last id is lost where it is left over: what does the loop do with one id?
    i < len(ids) => i < len(ids) - 1
The second id of the pair is still there: new_id stands for both.
    i += 2 => i += 1
The list comes back as it was: is the new list returned, and is the test ever true? (A list is never equal to a tuple.)
    tuple(ids[i : i + 2]) == pair => False
An index runs past the end of the list: the last id has no right neighbour.
    tuple(ids[i : i + 2]) => (ids[i], ids[i + 1])
""")


@merge_pair.mistake("Where a merge may not begin, only one id is passed over: the next merge can begin right behind.")
def passes_over_both(ids, pair, new_id, skip):
    merged, i = [], 0
    while i < len(ids):
        hit = tuple(ids[i : i + 2]) == pair
        merged += ids[i : i + 1 + hit] if i in skip or not hit else [new_id]
        i += 1 + hit
    return merged


@merge_pair.mistake("In a run the merges start at the left: 9 9 9 becomes new_id 9, not 9 new_id.")
def from_the_right(ids, pair, new_id, skip):
    merged, i = [], len(ids)
    while i > 0:
        hit = i > 1 and tuple(ids[i - 2 : i]) == pair and i - 2 not in skip
        merged.append(new_id if hit else ids[i - 1])
        i -= 1 + hit
    return merged[::-1]
