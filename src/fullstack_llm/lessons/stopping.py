"""Stop a run of notebooks at once on Ctrl-C: their kernels end, what is done is kept, nothing further begins."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import psutil


class Stopped(Exception):
    """Raised in a notebook that was to run, or to go on, after the run was stopped."""


class Stopping:
    """Remember whether a run is to stop, and which processes its kernels are.

    A signal handler only takes note and ends kernels, so that nothing that is being written is cut off: the threads
    that waited for those kernels find them gone, and what had finished is put into the cache as always.
    """

    def __init__(self) -> None:
        self.asked = False
        self._kernels: set[int] = set()

    def check(self) -> None:
        """Raise Stopped if the run is to stop."""
        if self.asked:
            raise Stopped

    @contextlib.contextmanager
    def watch(self, pid: int) -> Iterator[None]:
        """Hold a kernel's process as one that has to end when the run stops."""
        self._kernels.add(pid)
        try:
            self.check()
            yield
        finally:
            self._kernels.discard(pid)

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Take note that the run is to stop, and end its kernels with all that they have started."""
        self.asked = True
        for pid in tuple(self._kernels):
            with contextlib.suppress(psutil.Error):  # it ended meanwhile
                kernel = psutil.Process(pid)
                kernel.suspend()  # it must start no further process, nor take a child's end for the end of a cell
                for process in [kernel, *kernel.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        process.kill()

    @contextlib.contextmanager
    def on_interrupt(self) -> Iterator["Stopping"]:
        """Stop on Ctrl-C, or when asked to terminate, while the block runs. Only the main thread can catch signals."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self.stop) for number in numbers]
        try:
            yield self
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
