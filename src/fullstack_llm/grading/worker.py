"""The worker: a process of its own that reads one submission, runs its cells, and answers calls with values.

Started by the grader, or forked by a zygote, in an empty folder. Nothing here is trusted once the first cell has run:
the grader believes only that some values came back in time.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import json
import os
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HEADER = struct.Struct("<16sI")


class Inert:
    """Stands for what a notebook has and a worker has not: every use of it does nothing."""

    def __getattr__(self, name: str) -> Inert:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:  # noqa: D102
        return self


def trusted_modules(package: str) -> tuple[ModuleType, ModuleType]:
    """`codec` and `calling`, without `fullstack_llm.checks` itself, which a lab's set-up cell finds inert instead."""
    checks = ModuleType("fullstack_llm.checks")
    sys.modules["fullstack_llm.checks"] = checks
    checks.__path__ = [str(Path(package) / "checks")]
    codec = importlib.import_module("fullstack_llm.checks.codec")
    calling = importlib.import_module("fullstack_llm.checks.calling")
    checks.__path__ = []
    setattr(checks, "__getattr__", lambda name: Inert().__getattr__(name))  # noqa: B010 (a module's, not a class's)
    return codec, calling


class Pipe:
    """Frames to and from the grader: nonce, length, content."""

    def __init__(self, requests: int, replies: int) -> None:
        self.requests, self.replies = requests, replies

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            chunk = os.read(self.requests, min(count - len(data), 1 << 20))
            if not chunk:
                os._exit(0)
            data += chunk
        return bytes(data)

    def receive(self) -> tuple[bytes, bytes]:
        """The next request as `(nonce, content)`; the process ends with the grader."""
        nonce, length = HEADER.unpack(self._exactly(HEADER.size))
        return nonce, self._exactly(length)

    def send(self, nonce: bytes, content: bytes) -> None:
        """Send the reply to the request with this nonce."""
        data = memoryview(HEADER.pack(nonce, len(content)) + content)
        while data:
            data = data[os.write(self.replies, data) :]


class Submission:
    """One submission's namespace, and what the grader may ask of it."""

    def __init__(self, calling: ModuleType) -> None:
        self.calling = calling
        self.namespace: dict[str, Any] = {"__name__": "__main__", "display": Inert(), "get_ipython": Inert()}
        self.flags = 0
        self.file = bytearray()

    def put(self, chunk: bytes) -> tuple[Any, ...]:
        """Keep a piece of the file that is to be read."""
        self.file += chunk
        return ("kept",)

    def read(self, suffix: str) -> tuple[Any, ...]:
        """The cells of the file whose pieces were put."""
        from fullstack_llm.grading import notebook

        data, self.file = bytes(self.file), bytearray()
        try:
            book = notebook.parse(data, suffix)
        except notebook.UnreadableError as error:
            return ("unreadable", str(error))
        except (MemoryError, OSError, ValueError) as error:
            return ("unreadable", f"the file cannot be read ({type(error).__name__})")
        return ("cells", vars(book))

    def review(self, cells: list[tuple[str, str]], table: dict[str, list[str]]) -> tuple[Any, ...]:
        """What a person should look at, before anything has run."""
        from fullstack_llm.grading import review

        try:
            return ("found", review.find(cells, table))
        except (MemoryError, RecursionError):
            return ("found", ["the code is nested too deeply to be looked through"])

    def define(self, label: str, source: str, names: list[str]) -> tuple[Any, ...]:
        """Run one cell; which of the wanted names are functions now, and what went wrong."""
        from fullstack_llm.grading import cells

        error = ""
        try:
            self.flags |= cells.run(source, label, self.namespace, self.flags)
        except BaseException as caught:
            error = self.calling.trace(caught)[-2000:]
        return ("defined", [name for name in names if callable(self.namespace.get(name))], error)

    def call(self, name: str, values: bytes) -> bytes:
        """Call a function by name; the reply frame."""
        try:
            return self.calling.call(self.namespace.get(name), values)
        except KeyboardInterrupt:
            return self.calling.codec.encode(("raised", "KeyboardInterrupt", ""))


def serve(pipe: Pipe, calling: ModuleType) -> None:
    """Set the limits that the first request names, and answer requests until the grader closes the pipe."""
    from fullstack_llm.grading import confine

    codec, submission = calling.codec, Submission(calling)
    setattr(builtins, "display", Inert())  # noqa: B010 (builtins has no such name for a type checker)
    nonce, content = pipe.receive()
    confine.limit(codec.decode(content)[1])
    pipe.send(nonce, codec.encode(("ready",)))
    # What it prints goes nowhere.
    os.dup2(1, 2)
    while True:
        nonce, content = pipe.receive()
        what, *args = codec.decode(content)
        reply = getattr(submission, what)(*args)
        pipe.send(nonce, reply if isinstance(reply, bytes) else codec.encode(reply))


def main() -> None:
    """Load what the plan names, confine this process or become a zygote, and serve."""
    # A fifth of the time that torch takes to load went into collecting what stays. What is never collected is never
    # written to either, and stays shared between the forks of a zygote.
    gc.disable()
    plan, fds = json.loads(sys.argv[1]), [int(one) for one in sys.argv[2:]]
    _, calling = trusted_modules(plan["package"])
    from fullstack_llm.grading import cells, confine, notebook, review, zygote  # noqa: F401 (before limits and cells)

    confine.end_with_parent()
    for name in plan["answers"]:
        sys.modules[f"fullstack_llm.{name}"] = None  # type: ignore[assignment]
    if len(fds) == 2:
        confine.confine(plan, str(Path.cwd()))
    for name in plan["modules"]:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    if len(fds) == 2:
        serve(Pipe(*fds), calling)
    else:
        zygote.main(plan, calling, fds[0])


if __name__ == "__main__":
    main()
