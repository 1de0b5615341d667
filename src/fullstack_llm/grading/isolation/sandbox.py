"""Describe how the workers of a batch are confined, and build the plan and the command line that start them."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from fullstack_llm.grading.machine.usage import total_memory
from fullstack_llm.worker.confine import namespaces

from .world import PACKAGE, World, grants, mounts, world

# Python imports nothing from the working folder (-P) or from the user's site-packages (-s): a torch.py there would run.
SAFE = ("-P", "-s")
# UIDs that no account has, and that exist in containers too, which often map only 65,536.
UIDS = range(61_184, 65_520)


def memory_share(jobs: int = 1) -> int:
    """Return the bytes of memory for each of this many submissions that are graded at a time."""
    return min(4 << 30, total_memory() * 6 // 10 // jobs)


# Bytes for a submission, added to what the lab's modules take (torch: 0.6 GB of address space, 0.15 GB of data).
# RLIMIT_AS bounds all mappings, RLIMIT_DATA private writable memory; a worker is one process, so MEMORY and FILES are
# its total.
MEMORY = memory_share()
THREADS = 256
FILES = namespaces.TMPFS_SIZES[namespaces.FOLDER]
# Timers and queued signals are counted by SIGPENDING for each user; locked memory and queues are not for workers.
LIMITS = {"AS": MEMORY, "DATA": MEMORY, "CPU": 600, "FSIZE": 8 << 20, "NOFILE": 64, "CORE": 0}
LIMITS |= {"MEMLOCK": 0, "SIGPENDING": 1024, "MSGQUEUE": 0}
# Files and folders that a worker may make; more are kernel memory that no other limit counts.
INODES = 2 * namespaces.TMPFS_FILES


@dataclass(frozen=True)
class Sandbox:
    """The mechanisms that confine a worker, and its limits.

    `user`: root's workers get a UID of their own. `writes`: workers may write in their folder. `warm`: a zygote with
    the lab's modules imported forks the workers. `watched`: the grader measures what workers use. `cpus`: the CPUs on
    which workers run, all of them if empty.
    """

    level: str
    namespaces: bool = False
    landlock: bool = False
    seccomp: bool = False
    user: bool = False
    writes: bool = True
    warm: bool = False
    watched: bool = True
    memory: int = MEMORY
    cpus: tuple[int, ...] = ()
    limits: dict[str, int] = field(default_factory=lambda: dict(LIMITS))

    def shared(self, jobs: int) -> Sandbox:
        """Return this sandbox with memory for one of `jobs` submissions at a time, which share the memory of one."""
        memory = min(self.memory, memory_share(jobs))
        limits = {name: memory for name in ("AS", "DATA") if name in self.limits}
        return replace(self, memory=memory, limits=self.limits | limits)

    def pinned(self, job: int, jobs: int) -> Sandbox:
        """Return this sandbox on the CPUs of one of `jobs` jobs, so that no submission takes another's time.

        With more jobs than CPUs, some share one.
        """
        if jobs == 1 or not hasattr(os, "sched_getaffinity"):
            return self
        every = sorted(os.sched_getaffinity(0))
        return replace(self, cpus=tuple(every[job::jobs] or every[job % len(every) :][:1]))

    def rlimits(self) -> dict[str, int]:
        """Return the rlimits of a worker; NPROC counts a user's threads, so it needs a UID that runs nothing else."""
        # The same UID runs the zygote, the next worker and the previous worker, so the limit is for three of them.
        return self.limits | ({} if self.uid() is None else {"NPROC": 3 * THREADS})

    def uid(self) -> int | None:
        """Return the UID of this grader's workers; None unless the grader is root and the sandbox changes users."""
        if not self.user or os.geteuid():
            return None
        # Graders in several containers may have one PID, and containers share UIDs: the host name tells them apart.
        return UIDS[(crc32(platform.node().encode()) + os.getpid()) % len(UIDS)]


def plan(sandbox: Sandbox, modules: tuple[str, ...], answers: tuple[str, ...], readable: World) -> dict[str, Any]:
    """Return what the worker's process must know, as plain data."""
    return {
        "modules": modules,
        "answers": answers,
        "namespaces": sandbox.namespaces,
        "landlock": sandbox.landlock,
        "seccomp": sandbox.seccomp,
        "writes": sandbox.writes,
        "cpus": sandbox.cpus,
        "grants": grants(readable) if sandbox.landlock else [],
    }


def command(
    sandbox: Sandbox,
    modules: tuple[str, ...],
    answers: tuple[str, ...],
    private: tuple[Path, ...],
    fds: tuple[int, ...],
    folder: str,
) -> list[str]:
    """Return the command that starts a worker (two fds) or a zygote (one fd) in the folder."""
    readable = world(answers, private)
    text = json.dumps(plan(sandbox, modules, answers, readable))
    python = [sys.executable, *SAFE]
    line = [*python, str(PACKAGE / "worker" / "main.py"), text, *map(str, fds)]
    if sandbox.namespaces:
        line = [*namespaces.bwrap_arguments(mounts(readable), zygote=len(fds) == 1), *line]
    if uid := sandbox.uid():
        paths = dict.fromkeys((sys.base_prefix, sys.prefix, str(PACKAGE), str(Path(folder).parent)))
        line = [*python, str(PACKAGE / "grading" / "isolation" / "launch.py"), str(uid), *paths, "--", *line]
    return line


def environment(folder: str) -> dict[str, str]:
    """Return a worker's environment variables: not the grader's, which may hold a key or a token."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    return kept | {
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # A fixed order of sets of strings: the same code earns the same points in every run.
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        # A compiler is a process, and a worker starts none: what is compiled elsewhere runs as it is written.
        "TORCH_COMPILE_DISABLE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": folder,
    }
