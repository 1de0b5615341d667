"""Say of two values whether they are of one kind: the types, lengths and keys of what may be looked at one by one."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .compare import named


def alike(got: Any, want: Any) -> Any:
    """Return a value with its arrays in the library of the wanted ones, NumPy or PyTorch: either is right.

    >>> alike((np.zeros(2), 1), (np.ones(2), 1))[0].tolist()
    [0.0, 0.0]
    """
    torch = sys.modules.get("torch")
    if torch and isinstance(want, torch.Tensor) and isinstance(got, np.ndarray):
        return torch.from_numpy(got)
    # NumPy's own functions return a number where an array has no dimension, and it crosses as a plain one.
    if isinstance(want, np.ndarray) and not want.ndim and type(got) is type(want.item()):
        return np.asarray(got, want.dtype)
    if torch and isinstance(want, np.ndarray) and isinstance(got, torch.Tensor) and got.dtype != torch.bfloat16:
        return got.numpy()
    if type(got) is type(want) and isinstance(want, (list, tuple)):
        return type(want)(alike(*pair) for pair in zip(got, want, strict=False)) + got[len(want) :]
    if type(got) is type(want) and isinstance(want, dict):
        return {key: alike(value, want[key]) if key in want else value for key, value in got.items()}
    return got


def described(want: Any) -> str:
    """Say in words what a function is to return, a tuple or a dict.

    >>> described({"loss": 1.0}), described((1, 2))
    ("a dict with the keys 'loss'", 'a tuple of 2 values')
    """
    if isinstance(want, dict):
        return f"a dict with the keys {', '.join(map(repr, want))}"
    return f"a tuple of {len(want)} values" if isinstance(want, tuple) else named(want)


def differ(got: Any, want: Any, items: tuple[int | str, ...] = ()) -> str:
    """Say why the items of a value cannot be looked at as those of the wanted one, or return nothing.

    >>> differ([1, 2], (1, 2)), differ((1,), (1, 2)), differ({"a": 1}, {"a": 1, "b": 2}, ("a",))
    ('got a list, wanted a tuple', 'got 1 items, wanted 2', '')
    """
    if type(got) is not type(want):
        return f"got {named(got)}, wanted {named(want)}"
    if isinstance(want, tuple) and len(got) != len(want):
        return f"got {len(got)} items, wanted {len(want)}"
    if isinstance(want, dict) and (missing := [key for key in items or want if key not in got]):
        return f"the key {missing[0]!r} is missing"
    return ""


def differ_within(got: Any, want: Any, where: str = "") -> str:
    """Say where a type, a length, a key, a dtype or a shape first differs, at any depth, or return nothing.

    >>> differ_within((1, [2.0]), (1, [2]))
    'got a float, wanted an int, at [1][0]'
    """
    if odd := differ(got, want):
        return f"{odd}, at {where}" if where else odd
    if isinstance(want, (list, tuple)):
        if len(got) != len(want):
            return f"got {len(got)} items, wanted {len(want)}" + (f", at {where}" if where else "")
        pairs = [(f"{where}[{place}]", *pair) for place, pair in enumerate(zip(got, want, strict=True))]
    elif isinstance(want, dict):
        pairs = [(f"{where}[{key!r}]", got[key], value) for key, value in want.items()]
    else:
        pairs = []
        for what in ("dtype", "shape"):
            mine, right = getattr(got, what, None), getattr(want, what, None)
            if mine != right:
                return f"got {what} {mine}, wanted {right}" + (f", at {where}" if where else "")
    return next(filter(None, (differ_within(mine, right, place) for place, mine, right in pairs)), "")
