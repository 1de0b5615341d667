"""Interrupt what runs too long in this process, by the CPU time of its thread: a busy machine makes nobody late."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

# A function that sleeps or waits uses no CPU time: it may take this many times its seconds by the clock on the wall.
WALL = 6
TICK, AGAIN = 0.05, 1.0


class TooLongError(BaseException):
    """Raised in the midst of a call that has used up its seconds; no `except Exception` holds it."""


@contextlib.contextmanager
def limit(seconds: float, wall: float) -> Iterator[list[bool]]:
    """Interrupt what runs inside after some seconds of CPU time, or of time; yield a list, true once that was needed.

    Only the main thread of a Unix process can be interrupted so; elsewhere a student stops an endless loop by hand.
    """
    rang: list[bool] = []
    cpu_end, wall_end = time.thread_time() + seconds, time.monotonic() + wall

    def look(*_: object) -> None:
        if time.thread_time() >= cpu_end or time.monotonic() >= wall_end:
            rang.append(True)
            # Again, for a bare `except` may swallow one; not at once, for the function's own cleaning up takes a while.
            signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
            raise TooLongError

    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield rang
        return
    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    try:
        yield rang
    except TooLongError:
        pass  # it came between the call's end and the next line
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
