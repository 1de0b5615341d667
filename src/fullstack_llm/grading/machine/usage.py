"""Measure a worker from outside: memory, threads and CPU time of a process tree, and the size of a folder.

The kernel bounds each of these where it can (rlimits, a tmpfs with a size); these measures serve where it cannot.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

# `folder_size` stops at paths that are this much longer than the folder's.
MAX_PATH = 1000


def total_memory() -> int:
    """Return the bytes of memory of this machine, or of the container if that has fewer."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            sizes.append(int(Path("/sys/fs/cgroup", name).read_text()))
        except (OSError, ValueError):
            continue
    return min(sizes)


def oom_kills() -> int:
    """Return how many processes the OOM killer of this machine has killed so far; 0 where the kernel does not say."""
    try:
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))


def process_tree(pid: int) -> list[int]:
    """Return the PIDs of the process and its descendants."""
    pids = [pid]
    for parent in pids:
        try:
            pids += [int(child) for task in Path(f"/proc/{parent}/task").iterdir() for child in _children(task)]
        except OSError:
            continue
    return pids


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def memory_and_threads(pid: int) -> tuple[int, int]:
    """Return the bytes of memory (without pages of files) and the threads of a process tree; zeros without /proc."""
    total = threads = 0
    for process in process_tree(pid):
        try:
            lines = Path(f"/proc/{process}/status").read_bytes().split(b"\n")
        except OSError:
            continue
        # The first line is the name, which a process may set to anything.
        fields = {key: value for line in lines[1:] for key, _, value in [line.partition(b":")]}
        # Pages of files can be evicted and do not count; a zombie has none of the three fields.
        total += sum(int(fields.get(name, b"0").split()[0]) << 10 for name in (b"RssAnon", b"RssShmem", b"VmPTE"))
        threads += int(fields.get(b"Threads", b"0"))
    return total, threads


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process tree, including children that have ended and were waited for."""
    ticks = 0
    for process in process_tree(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def free_disk(folder: str) -> int:
    """Return the bytes that are free on the folder's file system."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def folder_size(folder: str, bound: int) -> int:
    """Return the bytes that a folder takes on the disk; counting stops above the bound, or at too long a path."""
    total = 0
    for root, folders, files in os.walk(folder):
        if len(root) > len(folder) + MAX_PATH:
            return bound + 1
        for name in [*folders, *files]:
            try:
                total += max(os.lstat(os.path.join(root, name)).st_blocks * 512, 4096)  # noqa: PTH118 (many files)
            except OSError:
                continue
            if total > bound:
                return total
    return total


def remove_folder(folder: str) -> None:
    """Remove a folder, however deep a worker has nested folders in it."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    # `rmtree` leaves folders that are nested too deeply, or whose mode forbids opening them.
    if os.path.lexists(folder):
        subprocess.run(["rm", "-rf", "--", folder], check=False, stderr=subprocess.DEVNULL)
