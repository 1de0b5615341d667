"""What a worker does to itself before it runs anything of a student. The plan comes from the grader, as plain data."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tempfile
from pathlib import Path
from typing import Any

from . import landlock, namespaces, seccomp, syscalls


def limit(bounds: dict[str, int]) -> None:
    """Set resource limits by name, such as `{"AS": 8 << 30}`; a system without one of them goes without.

    Address space and data are counted from what is loaded already, so that they mean the same with any library.
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
    # Size, and data with stack.
    return {"AS": pages[0] * resource.getpagesize(), "DATA": pages[5] * resource.getpagesize()}


def end_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends."""
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return


def go_first() -> None:
    """When the machine's or the container's memory is full, let this process and its forks go, and not the grader."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def enter(door: int) -> None:
    """Move this process into the control group whose door this is; the grader looks whether it has."""
    with contextlib.suppress(OSError):
        os.write(door, b"0")
    os.close(door)


def hide() -> None:
    """Keep others of the same user from looking into this process and its forks."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


def settle(folder: str) -> None:
    """Make the folder this process's home."""
    os.chdir(folder)
    os.environ |= dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), folder)
    tempfile.tempdir = None


def confine(plan: dict[str, Any], folder: str) -> None:
    """Enter the sandbox that the plan describes, for good; an `OSError` says what the kernel lacks."""
    go_first()
    if plan["namespaces"]:
        # A worker that bubblewrap has started itself has no capability left for this.
        with contextlib.suppress(OSError):
            namespaces.seal()
        namespaces.drop()
    if plan["landlock"]:
        landlock.restrict([*plan["grants"], (folder, "write"), (f"/proc/{os.getpid()}", "read")])
    if plan["seccomp"]:
        seccomp.load(plan["writes"])
