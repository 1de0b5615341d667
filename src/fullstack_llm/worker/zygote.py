"""Fork server (zygote): a process that has imported the lab's modules, and forks one worker for each request.

A request is one message on a Unix socket: the worker's folder as JSON, and file descriptors by SCM_RIGHTS. The zygote
never runs a student's code. Forking a process that has loaded torch takes about 10 ms, for its page tables. Without
namespaces, the zygote forks the worker, waits for it and writes its wait status to a pipe. With namespaces, it forks
twice: a PID namespace ends with its first process, which therefore runs no student's code, but waits for the worker
and writes the wait status.
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

# The number to which the first process of a PID namespace moves the fd of the status pipe.
STATUS_FD = 3
# Pipe ends for requests, replies and the wait status, then the `cgroup.procs` files of at most four cgroups.
MAX_FDS = 3 + 4


def run(control: socket.socket, plan: dict[str, Any]) -> None:
    """Fork a worker for each request, until the grader closes the socket."""
    if syscalls.thread_count() > 1:
        # A fork copies one thread and the locks of all threads: the grader then spawns each worker instead.
        control.send(b"threads")
        return
    if not plan["namespaces"]:
        # All workers have one user and one /proc: an undumpable worker cannot be read there by another. An undumpable
        # process cannot write to its own /proc either, so its OOM score is set first.
        confine.raise_oom_score()
        confine.make_undumpable()
    own_pidfd = os.pidfd_open(os.getpid())
    _send_pidfd(control, b"ready", own_pidfd)
    os.close(own_pidfd)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running: dict[int, Child] = {}
    while True:
        for fd, _ in poll.poll():
            if fd == control.fileno():
                message, fds, _, _ = socket.recv_fds(control, 1 << 16, MAX_FDS)
                if not message:
                    return
                child = _fork(control, plan, json.loads(message)["folder"], fds, running)
                running[child.pidfd] = child
                poll.register(child.pidfd, select.POLLIN)
            else:
                poll.unregister(fd)
                running.pop(fd).reap()


@dataclass
class Child:
    """A forked child: its PID, its pidfd, and the pipe end for its wait status (None if another process writes it)."""

    pid: int
    pidfd: int
    status_fd: int | None

    def reap(self) -> None:
        """Wait for the child, which has ended, and write its wait status to the pipe."""
        _, wait_status = os.waitpid(self.pid, 0)
        if self.status_fd is not None:
            _write_status(self.status_fd, wait_status)
        self.close()

    def close(self) -> None:
        """Close the fds that belong to the child."""
        os.close(self.pidfd)
        if self.status_fd is not None:
            os.close(self.status_fd)


def _fork(
    control: socket.socket, plan: dict[str, Any], folder: str, fds: list[int], running: dict[int, Child]
) -> Child:
    pid = namespaces.fork() if plan["namespaces"] else os.fork()
    if pid == 0:
        _run_child(control, plan, folder, fds, running)
    pidfd = os.pidfd_open(pid)
    status_fd = None if plan["namespaces"] else fds.pop(2)
    for fd in fds:
        os.close(fd)
    if not plan["namespaces"]:
        _send_pidfd(control, b"forked", pidfd)
    return Child(pid, pidfd, status_fd)


def _send_pidfd(control: socket.socket, message: bytes, pidfd: int) -> None:
    # The grader signals the process by its pidfd: unlike a PID, a pidfd never comes to mean another process.
    socket.send_fds(control, [message], [pidfd])


def _write_status(status_fd: int, wait_status: int) -> None:
    # The grader may have closed its end of the pipe.
    with contextlib.suppress(BrokenPipeError):
        os.write(status_fd, wait_status.to_bytes(4, "little"))


def _run_child(
    control: socket.socket, plan: dict[str, Any], folder: str, fds: list[int], running: dict[int, Child]
) -> None:
    try:
        confine.end_with_parent()
        for other in running.values():
            other.close()
        os.setsid()
        if plan["namespaces"]:
            folder = namespaces.FOLDER
            namespaces.mount_filesystems()
            if worker := os.fork():
                _send_pidfd(control, b"forked", os.pidfd_open(worker))
                _wait_for(worker, fds[2])
            confine.end_with_parent()
        os.close(fds[2])
        control.close()
        for procs_fd in fds[3:]:
            confine.enter_cgroup(procs_fd)
        confine.enter_folder(folder)
        confine.confine(plan, folder)
        serve.serve(serve.Pipe(fds[0], fds[1]))
    except BaseException as error:
        why = f"{type(error).__name__}: {error}\n".encode()
        # The grader reads stderr when it ends the zygote; until then it sees only that the worker has ended.
        os.write(2, why)
        with contextlib.suppress(OSError):
            control.send(why)
    finally:
        os._exit(1)


def _wait_for(worker: int, status_fd: int) -> None:
    os.dup2(status_fd, STATUS_FD)
    os.closerange(STATUS_FD + 1, 1 << 10)
    _, wait_status = os.waitpid(worker, 0)
    _write_status(STATUS_FD, wait_status)
    os._exit(0)


def main(plan: dict[str, Any], fd: int) -> None:
    """Serve the requests that arrive on the socket with this fd."""
    try:
        run(socket.socket(fileno=fd), plan)
    except (OSError, ValueError) as error:
        sys.exit(f"the zygote ended: {error}")
