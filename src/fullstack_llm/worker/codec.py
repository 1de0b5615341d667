"""Encode the values that pass between a student's process and the grader, and decode them.

>>> decode(encode({"ids": [1, 2], "loss": 0.5}))
{'ids': [1, 2], 'loss': 0.5}

The format is one tag byte, then the content: never pickle, so a frame can hold a value and cannot hold code. Standard
library only; numpy and torch are imported when a value needs them.
"""

from __future__ import annotations

import math
import struct
import sys
from types import ModuleType
from typing import Any

from .bounds import (
    ADVICE,
    BY_CODE,
    DTYPES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIMS,
    MAX_ELEMENTS,
    MAX_INT_BYTES,
    CodecError,
    check_key,
    check_shape,
    count_array,
    count_hash,
    count_keys,
)


def encode(value: Any) -> bytes:
    """Return the bytes of a value; subclasses (`Counter`, a named tuple, `np.float64`) become their plain type.

    >>> encode(7)
    b'i\\x01\\x00\\x00\\x00\\x07'
    >>> encode({1, 2})
    Traceback (most recent call last):
    fullstack_llm.worker.bounds.CodecError: a value of type set cannot be judged: a set has no order: return sorted(...)
    """
    out = _Writer()
    out.value(value, 0)
    return bytes(out.buffer)


def decode(frame: bytes) -> Any:
    """Return the value in a frame; raise `CodecError` for any frame that `encode` would not write.

    >>> decode(b"l\\xff\\xff\\xff\\xff")
    Traceback (most recent call last):
    fullstack_llm.worker.bounds.CodecError: the value has more than 1,000,000 elements
    """
    if len(frame) > MAX_BYTES:
        raise CodecError(f"the value is larger than {MAX_BYTES >> 20} MB")
    reader = _Reader(frame)
    value = reader.value(0)
    if reader.at != len(frame):
        raise CodecError("the frame goes on after its value")
    return value


