"""Create namespaces: bubblewrap's arguments for the zygote, and a fork of the zygote into new namespaces within."""

from __future__ import annotations

import ctypes
import signal
from pathlib import Path

from .syscalls import PR_CAPBSET_DROP, call, mount, prctl

# The UID of every process in a sandbox, without privileges. It maps to the user who started bubblewrap.
UID_INSIDE = 1000
# The worker's folder in its namespaces, and the bytes and files that each writable tmpfs holds.
FOLDER = "/tmp/answers"
TMPFS_SIZES = {FOLDER: 128 << 20, "/dev/shm": 64 << 20}
TMPFS_FILES = 10_000
CLONE_NEW = {"ns": 0x00020000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000, "pid": 0x20000000}
CLONE_NEW_NET = 0x40000000
READ_ONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND = 1, 2, 4, 8, 0x20, 0x1000
CAPABILITY_VERSION = 0x20080522


def bwrap_arguments(mounts: list[str], zygote: bool) -> list[str]:
    """Return the `bwrap` command that runs what follows it in new namespaces: these mounts alone, no capability.

    /proc is read-only for a worker, and not for a zygote, whose workers mount one of their own.
    """
    own = [part for path, size in TMPFS_SIZES.items() for part in ("--size", str(size), "--tmpfs", path)]
    return [
        *(
            "bwrap",
            "--unshare-user",
            "--uid",
            str(UID_INSIDE),
            "--gid",
            str(UID_INSIDE),
            "--unshare-pid",
            "--unshare-net",
        ),
        *("--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "worker", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", *mounts, "--proc", "/proc", "--dev", "/dev", *own),
        # Without these, / and /dev are a writable tmpfs without a size.
        *([] if zygote else ["--remount-ro", "/proc"]),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", FOLDER),
    ]


def fork() -> int:
    """Fork into new namespaces, as their first process; return the child's PID, and 0 in the child.

    Raises `OSError` where the kernel, or a security profile, allows no namespaces within namespaces. Python's fork
    hooks do not run in the child, so it may only mount its file systems, fork and wait.
    """
    # One clone instead of unshare and a fork, since copying the page tables of a process with torch takes 10 ms.
    flags = CLONE_NEW_NET | signal.SIGCHLD
    for flag in CLONE_NEW.values():
        flags |= flag
    return call("clone", ctypes.c_ulong(flags), *[ctypes.c_void_p()] * 4)


def mount_filesystems() -> None:
    """In the first process of new namespaces: map its user, mount /proc and the writable tmpfs of bounded size."""
    same = f"{UID_INSIDE} {UID_INSIDE} 1"
    for name, line in (("setgroups", "deny"), ("gid_map", same), ("uid_map", same)):
        Path(f"/proc/self/{name}").write_text(line)
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    for path, size in TMPFS_SIZES.items():
        mount("tmpfs", path, "tmpfs", NOSUID | NODEV, f"size={size},nr_inodes={TMPFS_FILES},mode=700")


def remount_proc_read_only() -> None:
    """Remount /proc read-only: a worker could lower its own `oom_score_adj` there."""
    mount("", "/proc", "", REMOUNT | BIND | READ_ONLY | NOSUID | NODEV | NOEXEC)


def drop_capabilities() -> None:
    """Drop every capability, including those over this process's own user namespace."""
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:
            break
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    call("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
