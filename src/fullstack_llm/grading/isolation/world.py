"""List what a worker may read: Python, its packages, and of this package everything but the judge's side.

Both mechanisms use this list: bubblewrap mounts the paths, Landlock grants access to them. Hidden are the checks, the
labs, the grader, what a checkout holds beside the package (solutions, tests), and the modules that would answer a lab.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fullstack_llm.grading.machine.errors import GraderError

PACKAGE = Path(__file__).parents[2]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# What psutil, NumPy and PyTorch read about the machine.
MACHINE = ("/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/uptime", "/sys/devices/system/cpu")
# The judge's side of this package; the worker's side is `worker`, one folder, readable whole.
JUDGES = ("checks", "labs", "grading")
# Where pip, Debian and conda put packages, below a prefix.
PREFIXES: tuple[str, ...] = (sys.prefix, sys.base_prefix, "/usr", "/usr/local")
PLACES_OF_COPIES = (
    *("lib*/python3*/site-packages", "lib/python3*/dist-packages"),
    *("pkgs/*/lib/python3*/site-packages", "pkgs/*/site-packages"),
)
BESIDE = ("solutions", "tests", "submissions", "grades", ".git")


@dataclass(frozen=True)
class World:
    """The files that a worker can see: everything below `roots` (folders or files), except what is `hidden`."""

    roots: tuple[Path, ...]
    hidden: tuple[Path, ...]


def world(answers: tuple[str, ...] = (), private: tuple[Path, ...] = ()) -> World:
    """Return the world of a lab's workers; `answers` are modules of this package, such as `("bpe", "models.llama")`.

    `private` are further folders to hide, such as the checks of the batch, which may be below a root such as /usr.
    """
    roots = [Path(path) for path in (*SYSTEM, sys.base_prefix, sys.prefix)] + [PACKAGE]
    hidden = [PACKAGE / folder for folder in JUDGES]
    for name in answers:
        stem = PACKAGE.joinpath(*name.split("."))
        hidden += [path for path in (stem, stem.with_suffix(".py")) if path.exists()]
        hidden += stem.parent.glob(f"__pycache__/{stem.name}.*")
    hidden += [PACKAGE.parents[1] / name for name in BESIDE]
    hidden += copies()
    hidden += [path for folder in private if not (path := folder.resolve()).is_relative_to(PACKAGE)]
    distinct = [root for root in dict.fromkeys(roots) if root.exists()]
    outermost = [root for root in distinct if not any(base != root and root.is_relative_to(base) for base in distinct)]
    return World(tuple(outermost), tuple(dict.fromkeys(path for path in hidden if path.exists())))


@functools.cache
def copies() -> tuple[Path, ...]:
    """Return other copies of this package in what workers may read, such as an older one that pip has installed."""
    found = {
        path.resolve()
        for prefix in PREFIXES
        for place in PLACES_OF_COPIES
        for path in Path(prefix).glob(f"{place}/{PACKAGE.name}")
    }
    return tuple(sorted(found - {PACKAGE.resolve()}))


def require_reachable(modules: Iterable[str]) -> None:
    """Raise `GraderError` for a module that is missing here, or that only the grader finds: through PYTHONPATH, say."""
    roots = [root.resolve() for root in world().roots]
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise GraderError(f"{name} is not installed here, and the lab needs it: install it for {sys.executable}")
        places = [Path(place) for place in spec.submodule_search_locations or [spec.origin or ""]]
        # What is built into Python lies nowhere.
        for place in filter(Path.exists, places if spec.has_location or spec.submodule_search_locations else []):
            if not any(place.resolve().is_relative_to(root) for root in roots):
                raise GraderError(
                    f"{name} is found in {place.parent}, through PYTHONPATH or sys.path, and a submission may read "
                    f"nothing there: install it for {sys.executable}, as in {sys.executable} -m pip install {name}"
                )


def _holds(folder: Path, hidden: tuple[Path, ...]) -> bool:
    return any(path != folder and path.is_relative_to(folder) for path in hidden)


def grants(world: World) -> list[tuple[str, str]]:
    """Return Landlock's grants: a folder with nothing hidden below is readable whole, of others only the names.

    Landlock rules cannot exclude a path, so a folder that holds something hidden is granted child by child.
    """
    granted: list[tuple[str, str]] = [(path, "device") for path in DEVICES] + [(path, "read") for path in MACHINE]

    def add(path: Path) -> None:
        if path in world.hidden:
            return
        if not _holds(path, world.hidden):
            granted.append((str(path), "read"))
            return
        # Python's importer lists a folder before it opens a file in it.
        granted.append((str(path), "list"))
        for child in sorted(path.iterdir()):
            add(child)

    for root in world.roots:
        add(root)
    return granted


def mounts(world: World) -> list[str]:
    """Return bubblewrap's mount arguments: a folder with something hidden is a tmpfs with the rest bound in it."""
    arguments: list[str] = []
    for root in world.roots:
        if root.is_symlink() and not root.readlink().is_absolute():
            arguments += ["--symlink", str(root.readlink()), str(root)]
        else:
            arguments += ["--ro-bind", str(root), str(root)]
    covered = sorted({path.parent for path in world.hidden if any(path.is_relative_to(root) for root in world.roots)})
    for folder in covered:
        arguments += ["--tmpfs", str(folder)]
        for child in sorted(folder.iterdir()):
            if child not in world.hidden:
                arguments += ["--ro-bind", str(child), str(child)]
    for folder in reversed(covered):
        arguments += ["--remount-ro", str(folder)]
    return arguments
