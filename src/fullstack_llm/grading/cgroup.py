"""Control groups, where this process may make one: the kernel then counts all memory of a worker, its own included.

Root on a plain machine may, and a user whose session is delegated; in most containers nobody may. Without one the
limits of `sandbox.py` bound a worker, and `usage.py` watches it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")


def places() -> list[tuple[Path, dict[str, str]]]:
    """Folders in which groups can be made, with the files that bound memory and processes there."""
    found = []
    try:
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return []
    for _, controllers, path in lines:
        own = path.lstrip("/")
        if not controllers:
            # In version 2 a group with processes has no bounded groups within: ours stands beside it.
            found.append(
                (MOUNT / Path(own).parent, {"memory.max": "memory", "memory.swap.max": "", "pids.max": "pids"})
            )
        for name, file in (("memory", "memory.limit_in_bytes"), ("pids", "pids.max")):
            if name in controllers.split(","):
                found.append((MOUNT / name / own, {file: name}))
    return [(place, files) for place, files in found if (place / "cgroup.procs").exists()]


class Group:
    """A group for one worker, in as many places as there are; it may bound nothing."""

    def __init__(self, pid: int, memory: int, tasks: int) -> None:
        self.folders: list[Path] = []
        values = {"memory": str(memory), "pids": str(tasks), "": "0"}
        for place, files in places():
            folder = place / f"grading-{secrets.token_hex(8)}"
            try:
                folder.mkdir()
            except OSError:
                continue
            self.folders.append(folder)
            with contextlib.suppress(OSError):
                bounds = {name: kind for name, kind in files.items() if (folder / name).exists()}
                for name, kind in bounds.items():
                    (folder / name).write_text(values[kind])
                if bounds:
                    (folder / "cgroup.procs").write_text(str(pid))

    @property
    def full(self) -> bool:
        """Whether the kernel ended a process because the group's memory was full."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    words = (folder / name).read_text().split()
                    if int(dict(zip(words[::2], words[1::2], strict=False)).get("oom_kill", 0)):
                        return True
        return False

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
