"""Confine this process before it runs any cell. The plan comes from the grader, as plain data."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tempfile
from pathlib import Path
from typing import Any

from . import landlock, namespaces, seccomp, syscalls


def set_rlimits(bounds: dict[str, int]) -> None:
    """Set rlimits by name, such as `{"AS": 8 << 30}`; a limit that this system lacks is skipped.

    AS and DATA are added to what the process has loaded already, so that they mean the same with any library.
    """
    loaded = _loaded()
    for name, value in bounds.items():
        value += loaded.get(name, 0)
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        except (AttributeError, ValueError, OSError):
            continue


def _loaded() -> dict[str, int]:
    try:
        pages = [int(word) for word in Path("/proc/self/statm").read_text().split()]
    except OSError:
        return {}
    # The fields `size` and `data` (with stack), see proc(5).
    return {"AS": pages[0] * resource.getpagesize(), "DATA": pages[5] * resource.getpagesize()}


def end_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends."""
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return


def raise_oom_score() -> None:
    """Make the OOM killer pick this process and its forks, and not the grader, when memory is full."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def enter_cgroup(procs_fd: int) -> None:
    """Move this process into the cgroup whose open `cgroup.procs` file this is; the grader checks that it has moved."""
    with contextlib.suppress(OSError):
        os.write(procs_fd, b"0")
    os.close(procs_fd)


def make_undumpable() -> None:
    """Keep processes of the same user from tracing this process and its forks, or reading them in /proc."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


def enter_folder(folder: str) -> None:
    """Make the folder the working, home and temporary folder of this process."""
    os.chdir(folder)
    os.environ |= dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), folder)
    tempfile.tempdir = None


def confine(plan: dict[str, Any], folder: str) -> None:
    """Confine this process as the plan says, irrevocably; raise `OSError` for what the kernel lacks."""
    raise_oom_score()
    if plan["namespaces"]:
        # Where bubblewrap has started the worker itself, no capability for a mount is left.
        with contextlib.suppress(OSError):
            namespaces.remount_proc_read_only()
        namespaces.drop_capabilities()
    if plan["landlock"]:
        landlock.restrict([*plan["grants"], (folder, "write"), (f"/proc/{os.getpid()}", "read")])
    if plan["seccomp"]:
        seccomp.load(plan["writes"])