class _Writer:
    def __init__(self) -> None:
        self.buffer = bytearray()
        self.elements = self.arrays = self.keys = 0
        # A value can be an array only if its library is imported already, so encoding imports nothing.
        self.numpy, self.torch = sys.modules.get("numpy"), sys.modules.get("torch")

    def put(self, data: bytes | memoryview) -> None:
        if len(self.buffer) + len(data) > MAX_BYTES:
            raise CodecError(f"the value is larger than {MAX_BYTES >> 20} MB")
        self.buffer += data

    def sized(self, tag: bytes, data: bytes) -> None:
        self.put(tag + struct.pack("<I", min(len(data), 0xFFFFFFFF)))
        self.put(data)

    def value(self, value: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise CodecError(f"the value is nested deeper than {MAX_DEPTH} levels (does it contain itself?)")
        numpy, torch = self.numpy, self.torch
        # type(), not isinstance: an object may claim any __class__, and only its real type can be read safely.
        kind = type(value)
        if value is None:
            self.put(b"N")
        elif kind is bool:
            self.put(b"T" if value else b"F")
        elif issubclass(kind, int):
            self.integer(int.__add__(value, 0))
        elif issubclass(kind, float):
            self.put(b"f" + struct.pack("<d", value))
        elif issubclass(kind, str):
            self.sized(b"s", _utf8(value))
        elif issubclass(kind, (bytes, bytearray)):
            self.sized(b"b", bytes(memoryview(value)))
        elif issubclass(kind, (list, tuple)):
            base: Any = list if issubclass(kind, list) else tuple
            self.count(b"l" if base is list else b"t", base.__len__(value))
            for item in base.__iter__(value):
                self.value(item, depth + 1)
        elif issubclass(kind, dict):
            self.count(b"d", dict.__len__(value))
            self.keys = count_keys(self.keys, dict.__len__(value))
            for key, item in dict.items(value):
                check_key(key)
                self.value(key, depth + 1)
                self.value(item, depth + 1)
        elif numpy and issubclass(kind, numpy.generic):
            self.numpy_scalar(value, depth)
        elif numpy and issubclass(kind, numpy.ndarray):
            little = value.dtype.newbyteorder("<")
            self.array(b"a", value.dtype.name, value.shape, lambda: numpy.array(value, little, subok=False).tobytes())
        elif torch and issubclass(kind, torch.Tensor):
            self.tensor(value, torch)
        else:
            name = kind.__name__
            advice = ADVICE.get(name, "return numbers, strings, bytes, lists, tuples, dicts, arrays or tensors")
            raise CodecError(f"a value of type {name} cannot be judged: {advice}")

    def count(self, tag: bytes, count: int) -> None:
        self.elements += count
        if self.elements > MAX_ELEMENTS:
            raise CodecError(f"the value has more than {MAX_ELEMENTS:,} elements")
        self.put(tag + struct.pack("<I", count))

    def integer(self, value: int) -> None:
        size = (value.bit_length() + 8) // 8
        if size > MAX_INT_BYTES:
            raise CodecError(f"an integer of more than {int(MAX_INT_BYTES * 8 * math.log10(2)):,} digits")
        self.sized(b"i", value.to_bytes(size, "little", signed=True))

    def numpy_scalar(self, value: Any, depth: int) -> None:
        plain = value.item()
        if type(plain) not in (bool, int, float):
            raise CodecError(f"a NumPy scalar of dtype {value.dtype} cannot be judged: return a plain number")
        self.value(plain, depth + 1)

    def tensor(self, value: Any, torch: ModuleType) -> None:
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise CodecError("a sparse, quantized or meta tensor cannot be judged: return a dense one")

        def data() -> bytes:
            dense = value.detach().as_subclass(torch.Tensor).cpu().contiguous()
            return bytes(dense.reshape(-1).view(torch.uint8).numpy())

        self.array(b"x", str(value.dtype).removeprefix("torch."), tuple(value.shape), data)

    def array(self, tag: bytes, dtype: str, shape: tuple[int, ...], data: Any) -> None:
        if dtype not in DTYPES or (tag == b"a" and dtype == "bfloat16"):
            raise CodecError(f"an array of dtype {dtype} cannot be judged: use one of {', '.join(DTYPES)}")
        code, size = DTYPES[dtype]
        check_shape(shape, size)
        self.arrays = count_array(self.arrays)
        self.put(tag + struct.pack(f"<BB{len(shape)}Q", code, len(shape), *shape))
        if math.prod(shape):
            self.put(data())


def _utf8(text: str) -> bytes:
    try:
        return str.encode(text, "utf-8")
    except UnicodeEncodeError as error:
        raise CodecError(f"a string with a lone surrogate at position {error.start} is not valid Unicode") from None


class _Reader:
    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.at = 0
        self.elements = self.arrays = self.keys = 0

    def take(self, count: int) -> bytes:
        if count > len(self.frame) - self.at:
            raise CodecError("the frame ends before its value does")
        self.at += count
        return self.frame[self.at - count : self.at]

    def count(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH + 1:
            raise CodecError(f"the value is nested deeper than {MAX_DEPTH} levels")
        tag = self.take(1)
        if tag in b"NTF":
            return {b"N": None, b"T": True, b"F": False}[tag]
        if tag == b"i":
            size = self.count()
            if not 1 <= size <= MAX_INT_BYTES:
                raise CodecError("an integer of a size that no integer may have")
            return int.from_bytes(self.take(size), "little", signed=True)
        if tag == b"f":
            return struct.unpack("<d", self.take(8))[0]
        if tag == b"s":
            try:
                return self.take(self.count()).decode("utf-8")
            except UnicodeDecodeError:
                raise CodecError("a string that is not valid UTF-8") from None
        if tag == b"b":
            return self.take(self.count())
        if tag in b"ltd":
            return self.items(tag, depth)
        if tag in b"ax":
            return self.array(tag)
        raise CodecError(f"a frame with the unknown tag {tag!r}")

    def items(self, tag: bytes, depth: int) -> Any:
        count = self.count()
        self.elements += count
        if self.elements > MAX_ELEMENTS:
            raise CodecError(f"the value has more than {MAX_ELEMENTS:,} elements")
        if tag != b"d":
            items = [self.value(depth + 1) for _ in range(count)]
            return items if tag == b"l" else tuple(items)
        self.keys = count_keys(self.keys, count)
        table: dict[Any, Any] = {}
        alike: dict[int, int] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            check_key(key)
            count_hash(alike, key)
            if key in table:
                raise CodecError("a dict with the same key twice")
            table[key] = self.value(depth + 1)
        return table

    def array(self, tag: bytes) -> Any:
        code, dims = self.take(2)
        if code not in BY_CODE or dims > MAX_DIMS or (tag == b"a" and BY_CODE[code][0] == "bfloat16"):
            raise CodecError("an array with a dtype or a number of dimensions that no array may have")
        self.arrays = count_array(self.arrays)
        name, size = BY_CODE[code]
        shape = struct.unpack(f"<{dims}Q", self.take(8 * dims))
        check_shape(shape, size)
        data = bytearray(self.take(math.prod(shape) * size))
        if name == "bool" and data.translate(None, b"\x00\x01"):
            raise CodecError("a bool array with values other than 0 and 1")
        if tag == b"a":
            import numpy

            return numpy.frombuffer(data, dtype=numpy.dtype(name).newbyteorder("<")).reshape(shape).astype(name)
        import torch

        dtype = getattr(torch, name)
        return torch.frombuffer(data, dtype=dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)
