"""What a worker may read: Python, its packages, and of this package only what stands on the students' side.

One list for every mechanism: bubblewrap mounts what is in it, Landlock allows it. Hidden are the checks, the grader,
what a checkout holds beside the package (solutions, tests), and the modules that a lab names as its answers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# What psutil, NumPy and PyTorch ask about the machine.
MACHINE = ("/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/uptime", "/sys/devices/system/cpu")
# The judge's side of this package; the worker's side is `worker`, one folder, readable whole.
JUDGES = ("checks", "labs", "grading")
BESIDE = ("solutions", "tests", "submissions", "grades", ".git")


@dataclass(frozen=True)
class World:
    """Folders and files that a worker reads, and what is hidden although it lies in one of them."""

    roots: tuple[Path, ...]
    hidden: tuple[Path, ...]


def world(answers: tuple[str, ...] = (), private: tuple[Path, ...] = ()) -> World:
    """The world of a lab's workers; `answers` are modules of this package, such as `("bpe", "models.llama")`.

    `private` are folders of the batch, such as its checks: they may lie where everyone may read, in /usr for one.
    """
    roots = [Path(path) for path in (*SYSTEM, sys.base_prefix, sys.prefix)] + [PACKAGE]
    hidden = [PACKAGE / folder for folder in JUDGES]
    for name in answers:
        stem = PACKAGE.joinpath(*name.split("."))
        hidden += [path for path in (stem, stem.with_suffix(".py")) if path.exists()]
        hidden += stem.parent.glob(f"__pycache__/{stem.name}.*")
    hidden += [PACKAGE.parents[1] / name for name in BESIDE]
    hidden += [path for one in private if not (path := one.resolve()).is_relative_to(PACKAGE)]
    distinct = [root for root in dict.fromkeys(roots) if root.exists()]
    outermost = [root for root in distinct if not any(one != root and root.is_relative_to(one) for one in distinct)]
    return World(tuple(outermost), tuple(dict.fromkeys(one for one in hidden if one.exists())))


def _holds(folder: Path, hidden: tuple[Path, ...]) -> bool:
    return any(one != folder and one.is_relative_to(folder) for one in hidden)


def grants(one: World) -> list[tuple[str, str]]:
    """The world as Landlock's grants: what holds nothing hidden whole, of the other folders the names and the rest."""
    found: list[tuple[str, str]] = [(path, "device") for path in DEVICES] + [(path, "read") for path in MACHINE]

    def add(path: Path) -> None:
        if path in one.hidden:
            return
        if not _holds(path, one.hidden):
            found.append((str(path), "read"))
            return
        # Python's importer lists a folder before it opens a file in it.
        found.append((str(path), "list"))
        for child in sorted(path.iterdir()):
            add(child)

    for root in one.roots:
        add(root)
    return found


def mounts(one: World) -> list[str]:
    """The world as bubblewrap's arguments: a folder that holds something hidden is made anew from the rest of it."""
    arguments: list[str] = []
    for root in one.roots:
        if root.is_symlink() and not root.readlink().is_absolute():
            arguments += ["--symlink", str(root.readlink()), str(root)]
        else:
            arguments += ["--ro-bind", str(root), str(root)]
    covered = sorted({path.parent for path in one.hidden if any(path.is_relative_to(root) for root in one.roots)})
    for folder in covered:
        arguments += ["--tmpfs", str(folder)]
        for child in sorted(folder.iterdir()):
            if child not in one.hidden:
                arguments += ["--ro-bind", str(child), str(child)]
    for folder in reversed(covered):
        arguments += ["--remount-ro", str(folder)]
    return arguments
