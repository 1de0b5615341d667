"""Facts about wrong values: each is true of the value, and none is said of one that contradicts it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fullstack_llm.checks.generic import hint

X = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, 0.0]])
FACTS = {
    "none": (None, X, "None"),
    "input": (torch.ones(2), X, "This is `x`, as it came in"),
    "dtype": (X.double(), X, "values are right, but the dtype is float64"),
    "dtype and values": (X.double() + 1, X, "Begin here: the dtype is float64"),
    "cut to integers": (torch.tensor([1, 2]), torch.tensor([1.5, 2.5]), "Begin here: the dtype is int64"),
    "rounded wanted": (torch.tensor([1.6, 2.0]), torch.tensor([1, 2]), "Begin here"),
    "transposed": (X.T, X, "transpose"),
    "shape": (X.flatten(), X, "in another shape"),
    "signs": (-X, X, "Every sign"),
    "rows": (X.flip(0), X, "rows are the right ones, in reverse"),
    "numbers": (X[0].flip(0), X[0], "numbers are the right ones, in reverse"),
    "times": (X * 2.5, X, "Every number is 2.5 times"),
    "shift": (X + 3, X, "Every number is 3 too large"),
    "zeros": (X * 0, X, "Every number here is 0"),
    "list": ([1, 2], (1, 2), "return them as a tuple, not as a list"),
    "tuple": ((1, 2), [1, 2], "return them as a list, not as a tuple"),
    "item": ((1, X.T), (1, X), "Item 1: This is the transpose"),
    "no tuple": (X, (1, X), "Return a tuple of 2 values: here it is a tensor"),
    "no dict": ([1], {"a": 1}, "Return a dict with the keys 'a': here it is a list"),
    "number": (torch.tensor(3.0), 3.0, ".item()"),
    "float": (3.0, 3, "it is a float, and an int is wanted"),
    "order": ([3, 2, 1], [1, 2, 3], "in reverse order"),
    "last": ([1, 2], [1, 2, 3], "Only the last item is missing"),
    "first": ([2, 3], [1, 2, 3], "Only the first item is missing"),
    "white space": ("a ", "a", "White space"),
    "numpy": (np.array([2.0, 4.0]), np.array([1.0, 2.0]), "Every number is 2 times"),
}


@pytest.mark.parametrize(("got", "want", "said"), FACTS.values(), ids=FACTS.keys())
def test_a_fact_is_said(got: object, want: object, said: str) -> None:
    assert said in hint(got, want, {"x": torch.ones(2)}, 1e-4, 1e-5)


SILENT = {
    "most numbers are twice as large, one is not": (torch.tensor([2.0, 4.0, 0.3]), torch.tensor([1.0, 2.0, 0.1])),
    "a small number contradicts the sign": (torch.tensor([-9.0, -8.0, 0.1]), torch.tensor([9.0, 8.0, 0.1])),
    "one number is no pattern": (torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0])),
    "not finite": (torch.tensor([float("nan"), 2.0]), torch.tensor([1.0, 2.0])),
    "infinite where finite is wanted": (torch.tensor([float("inf"), 2.0]), torch.tensor([1.0, 2.0])),
    "just off": (torch.tensor([1.001, 2.002]), torch.tensor([1.0, 2.0])),
    "empty": (torch.empty(0), torch.empty(0, 3)),
    "other items": ([1, 2, 4], [1, 2, 3]),
    "another text": ("b", "a"),
    "an item of a tuple": ((1, 5), (1, 2)),
    "a true number": (True, 2),
}


@pytest.mark.parametrize(("got", "want"), SILENT.values(), ids=SILENT.keys())
def test_nothing_is_said_of_a_value_that_contradicts_it(got: object, want: object) -> None:
    assert hint(got, want, {}, 1e-4, 1e-5) == ""
