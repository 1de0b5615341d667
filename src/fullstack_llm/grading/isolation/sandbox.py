"""How a batch's workers are confined: the means, and the plan and command line that carry them to a process."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from fullstack_llm.grading.machine.usage import installed
from fullstack_llm.worker.confine import namespaces

from .world import PACKAGE, World, grants, mounts, world

# Nothing from the folder where the grader was started, and nothing from a user's own site: a torch.py there would run.
SAFE = ("-P", "-s")
# Numbers that belong to no user of the machine, and exist in containers too, which often have 65,536.
USERS = range(61_184, 65_520)


def share(jobs: int = 1) -> int:
    """Bytes of memory for each of so many submissions at a time."""
    return min(4 << 30, installed() * 6 // 10 // jobs)


# On top of what the lab's modules take (torch: 0.6 GB of addresses, 0.15 GB of data). Address space bounds memory
# shared with no one, data what a program really asks for; a worker is one process, so this and FILES are its total.
MEMORY = share()
THREADS = 256
FILES = namespaces.SIZES[namespaces.FOLDER]
LIMITS = {"AS": MEMORY, "DATA": MEMORY, "CPU": 600, "FSIZE": 8 << 20, "NOFILE": 64, "CORE": 0}


@dataclass(frozen=True)
class Sandbox:
    """The means. `user`: root's workers get a user of their own. `writes`: they may write in their folder. `warm`: they
    are forked from a process that has loaded the lab's modules. `watched`: the grader watches what they use.
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
    limits: dict[str, int] = field(default_factory=lambda: dict(LIMITS))

    def shared(self, jobs: int) -> Sandbox:
        """The same for each of several submissions at a time: together they take no more than one may alone."""
        memory = min(self.memory, share(jobs))
        bounded = {name: memory for name in ("AS", "DATA") if name in self.limits}
        return replace(self, memory=memory, limits=self.limits | bounded)

    def bounds(self) -> dict[str, int]:
        """Resource limits of a worker; threads can be counted where the user who has them is no one else's."""
        # Of that user are also the process that it was forked from, one worker that comes, and one that goes.
        return self.limits | ({} if self.uid() is None else {"NPROC": 3 * THREADS})

    def uid(self) -> int | None:
        """The user that workers of this process become, if it is root."""
        if not self.user or os.geteuid():
            return None
        # Containers have the same process numbers, and users in common.
        return USERS[(crc32(platform.node().encode()) + os.getpid()) % len(USERS)]


def plan(sandbox: Sandbox, modules: tuple[str, ...], answers: tuple[str, ...], there: World) -> dict[str, Any]:
    """What the worker's side must know, as plain data."""
    return {
        "modules": modules,
        "answers": answers,
        "namespaces": sandbox.namespaces,
        "landlock": sandbox.landlock,
        "seccomp": sandbox.seccomp,
        "writes": sandbox.writes,
        "grants": grants(there) if sandbox.landlock else [],
    }


def command(
    sandbox: Sandbox,
    modules: tuple[str, ...],
    answers: tuple[str, ...],
    private: tuple[Path, ...],
    fds: tuple[int, ...],
    folder: str,
) -> list[str]:
    """The command that starts a worker with two descriptors, or a zygote with one, in the folder."""
    there = world(answers, private)
    text = json.dumps(plan(sandbox, modules, answers, there))
    python = [sys.executable, *SAFE]
    line = [*python, str(PACKAGE / "worker" / "main.py"), text, *map(str, fds)]
    if sandbox.namespaces:
        line = [*namespaces.arguments(mounts(there)), *line]
    if uid := sandbox.uid():
        paths = dict.fromkeys((sys.base_prefix, sys.prefix, str(PACKAGE), str(Path(folder).parent)))
        line = [*python, str(PACKAGE / "grading" / "isolation" / "launch.py"), str(uid), *paths, "--", *line]
    return line


def environment(folder: str) -> dict[str, str]:
    """Variables for a worker: none of the grader's own, where a key or a token may be."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    return kept | {
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Equal code gets equal marks, also if it iterates over a set of strings.
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": folder,
    }
