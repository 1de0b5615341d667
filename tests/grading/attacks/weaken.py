"""One guarantee of the grader taken away, for a control. Each function changes this process for good."""

from __future__ import annotations

import pickle
import subprocess
import threading
import time
from typing import Any

import numpy as np

from fullstack_llm.checks import exercise
from fullstack_llm.checks import judge as judging
from fullstack_llm.checks.compare import Same
from fullstack_llm.checks.limits import WALL
from fullstack_llm.grading.judge import session
from fullstack_llm.grading.pool import process, proxy
from fullstack_llm.worker import bounds, codec

ENDLESS = 1 << 60
FLOOD: list[int] = []


def budget() -> None:
    """Each call may take all the seconds of its check."""
    call = session.Session.call

    def again(self: session.Session, name: str, values: bytes) -> bytes:
        self.cpu_left, self.wall_left = self.seconds, self.seconds * WALL
        return call(self, name, values)

    session.Session.call = again  # type: ignore[method-assign]


def deadline() -> None:
    """A reply counts whenever it comes."""
    ask = proxy.WorkerProxy.ask
    proxy.WorkerProxy.ask = lambda self, request, *limits: ask(self, request, 60.0)  # type: ignore[method-assign]


def patience() -> None:
    """The deadline starts anew with each byte, as it does where a socket has a timeout."""
    receive = proxy.WorkerProxy._receive
    proxy.WorkerProxy._receive = lambda self, count, deadline: b"".join(  # type: ignore[method-assign]
        receive(self, 1, time.monotonic() + 4.0) for _ in range(count)
    )


def limits_of_the_codec() -> None:
    """The judge reads values of any size and depth."""
    codec.MAX_ELEMENTS = codec.MAX_DEPTH = codec.MAX_INT_BYTES = ENDLESS


def hashes() -> None:
    """A dict may have any keys."""
    codec.count_hash = lambda alike, key: None


def keys() -> None:
    """Dicts may have any number of keys."""
    codec.count_keys = lambda keys, count: keys


def arrays() -> None:
    """There may be any number of arrays."""
    bounds.MAX_ARRAYS = ENDLESS


def pickled() -> None:
    """Replies are pickles."""
    judging._value = lambda name, frame: pickle.loads(frame)


def restart() -> None:
    """A worker that is lost is not replaced."""

    def gone(self: session.Session) -> None:
        raise judging.NoValue("died", "there is no other worker")

    session.Session.restart = gone  # type: ignore[method-assign]


def shapes() -> None:
    """Arrays of any shape, and a comparison that reduces them."""
    codec.check_shape = lambda shape, size: None
    exercise.same = lambda got, want, *more: Same(bool(abs(np.asarray(got, "f8").sum(axis=0)).max() < 1e-6))


def numpy() -> None:
    """A comparison that NumPy makes."""
    exercise.same = lambda got, want, *more: Same(bool(np.allclose(got, want)))


def surrogates() -> None:
    """Strings that are not valid Unicode, and reports that show them as they are."""
    read = codec._Reader.value

    def value(self: Any, depth: int) -> Any:
        if self.frame[self.at : self.at + 1] != b"s":
            return read(self, depth)
        self.at += 1
        return self.take(self.count()).decode("utf-8", "surrogatepass")

    codec._Reader.value = value  # type: ignore[method-assign]
    judging.show = judging.plain = lambda text, limit=0: str(text)


def output() -> None:
    """What a worker prints is kept."""
    start = subprocess.Popen

    def kept(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        one = start(*arguments, **more | {"stdout": subprocess.PIPE})

        def read() -> None:
            while chunk := one.stdout.read(1 << 20):  # type: ignore[union-attr]
                FLOOD.append(len(chunk))

        threading.Thread(target=read, daemon=True).start()
        return one

    process.subprocess.Popen = kept  # type: ignore[misc,assignment]


WEAKEN = {
    "budget": budget,
    "deadline": deadline,
    "patience": patience,
    "bounds": limits_of_the_codec,
    "hashes": hashes,
    "arrays": arrays,
    "keys": keys,
    "pickle": pickled,
    "restart": restart,
    "shapes": shapes,
    "numpy": numpy,
    "surrogates": surrogates,
    "output": output,
}
