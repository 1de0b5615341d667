"""State which values may pass between a student's process and the grader, and how large they may be."""

from __future__ import annotations

import math
from typing import Any

MAX_BYTES = 64 << 20
MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 64
MAX_INT_BYTES = 512
MAX_DIMS = 8
MAX_ARRAY = 1 << 26
# An empty tensor takes a few bytes of a frame and a kilobyte of the grader's memory.
MAX_ARRAYS = 10_000
# Python hashes integers without a secret, so keys can be chosen to collide: a dict then probes slot after slot, and a
# million keys take hours.
MAX_ALIKE = 32
MAX_KEYS = 10_000

# name -> (code, bytes per element). Codes are part of the format.
DTYPES = {
    "bool": (1, 1),
    "uint8": (2, 1),
    "int8": (3, 1),
    "int16": (4, 2),
    "int32": (5, 4),
    "int64": (6, 8),
    "uint16": (7, 2),
    "uint32": (8, 4),
    "uint64": (9, 8),
    "float16": (10, 2),
    "float32": (11, 4),
    "float64": (12, 8),
    "bfloat16": (13, 2),
}
BY_CODE = {code: (name, size) for name, (code, size) in DTYPES.items()}
ADVICE = {
    "set": "a set has no order: return sorted(...)",
    "frozenset": "a frozenset has no order: return sorted(...)",
    "generator": "a generator can be read only once: return list(...)",
    "map": "return list(...) of it",
    "zip": "return list(...) of it",
    "range": "return list(...) of it",
    "dict_keys": "return list(...) of it",
    "dict_values": "return list(...) of it",
    "dict_items": "return list(...) of it",
}


class CodecError(ValueError):
    """Raised for a value that may not pass, or bytes that hold no value; the message is a sentence for a student."""


def check_key(key: Any) -> None:
    """Refuse a dict key that is not a str, an int, bytes, or a tuple of these."""
    if type(key) is tuple:
        for part in key:
            check_key(part)
    elif type(key) is bool or not issubclass(type(key), (str, int, bytes)):
        raise CodecError(f"a dict key of type {type(key).__name__}: keys are str, int, bytes or tuples of them")


def check_shape(shape: tuple[int, ...], size: int) -> None:
    """Refuse an array of too large a shape; `size` is the number of bytes of an element."""
    # A dimension of 0 counts as 1: empty((0, 1 << 30)) holds no bytes, but its sum over axis 0 holds 1 << 30 numbers.
    if len(shape) > MAX_DIMS:
        raise CodecError(f"an array of {len(shape)} dimensions; at most {MAX_DIMS} can be judged")
    count = math.prod(max(n, 1) for n in shape)
    if count > MAX_ARRAY or count * size > MAX_BYTES:
        raise CodecError(f"an array of shape {shape} is too large to be judged")


def count_array(arrays: int) -> int:
    """Return the number of arrays plus 1, or refuse one array too many."""
    if arrays == MAX_ARRAYS:
        raise CodecError(f"the value has more than {MAX_ARRAYS:,} arrays: stack them into one")
    return arrays + 1


def count_keys(keys: int, count: int) -> int:
    """Return the number of dict keys plus `count`, or refuse too many keys."""
    if keys + count > MAX_KEYS:
        raise CodecError(f"the value has dicts of more than {MAX_KEYS:,} keys in all: return a list of pairs")
    return keys + count


def count_hash(alike: dict[int, int], key: Any) -> None:
    """Count a dict's keys by hash, and refuse many keys with one hash."""
    alike[hash(key)] = alike.get(hash(key), 0) + 1
    if alike[hash(key)] > MAX_ALIKE:
        raise CodecError(f"a dict of more than {MAX_ALIKE} keys with one hash")
