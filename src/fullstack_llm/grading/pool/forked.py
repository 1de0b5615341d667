"""The grader's side of a zygote and of its forks."""

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
from fullstack_llm.grading.machine.cgroup import Group
from fullstack_llm.grading.machine.errors import CLOSED, GraderError, ended

from .process import Cold
from .proxy import START_SECONDS

AFTER_FORKS = 0.1


class Forked:
    """The fork of a zygote. It is known by a descriptor, which never comes to mean another process."""

    def __init__(self, pidfd: int, status: int, zygote: Zygote) -> None:
        self.pidfd, self.status, self.zygote, self.how = pidfd, status, zygote, ""
        lines = dict(line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines())
        self.pid = int(lines["Pid"])

    @property
    def orphaned(self) -> bool:
        """Whether the zygote has ended."""
        return self.zygote.ended

    def end(self) -> str:
        """How it ended, as the process says that waits for it."""
        if not self.how:
            poll = select.poll()
            poll.register(self.status, select.POLLIN)
            data = os.read(self.status, 4) if poll.poll(1000) else b""
            self.how = ended(int.from_bytes(data, "little")) if len(data) == 4 else CLOSED
        return self.how

    def stop(self) -> None:
        """Signal it; it has no other processes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def kill(self) -> None:
        """End it, and wait."""
        self.stop()
        self.end()
        os.close(self.pidfd)
        os.close(self.status)

    def said(self) -> str:
        """Nothing: its error output is the zygote's."""
        return ""


@dataclass(frozen=True)
class Coming:
    """A worker that a zygote has been asked for: the grader's ends of its pipes, its folder, and its group."""

    requests: int
    replies: int
    status: int
    folder: str
    group: Group | None

    def close(self) -> None:
        """Forget it, once its zygote has ended, and it too."""
        for end in (self.requests, self.replies, self.status):
            os.close(end)
        if self.group:
            self.group.close()


class Zygote:
    """The grader's side of a zygote."""

    def __init__(
        self,
        sandbox: Sandbox,
        modules: tuple[str, ...],
        answers: tuple[str, ...],
        private: tuple[Path, ...],
        folder: str,
    ) -> None:
        self.control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(START_SECONDS)
        fds = (there.fileno(),)
        self.process = Cold(command(sandbox, modules, answers, private, fds, folder), folder, fds, sandbox.namespaces)
        there.close()
        self.loaded, self.handle = "", -1

    def wait(self) -> bool:
        """Wait until it has loaded; whether its process can be forked, which it cannot once it has threads.

        Raises `GraderError` with what it said if it ended instead.
        """
        if not self.loaded:
            with contextlib.suppress(TimeoutError, ConnectionError):
                message, handles, _, _ = socket.recv_fds(self.control, 100, 1)
                self.loaded, self.handle = message.decode(), handles[0] if handles else -1
        if not self.loaded:
            raise GraderError("the workers' process did not start. It said:")
        return self.loaded == "ready"

    def order(self, folder: str, group: Group | None) -> Coming:
        """Ask for a new worker, and do not wait for it; `OSError` if the zygote is gone."""
        doors = group.doors() if group else []
        try:
            with pipes() as (there, requests, replies, back), _pipe(0) as (status, end):
                socket.send_fds(self.control, [json.dumps({"folder": folder}).encode()], [there, back, end, *doors])
                return Coming(requests, replies, status, folder, group)
        finally:
            for door in doors:
                os.close(door)

    def collect(self, coming: Coming) -> Forked:
        """The process of the worker that was ordered; `OSError` if the zygote could not fork it."""
        message, pidfds, _, _ = socket.recv_fds(self.control, 4096, 1)
        if not pidfds:
            raise OSError(message.decode(errors="replace") or "it is gone")
        return Forked(pidfds[0], coming.status, self)

    @property
    def ended(self) -> bool:
        """Whether it is no more, by no order of the grader; its forks, which go with it, may have ended just before."""
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(AFTER_FORKS * 1000))

    def close(self) -> str:
        """End it, and its forks with it; what it said."""
        self.control.close()
        if self.handle >= 0:
            os.close(self.handle)
        self.process.kill()
        return self.process.said()


@contextlib.contextmanager
def _pipe(kept: int) -> Iterator[tuple[int, int]]:
    """A pipe whose end `kept` outlives the block, unless that fails; the other goes to a process in it."""
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
    """The four ends of a worker's two pipes: the outer two are its own, and close with the block."""
    with _pipe(1) as (there, requests), _pipe(0) as (replies, back):
        yield there, requests, replies, back
