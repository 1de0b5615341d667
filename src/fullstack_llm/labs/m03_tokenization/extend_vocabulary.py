"""Exercise 7 of lab 03: new rows for new tokens, and rows of zeros up to a multiple."""

import numpy as np

from fullstack_llm.checks import Draw
from fullstack_llm.checks.exercise import exercise
from fullstack_llm.labs.m03_tokenization.inputs import FORBIDDEN


def grow(matrix, spellings, multiple):
    V, D = matrix.shape
    rows = matrix.tolist()
    for spelling in spellings:
        parts = spelling or range(V)
        rows.append([sum(rows[part][d] for part in parts) / len(parts) for d in range(D)])
    while len(rows) % multiple:
        rows.append([0.0] * D)
    return np.array(rows).astype(matrix.dtype)


@exercise(minutes=25, difficulty=3, review=FORBIDDEN, uses=(grow,))
def extend_vocabulary(embedding, unembedding, spellings, multiple):
    with np.errstate(over="ignore"):
        first = grow(embedding, spellings, multiple)
        return first, None if unembedding is None else grow(unembedding, spellings, multiple)


@extend_vocabulary.right
def in_32_bits(embedding, unembedding, spellings, multiple):
    def extend(old):
        if old is None:
            return None
        wide, size = old.astype(np.float32), -(-(len(old) + len(spellings)) // multiple) * multiple
        out = np.pad(old, ((0, size - len(old)), (0, 0)))
        for k, spelling in enumerate(spellings, start=len(old)):
            out[k] = wide[spelling].mean(axis=0) if spelling else wide.mean(axis=0)
        return np.asfortranarray(out)

    return extend(embedding), extend(unembedding)


def normal(draw: Draw, rows: int, columns: int, dtype: str = "float32"):
    return np.array([[draw.gauss(0, 1) for _ in range(columns)] for _ in range(rows)]).astype(dtype)


def large(draw: Draw, rows: int, columns: int):
    # Multiples of 128 up to 60,000: their sums leave float16, and means of two or four of them are exact.
    values = [128.0 * draw.choice([-1, 1]) * draw.randint(300, 468) for _ in range(rows * columns)]
    return np.array(values, np.float16).reshape(rows, columns)


@extend_vocabulary.part(8, "Old rows first; then for each new token the mean of its parts, in each matrix for itself.")
def spelled(draw: Draw):
    # Each declared mistake about rows gives another value in the first two cases.
    yield normal(draw, 5, 3), normal(draw, 5, 3), [[4], [0, 4, 4], [2, 1], [0, 1, 1, 3, 3, 3]], 16
    yield large(draw, 11, 2), large(draw, 11, 2), [[10], [0, 1], [2, 10, 10, 10]], 1
    yield normal(draw, 13, 7, "float64"), None, [[draw.randrange(13) for _ in range(17)], [2, 12]], 1
    yield normal(draw, 3, 3), normal(draw, 3, 3), [[2, 1, 2]], 1
    yield normal(draw, 7, 1), None, [[2, 1]], 1
    yield normal(draw, 2, 3), normal(draw, 2, 3), [], 4


@extend_vocabulary.part(3, "As few rows of zeros as are needed; old rows keep every bit.", "padding", rtol=0, atol=0)
def padding(draw: Draw):
    # Spellings of one id: their means are exact.
    for V, num, multiple in ((5, 2, 4), (6, 2, 8), (8, 0, 8), (5, 0, 4), (13, 3, 5), (3, 1, 17), (7, 0, 7)):
        yield normal(draw, V, 3), normal(draw, V, 3), [[draw.randrange(V)] for _ in range(num)], multiple
    yield normal(draw, 5, 3, "float64"), normal(draw, 5, 3, "float64"), [], 8


@extend_vocabulary.part(
    3, "A token that nothing spells gets the mean of all V old rows, without the new ones.", "unspelled"
)
def unspelled(draw: Draw):
    yield normal(draw, 11, 3), normal(draw, 11, 3), [[3, 4], [], [0, 0, 5], []], 1
    yield normal(draw, 5, 3), None, [[]], 4
    yield normal(draw, 7, 2), normal(draw, 7, 2), [[], [6], []], 1


extend_vocabulary.mistakes("""
New rows are sums: divide by the number of parts.
    / len(parts) => / (1 if spelling else V)
A part that occurs twice counts twice.
    parts = spelling or range(V) => parts = sorted(set(spelling)) or range(V)
New rows copy one part: take the mean over all parts.
    parts = spelling or range(V) => parts = spelling[:1] or range(V)
A new row is the mean of its own parts, not of all old rows, and not zero.
    parts = spelling or range(V) => parts = range(V)
    parts = spelling or range(V) => parts = range(V) && sum(rows[part][d] for part in parts) / len(parts) => 0.0
A sum left the range of float16: add up in float32 or wider, then go back.
    rows = matrix.tolist() => rows = list(matrix) && sum(rows[part][d] for part in parts) / len(parts) => sum((rows[part][d] for part in parts), matrix.dtype.type(0)) / matrix.dtype.type(len(parts))
The second result is made from the unembedding alone, as the first is from the embedding.
    else grow(unembedding => else grow(embedding
    else grow(unembedding, spellings, multiple) => else np.concatenate([unembedding, first[len(unembedding) :]])
    else grow(unembedding, spellings, multiple) => else unembedding
Tied matrices are one: where unembedding is None, nothing is extended, and the second result is None.
    None if unembedding is None else grow(unembedding => grow(embedding if unembedding is None else unembedding
The order is old rows, new rows, rows of zeros: an id is the number of its row.
    np.array(rows) => np.array(rows[:V] + [[0.0] * D] * (len(rows) - V - len(spellings)) + rows[V : V + len(spellings)])
As few rows of zeros as make the number of rows a multiple of `multiple`: none where it is one already.
    while len(rows) % multiple => while False
    while len(rows) % multiple => while (len(rows) - len(spellings)) % multiple
    while len(rows) % multiple => rows.append([0.0] * D)\\n    while len(rows) % multiple
Old rows have lost bits on their way through another dtype: copy them as they are.
    np.array(rows).astype => np.array(rows, np.float16 if matrix.dtype == np.float32 else np.float32).astype
A token that nothing spells has a row too, the mean of all V old rows; the mean of no rows is NaN.
    parts = spelling or range(V) => parts = spelling && / len(parts) => / (len(parts) or np.nan)
    parts = spelling or range(V) => parts = spelling && / len(parts) => / (len(parts) or 1)
    for spelling in spellings => for spelling in filter(None, spellings)
The mean for a token that nothing spells is over the V old rows: new rows are counted here too.
    spelling or range(V) => spelling or range(len(rows))
""")
