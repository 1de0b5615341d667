"""Looking at answers of lab 04: the comparison, and which property fails if no known mistake explains them."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fullstack_llm.checks import require, same
from fullstack_llm.checks.judging import NoValue, hinted
from fullstack_llm.checks.transformer_errors import ERRORS

Student = Callable[..., Any]
Mistakes = list[tuple[Any, str]]

# Sums of a few dozen products in 32 bits, in whatever order, agree to more digits than this.
RTOL, ATOL = 1e-4, 1e-5


def tensors(value: Any) -> Any:
    """An answer with its NumPy arrays as tensors: either is right.

    >>> tensors((np.zeros(2, "float32"), "norm1"))
    (tensor([0., 0.]), 'norm1')
    """
    if isinstance(value, np.ndarray) and value.dtype.kind != "u":
        return torch.from_numpy(value.copy())
    return tuple(map(tensors, value)) if isinstance(value, tuple) else value


def judge(
    student: Student,
    names: str,
    inputs: Iterable[tuple[Any, ...]],
    right: Callable[..., Any],
    mistaken: Callable[..., Mistakes],
    hint: str,
    *,
    probe: Callable[..., str] | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> None:
    """Compare every answer with the right one; what is wrong is named by a known mistake, or else by a probe."""
    # An oracle has the name of its exercise.
    student = hinted(student, ERRORS.get(right.__name__, {}))

    def answer(*values: Any) -> Any:
        return tensors(student(*values))

    for values in inputs:
        case = dict(zip(names.split(), values, strict=True))
        got, want = answer(*values), right(*values)
        wrong: Mistakes = []
        if not same(got, want, rtol, atol):
            nothing = (None, "The answer is None: what is printed, or changed in place, is not returned.")
            wrong = [nothing, *mistaken(*values)]
            # A property that fails says where to look, when no mistake that we know explains the values.
            if found := _probed(probe, answer, values) if probe else "":
                wrong = [*wrong, (got, found)]
        require(got, want, case=case, hint=hint, wrong=wrong, rtol=rtol, atol=atol)


def _probed(probe: Callable[..., str], student: Student, values: tuple[Any, ...]) -> str:
    # An error on a probe's own inputs must not hide what was returned for those of the check.
    try:
        return probe(student, *values)
    except NoValue:
        return ""


def moves(student: Student, q: Tensor, k: Tensor, v: Tensor) -> str:
    """A sentence if the last key and value change what an earlier query gets, else an empty string."""
    ahead = len(k) - len(q)
    other_k, other_v = k.clone(), v.clone()
    other_k[-1], other_v[-1] = k[-1] + 3, v[-1] - 5
    before, after = student(q, k, v), student(q, other_k, other_v)
    if not all(_fits(one, (len(q), v.shape[1])) for one in (before, after)):
        return ""
    for t in range(len(q) - 1):
        if not same(before[t], after[t], 1e-4, 1e-5):
            return f"Position {t + ahead} sees position {len(k) - 1}, which comes after it: is the mask applied at all?"
    return ""


def stretches(student: Student, x: Tensor, start: int, theta: float, layout: str) -> str:
    """A sentence if a turn changes a row's length, or if a product of two rows depends on more than their distance."""
    found = student(x, start, theta, layout)
    if not _fits(found, tuple(x.shape), x.dtype):
        return ""
    rtol = 1e-3 if x.dtype == torch.float32 else 0.05
    for t, (mine, row) in enumerate(zip(found, x, strict=True)):
        if not same(float(mine.float().norm()), float(row.float().norm()), rtol, 1e-6):
            return f"Row {t} has changed its length, and a rotation keeps lengths."
    if x.dtype != torch.float32:
        return ""
    later = student(x, start + 7, theta, layout)
    if _fits(later, tuple(x.shape)) and not same(found @ found.mT, later @ later.mT, 1e-3, 1e-3):
        return "Move all rows by seven positions: their products change, and should depend on distances alone."
    return ""


def _fits(value: Any, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> bool:
    # With an infinite tolerance `same` asks for kind, dtype, shape and finiteness, and for nothing else.
    return bool(same(value, torch.zeros(shape, dtype=dtype), 0.0, math.inf))
