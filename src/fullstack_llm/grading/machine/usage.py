"""Measure a worker from outside: memory, threads and CPU time of a process tree, and the size of a folder.

The kernel bounds each of these where it can (rlimits, a tmpfs with a size); these measures serve where it cannot.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

# `folder_fault` stops at paths that are this much longer than the folder's.
MAX_PATH = 1000
CGROUP = Path("/sys/fs/cgroup")
UNBOUNDED = 1 << 60
# Pages of files can be evicted, and do not count.
COUNTED = (b"RssAnon", b"RssShmem", b"VmPTE", b"VmSwap", b"HugetlbPages")


def total_memory() -> int:
    """Return the bytes of memory of this machine, or of the container if that has fewer."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            sizes.append(int((CGROUP / name).read_text()))
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
        # A zombie has none of these fields.
        total += sum(int(fields.get(name, b"0").split()[0]) << 10 for name in COUNTED)
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


def free_memory() -> int:
    """Return the bytes of memory that can still be had on this machine, or in the container if those are fewer.

    Return a large number where the kernel does not say.
    """
    free = [sys.maxsize]
    with contextlib.suppress(OSError, KeyError, ValueError):
        free.append(int(_words(Path("/proc/meminfo"))["MemAvailable:"]) << 10)
    # The names of cgroup v2, and of v1.
    for folder, most, used, reclaimable in (
        (CGROUP, "memory.max", "memory.current", "inactive_file"),
        (CGROUP / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with contextlib.suppress(OSError, KeyError, ValueError):
            bound = int((folder / most).read_text())
            # Without a container the bound is larger than any memory, and `memory.stat` takes longer than the rest.
            if bound < UNBOUNDED:
                taken = int((folder / used).read_text()) - int(_words(folder / "memory.stat")[reclaimable])
                free.append(bound - taken)
    return min(free)


def _words(path: Path) -> dict[str, str]:
    return {words[0]: words[1] for words in map(str.split, path.read_text().splitlines()) if len(words) > 1}


def raise_oom_scores(pid: int) -> None:
    """Make the OOM killer pick the processes of a tree, and not the grader, when memory is full."""
    for process in process_tree(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/oom_score_adj").write_text("1000")


def folder_fault(folder: str, bound: int, inodes: int) -> str:
    """Return what is wrong with a worker's folder, or "": too many bytes or files, or what cannot be counted."""
    total = count = 0
    # What cannot be listed is not counted, so it may not be there; a folder that is gone meanwhile is no fault.
    closed: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=closed.append):
        if len(root) > len(folder) + MAX_PATH:
            return "nested folders too deeply"
        for name in [*folders, *files]:
            try:
                total += max(os.lstat(os.path.join(root, name)).st_blocks * 512, 4096)  # noqa: PTH118 (many files)
            except OSError:
                continue
            count += 1
            if total > bound:
                return f"wrote files of more than {bound >> 20} MB"
            if count > inodes:
                return f"made more than {inodes:,} files"
    if any(isinstance(error, PermissionError) for error in closed):
        return "made a folder that cannot be listed"
    return ""


def inodes(pid: int, folders: Iterable[str]) -> int:
    """Return how many files there are on the file systems of these folders, as the last process of a tree sees them."""
    total = 0
    for process in process_tree(pid)[-1:]:
        for folder in folders:
            with contextlib.suppress(OSError):
                state = os.statvfs(f"/proc/{process}/root{folder}")
                total += state.f_files - state.f_ffree
    return total


def waited(pid: int) -> float:
    """Return the seconds that the first threads of a process tree were ready to run and had no CPU."""
    total = 0
    for process in process_tree(pid):
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{process}/schedstat").read_text().split()[1])
    return total / 1e9


def remove_folder(folder: str) -> None:
    """Remove a folder, however deep a worker has nested folders in it."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    # `rmtree` leaves folders that are nested too deeply, or whose mode forbids opening them.
    if os.path.lexists(folder):
        subprocess.run(["chmod", "-R", "u+rwX", "--", folder], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", "--", folder], check=False, stderr=subprocess.DEVNULL)
