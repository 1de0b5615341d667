"""Namespaces: bubblewrap's arguments for a sandbox, and what a zygote's child does to get namespaces of its own."""

from __future__ import annotations

import ctypes
import os
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


def enter() -> None:
    """Move this process to namespaces of its own; its next child is the first process of the new ones.

    Raises `OSError` where the kernel, or a profile, does not let a sandbox make another within it.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEW_NET
    for flag in CLONE_NEW.values():
        flags |= flag
    call("unshare", ctypes.c_int(flags))
    for name, line in (("setgroups", "deny"), ("gid_map", f"{gid} {gid} 1"), ("uid_map", f"{uid} {uid} 1")):
        Path(f"/proc/self/{name}").write_text(line)


def furnish() -> None:
    """As the first process of the new namespaces: its own /proc, and empty folders of bounded size to write in."""
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
