"""The grader's side of a worker: ask within a deadline, watch what the worker uses, and end it."""

from __future__ import annotations

import math
import os
import secrets
import select
import time

from fullstack_llm.grading.isolation.sandbox import FILES, THREADS, Sandbox
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.cgroup import Group
from fullstack_llm.grading.machine.errors import (
    UNEXPLAINED,
    Gone,
    GraderError,
    Unfair,
    broken,
    crowded,
    starved,
)
from fullstack_llm.worker.codec import MAX_BYTES, encode
from fullstack_llm.worker.serve import HEADER

from .process import Process

START_SECONDS = 60.0
WATCH_SECONDS = 0.1
PIECE = 1 << 16
DISK = 1 << 30


def bound(sandbox: Sandbox) -> int:
    """Bytes of memory that a worker may have, by who watches from outside."""
    return sandbox.memory * 5 // 4


def group(sandbox: Sandbox) -> Group | None:
    """A control group for one worker."""
    return Group(bound(sandbox), THREADS + 16) if sandbox.watched else None


class WorkerProxy:
    """A worker behind two pipes, in its folder."""

    def __init__(
        self, process: Process, requests: int, replies: int, folder: str, sandbox: Sandbox, group: Group | None
    ) -> None:
        self.process, self.requests, self.replies = process, requests, replies
        self.folder, self.sandbox = folder, sandbox
        self.text, self.closed, self.counted = "", False, False
        self.watched = 0.0
        # CPU seconds: the bound of this request, the reading when it was first looked at, and what it has used since.
        self.cpu, self.first, self.used = math.inf, -1.0, 0.0
        self.received = bytearray()
        self.starved, self.group = usage.starved(), group
        self.free = usage.free(folder)
        # What is shared with a zygote counts here too.
        self.before = usage.memory_and_threads(process.pid)[0]
        for end in (requests, replies):
            os.set_blocking(end, False)

    def ready(self) -> None:
        """Wait until the worker has loaded and set its limits; a worker that cannot is the grader's error."""
        try:
            self.ask(("limits", self.sandbox.bounds()), START_SECONDS)
        except Gone as gone:
            raise GraderError(f"a worker did not start ({gone.why}). It said:\n{self.text}") from None
        # A sandbox starts processes before it can be put into a group.
        self.counted = self.group is not None and self.group.counts(usage.tree(self.process.pid))

    def ask(self, request: tuple[object, ...], seconds: float, cpu: float = math.inf) -> bytes:
        """Return the reply to a request within these seconds, and these of CPU time; after `Gone` the worker is ended.

        CPU time counts from the first look, a tenth of a second after the request: what is answered sooner is free.
        """
        self.cpu, self.first, self.used = cpu, -1.0, 0.0
        nonce, content = secrets.token_bytes(16), encode(request)
        deadline = time.monotonic() + seconds
        try:
            self._send(HEADER.pack(nonce, len(content)) + content, deadline)
            back, length = HEADER.unpack(self._receive(HEADER.size, deadline))
            if back != nonce or length > MAX_BYTES:
                raise Gone("died", "its process sent something that is no reply")
            return self._receive(length, deadline)
        except (Gone, Unfair):
            self.close()
            raise

    def _wait(self, end: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(end, event)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(min(left, WATCH_SECONDS) * 1000):
                return
            self._watch()
        raise Gone("timeout", "it took too long")

    def _watch(self) -> None:
        # Not more often, however often it replies; and when nothing comes, this often.
        if time.monotonic() - self.watched < WATCH_SECONDS:
            return
        self.watched = time.monotonic()
        self._count()
        if not self.sandbox.watched:
            return
        memory, threads = usage.memory_and_threads(self.process.pid)
        if memory > self.before + bound(self.sandbox):
            raise Gone("died", f"{self._greedy()}, and was ended")
        if threads > THREADS:
            raise Gone("died", f"its process had more than {THREADS} threads, and was ended")
        if not self.sandbox.namespaces and self.free - usage.free(self.folder) > DISK:
            # Files without a name are in no folder, and whose they are is not to be seen.
            raise crowded(DISK)
        if usage.stored(self.folder, FILES) > FILES:
            raise Gone("died", f"its process wrote files of more than {FILES >> 20} MB, and was ended")

    def _count(self) -> None:
        if self.cpu == math.inf:
            return
        reading = usage.cpu_seconds(self.process.pid)
        if self.first < 0:
            self.first = reading
        # A child that has ended may take its time along.
        self.used = max(self.used, reading - self.first)
        if self.used > self.cpu:
            raise Gone("timeout", "it took too long")

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.requests, view) :]
            except BlockingIOError:
                self._wait(self.requests, select.POLLOUT, deadline)
            except BrokenPipeError:
                raise Gone("died", self._end()) from None

    def _receive(self, count: int, deadline: float) -> bytes:
        # What comes at once is read at once: most replies are one piece with their header.
        while len(self.received) < count:
            self._wait(self.replies, select.POLLIN, deadline)
            self._watch()
            try:
                chunk = os.read(self.replies, PIECE)
            except BlockingIOError:
                # It has taken back what it wrote.
                continue
            if not chunk:
                raise Gone("died", self._end())
            self.received += chunk
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    def _end(self) -> str:
        why = self.process.end()
        if self.group and self.group.full:
            return self._greedy()
        if why in UNEXPLAINED:
            if self.process.orphaned:
                raise broken()
            if self._starved():
                raise starved()
        return why

    def _starved(self) -> bool:
        # A group knows this worker's end from those of neighbours, which would be an excuse otherwise.
        if self.group and self.counted:
            return self.group.killed
        return usage.starved() > self.starved

    def _greedy(self) -> str:
        return f"its process used more than {self.sandbox.memory / (1 << 30):.2g} GB of memory"

    def stop(self) -> None:
        """Have it end: what is left of it goes with `close`."""
        if not self.closed:
            self.process.stop()

    def close(self) -> None:
        """End the worker and all that it started, and remove its folder."""
        if self.closed:
            return
        self.closed = True
        self.process.kill()
        if self.group:
            self.group.close()
        for end in (self.requests, self.replies):
            os.close(end)
        self.text = self.process.said()
        usage.remove(self.folder)
