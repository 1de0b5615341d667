"""Namespaces: bubblewrap's arguments for a sandbox, and how a zygote makes a child with namespaces of its own."""

from __future__ import annotations

import ctypes
import signal
from pathlib import Path

from .syscalls import PR_CAPBSET_DROP, call, mount, prctl

# Everyone's number inside: no user of the machine, and none with privileges.
INSIDE = 1000
FOLDER = "/tmp/answers"
SIZES = {FOLDER: 128 << 20, "/dev/shm": 64 << 20}
CLONE_NEW = {"ns": 0x00020000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000, "pid": 0x20000000}
CLONE_NEW_NET = 0x40000000
READ_ONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND = 1, 2, 4, 8, 0x20, 0x1000
CAPABILITY_VERSION = 0x20080522


def arguments(mounts: list[str]) -> list[str]:
    """The command that runs what follows it in new namespaces, with nothing but these mounts, and no capability."""
    own = [part for path, size in SIZES.items() for part in ("--size", str(size), "--tmpfs", path)]
    return [
        *("bwrap", "--unshare-user", "--uid", str(INSIDE), "--gid", str(INSIDE), "--unshare-pid", "--unshare-net"),
        *("--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "worker", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", *mounts, "--proc", "/proc", "--dev", "/dev", *own),
        # Its root and its /dev are writable memory otherwise, which no limit counts.
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", FOLDER),
    ]


def fork() -> int:
    """A fork that is the first process of namespaces of its own: its number, and 0 in itself.

    Raises `OSError` where the kernel, or a profile, does not let a sandbox make another within it. Python's hooks for
    forks do not run in it: it may furnish its namespaces, fork and wait.
    """
    # One call, and not unshare and a fork: it takes 10 ms to copy the page tables of a process with torch.
    flags = CLONE_NEW_NET | signal.SIGCHLD
    for flag in CLONE_NEW.values():
        flags |= flag
    return call("clone", ctypes.c_ulong(flags), *[ctypes.c_void_p()] * 4)


def furnish() -> None:
    """As that process: its user as before, its own /proc, and empty folders of bounded size to write in."""
    same = f"{INSIDE} {INSIDE} 1"
    for name, line in (("setgroups", "deny"), ("gid_map", same), ("uid_map", same)):
        Path(f"/proc/self/{name}").write_text(line)
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    for path, size in SIZES.items():
        mount("tmpfs", path, "tmpfs", NOSUID | NODEV, f"size={size},nr_inodes=10000,mode=700")


def seal() -> None:
    """Keep this process from writing to its own /proc, where it could ask to be spared when memory is full."""
    mount("", "/proc", "", REMOUNT | BIND | READ_ONLY | NOSUID | NODEV | NOEXEC)


def drop() -> None:
    """Give up every capability, also those that one has over namespaces of one's own."""
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:
            break
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    call("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
