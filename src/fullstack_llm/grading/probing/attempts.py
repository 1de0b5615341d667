# ruff: noqa: PTH107, PTH118, PTH123
"""What the probes try: code that runs in a worker like a student's, and names what it could do and should not.

This file is read as text and defined in a worker; the grader never runs it.
"""

import ctypes
import functools
import mmap
import os
import resource
import signal
import socket
import time
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)


def tried(what: str, action: Callable[[], object]) -> list[str]:
    """The name of the action, if it could be done."""
    try:
        action()
    except (OSError, ValueError, MemoryError, OverflowError):
        return []
    return [what]


def _open(path: str, mode: str) -> None:
    open(path, mode).close()


def files(canary: str, secrets: list[str], places: list[str], name: str) -> list[str]:
    """Read what is the judge's, spoil a file made for this, and leave something in places that others see.

    Only the canary is ever written or removed: without a sandbox all of this succeeds.
    """
    found = tried("wrote to another's file", functools.partial(_open, canary, "ab"))
    for path in [canary, *secrets]:
        found += tried(f"read {path}", functools.partial(_open, path, "rb"))
    found += tried("removed another's file", lambda: os.remove(canary))
    for place in places:
        tried("", functools.partial(_open, os.path.join(place, name), "x"))
    return found


def readable(paths: list[str]) -> list[str]:
    """Those of the paths that can be opened; names alone may be seen, as Landlock has no way to hide them."""
    return [path for path in paths if tried(path, functools.partial(_open, path, "rb"))]


def network() -> list[str]:
    """A socket of any family; a pair that could send to others."""
    found = []
    for family in range(64):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            found += tried(f"socket({family}, {kind})", lambda: socket.socket(family, kind).close())  # noqa: B023
    found += tried("a pair of datagram sockets", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    return found[:5]


def processes() -> list[str]:
    """A new process, in all the ways there are, or another program in place of this one."""

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)
        os.wait()

    found = tried("fork", fork)
    found += tried("spawn", lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0))
    try:
        os.execv("/nowhere", ["/nowhere"])
    except PermissionError:
        pass
    except OSError:
        found.append("exec")
    # io_uring_setup, clone3 with no arguments: unknown or refused, but not looked at.
    for what, number in (("io_uring", 425), ("clone3", 435)):
        LIBC.syscall(number, 0, 0)
        if ctypes.get_errno() not in (1, 38):
            found.append(what)
    found += ["namespaces"] if LIBC.unshare(0x10000000) == 0 else []
    return found


def memory(bound: int) -> list[str]:
    """More than the bound in one piece, as private, shared or unnamed memory; memory files without a size."""
    found = tried("private memory", lambda: mmap.mmap(-1, bound, mmap.MAP_PRIVATE).close())
    found += tried("shared memory", lambda: mmap.mmap(-1, bound, mmap.MAP_SHARED).close())
    found += tried("memfd", lambda: os.close(os.memfd_create("x")))
    found += tried("SysV memory", _sysv)
    for place in ("/dev/shm", "/tmp", "/dev", "/run", "/"):
        if os.access(place, os.W_OK):
            found += tried(f"a file in {place}", functools.partial(_unbounded, place, bound))
    return found


def _sysv() -> None:
    shared = LIBC.shmget(0, 4096, 0o1600)
    if shared < 0:
        raise OSError
    LIBC.shmctl(shared, 0, None)


def _unbounded(place: str, bound: int) -> None:
    path = os.path.join(place, f"x{os.getpid()}")
    open(path, "w").close()
    os.remove(path)
    state = os.statvfs(place)
    if state.f_blocks * state.f_frsize < bound:
        raise OSError


def fill(size: int, bound: int) -> int:
    """Files of this size, more than the bound in all, until someone stops it; how much there is in the end."""
    count = bound // size + 2
    for number in range(count):
        with open(f"fill{number}", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    time.sleep(1)
    return count * size


def limits() -> dict[str, int]:
    """The bounds that the kernel holds for this process."""
    names = ("CPU", "AS", "FSIZE", "NOFILE", "CORE")
    return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in names}


def neighbours(pids: list[int]) -> list[str]:
    """Signal, trace, look into or bind others; the signal is 0, which does nothing."""
    found = []
    for pid in [*pids, 0, -1]:
        found += tried(f"signalled {pid}", lambda: os.kill(pid, 0))  # noqa: B023
    for pid in pids:
        for name in ("environ", "mem", "maps", "cwd/."):
            found += tried(f"opened /proc/{pid}/{name}", lambda: os.close(os.open(f"/proc/{pid}/{name}", 0)))  # noqa: B023
        found += tried(f"changed the limits of {pid}", lambda: resource.prlimit(pid, resource.RLIMIT_CORE))  # noqa: B023
        found += tried(f"got a handle of {pid}", lambda: os.pidfd_open(pid))  # noqa: B023
        found += [f"traced {pid}"] if LIBC.ptrace(0x4206, pid, 0, 0) == 0 else []
    return found


def stop() -> None:
    """Hang, with signals ignored."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass
