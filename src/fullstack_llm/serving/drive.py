"""Send requests to a server step by step, on a clock that a busy machine does not disturb.

Time here is what the server's steps cost: CPU seconds, which another program on the machine does not add to (it does so
a little, by sharing caches). Between two steps nothing happens, so when a server has nothing to do the clock jumps to
the next arrival. With another clock, such as one that counts steps, a run is the same on every machine.

>>> class Slow:
...     def __init__(self): self.queue = []
...     def add(self, request): self.queue.append(request)
...     def busy(self): return bool(self.queue)
...     def step(self): return [(self.queue.pop(0).number, [7])]
>>> ticks = iter(range(100))
>>> asked = [Request(0, 0.0, (1,), 1), Request(1, 0.5, (1,), 1), Request(2, 9.0, (1,), 1)]
>>> [trace.times for trace in drive(Slow(), asked, lambda: next(ticks))]
[[1.0], [2.0], [10.0]]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fullstack_llm.serving.arrivals import Request

Tokens = list[tuple[int, list[int]]]


class Server(Protocol):
    """Describe what answers requests: it takes them at any time, and returns in each step what is new of each."""

    def add(self, request: Request) -> None:
        """Take a request."""

    def busy(self) -> bool:
        """Return whether a request is not answered yet."""

    def step(self) -> Tokens:
        """Do a step of work, and return the numbers of requests with the tokens that it brought them."""


@dataclass
class Counted:
    """Count the steps of a server: `drive(counted, requests, counted.clock)` makes one step the unit of time.

    So it is where a step takes as long for many rows as for one: where the weights are read once in either case.
    """

    server: Server
    steps: int = 0

    def add(self, request: Request) -> None:
        """Take a request."""
        self.server.add(request)

    def busy(self) -> bool:
        """Return whether a request is not answered yet."""
        return self.server.busy()

    def step(self) -> Tokens:
        """Do a step, and count it."""
        self.steps += 1
        return self.server.step()

    def clock(self) -> float:
        """Return how many steps were done."""
        return self.steps


@dataclass
class Trace:
    """Hold what became of a request: its tokens, and when each of them came."""

    request: Request
    tokens: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


def drive(server: Server, requests: Sequence[Request], clock: Callable[[], float] = time.process_time) -> list[Trace]:
    """Let requests arrive at their times (open loop), and return what became of each."""
    traces, now, coming = {one.number: Trace(one) for one in requests}, 0.0, list(reversed(requests))
    while coming or server.busy():
        if not server.busy():
            now = max(now, coming[-1].arrival)
        while coming and coming[-1].arrival <= now:
            server.add(coming.pop())
        now = _step(server, traces, now, clock)
    return list(traces.values())


def drive_closed(
    server: Server, requests: Sequence[Request], clients: int, clock: Callable[[], float] = time.process_time
) -> list[Trace]:
    """Let some clients ask one request after the other, each when its last one is answered (closed loop)."""
    traces, now, coming, open_ones = dict[int, Trace](), 0.0, list(reversed(requests)), 0
    while coming or server.busy():
        while coming and open_ones < clients:
            one = replace(coming.pop(), arrival=now)
            traces[one.number] = Trace(one)
            server.add(one)
            open_ones += 1
        now = _step(server, traces, now, clock)
        open_ones = sum(len(each.tokens) < each.request.answer for each in traces.values())
    return list(traces.values())


def _step(server: Server, traces: dict[int, Trace], now: float, clock: Callable[[], float]) -> float:
    """Let the server do a step, note what it brought at the time when the step is over, and return that time."""
    began = clock()
    brought = server.step()
    now += clock() - began
    for number, tokens in brought:
        traces[number].tokens += tokens
        traces[number].times += [now] * len(tokens)
    return now
