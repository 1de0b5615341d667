"""Measure what a process uses while a block runs, and how fast the machine is meanwhile."""

import contextlib
import threading
import time

import psutil

LOOP, REFERENCE = 100_000, 0.0054  # passes of the calibration loop, and its CPU seconds on a quiet core of a server
EVERY = 10  # seconds between two calibrations


def calibrate() -> float:
    """Return the CPU seconds that a fixed loop takes now, over those that it takes on a quiet core of a server.

    CPU seconds count work, but work takes more of them beside busy neighbours, who share the core and its caches.
    """
    begin, total = time.thread_time(), 0
    for number in range(LOOP):
        total += number * number % 7
    return (time.thread_time() - begin) / REFERENCE


class Usage:
    """Watch a process and its children while a block runs: peak memory (bytes), CPU seconds, the machine's pace."""

    def __init__(self, pid: int) -> None:
        self.peak, self.cpu_seconds, self.paces = 0, 0.0, [calibrate()]
        self._process, self._done = psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Usage":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        last, calibrated = False, time.monotonic()
        while not last:
            last = self._done.wait(0.2)  # one more reading after the last cell, while the process still lives
            with contextlib.suppress(psutil.Error):  # a child may end between the listing and the reading
                family = [self._process, *self._process.children(recursive=True)]
                self.peak = max(self.peak, sum(p.memory_info().rss for p in family))
                times = self._process.cpu_times()  # of the process, and of the children that it has waited for
                self.cpu_seconds = times.user + times.system + times.children_user + times.children_system
            if last or time.monotonic() - calibrated > EVERY:
                self.paces.append(calibrate())
                calibrated = time.monotonic()
