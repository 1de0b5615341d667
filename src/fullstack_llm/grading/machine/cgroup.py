"""Make a cgroup for each worker, where this process may: the kernel then bounds all memory of the worker.

Root on a plain machine may make cgroups, and so may a user with a delegated session; in most containers nobody may.
Without a cgroup, the rlimits of `isolation/sandbox.py` bound a worker, and `usage.py` measures it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Collection
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
# Control files of cgroup v2, each with the key of its value. A cgroup also gets its own share of the CPU (cpu.weight),
# however many threads another worker runs.
V2_FILES = {"memory.max": "memory", "memory.swap.max": "none", "pids.max": "tasks", "cpu.weight": "weight"}
# Control files of cgroup v1, by controller.
V1_FILES = {
    "memory": {"memory.limit_in_bytes": "memory"},
    "pids": {"pids.max": "tasks"},
    "cpu": {"cpu.shares": "shares"},
}
# Files that count memory events: the first of cgroup v2, the others of v1.
EVENTS = ("memory.events", "memory.oom_control", "memory.failcnt")


def parents() -> list[tuple[Path, dict[str, str]]]:
    """Return the folders in which a cgroup may be made, each with the control files to set there."""
    candidates = []
    try:
        lines = [line.split(":", 2) for line in MEMBERSHIP.read_text().splitlines()]
    except OSError:
        return []
    for _, controllers, path in lines:
        own = path.lstrip("/")
        if not controllers:
            # In v2, a cgroup that holds processes has no children with controllers: make a sibling of the grader's own.
            candidates.append((MOUNT / Path(own).parent, V2_FILES))
        candidates += [(MOUNT / name / own, V1_FILES[name]) for name in controllers.split(",") if name in V1_FILES]
    return [(parent, files) for parent, files in candidates if (parent / "cgroup.procs").exists()]


def _prefix() -> str:
    # PIDs mean something in their own PID namespace only, so the name holds the namespace's inode.
    return f"grading-{Path('/proc/self/ns/pid').stat().st_ino}-"


def sweep() -> None:
    """Remove the cgroups of graders that were killed; those of running graders stay."""
    for parent, _ in parents():
        for folder in parent.glob(f"{_prefix()}*"):
            grader_pid = folder.name.removeprefix(_prefix()).partition("-")[0]
            if grader_pid.isdigit() and not Path("/proc", grader_pid).exists():
                # The kernel refuses to remove a cgroup that holds processes.
                with contextlib.suppress(OSError):
                    folder.rmdir()


def make(parent: Path) -> Path:
    """Make a cgroup, whose name holds the PID of this grader."""
    folder = parent / f"{_prefix()}{os.getpid()}-{secrets.token_hex(8)}"
    folder.mkdir()
    return folder


def set_limits(folder: Path, files: dict[str, str], values: dict[str, str]) -> bool:
    """Write the limits to those of the control files that the cgroup has; return whether it has any."""
    present = {name: key for name, key in files.items() if (folder / name).exists()}
    for name, key in present.items():
        (folder / name).write_text(values[key])
    return bool(present)


class Cgroup:
    """A cgroup for one worker, in each hierarchy where one can be made; without any, it bounds nothing."""

    def __init__(self, memory: int, tasks: int) -> None:
        self.folders: list[Path] = []
        self.procs: list[Path] = []
        values = {"memory": str(memory), "tasks": str(tasks), "none": "0", "weight": "100", "shares": "1024"}
        for parent, files in parents():
            with contextlib.suppress(OSError):
                self.folders.append(make(parent))
                if set_limits(self.folders[-1], files, values):
                    self.procs.append(self.folders[-1] / "cgroup.procs")

    def open_procs(self) -> list[int]:
        """Open the `cgroup.procs` files; a process that writes `0` to their fds moves itself, which can take 20 ms."""
        fds = []
        for path in self.procs:
            with contextlib.suppress(OSError):
                fds.append(os.open(path, os.O_WRONLY))
        return fds

    def add(self, pid: int) -> None:
        """Move a running process into the cgroup."""
        for path in self.procs:
            with contextlib.suppress(OSError):
                path.write_text(str(pid))

    def counts(self, pids: Collection[int]) -> bool:
        """Whether the cgroup holds these processes and counts their memory events."""
        for folder in self.folders:
            if any((folder / name).exists() for name in EVENTS):
                with contextlib.suppress(OSError):
                    return {*map(str, pids)} <= {*(folder / "cgroup.procs").read_text().split()}
        return False

    @property
    def oom_killed(self) -> bool:
        """Whether the OOM killer has killed a process of the cgroup, for want of memory in it or in the machine."""
        return self._events("oom_kill") > 0

    @property
    def limit_exceeded(self) -> bool:
        """Whether the OOM killer has killed a process of the cgroup, since the cgroup's own limit was reached."""
        return self.oom_killed and self._events("oom") > 0

    def _events(self, event: str) -> int:
        total = 0
        for folder in self.folders:
            for name in EVENTS:
                with contextlib.suppress(OSError, ValueError):
                    words = (folder / name).read_text().split()
                    # memory.failcnt holds one number: how often the limit was reached.
                    counts = dict(zip(words[::2], words[1::2], strict=True)) if len(words) > 1 else {"oom": words[0]}
                    total += int(counts.get(event, 0))
        return total

    def close(self) -> None:
        """Remove the cgroup, whose processes have ended."""
        for folder in self.folders:
            for _ in range(50):
                try:
                    os.rmdir(folder)  # noqa: PTH106 (its files are the kernel's)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)
