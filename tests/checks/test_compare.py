"""`same`: no pair of different values is the same, however a plain comparison would see them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from fullstack_llm.checks import same

NAN, INF = math.nan, math.inf
f32, bf16 = torch.float32, torch.bfloat16

DIFFERENT = [
    (np.empty(0), np.ones(1), "shape"),
    (np.ones(1), np.empty(0), "shape"),
    ([], [1], "0 items"),
    (np.empty((0, 3)), np.empty((0, 4)), "shape"),
    (np.array([NAN]), np.array([1.0]), "nan"),
    (np.array([1.0]), np.array([NAN]), "wanted nan"),
    (NAN, 1.0, "nan"),
    (1.0, NAN, "nan"),
    (INF, 1e308, "inf"),
    (INF, -INF, "inf"),
    (np.array([INF]), np.array([-INF]), "inf"),
    (np.array([1e308]), np.array([INF]), "inf"),
    (np.ones(3), np.ones((1, 3)), "shape"),
    (np.ones((3, 1)), np.ones((3, 3)), "shape"),
    (np.array(1.0), 1.0, "wanted a float"),
    (np.ones(2, "float32"), np.ones(2), "dtype float32"),
    (np.ones(2, "int64"), np.ones(2), "dtype int64"),
    (np.ones(2, bool), np.ones(2, "uint8"), "dtype bool"),
    (True, 1, "a bool"),
    (1, True, "an int"),
    (1.0, 1, "a float"),
    (1, 1.0, "an int"),
    ("1", 1, "a str"),
    ("a", b"a", "a str"),
    (b"a", [97], "a bytes"),
    ((1, 2), [1, 2], "a tuple"),
    (np.array([1, 2]), [1, 2], "a NumPy array"),
    (torch.ones(2), np.ones(2, "float32"), "a tensor"),
    (np.ones(2, "float32"), torch.ones(2), "wanted a tensor"),
    (None, 0, "None"),
    (0, None, "wanted None"),
    ({1: 1}, {"1": 1}, "missing"),
    ({1: 1}, {1: 1, 2: 2}, "missing"),
    ({1: 1, 2: 2}, {1: 1}, "should not"),
    ({(1, 2): 1}, {(1, "2"): 1}, "missing"),
    ([[1, [2, 3]]], [[1, [2, 4]]], r"\[0\]\[1\]\[1\]"),
    (2**63, 2**63 + 1, "wanted"),
    (np.array([2**53 + 1]), np.array([2**53]), "differ"),
    (torch.tensor([2**53 + 1]), torch.tensor([2**53]), "differ"),
    (torch.ones(2, dtype=bf16), torch.ones(2, dtype=f32), "bfloat16"),
    (torch.tensor([1.0], dtype=bf16), torch.tensor([1.0078125], dtype=bf16), "differ"),
    (torch.tensor([65504.0], dtype=torch.float16), torch.tensor([-65504.0], dtype=torch.float16), "differ"),
    ("x" * 100 + "a", "x" * 100 + "b", "position 100"),
    (np.array([0, 255], "uint8"), np.array([1, 255], "uint8"), "1 of 2"),
]


@pytest.mark.parametrize(("got", "want", "reason"), DIFFERENT, ids=range(len(DIFFERENT)))
@pytest.mark.parametrize("nested", [lambda x: x, lambda x: [0, x], lambda x: {"k": (x,)}], ids=["", "list", "dict"])
def test_different(got: Any, want: Any, reason: str, nested: Any) -> None:
    with np.errstate(all="raise"):
        outcome = same(nested(got), nested(want))
        # A tolerance is about finite floats: it forgives no type, shape, NaN or infinity.
        assert not same(nested(got), nested(want), rtol=1e-9, atol=1e-9)
    assert not outcome
    assert re.search(reason, outcome.reason), outcome.reason


ALIKE = [
    *(None, True, 3, 10**400, "", "é", b"\xff", [], (), {}, np.empty((0, 3)), torch.empty(0, 2)),
    *(NAN, INF, -INF, [NAN], np.array([NAN, INF, -INF, 1.0]), torch.tensor([NAN, INF]), {(1, b"a"): [None]}),
    *(torch.tensor([1.5, NAN], dtype=bf16), np.array([True]), np.array(2.5)),
]


@pytest.mark.parametrize("value", ALIKE, ids=range(len(ALIKE)))
def test_alike(value: Any) -> None:
    assert same(value, value).reason == ""
    assert same(value, value)


def test_tolerance_is_for_floats_and_follows_the_wanted_value() -> None:
    assert same(1.0 + 1e-7, 1.0, rtol=1e-6)
    assert not same(1.0 + 1e-5, 1.0, rtol=1e-6)
    assert same(1e-9, 0.0, atol=1e-8)
    assert not same(1e-9, 0.0, rtol=1.0)
    assert same(np.array([1.0, 100.0]), np.array([1.0, 101.0]), rtol=0.01)
    assert not same(np.array([1.0, 100.0]), np.array([1.0, 102.0]), rtol=0.01)
    assert not same(100, 101, rtol=0.5, atol=5)
    assert not same(np.array([100]), np.array([101]), rtol=0.5, atol=5)
    assert not same([1.0, 5], [1.0, 6], atol=9)


def test_order_of_a_dict_does_not_matter() -> None:
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_an_oracle_may_return_numpy_scalars() -> None:
    assert same(3, np.int64(3))
    assert same(0.5, np.float32(0.5))
    assert not same(3, np.float64(3))


def test_what_cannot_cross_cannot_be_compared() -> None:
    with pytest.raises(TypeError, match="set"):
        same({1}, {1})
