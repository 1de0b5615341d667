"""Control groups, where this process may make one: the kernel then counts all memory of a worker, its own included.

Root on a plain machine may, and a user whose session is delegated; in most containers nobody may. Without one the
limits of `sandbox.py` bound a worker, and `usage.py` watches it.
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
# A group of its own also gets a share of the processors of its own, however many threads a neighbour runs.
TOGETHER = {"memory.max": "memory", "memory.swap.max": "none", "pids.max": "tasks", "cpu.weight": "weight"}
# What version 2 says in one file, version 1 says in two.
EVENTS = ("memory.events", "memory.oom_control", "memory.failcnt")
APART = {
    "memory": {"memory.limit_in_bytes": "memory"},
    "pids": {"pids.max": "tasks"},
    "cpu": {"cpu.shares": "shares"},
}


def places() -> list[tuple[Path, dict[str, str]]]:
    """Folders in which groups can be made, with the files that bound something there, and what."""
    found = []
    try:
        lines = [line.split(":", 2) for line in MEMBERSHIP.read_text().splitlines()]
    except OSError:
        return []
    for _, controllers, path in lines:
        own = path.lstrip("/")
        if not controllers:
            # In version 2 a group with processes has no bounded groups within: ours stands beside it.
            found.append((MOUNT / Path(own).parent, TOGETHER))
        found += [(MOUNT / name / own, APART[name]) for name in controllers.split(",") if name in APART]
    return [(place, files) for place, files in found if (place / "cgroup.procs").exists()]


def _prefix() -> str:
    # Process numbers mean something in their own namespace only.
    return f"grading-{Path('/proc/self/ns/pid').stat().st_ino}-"


def sweep() -> None:
    """Remove groups of graders that were killed before they could do so; of one that lives, none is touched."""
    for place, _ in places():
        for folder in place.glob(f"{_prefix()}*"):
            owner = folder.name.removeprefix(_prefix()).partition("-")[0]
            if owner.isdigit() and not Path("/proc", owner).exists():
                # The kernel refuses it while there are processes within.
                with contextlib.suppress(OSError):
                    folder.rmdir()


def make(place: Path) -> Path:
    """A new group, whose name says which grader it belongs to."""
    folder = place / f"{_prefix()}{os.getpid()}-{secrets.token_hex(8)}"
    folder.mkdir()
    return folder


def bound(folder: Path, files: dict[str, str], values: dict[str, str]) -> bool:
    """Bound the group by those of the files that it has; whether it has any, and may take a process."""
    there = {name: kind for name, kind in files.items() if (folder / name).exists()}
    for name, kind in there.items():
        (folder / name).write_text(values[kind])
    return bool(there)


class Group:
    """A group for one worker, in as many places as there are; it may bound nothing."""

    def __init__(self, memory: int, tasks: int) -> None:
        self.folders: list[Path] = []
        self.procs: list[Path] = []
        values = {"memory": str(memory), "tasks": str(tasks), "none": "0", "weight": "100", "shares": "1024"}
        for place, files in places():
            with contextlib.suppress(OSError):
                self.folders.append(make(place))
                if bound(self.folders[-1], files, values):
                    self.procs.append(self.folders[-1] / "cgroup.procs")

    def doors(self) -> list[int]:
        """Descriptors by which a process that writes `0` to them moves itself in: a move can take the kernel 20 ms."""
        found = []
        for path in self.procs:
            with contextlib.suppress(OSError):
                found.append(os.open(path, os.O_WRONLY))
        return found

    def take(self, pid: int) -> None:
        """Move a process in, which has begun outside."""
        for path in self.procs:
            with contextlib.suppress(OSError):
                path.write_text(str(pid))

    def counts(self, pids: Collection[int]) -> bool:
        """Whether these processes are within, and the kernel counts their memory, and what it ends for want of it."""
        for folder in self.folders:
            if any((folder / name).exists() for name in EVENTS):
                with contextlib.suppress(OSError):
                    return {*map(str, pids)} <= {*(folder / "cgroup.procs").read_text().split()}
        return False

    @property
    def killed(self) -> bool:
        """Whether the kernel has ended a process of the group since memory was full, here or in the whole machine."""
        return self._counted("oom_kill") > 0

    @property
    def full(self) -> bool:
        """Whether the kernel has ended a process of the group since the group's own memory was full."""
        return self.killed and self._counted("oom") > 0

    def _counted(self, what: str) -> int:
        found = 0
        for folder in self.folders:
            for name in EVENTS:
                with contextlib.suppress(OSError, ValueError):
                    words = (folder / name).read_text().split()
                    # A file of one number counts how often the bound was met.
                    counts = dict(zip(words[::2], words[1::2], strict=True)) if len(words) > 1 else {"oom": words[0]}
                    found += int(counts.get(what, 0))
        return found

    def close(self) -> None:
        """Remove the group, whose processes have ended."""
        for folder in self.folders:
            for _ in range(50):
                try:
                    os.rmdir(folder)  # noqa: PTH106 (its files are the kernel's)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)
