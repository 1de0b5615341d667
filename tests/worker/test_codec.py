"""The codec, from both sides: what is encoded comes back, and no bytes do anything but decode or raise CodecError."""

from __future__ import annotations

import collections
import enum
import math
import struct
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fullstack_llm.checks.compare import same
from fullstack_llm.worker.bounds import DTYPES, MAX_ARRAY, MAX_DEPTH, MAX_ELEMENTS, CodecError
from fullstack_llm.worker.codec import decode, encode

NUMPY = [name for name in DTYPES if name != "bfloat16"]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
keys = st.recursive(
    texts | st.integers() | st.binary(max_size=4), lambda one: st.lists(one, max_size=3).map(tuple), max_leaves=3
)
arrays = st.sampled_from(NUMPY).flatmap(lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, min_side=0)))
tensors = st.sampled_from(list(DTYPES)).flatmap(
    lambda name: st.lists(st.integers(0, 1), max_size=5).map(lambda xs: torch.tensor(xs).to(getattr(torch, name)))
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=8)
values = st.recursive(
    scalars | arrays | tensors,
    lambda one: (
        st.lists(one, max_size=4) | st.lists(one, max_size=3).map(tuple) | st.dictionaries(keys, one, max_size=3)
    ),
    max_leaves=12,
)
quick = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@quick
@given(values)
def test_round_trip(value: Any) -> None:
    assert same(decode(encode(value)), value)


@quick
@given(values, st.data())
def test_truncations_and_changes_are_values_or_codec_errors(value: Any, data: st.DataObject) -> None:
    frame = encode(value)
    for cut in range(min(len(frame), 60)):
        with pytest.raises(CodecError):
            decode(frame[:cut])
    with pytest.raises(CodecError):
        decode(frame + b"N")
    changed = bytearray(frame)
    for _ in range(3):
        changed[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    reencodes(bytes(changed))


@quick
@given(st.binary(max_size=200))
def test_any_bytes_are_values_or_codec_errors(frame: bytes) -> None:
    reencodes(frame)


@quick
@given(
    st.lists(st.sampled_from([b"l\1\0\0\0", b"d\1\0\0\0", b"t\2\0\0\0", b"a\x0c\2", b"x\x0d\1", b"\0" * 8, b"N", b"s"]))
)
def test_plausible_bytes_are_values_or_codec_errors(parts: list[bytes]) -> None:
    reencodes(b"".join(parts))


def reencodes(frame: bytes) -> None:
    try:
        value = decode(frame)
    except CodecError:
        return
    assert same(decode(encode(value)), value)


class IntLike(int):
    def __index__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class StrLike(str):
    def encode(self, *args: Any) -> bytes:  # type: ignore[override]
        return b"other"


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Pretender(list):
    __class__ = int  # type: ignore[assignment]


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (IntLike(3), 3),
        (enum.IntEnum("E", "A")(1), 1),
        (StrLike("ada"), "ada"),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(2**40), 2**40),
        (np.bool_(True), True),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, {1: [2]}), {1: [2]}),
        (Point(1, 2), (1, 2)),
        (bytearray(b"ab"), b"ab"),
        (Pretender([1]), [1]),
        (np.ma.array([1.0]), np.array([1.0])),
        (np.array([1.0], ">f8"), np.array([1.0])),
        (np.arange(6).reshape(2, 3).T, np.array([[0, 3], [1, 4], [2, 5]])),
        (torch.nn.Parameter(torch.ones(2)), torch.ones(2)),
        (torch.arange(6).reshape(2, 3).T, torch.tensor([[0, 3], [1, 4], [2, 5]])),
        (torch.tensor(1.5, dtype=torch.bfloat16), torch.tensor(1.5, dtype=torch.bfloat16)),
    ],
)
def test_subclasses_become_their_plain_type(value: Any, plain: Any) -> None:
    back = decode(encode(value))
    assert type(back) is type(plain)
    assert same(back, plain)


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


ITSELF: list[Any] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({1, 2}, "sorted"),
        ((x for x in ()), "list"),
        (range(3), "list"),
        (Anything(), "Anything"),
        (1j, "complex"),
        (len, "builtin_function_or_method"),
        ({1.5: 1}, "keys are"),
        ({True: 1}, "keys are"),
        ({None: 1}, "keys are"),
        ("ab\ud800", "surrogate at position 2"),
        (10**5000, "digits"),
        (deep(MAX_DEPTH + 1), "nested deeper"),
        (ITSELF, "contain itself"),
        ([0] * (MAX_ELEMENTS + 1), "elements"),
        (b"x" * (65 << 20), "larger than"),
        (np.empty((0, 1 << 30), np.uint8), "too large"),
        (np.broadcast_to(np.uint8(0), (MAX_ARRAY + 1,)), "too large"),
        (torch.zeros(1).expand(MAX_ARRAY + 1), "too large"),
        (np.zeros((1,) * 9), "dimensions"),
        (np.array([None]), "dtype object"),
        (np.array(["a"]), "dtype"),
        (np.zeros(1, complex), "dtype complex128"),
        (np.zeros(1, "M8[s]"), "dtype"),
        (np.datetime64(1, "s"), "dtype"),
        (torch.zeros(2, 2).to_sparse(), "sparse"),
        (torch.zeros(2, device="meta"), "meta"),
        (torch.zeros(2, dtype=torch.complex64), "dtype complex64"),
    ],
    ids=lambda x: x if isinstance(x, str) and x.isascii() else "",
)
def test_what_may_not_cross_is_refused_in_a_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(CodecError, match=sentence):
        encode(value)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"Z",
        b"l\xff\xff\xff\xff",
        b"d" + struct.pack("<I", MAX_ELEMENTS),
        b"s\x02\0\0\0\xff\xff",
        b"s\x03\0\0\0\xed\xa0\x80",
        b"i\0\0\0\0",
        b"i" + struct.pack("<I", 3000) + b"\1" * 3000,
        b"d\x02\0\0\0" + b"i\1\0\0\0\1N" * 2,
        b"d\x01\0\0\0" + b"l\0\0\0\0N",
        b"d\x01\0\0\0" + b"f" + bytes(8) + b"N",
        b"a" + struct.pack("<BBQ", 1, 1, 1) + b"\2",
        b"a" + struct.pack("<BBQ", 13, 1, 1) + b"\0\0",
        b"a" + struct.pack("<BBQQ", 2, 2, 0, 1 << 62),
        b"x" + struct.pack("<BBQQ", 12, 2, 1 << 40, 1 << 40),
        b"a" + struct.pack("<BB", 2, 200),
        b"l\1\0\0\0" * 5000,
    ],
    ids=range(17),
)
def test_malformed_frames_are_codec_errors(frame: bytes) -> None:
    with pytest.raises(CodecError):
        decode(frame)


def test_floats_keep_their_bits() -> None:
    assert math.copysign(1, decode(encode(-0.0))) == -1
    assert decode(encode(5e-324)) == 5e-324
    assert math.isnan(decode(encode(math.nan)))


def test_decoded_arrays_are_the_readers_own() -> None:
    array = np.arange(3)
    back = decode(encode(array))
    back[0] = 9
    assert array[0] == 0
