"""Serve one submission: read its file, run its cells in one namespace, call its functions and return values.

The grader trusts nothing in this process once the first cell has run: a reply is a value that came in time, no more.
"""

from __future__ import annotations

import builtins
import os
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from . import calling, codec, places, reader, review
from .cells import Cells
from .confine import confine

# Before each frame: a nonce, and the length of the content in bytes.
HEADER = struct.Struct("<16sI")


def stub_checks() -> None:
    """Put a stub in place of `fullstack_llm.checks`, which a lab's set-up cell imports and a worker cannot read."""
    sys.modules["fullstack_llm.checks"] = places.silent("fullstack_llm.checks")


class Pipe:
    """Receive frames from the grader on one pipe, and send frames on another."""

    def __init__(self, requests: int, replies: int) -> None:
        self.requests, self.replies = requests, replies

    def _read_exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            chunk = os.read(self.requests, min(count - len(data), 1 << 20))
            if not chunk:
                os._exit(0)
            data += chunk
        return bytes(data)

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for the next request, as `(nonce, content)`; the process ends when the grader closes the pipe."""
        nonce, length = HEADER.unpack(self._read_exactly(HEADER.size))
        return nonce, self._read_exactly(length)

    def send(self, nonce: bytes, content: bytes) -> None:
        """Send the reply to the request with this nonce."""
        data = memoryview(HEADER.pack(nonce, len(content)) + content)
        while data:
            data = data[os.write(self.replies, data) :]


class Kernel:
    """Run a submission's cells in one namespace; each public method answers one kind of request of the grader."""

    def __init__(self) -> None:
        # A module of its own: pickle, dataclasses, doctest and type hints look names up in sys.modules["__main__"].
        self.main = ModuleType("__main__")
        self.main.__file__ = str(Path.cwd() / "submission.py")
        self.started_from, sys.modules["__main__"] = sys.modules["__main__"], self.main
        sys.argv = [self.main.__file__]
        self.namespace = vars(self.main)
        self.namespace |= {"display": places.Inert(), "get_ipython": places.Inert()}
        self.cells = Cells(self.main, self.main.__file__)
        self.python = ""
        self.file = bytearray()
        places.prepare()

    def put(self, chunk: bytes) -> tuple[Any, ...]:
        """Append a piece of the submission's file."""
        self.file += chunk
        return ("kept",)

    def read(self, suffix: str) -> tuple[Any, ...]:
        """Return the cells of the file whose pieces `put` has kept."""
        data, self.file = bytes(self.file), bytearray()
        try:
            book = reader.parse(data, suffix)
        except reader.UnreadableError as error:
            return ("unreadable", str(error))
        except (MemoryError, OSError, ValueError) as error:
            return ("unreadable", f"the file cannot be read ({type(error).__name__})")
        self.python = book.python
        return ("cells", vars(book))

    def review(self, sources: list[tuple[str, str]], table: dict[str, list[str]]) -> tuple[Any, ...]:
        """Return sentences about what a person should look at; runs before any cell."""
        try:
            return ("found", review.find(sources, table))
        except (MemoryError, RecursionError):
            return ("found", ["the code is nested too deeply to be looked through"])

    def define(self, label: str, source: str, names: list[str], reduced: bool = False) -> tuple[Any, ...]:
        """Run one cell, or only its definitions; return which names are callable, and the traceback if it failed."""
        error = ""
        try:
            self.cells.run(source, label, reduced)
        except BaseException as caught:
            error = f"{calling.trace(caught).rstrip()[-2000:]}{self._difference(caught)}"
        return ("defined", [name for name in names if callable(self.namespace.get(name))], error)

    def call(self, name: str, values: bytes) -> bytes:
        """Call the function of this name; return the reply frame."""
        try:
            function: Any = self.namespace.get(name)
            return calling.call(function, values, self._difference)
        except KeyboardInterrupt:
            return codec.encode(("raised", "KeyboardInterrupt", ""))

    def _difference(self, error: BaseException) -> str:
        try:
            return places.difference(error, self.cells.missing, self.python)
        except BaseException:
            return ""  # a name, a line or a frame of the exception is not what it should be


def serve(pipe: Pipe) -> None:
    """Set the rlimits that the first request holds, then answer requests until the grader closes the pipe."""
    kernel = Kernel()
    setattr(builtins, "display", places.Inert())  # noqa: B010 (builtins has no such name for a type checker)
    nonce, content = pipe.receive()
    confine.set_rlimits(codec.decode(content)[1])
    pipe.send(nonce, codec.encode(("ready",)))
    # stdout is /dev/null; stderr follows once the worker has started, so that output of the submission is dropped.
    os.dup2(1, 2)
    while True:
        nonce, content = pipe.receive()
        method, *args = codec.decode(content)
        reply = getattr(kernel, method)(*args)
        pipe.send(nonce, reply if isinstance(reply, bytes) else codec.encode(reply))
