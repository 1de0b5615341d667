"""The border, under random fire from both sides: frames that nobody wrote, and objects that run code when looked at."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_codec import values

from fullstack_llm.checks.compare import same
from fullstack_llm.checks.show import show
from fullstack_llm.worker import bounds, calling, codec
from fullstack_llm.worker.bounds import CodecError
from fullstack_llm.worker.codec import decode, encode

quick = settings(max_examples=200, suppress_health_check=list(HealthCheck))
# Pieces of which frames are made: tags, lengths that are true, too large or negative, and contents.
pieces = st.sampled_from(
    [*(bytes([tag]) for tag in b"NTFifsbltdax"), *(struct.pack("<I", n) for n in (0, 1, 2, 3, 1 << 20, (1 << 32) - 1))]
) | st.binary(max_size=3)
plausible = st.lists(pieces, max_size=40).map(b"".join)


class Work:
    """What a decoder did, in counts: a frame of n bytes has at most n values, and gives at most n bytes."""

    def __init__(self, frame: bytes, patch: pytest.MonkeyPatch) -> None:
        self.values = self.taken = 0
        value, take = codec._Reader.value, codec._Reader.take

        def counted(reader: Any, depth: int) -> Any:
            self.values += 1
            return value(reader, depth)

        def measured(reader: Any, count: int) -> bytes:
            data = take(reader, count)
            self.taken += len(data)
            return data

        patch.setattr(codec._Reader, "value", counted)
        patch.setattr(codec._Reader, "take", measured)
        with contextlib.suppress(CodecError):
            decode(frame)
        patch.undo()


def skeleton(value: Any) -> Any:
    """Types, dtypes and shapes of a value, without what is in it."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return type(value).__name__, str(value.dtype), tuple(value.shape)
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [skeleton(one) for one in value]
    if isinstance(value, dict):
        return "dict", sorted((repr(key), repr(skeleton(one))) for key, one in value.items())
    return type(value).__name__


@quick
@given(plausible | values.map(encode), st.data())
def test_no_frame_makes_more_work_than_it_has_bytes(frame: bytes, data: st.DataObject) -> None:
    changed = bytearray(frame)
    for _ in range(data.draw(st.integers(0, 4))):
        if changed:
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with pytest.MonkeyPatch.context() as patch:
        work = Work(bytes(changed), patch)
    # One more: the value that is missing is looked for.
    assert work.values <= len(changed) + 1
    assert work.taken <= len(changed)


def test_the_counts_see_a_decoder_that_trusts_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    take = codec._Reader.take

    def trusting(reader: Any, count: int) -> bytes:
        return b"N" * count if count > len(reader.frame) - reader.at else take(reader, count)

    monkeypatch.setattr(codec._Reader, "take", trusting)
    with pytest.MonkeyPatch.context() as patch:
        work = Work(b"l\xff\0\0\0", patch)
    assert work.values == 256 and work.taken > 200


@quick
@given(values, values, st.data())
def test_same_is_never_true_of_values_of_another_kind(one: Any, other: Any, data: st.DataObject) -> None:
    frame = bytearray(encode(one))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    others = [other, [one], (one,), {"": one}]
    with contextlib.suppress(CodecError):
        others.append(decode(bytes(frame)))
    for each in others:
        for rtol, atol in ((0.0, 0.0), (1.0, 1e300)):
            with np.errstate(over="ignore"):
                there, back = same(each, one, rtol, atol), same(one, each, rtol, atol)
            if skeleton(each) != skeleton(one):
                assert not there and not back
            assert isinstance(there.reason, str)
    assert same(one, decode(encode(one))) and show(one)


@quick
@given(values)
def test_encoding_is_the_same_after_a_round_trip(value: Any) -> None:
    assert encode(decode(encode(value))) == encode(value)


def test_keys_with_one_hash_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    modulus = (1 << 61) - 1
    assert len({hash(k * modulus) for k in range(1000)}) == 1
    few = {k * modulus: k for k in range(bounds.MAX_ALIKE)}
    assert same(decode(encode(few)), few)
    many = encode({k * modulus: k for k in range(bounds.MAX_ALIKE + 1)})
    with pytest.raises(CodecError, match="one hash"):
        decode(many)
    # Tuples of numbers have no secret either.
    pairs = encode({(k * modulus, "a"): k for k in range(bounds.MAX_ALIKE + 1)})
    with pytest.raises(CodecError, match="one hash"):
        decode(pairs)
    monkeypatch.setattr(bounds, "MAX_ALIKE", 1 << 20)
    assert len(decode(many)) == 33


