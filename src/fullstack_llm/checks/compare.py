"""`same`: the only comparison that a check may use. Type, dtype, shape, finiteness, then value.

>>> same([1, 2], [1, 2]).ok
True
>>> same(True, 1).reason
'got a bool, wanted an int'
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from .show import show

ARTICLES = {"int": "an int", "ndarray": "a NumPy array", "Tensor": "a tensor", "NoneType": "None"}
# Types that can hold the same contents.
KIN = ({"bool", "int", "float"}, {"list", "tuple", "ndarray", "Tensor"}, {"str", "bytes"})


@dataclass(frozen=True)
class Same:
    """The outcome of a comparison: truthy when the values are the same, else `reason` is a sentence.

    `by_type` says that a dtype or a type of the same kin differs, so that what is in there was not looked at.
    """

    ok: bool
    reason: str = ""
    by_type: bool = False

    def __bool__(self) -> bool:
        return self.ok


SAME = Same(True)


def same(got: Any, want: Any, rtol: float = 0.0, atol: float = 0.0) -> Same:
    """Say whether `got` is `want`; floats may differ by `atol + rtol * |want|`, everything else must be equal.

    Nothing broadcasts, an int is no float, a list is no tuple, and NaN is the same only as NaN in the same place.

    >>> same(0.1 + 0.2, 0.3, rtol=1e-12).ok, same([], [0.0]).reason
    (True, 'got 0 items, wanted 1')
    >>> same([1, float("nan")], [1, 2.0]).reason
    'got nan, wanted 2.0, at [1]'
    """
    return _same(got, want, rtol, atol, "")


def named(value: Any) -> str:
    """Return the name of a value's type with its article."""
    name = type(value).__name__
    return ARTICLES.get(name, f"a {name}")


def _differ(reason: str, where: str, *, by_type: bool = False) -> Same:
    return Same(False, f"{reason}, at {where}" if where else reason, by_type)


def _akin(got: Any, want: Any) -> bool:
    names = {type(got).__name__, type(want).__name__}
    return any(names <= kin for kin in KIN)


def _plain(value: Any) -> Any:
    # NumPy's scalars cross the border as plain numbers, so an oracle may return them too.
    return value.item() if isinstance(value, np.generic) else value


def _same(got: Any, want: Any, rtol: float, atol: float, where: str) -> Same:
    got, want = _plain(got), _plain(want)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(want, torch.Tensor):
        if not isinstance(got, torch.Tensor):
            return _differ(f"got {named(got)}, wanted a tensor", where, by_type=_akin(got, want))
        return _same_arrays(got, want, rtol, atol, where)
    if type(got) is not type(want):
        return _differ(f"got {named(got)}, wanted {named(want)}", where, by_type=_akin(got, want))
    if isinstance(want, np.ndarray):
        return _same_arrays(got, want, rtol, atol, where)
    if isinstance(want, (list, tuple)):
        if len(got) != len(want):
            return _differ(f"got {len(got)} items, wanted {len(want)}", where)
        for index, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            outcome = _same(mine, theirs, rtol, atol, f"{where}[{index}]")
            if not outcome:
                return outcome
        return SAME
    if isinstance(want, dict):
        return _same_dicts(got, want, rtol, atol, where)
    if isinstance(want, float):
        if math.isnan(got) or math.isnan(want):
            close = math.isnan(got) and math.isnan(want)
        elif math.isinf(got) or math.isinf(want):
            close = got == want
        else:
            close = abs(got - want) <= atol + rtol * abs(want)
        return SAME if close else _differ(f"got {got!r}, wanted {want!r}", where)
    if want is None or isinstance(want, (bool, int, str, bytes)):
        return SAME if got == want else _differ(_values(got, want), where)
    raise TypeError(f"same() compares values that can cross the border, not {type(want).__name__}")


def _values(got: Any, want: Any) -> str:
    if isinstance(want, (str, bytes)) and max(len(got), len(want)) > 60:
        first = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
        return f"got {got[first : first + 20]!r}, wanted {want[first : first + 20]!r}, from position {first} on"
    return f"got {got!r}, wanted {want!r}"


def _key(key: Any) -> Any:
    # 1 == True == 1.0 in Python: a key is its type and its value.
    return (type(key), tuple(map(_key, key)) if isinstance(key, tuple) else key)


def _same_dicts(got: dict[Any, Any], want: dict[Any, Any], rtol: float, atol: float, where: str) -> Same:
    mine, theirs = {_key(k): k for k in got}, {_key(k): k for k in want}
    for key in theirs:
        if key not in mine:
            return _differ(f"the key {theirs[key]!r} is missing", where)
    for key in mine:
        if key not in theirs:
            return _differ(f"the key {show(mine[key])} should not be there", where)
    for key, name in theirs.items():
        outcome = _same(got[mine[key]], want[name], rtol, atol, f"{where}[{name!r}]")
        if not outcome:
            return outcome
    return SAME


def _same_arrays(got: Any, want: Any, rtol: float, atol: float, where: str) -> Same:
    if got.dtype != want.dtype:
        kinds = [str(x.dtype).removeprefix("torch.") for x in (got, want)]
        return _differ(f"got dtype {kinds[0]}, wanted {kinds[1]}", where, by_type=True)
    if tuple(got.shape) != tuple(want.shape):
        return _differ(f"got shape {tuple(got.shape)}, wanted {tuple(want.shape)}", where)
    mine, theirs = _numbers(got), _numbers(want)
    if mine.dtype.kind != "f":
        bad = mine != theirs
    else:
        finite = np.isfinite(mine) & np.isfinite(theirs)
        with np.errstate(invalid="ignore", over="ignore"):
            near = finite & (np.abs(mine - theirs) <= atol + rtol * np.abs(theirs))
        both_nan = np.isnan(mine) & np.isnan(theirs)
        both_inf = np.isinf(mine) & (mine == theirs)
        bad = ~(near | both_nan | both_inf)
    if not bad.any():
        return SAME
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    place = f"{where}[{', '.join(map(str, first))}]" if first else where
    count = f"{int(bad.sum())} of {bad.size} values differ"
    return _differ(f"{count}: got {mine[first]!s}, wanted {theirs[first]!s}", place)


def _numbers(array: Any) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        torch = sys.modules["torch"]
        array = array.detach().cpu()
        # NumPy has no bfloat16; float32 holds each of its values exactly.
        array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    # Differences of 16-bit floats overflow and round: float64 holds the values and their difference.
    return array.astype(np.float64) if array.dtype.kind == "f" else array
