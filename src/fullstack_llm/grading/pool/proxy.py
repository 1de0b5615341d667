"""The grader's side of a worker: ask it within a deadline, watch what it uses, and end it with all that it started."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import tempfile
import time
from typing import Protocol

from fullstack_llm.grading.isolation.sandbox import FILES, THREADS, Sandbox, environment
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.cgroup import Group
from fullstack_llm.grading.machine.errors import (
    CLOSED,
    UNEXPLAINED,
    Gone,
    GraderError,
    Unfair,
    broken,
    crowded,
    ended,
    starved,
)
from fullstack_llm.worker.codec import MAX_BYTES, encode
from fullstack_llm.worker.confine.namespaces import FOLDER
from fullstack_llm.worker.serve import HEADER

START_SECONDS = 60.0
WATCH_SECONDS = 0.1
PIECE = 1 << 16
DISK = 1 << 30


class Process(Protocol):
    """The process behind a worker: one of its own, or the fork of a zygote."""

    pid: int

    @property
    def orphaned(self) -> bool:
        """Whether the process that it was forked from has ended, and has taken it along."""

    def end(self) -> str:
        """How it ended, as a sentence; it need not have."""

    def stop(self) -> None:
        """Have it end, with all that it started."""

    def kill(self) -> None:
        """End it and all that it started, and wait until that is so."""

    def said(self) -> str:
        """What it wrote to its error output while it started."""


class Cold:
    """A process of its own, started for one worker."""

    orphaned = False

    def __init__(self, command: list[str], folder: str, fds: tuple[int, ...], boxed: bool) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        self.boxed = boxed
        try:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(FOLDER if boxed else folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=fds,
                start_new_session=True,
            )
        except OSError as error:
            raise GraderError(f"{command[0]} cannot be started ({error.strerror})") from None
        self.pid = self.process.pid

    def end(self) -> str:
        """How it ended; it stays a zombie, so that its group's number cannot belong to another before `kill`."""
        if not hasattr(os, "waitid"):  # on macOS, before Python 3.13
            return "its process ended"
        for _ in range(100):
            status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if status is None:
                time.sleep(0.01)
            elif status.si_code == os.CLD_EXITED:
                # bubblewrap and the shell agree: 128 and the signal's number.
                signalled = self.boxed and 128 < status.si_status <= 128 + 64
                return ended(status.si_status - 128 if signalled else status.si_status << 8)
            else:
                return ended(status.si_status)
        return CLOSED

    def stop(self) -> None:
        """Signal its group, or the sandbox that ends with it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it, and wait."""
        self.stop()
        self.process.wait()

    def said(self) -> str:
        """The end of its error output."""
        self.errors.seek(0)
        text = self.errors.read()[-2000:].decode(errors="replace")
        self.errors.close()
        return text


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

    def ask(self, request: tuple[object, ...], seconds: float) -> bytes:
        """The reply to a request; after `Gone` the worker is ended."""
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
        if not self.sandbox.watched or time.monotonic() - self.watched < WATCH_SECONDS:
            return
        self.watched = time.monotonic()
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