def test_keys_are_counted_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    half = dict.fromkeys(range(bounds.MAX_KEYS // 2))
    frame = encode([half, half])
    assert decode(frame) == [half, half]
    with pytest.raises(CodecError, match="a list of pairs"):
        encode([half, half, {"one": "more"}])
    monkeypatch.setattr(bounds, "MAX_KEYS", bounds.MAX_KEYS - 1)
    with pytest.raises(CodecError, match="a list of pairs"):
        decode(frame)


def test_arrays_are_counted_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = np.empty(0)
    frame = encode([empty] * bounds.MAX_ARRAYS)
    assert len(decode(frame)) == bounds.MAX_ARRAYS
    with pytest.raises(CodecError, match="stack them into one"):
        encode([empty] * (bounds.MAX_ARRAYS + 1))
    monkeypatch.setattr(bounds, "MAX_ARRAYS", 1)
    with pytest.raises(CodecError, match="stack them into one"):
        decode(frame)


RAN: list[str] = []
SPECIAL = [
    *("__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__", "__hash__"),
    *("__bool__", "__len__", "__iter__", "__getitem__", "__contains__", "__repr__", "__str__"),
    *(
        "__format__",
        "__reduce__",
        "__reduce_ex__",
        "__getstate__",
        "__array__",
        "__array_function__",
        "__array_ufunc__",
    ),
    *("__torch_function__", "__index__", "__int__", "__float__", "__complex__", "__abs__", "__add__"),
    *("__sub__", "__bytes__", "__buffer__", "__copy__", "__deepcopy__", "__instancecheck__"),
    *("__subclasscheck__", "__round__", "__neg__", "keys", "items", "values", "encode"),
    *("decode", "item", "tolist", "dtype", "shape"),
]


def spying(name: str) -> Callable[..., Any]:
    def method(*arguments: Any, **more: Any) -> Any:
        RAN.append(name)
        raise SystemExit(name)

    return method


def hostile(base: type, *without: str) -> type:
    """A subclass all of whose methods, and the class that it claims, say that they ran and end the process."""
    methods: dict[str, Any] = {name: spying(name) for name in SPECIAL if name not in without}
    return type(f"Hostile{base.__name__}", (base,), methods | {"__class__": property(spying("__class__"))})


MADE: dict[str, Callable[[], Any]] = {
    "object": lambda: hostile(object)(),
    "int": lambda: hostile(int)(3),
    "float": lambda: hostile(float)(3.0),
    "str": lambda: hostile(str)("3"),
    "bytes": lambda: hostile(bytes)(b"3"),
    "list": lambda: hostile(list)([3]),
    "tuple": lambda: hostile(tuple)([3]),
    "dict": lambda: hostile(dict)({"a": 3}),
    "key": lambda: {hostile(str, "__hash__")("a"): 3},
    "array": lambda: np.ones(2).view(hostile(np.ndarray, "__array_function__", "__array_ufunc__")),
    "tensor": lambda: torch.Tensor._make_subclass(hostile(torch.Tensor, "__torch_function__"), torch.ones(2)),
    "nested": lambda: [{"a": (hostile(list)([hostile(int)(3)]),)}],
    "exception": lambda: hostile(ValueError)("3"),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("raised", [False, True], ids=["returned", "raised"])
def test_no_code_of_an_object_runs_in_the_judge(name: str, raised: bool) -> None:
    def student() -> Any:
        value = MADE[name]()
        if raised:
            raise hostile(KeyError)(value)
        return value

    frame = calling.call(student, encode(()))
    RAN.clear()
    reply = decode(frame)
    assert type(reply) is tuple and reply[0] in ("value", "refused", "raised")
    for want in (3, 3.0, "3", b"3", [3], (3,), {"a": 3}, np.ones(2), torch.ones(2)):
        same(reply[1], want)
    assert show(reply)
    assert RAN == []


def test_the_spies_see_a_judge_that_gets_the_object() -> None:
    RAN.clear()
    with pytest.raises(SystemExit):
        same([hostile(object)()], [3])
        assert hostile(list)([3]) == [3]
    assert RAN


class Meta(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit


class Message(str):
    def encode(self, *arguments: Any) -> bytes:  # type: ignore[override]
        raise SystemExit


class Speaks(Exception):
    def __str__(self) -> str:
        return Message("mine")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Meta("Named", (Exception,), {})("x"), "Named: x"),
        (Speaks(), "Speaks: mine"),
        (type("E" * 10_000, (Exception,), {})("x"), "EEE"),
    ],
)
def test_an_error_that_lies_about_its_name_is_named(error: Exception, said: str) -> None:
    def student() -> None:
        raise error

    reply = decode(calling.call(student, encode(())))
    assert reply[0] == "raised" and said in reply[1] and len(reply[1]) < 1000


def test_a_dtype_that_ends_the_process_is_refused() -> None:
    class Ends(np.ndarray):
        @property
        def dtype(self) -> Any:
            raise SystemExit

    assert decode(calling.call(lambda: np.ones(2).view(Ends), encode(())))[0] == "refused"
