"""The zygote: a process with the lab's modules loaded, whose forks are the workers. It runs no student's code.

Each order, a message with descriptors on a socket, makes one worker: the zygote forks; the child enters namespaces of
its own, where the plan says so, and forks again; what is left of it waits and says how the worker ended.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import sys
from typing import Any

from . import confine, namespaces, syscalls, worker

KEPT = 3


def run(control: socket.socket, plan: dict[str, Any], calling: Any) -> None:
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
    gc.collect()
    # What is never collected is never written to, and stays shared with the children.
    gc.freeze()
    control.send(b"ready")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1 << 16, KEPT)
        if not message:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            _child(control, plan, calling, json.loads(message)["folder"], fds)
        for fd in fds:
            os.close(fd)


def _child(control: socket.socket, plan: dict[str, Any], calling: Any, folder: str, fds: list[int]) -> None:
    status = fds[2]
    try:
        confine.end_with_parent()
        if plan["namespaces"]:
            namespaces.enter()
            if first := os.fork():
                # The namespaces end with their first process, and this one is only its parent.
                os.closerange(KEPT, max(control.fileno(), *fds) + 1)
                os.waitpid(first, 0)
                os._exit(0)
            confine.end_with_parent()
            namespaces.furnish()
        os.setsid()
        if student := os.fork():
            # The grader's handle: it can be signalled, and belongs to no other process ever.
            socket.send_fds(control, [b"forked"], [os.pidfd_open(student)])
            _wait(student, status)
        confine.end_with_parent()
        os.close(status)
        control.close()
        folder = namespaces.FOLDER if plan["namespaces"] else folder
        confine.settle(folder)
        confine.confine(plan, folder)
        worker.serve(worker.Pipe(fds[0], fds[1]), calling)
    except BaseException as error:
        # The grader reads this when it ends the zygote, and meanwhile sees that its worker is gone.
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


def _wait(student: int, status: int) -> None:
    os.dup2(status, KEPT)
    os.closerange(KEPT + 1, 1 << 10)
    _, how = os.waitpid(student, 0)
    os.write(KEPT, how.to_bytes(4, "little"))
    os._exit(0)


def main(plan: dict[str, Any], calling: Any, fd: int) -> None:
    """Serve orders from the socket with this descriptor."""
    try:
        run(socket.socket(fileno=fd), plan, calling)
    except (OSError, ValueError) as error:
        sys.exit(f"the zygote ended: {error}")
