"""The zygote: a process with the lab's modules loaded, whose forks are the workers. It runs no student's code.

Each order, a message with descriptors on a socket, makes one worker. To fork a large process is dear: it happens once,
and the zygote says how the worker ended. Namespaces end with their first process, which has to outlive the student's
code: there it happens twice, and that process says it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
from dataclasses import dataclass
from typing import Any

from . import serve
from .confine import confine, namespaces, syscalls

KEPT = 3
# A request, a reply, how it ended, and the doors of control groups.
DESCRIPTORS = 3 + 4


def run(control: socket.socket, plan: dict[str, Any]) -> None:
    """Fork a worker for each order, until the grader closes the socket."""
    if syscalls.threads() > 1:
        # A fork copies one thread and the locks of all: the grader starts cold sandboxes then.
        control.send(b"threads")
        return
    if not plan["namespaces"]:
        # Without a /proc of its own, a worker must not look into another, which has the same user.
        # Its forks cannot write to their own /proc either, so what is to be written there is written first.
        confine.go_first()
        confine.hide()
    own = os.pidfd_open(os.getpid())
    _show(control, b"ready", own)
    os.close(own)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running: dict[int, Running] = {}
    while True:
        for fd, _ in poll.poll():
            if fd == control.fileno():
                message, fds, _, _ = socket.recv_fds(control, 1 << 16, DESCRIPTORS)
                if not message:
                    return
                one = _fork(control, plan, json.loads(message)["folder"], fds, running)
                running[one.handle] = one
                poll.register(one.handle, select.POLLIN)
            else:
                poll.unregister(fd)
                running.pop(fd).end()


@dataclass
class Running:
    """A child: its number, a descriptor that shows its end, and where the zygote says how it ended, if it does."""

    pid: int
    handle: int
    status: int | None

    def end(self) -> None:
        """Take leave of it, now that it has ended."""
        _, how = os.waitpid(self.pid, 0)
        if self.status is not None:
            _say(self.status, how)
        self.close()

    def close(self) -> None:
        """Close what is known of it."""
        os.close(self.handle)
        if self.status is not None:
            os.close(self.status)


def _fork(
    control: socket.socket, plan: dict[str, Any], folder: str, fds: list[int], running: dict[int, Running]
) -> Running:
    pid = namespaces.fork() if plan["namespaces"] else os.fork()
    if pid == 0:
        _child(control, plan, folder, fds, running)
    handle = os.pidfd_open(pid)
    status = None if plan["namespaces"] else fds.pop(2)
    for fd in fds:
        os.close(fd)
    if not plan["namespaces"]:
        _show(control, b"forked", handle)
    return Running(pid, handle, status)


def _show(control: socket.socket, what: bytes, handle: int) -> None:
    # The grader's handle: the process can be signalled by it, and it belongs to no other process ever.
    socket.send_fds(control, [what], [handle])


def _say(status: int, how: int) -> None:
    # The grader may not listen any more.
    with contextlib.suppress(BrokenPipeError):
        os.write(status, how.to_bytes(4, "little"))


def _child(
    control: socket.socket, plan: dict[str, Any], folder: str, fds: list[int], running: dict[int, Running]
) -> None:
    try:
        confine.end_with_parent()
        for other in running.values():
            other.close()
        os.setsid()
        if plan["namespaces"]:
            folder = namespaces.FOLDER
            namespaces.furnish()
            if student := os.fork():
                _show(control, b"forked", os.pidfd_open(student))
                _wait(student, fds[2])
            confine.end_with_parent()
        os.close(fds[2])
        control.close()
        for door in fds[3:]:
            confine.enter(door)
        confine.settle(folder)
        confine.confine(plan, folder)
        serve.serve(serve.Pipe(fds[0], fds[1]))
    except BaseException as error:
        why = f"{type(error).__name__}: {error}\n".encode()
        # The grader reads this when it ends the zygote, and meanwhile sees that its worker is gone, or never was.
        os.write(2, why)
        with contextlib.suppress(OSError):
            control.send(why)
    finally:
        os._exit(1)


def _wait(student: int, status: int) -> None:
    os.dup2(status, KEPT)
    os.closerange(KEPT + 1, 1 << 10)
    _, how = os.waitpid(student, 0)
    _say(KEPT, how)
    os._exit(0)


def main(plan: dict[str, Any], fd: int) -> None:
    """Serve orders from the socket with this descriptor."""
    try:
        run(socket.socket(fileno=fd), plan)
    except (OSError, ValueError) as error:
        sys.exit(f"the zygote ended: {error}")
