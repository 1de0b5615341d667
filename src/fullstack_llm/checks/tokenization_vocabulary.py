"""Exercise 7 of lab 03, a larger vocabulary: matrices to draw, the right rows, and rows that people append instead."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from fullstack_llm.checks import Draw


def matrix(draw: Draw, rows: int, columns: int, dtype: str = "float32") -> Float[np.ndarray, "V D"]:
    """Normal numbers; those of float16 so large that a sum of a few of them overflows."""
    scale, limit = (20_000, 60_000) if dtype == "float16" else (1, np.inf)
    drawn = [[draw.gauss(0, scale) for _ in range(columns)] for _ in range(rows)]
    return np.array(drawn).clip(-limit, limit).astype(dtype)


def grow(matrix: Float[np.ndarray, "V D"], spellings: list[list[int]], multiple: int) -> Float[np.ndarray, "W D"]:
    """New rows number by number, in Python's own floats.

    >>> grow(np.float32([[0, 2], [4, 6]]), [[0, 1, 1, 1]], 4).tolist()
    [[0.0, 2.0], [4.0, 6.0], [3.0, 5.0], [0.0, 0.0]]
    """
    V, D = matrix.shape
    rows = matrix.tolist()
    for spelling in spellings:
        parts = spelling or range(V)
        rows.append([sum(rows[part][d] for part in parts) / len(parts) for d in range(D)])
    while len(rows) % multiple:
        rows.append([0.0] * D)
    return np.array(rows).astype(matrix.dtype)


def grow_mistakes(matrix: Float[np.ndarray, "V D"], spellings: list[list[int]], multiple: int) -> list[tuple[Any, str]]:
    """Wrong matrices: other rows for new tokens, other places, other dtypes."""
    V, N = len(matrix), len(spellings)
    want = grow(matrix, spellings, multiple)

    def rows(choose: Callable[[list[int]], Any]) -> np.ndarray:
        new = [choose(spelling or list(range(V))) for spelling in spellings]
        with np.errstate(over="ignore"):
            return np.concatenate(
                [matrix, np.array(new).reshape(N, matrix.shape[1]).astype(matrix.dtype), want[V + N :]]
            )

    others = [np.dtype(name) for name in ("float64", "float32") if matrix.dtype != name]
    no_padding = want[: V + N]
    zeros = np.zeros((multiple - len(no_padding) % multiple, matrix.shape[1]), matrix.dtype)
    early = grow(matrix, [], multiple)
    empty = np.array([not spelling for spelling in spellings], bool)
    with np.errstate(over="ignore"):
        narrow = rows(lambda parts: sum(matrix[part] for part in parts) / matrix.dtype.type(len(parts)))
    nan, skipped, zeroed = want.copy(), want[: V + N][[True] * V + [*~empty]], want.copy()
    nan[V : V + N][empty], zeroed[V : V + N][empty] = np.nan, 0
    return [
        *[(matrix, "This is the old matrix: append the new rows.")][: len(spellings)],
        *(
            (want.astype(other), f"The values are right, the dtype is not: the input has {matrix.dtype}, keep it.")
            for other in others
        ),
        (
            no_padding,
            "The rows of the new tokens are right; the rows of zeros up to a multiple of `multiple` are missing.",
        ),
        (np.concatenate([no_padding, zeros]), "The number of rows is a multiple already: add no padding then."),
        (
            np.concatenate([early, no_padding[V:]]),
            "Padding stands before the new tokens: their ids must be V, V + 1, ...",
        ),
        (nan, "The mean of no rows is NaN: a token that nothing spells gets the mean of all V old rows."),
        (zeroed, "A token that nothing spells has a row of zeros: it gets the mean of all V old rows."),
        (
            grow(skipped, [], multiple),
            "A token that nothing spells got no row, so that later tokens change their ids.",
        ),
        (
            np.concatenate([want[V : V + N], matrix, want[V + N :]]),
            "New rows go to the end: an old token's id is its row.",
        ),
        (rows(lambda parts: matrix[parts].astype(float).sum(0)), "New rows are sums: divide by the number of parts."),
        (
            rows(lambda parts: matrix[sorted(set(parts))].astype(float).mean(0)),
            "A part that occurs twice counts twice.",
        ),
        (rows(lambda parts: matrix[parts[-1]]), "New rows copy the last part: take the mean over all parts."),
        (rows(lambda parts: matrix[parts[0]]), "New rows copy the first part: take the mean over all parts."),
        (rows(lambda parts: matrix[0] * 0), "The rows of the new tokens are zeros: take the mean of their parts."),
        (
            rows(lambda parts: matrix.astype(float).mean(0)),
            "Every new row is the mean of all rows: average a token's own parts.",
        ),
        (narrow, "A sum left the range of float16: add up in float32, then go back."),
    ]
