"""Start a zygote (`worker/zygote.py`), ask it for forks, and end its forks through their pidfds."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fullstack_llm.grading.isolation.sandbox import Sandbox, command
from fullstack_llm.grading.machine.cgroup import Cgroup
from fullstack_llm.grading.machine.errors import CLOSED, GraderError, describe_exit

from .process import SpawnedProcess
from .proxy import START_SECONDS

# The fork of a zygote that is killed may end this much before the zygote.
ZYGOTE_END_SECONDS = 0.1


class ForkedProcess:
    """A worker's process that a zygote has forked, known by its pidfd: a PID can come to mean another process."""

    def __init__(self, pidfd: int, status_fd: int, zygote: Zygote) -> None:
        self.pidfd, self.status_fd, self.zygote, self.cause = pidfd, status_fd, zygote, ""
        lines = dict(line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines())
        self.pid = int(lines["Pid"])

    @property
    def orphaned(self) -> bool:
        """Whether the zygote has ended."""
        return self.zygote.ended

    def exit_cause(self) -> str:
        """Return how the process ended, from the wait status that its parent writes to the pipe."""
        if not self.cause:
            poll = select.poll()
            poll.register(self.status_fd, select.POLLIN)
            data = os.read(self.status_fd, 4) if poll.poll(1000) else b""
            self.cause = describe_exit(int.from_bytes(data, "little")) if len(data) == 4 else CLOSED
        return self.cause

    def stop(self) -> None:
        """Send SIGKILL; the seccomp filter has kept the process from starting others."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process, wait, and close its fds."""
        self.stop()
        self.exit_cause()
        os.close(self.pidfd)
        os.close(self.status_fd)

    def stderr_tail(self) -> str:
        """Return nothing: the process writes to the stderr of its zygote."""
        return ""


@dataclass(frozen=True)
class PendingFork:
    """A worker that a zygote has been asked to fork: the grader's ends of its pipes, its folder and its cgroup."""

    requests: int
    replies: int
    status_fd: int
    folder: str
    cgroup: Cgroup | None

    def close(self) -> None:
        """Close the pipes and remove the cgroup, after the zygote and the fork have ended."""
        for fd in (self.requests, self.replies, self.status_fd):
            os.close(fd)
        if self.cgroup:
            self.cgroup.close()


class Zygote:
    """A zygote: its process, its control socket, and the pidfd that the zygote has sent."""

    def __init__(
        self,
        sandbox: Sandbox,
        modules: tuple[str, ...],
        answers: tuple[str, ...],
        private: tuple[Path, ...],
        folder: str,
    ) -> None:
        self.control, zygote_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(START_SECONDS)
        fds = (zygote_end.fileno(),)
        self.process = SpawnedProcess(
            command(sandbox, modules, answers, private, fds, folder), folder, fds, sandbox.namespaces
        )
        zygote_end.close()
        self.loaded, self.pidfd = "", -1

    def wait(self) -> bool:
        """Wait until the zygote has imported its modules; return False if it has threads, and therefore cannot fork.

        Raises `GraderError` if the zygote ended instead.
        """
        if not self.loaded:
            with contextlib.suppress(TimeoutError, ConnectionError):
                message, pidfds, _, _ = socket.recv_fds(self.control, 100, 1)
                self.loaded, self.pidfd = message.decode(), pidfds[0] if pidfds else -1
        if not self.loaded:
            raise GraderError("the workers' process did not start. It said:")
        return self.loaded == "ready"

    def request_fork(self, folder: str, cgroup: Cgroup | None) -> PendingFork:
        """Ask the zygote to fork a worker, without waiting for it; raise `OSError` if the zygote has ended."""
        procs_fds = cgroup.open_procs() if cgroup else []
        try:
            with pipes() as (reads, requests, replies, writes), _pipe(0) as (status_fd, status_end):
                fds = [reads, writes, status_end, *procs_fds]
                socket.send_fds(self.control, [json.dumps({"folder": folder}).encode()], fds)
                return PendingFork(requests, replies, status_fd, folder, cgroup)
        finally:
            for fd in procs_fds:
                os.close(fd)

    def receive_fork(self, pending: PendingFork) -> ForkedProcess:
        """Wait for the process that was asked for; raise `OSError` if the zygote could not fork it."""
        message, pidfds, _, _ = socket.recv_fds(self.control, 4096, 1)
        if not pidfds:
            raise OSError(message.decode(errors="replace") or "it is gone")
        return ForkedProcess(pidfds[0], pending.status_fd, self)

    @property
    def ended(self) -> bool:
        """Whether the zygote has ended, or ends in a moment: its forks, which end with it, may have ended first."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(ZYGOTE_END_SECONDS * 1000))

    def close(self) -> str:
        """Kill the zygote, and its forks with it; return the end of its stderr."""
        self.control.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
        self.process.kill()
        return self.process.stderr_tail()


@contextlib.contextmanager
def _pipe(kept: int) -> Iterator[tuple[int, int]]:
    """Open a pipe; the end `kept` stays open unless the block raises, the other end closes with the block."""
    ends = os.pipe()
    try:
        yield ends
    except BaseException:
        os.close(ends[kept])
        raise
    finally:
        os.close(ends[1 - kept])


@contextlib.contextmanager
def pipes() -> Iterator[tuple[int, int, int, int]]:
    """Open a worker's two pipes: the outer two of the four fds are the worker's, and close with the block."""
    with _pipe(1) as (reads, requests), _pipe(0) as (replies, writes):
        yield reads, requests, replies, writes
