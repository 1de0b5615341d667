"""What a worker uses, seen from outside: memory and threads of a process with all below it, and bytes in a folder.

The kernel bounds each of these where it can (limits, sized memory file systems); this holds also where it cannot.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

DEEP = 1000


def installed() -> int:
    """Bytes of memory of this machine, or of the container if that has fewer."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path("/sys/fs/cgroup", name).read_text()))
        except (OSError, ValueError):
            continue
    return min(found)


def starved() -> int:
    """How many processes of this machine the kernel has ended so far since memory was full; 0 where it does not say."""
    try:
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for one in found:
        try:
            found += [int(child) for task in Path(f"/proc/{one}/task").iterdir() for child in _children(task)]
        except OSError:
            continue
    return found


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def memory_and_threads(pid: int) -> tuple[int, int]:
    """Bytes that are no file's, and threads, of the process and all below it; nothing where there is no /proc."""
    total = threads = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/status").read_bytes().split(b"\n")
        except OSError:
            continue
        # A process may call itself anything.
        fields = {key: value for line in lines[1:] for key, _, value in [line.partition(b":")]}
        # Files' pages go when memory is short; a zombie has none of the three.
        total += sum(int(fields.get(name, b"0").split()[0]) << 10 for name in (b"RssAnon", b"RssShmem", b"VmPTE"))
        threads += int(fields.get(b"Threads", b"0"))
    return total, threads


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of the process, of all below it, and of the children that they have waited for."""
    ticks = 0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def free(folder: str) -> int:
    """Bytes that are free on the disk of the folder."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def stored(folder: str, bound: int) -> int:
    """Bytes that the folder takes on the disk; counting ends beyond the bound, or where paths get too long."""
    total = 0
    for root, folders, files in os.walk(folder):
        if len(root) > len(folder) + DEEP:
            return bound + 1
        for name in [*folders, *files]:
            try:
                total += max(os.lstat(os.path.join(root, name)).st_blocks * 512, 4096)  # noqa: PTH118 (many files)
            except OSError:
                continue
            if total > bound:
                return total
    return total


def remove(folder: str) -> None:
    """Remove a folder, however deep a worker made it."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    # What is left has folders that are too deep, or that nobody may open.
    if os.path.lexists(folder):
        subprocess.run(["rm", "-rf", "--", folder], check=False, stderr=subprocess.DEVNULL)
