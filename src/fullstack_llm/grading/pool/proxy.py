"""Send requests to a worker, wait for replies within a deadline, measure what the worker uses, and end it."""

from __future__ import annotations

import math
import os
import secrets
import select
import time

from fullstack_llm.grading.isolation.sandbox import FILES, INODES, THREADS, Sandbox
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.cgroup import Cgroup
from fullstack_llm.grading.machine.errors import (
    UNEXPLAINED,
    GraderError,
    RetryableError,
    WorkerLost,
    disk_full,
    memory_low,
    out_of_memory,
    unfair,
    zygote_died,
)
from fullstack_llm.worker.codec import MAX_BYTES, encode
from fullstack_llm.worker.confine.namespaces import TMPFS_SIZES
from fullstack_llm.worker.serve import HEADER

from .process import Process

START_SECONDS = 60.0
WATCH_SECONDS = 0.1
READ_BYTES = 1 << 16
# A worker outside namespaces may take this much of the disk with files that it has removed and holds open.
DISK = 1 << 30
# With less than this left of the machine's memory, the worker is ended, whoever took it.
FREE = min(usage.total_memory() // 32, 256 << 20)


def memory_limit(sandbox: Sandbox) -> int:
    """Return the bytes of memory at which a worker is ended from outside, a quarter above its rlimits."""
    return sandbox.memory * 5 // 4


def make_cgroup(sandbox: Sandbox) -> Cgroup | None:
    """Make a cgroup for one worker, if the grader measures the workers of this sandbox."""
    return Cgroup(memory_limit(sandbox), THREADS + 16) if sandbox.watched else None


class WorkerProxy:
    """A worker, as the grader sees it: a process behind two pipes, with a folder and a cgroup."""

    def __init__(
        self, process: Process, requests: int, replies: int, folder: str, sandbox: Sandbox, cgroup: Cgroup | None
    ) -> None:
        self.process, self.requests, self.replies = process, requests, replies
        self.folder, self.sandbox = folder, sandbox
        self.stderr, self.closed, self.in_cgroup = "", False, False
        self.last_watch = 0.0
        # CPU seconds of this request: the limit, the reading at the first measurement, and the use since then.
        self.cpu_limit, self.cpu_start, self.used = math.inf, -1.0, 0.0
        # When this request was first looked at, and what the process had waited for a CPU and used of it by then.
        self.began, self.shared = 0.0, (0.0, 0.0)
        self.received = bytearray()
        self.oom_kills_before, self.cgroup = usage.oom_kills(), cgroup
        self.free_before = usage.free_disk(folder)
        # Memory that the worker shares with its zygote is counted, and is no use of the submission.
        self.memory_before = usage.memory_and_threads(process.pid)[0]
        for fd in (requests, replies):
            os.set_blocking(fd, False)

    def ready(self) -> None:
        """Wait until the worker has started and set its rlimits; raise `GraderError` if it does not."""
        try:
            self.ask(("limits", self.sandbox.rlimits()), START_SECONDS)
        except WorkerLost as lost:
            raise GraderError(f"a worker did not start ({lost.why}). It said:\n{self.stderr}") from None
        # A worker that bubblewrap starts cannot write to its own /proc.
        usage.raise_oom_scores(self.process.pid)
        # bubblewrap may have started processes before it was moved into the cgroup.
        self.in_cgroup = self.cgroup is not None and self.cgroup.counts(usage.process_tree(self.process.pid))

    def ask(self, request: tuple[object, ...], seconds: float, cpu: float = math.inf) -> bytes:
        """Return the reply to a request; raise `WorkerLost`, with the worker ended, after these seconds or CPU seconds.

        CPU time counts from the first measurement, a tenth of a second after the request: a faster reply costs nothing.
        """
        self.cpu_limit, self.cpu_start, self.used = cpu, -1.0, 0.0
        nonce, content = secrets.token_bytes(16), encode(request)
        self.began = 0.0
        deadline = time.monotonic() + seconds
        try:
            self._send(HEADER.pack(nonce, len(content)) + content, deadline)
            replied, length = HEADER.unpack(self._receive(HEADER.size, deadline))
            if replied != nonce or length > MAX_BYTES:
                raise WorkerLost("died", "its process sent something that is no reply")
            return self._receive(length, deadline)
        except (WorkerLost, RetryableError):
            self.close()
            raise

    def _wait(self, fd: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(fd, event)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(min(left, WATCH_SECONDS) * 1000):
                return
            self._watch()
        if self._starved():
            raise unfair()
        raise WorkerLost("timeout", "it took too long")

    def _starved(self) -> bool:
        """Whether others had the CPUs for most of this request: it was ready to run, and did not run."""
        half, (waited, used), pid = (time.monotonic() - self.began) / 2, self.shared, self.process.pid
        # Threads of its own make it wait too, but then the CPUs work for it.
        return self.began > 0 and usage.waited(pid) - waited > half > usage.cpu_seconds(pid) - used

    def _watch(self) -> None:
        # At most this often while bytes arrive, and about this often while none do.
        if time.monotonic() - self.last_watch < WATCH_SECONDS:
            return
        self.last_watch = time.monotonic()
        if not self.began:
            self.began, pid = self.last_watch, self.process.pid
            self.shared = usage.waited(pid), usage.cpu_seconds(pid)
        self._check_cpu()
        if not self.sandbox.watched:
            return
        memory, threads = usage.memory_and_threads(self.process.pid)
        if memory > self.memory_before + memory_limit(self.sandbox):
            raise WorkerLost("died", f"{self._used_too_much()}, and was ended")
        if threads > THREADS:
            raise WorkerLost("died", f"its process had more than {THREADS} threads, and was ended")
        if fault := usage.folder_fault(self.folder, FILES, INODES):
            raise WorkerLost("died", f"its process {fault}, and was ended")
        if not self.sandbox.namespaces and self.free_before - usage.free_disk(self.folder) > DISK:
            # Removed files that are held open are in no folder, and cannot be told from those of other processes.
            raise disk_full(DISK)
        if usage.free_memory() < FREE:
            # What the kernel holds for a process is in no count of the process: locks, pipes, files in memory.
            raise memory_low()
        # A cold worker's file systems are in its own namespace; bubblewrap bounds their bytes and not their files.
        cold = self.sandbox.namespaces and not self.sandbox.warm
        if cold and usage.inodes(self.process.pid, TMPFS_SIZES) > INODES:
            raise WorkerLost("died", f"its process made more than {INODES:,} files, and was ended")

    def _check_cpu(self) -> None:
        if self.cpu_limit == math.inf:
            return
        reading = usage.cpu_seconds(self.process.pid)
        if self.cpu_start < 0:
            self.cpu_start = reading
        # The reading falls when a process ends that nobody waits for.
        self.used = max(self.used, reading - self.cpu_start)
        if self.used > self.cpu_limit:
            raise WorkerLost("timeout", "it took too long")

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.requests, view) :]
            except BlockingIOError:
                self._wait(self.requests, select.POLLOUT, deadline)
            except BrokenPipeError:
                raise WorkerLost("died", self._cause()) from None

    def _receive(self, count: int, deadline: float) -> bytes:
        # Reads beyond `count`: most replies arrive in one piece with their header, and take one read.
        while len(self.received) < count:
            self._wait(self.replies, select.POLLIN, deadline)
            self._watch()
            try:
                chunk = os.read(self.replies, READ_BYTES)
            except BlockingIOError:
                # The worker can read its own pipe empty again after `poll`.
                continue
            if not chunk:
                raise WorkerLost("died", self._cause())
            self.received += chunk
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    def _cause(self) -> str:
        why = self.process.exit_cause()
        if self.cgroup and self.cgroup.limit_exceeded:
            return self._used_too_much()
        if why in UNEXPLAINED:
            if self.process.orphaned:
                raise zygote_died()
            if self._oom_killed():
                raise out_of_memory()
        return why

    def _oom_killed(self) -> bool:
        # A cgroup tells whether this worker was killed; the count of the machine includes other processes.
        if self.cgroup and self.in_cgroup:
            return self.cgroup.oom_killed
        return usage.oom_kills() > self.oom_kills_before

    def _used_too_much(self) -> str:
        return f"its process used more than {self.sandbox.memory / (1 << 30):.2g} GB of memory"

    def stop(self) -> None:
        """Send SIGKILL, without waiting; `close` removes what is left."""
        if not self.closed:
            self.process.stop()

    def close(self) -> None:
        """End the worker and its descendants, close its pipes, and remove its folder and its cgroup."""
        if self.closed:
            return
        self.closed = True
        self.process.kill()
        if self.cgroup:
            self.cgroup.close()
        for fd in (self.requests, self.replies):
            os.close(fd)
        self.stderr = self.process.stderr_tail()
        usage.remove_folder(self.folder)
