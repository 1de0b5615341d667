# ruff: noqa: PTH107, PTH118, PTH123
"""Try to break the guarantees: each function runs in a worker, like a student's, and returns names of what it could do.

The probes send this file to a worker as the text of a cell; the grader itself never imports it.
"""

import ctypes
import fcntl
import functools
import mmap
import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)


def tried(what: str, action: Callable[[], object]) -> list[str]:
    """Run the action; return its name in a list if it succeeded, otherwise an empty list."""
    try:
        action()
    except (OSError, ValueError, MemoryError, OverflowError):
        return []
    return [what]


def _open(path: str, mode: str) -> None:
    open(path, mode).close()


def files(canary: str, secrets: list[str], places: list[str], name: str) -> list[str]:
    """Try to read the judge's files, to change and remove the canary file, and to leave files in shared places.

    Nothing but the canary is ever changed: without a sandbox all of this succeeds.
    """
    done = tried("wrote to another's file", functools.partial(_open, canary, "ab"))
    for path in [canary, *secrets]:
        done += tried(f"read {path}", functools.partial(_open, path, "rb"))
    done += tried("removed another's file", lambda: os.remove(canary))
    for place in places:
        tried("", functools.partial(_open, os.path.join(place, name), "x"))
    return done


def readable(paths: list[str]) -> list[str]:
    """Return the paths that can be opened; that a path exists may be seen, since Landlock cannot hide names."""
    return [path for path in paths if tried(path, functools.partial(_open, path, "rb"))]


def network() -> list[str]:
    """Try to open a socket of any family, and a pair of datagram sockets, which could send to other addresses."""
    done = []
    for family in range(64):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            done += tried(f"socket({family}, {kind})", lambda: socket.socket(family, kind).close())  # noqa: B023
    done += tried("a pair of datagram sockets", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    return done[:5]


def processes() -> list[str]:
    """Try to start a process in every way, to execute another program, and to make namespaces."""

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)
        os.wait()

    done = tried("fork", fork)
    done += tried("spawn", lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0))
    try:
        os.execv("/nowhere", ["/nowhere"])
    except PermissionError:
        pass
    except OSError:
        done.append("exec")
    # io_uring_setup and clone3 without arguments: the filter must answer EPERM or ENOSYS, not the kernel EINVAL.
    for what, number in (("io_uring", 425), ("clone3", 435)):
        LIBC.syscall(number, 0, 0)
        if ctypes.get_errno() not in (1, 38):
            done.append(what)
    done += ["namespaces"] if LIBC.unshare(0x10000000) == 0 else []
    return done


def memory(bound: int) -> list[str]:
    """Try to map more than the bound, privately or shared, and to make memory files on a tmpfs without a size."""
    done = tried("private memory", lambda: mmap.mmap(-1, bound, mmap.MAP_PRIVATE).close())
    done += tried("shared memory", lambda: mmap.mmap(-1, bound, mmap.MAP_SHARED).close())
    done += tried("memfd", lambda: os.close(os.memfd_create("x")))
    done += tried("SysV memory", _sysv)
    done += tried("a file without regard to limits", _preallocate)
    done += tried("huge pages", lambda: mmap.mmap(-1, 2 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000).close())
    done += tried("pages in a pipe", _kept_in_a_pipe)
    done += _locked()
    for place in ("/dev/shm", "/tmp", "/dev", "/run", "/"):
        if os.access(place, os.W_OK):
            done += tried(f"a file in {place}", functools.partial(_unbounded, place, bound))
    return done


def _preallocate() -> None:
    # FALLOC_FL_KEEP_SIZE: the size stays, the limit on it too, and the room is taken.
    with open("kept", "wb") as file:
        if LIBC.fallocate(file.fileno(), 1, ctypes.c_long(0), ctypes.c_long(16 << 20)) < 0:
            raise OSError


def _kept_in_a_pipe() -> None:
    reads, writes = os.pipe()
    try:
        buffer = ctypes.create_string_buffer(4096)
        piece = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 4096)
        if LIBC.vmsplice(writes, ctypes.byref(piece), ctypes.c_ulong(1), ctypes.c_uint(0)) < 0:
            raise OSError
    finally:
        os.close(reads)
        os.close(writes)


def _locked() -> list[str]:
    # Any file that can be read will do. The second description of the file sees a lock that is kept.
    held = struct.pack("hhqqi4x", 0, 0, 0, 1, 0)
    with open(os.__file__, "rb") as file, open(os.__file__, "rb") as other:
        try:
            fcntl.fcntl(file, 37, held)
            asked = fcntl.fcntl(other, 36, struct.pack("hhqqi4x", 1, 0, 0, 1, 0))
        except OSError:
            return []
    return [] if struct.unpack("hhqqi4x", asked)[0] == 2 else ["a lock on a file"]


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
    """Write files of this size, in all more than the bound; return the bytes written, if nothing stops it."""
    count = bound // size + 2
    for number in range(count):
        with open(f"fill{number}", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    time.sleep(1)
    return count * size


def crowd(count: int) -> int:
    """Make so many empty files; return how many there are, if nothing stops it."""
    for number in range(count):
        try:
            os.close(os.open(f"crowd{number}", os.O_CREAT | os.O_WRONLY))
        except OSError:
            return number
    time.sleep(1)
    return count


def limits() -> dict[str, int]:
    """Return the hard rlimits of this process."""
    names = ("CPU", "AS", "FSIZE", "NOFILE", "CORE", "SIGPENDING", "MEMLOCK", "MSGQUEUE")
    return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in names}


def neighbours(pids: list[int]) -> list[str]:
    """Try to signal, trace, read or limit other processes; signal 0 does nothing but check the permission."""
    done = []
    for pid in [*pids, 0, -1]:
        done += tried(f"signalled {pid}", lambda: os.kill(pid, 0))  # noqa: B023
    for pid in pids:
        for name in ("environ", "mem", "maps", "cwd/."):
            done += tried(f"opened /proc/{pid}/{name}", lambda: os.close(os.open(f"/proc/{pid}/{name}", 0)))  # noqa: B023
        done += tried(f"changed the limits of {pid}", lambda: resource.prlimit(pid, resource.RLIMIT_CORE))  # noqa: B023
        done += tried(f"got a pidfd of {pid}", lambda: os.pidfd_open(pid))  # noqa: B023
        done += [f"traced {pid}"] if LIBC.ptrace(0x4206, pid, 0, 0) == 0 else []
    return done


def stop() -> None:
    """Loop for ever, with every signal ignored that can be ignored."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass
