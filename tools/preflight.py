"""Say what this machine lacks, and the command that installs it. Standard library only: it runs before anything else.

python tools/preflight.py site     what `make site` needs
python tools/preflight.py check    the same, and what some of the tests need
python tools/preflight.py gpu      an accelerator (run it with the environment's own Python)
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = (3, 11)
DISK_GB, TEMPORARY_GB = 5.0, 1.0  # with the environment still to come: its packages pass through temporary files
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CI = os.environ.get("CI", "").lower() in {"1", "true"}


@dataclass(frozen=True)
class Problem:
    """One missing thing. A problem that is not fatal costs some tests, and on a CI machine it is fatal all the same."""

    what: str
    remedy: str
    fatal: bool = True
    costs: str = ""


def check_python(version: tuple[int, int]) -> list[Problem]:
    """The pins are for one version of Python."""
    if version == PYTHON:
        return []
    wanted, have = ".".join(map(str, PYTHON)), ".".join(map(str, version))
    return [
        Problem(
            f"this is Python {have}, and the pinned packages are for Python {wanted}",
            f"sudo apt-get install python{wanted} python{wanted}-venv, or `uv python install {wanted}`, or "
            f"`conda env create -f environment.yml`; then `make site PYTHON=/path/to/python{wanted}`",
        )
    ]


def check_venv(find_spec: Callable[[str], object | None], version: tuple[int, int]) -> list[Problem]:
    """Debian splits venv off, and leaves ensurepip out of what remains."""
    if find_spec("venv") and find_spec("ensurepip"):
        return []
    return [Problem("Python's venv module is missing", f"sudo apt-get install python{version[0]}.{version[1]}-venv")]


def check_disk(free_bytes: int, have_venv: bool) -> list[Problem]:
    """The environment is most of what gets written, so a machine that has it already needs far less."""
    needed = 1.0 if have_venv else DISK_GB
    free = free_bytes / 1e9
    if free >= needed:
        return []
    return [
        Problem(
            f"{free:.1f} GB are free in this folder's file system, and {needed:.0f} GB are needed",
            "free some space (`make clean`, `pip cache purge`), or clone the course to a larger disk",
        )
    ]


def check_temporary(folder: Path | None, free_bytes: int, have_venv: bool) -> list[Problem]:
    """Kernels, compilers and pip write there, each in its own way when it is full."""
    needed, free = 0.1 if have_venv else TEMPORARY_GB, free_bytes / 1e9
    if folder and free >= needed:
        return []
    where = folder or "TMPDIR, /tmp and /var/tmp"
    what = f"{free:.1f} GB are free for temporary files in {where}, and {needed} GB are needed"
    return [Problem(what, "free some space there, or name another folder: `make site TMPDIR=/path`")]


def check_writable(folder: Path, writable: bool) -> list[Problem]:
    """The environment, the copies of `make work` and the site are written into the course's folder."""
    if writable:
        return []
    remedy = "copy or clone the course into a folder of your own"
    return [Problem(f"a folder to write in: {folder} is read-only for this account", remedy)]


def temporary() -> tuple[Path | None, int]:
    """Return the folder for temporary files, and the bytes that are free there; none where no file can be written."""
    try:
        folder = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
        return folder, shutil.disk_usage(folder).free if os.access(folder, os.W_OK) else 0
    except OSError:
        return None, 0


def check_programs(which: Callable[[str], str | None], platform: str) -> list[Problem]:
    """Browser tests need a browser, grading tests a sandbox; reading and building need neither."""
    problems = []
    if not any(which(name) for name in BROWSERS):
        remedy = "sudo apt-get install chromium"
        problems.append(Problem("no Chromium was found", remedy, fatal=False, costs="the browser tests"))
    if not any(which(name) for name in ("g++", "clang++")):
        remedy = "sudo apt-get install g++"
        problems.append(Problem("no C++ compiler was found", remedy, fatal=False, costs="cells that compile"))
    if platform == "linux" and not which("bwrap"):
        remedy = "sudo apt-get install bubblewrap"
        problems.append(Problem("bubblewrap was not found", remedy, fatal=False, costs="graders isolated by it"))
    if platform != "linux":
        remedy = "run `make check` on Linux or in a container"
        problems.append(Problem("this is not Linux", remedy, fatal=False, costs="graders isolated from submissions"))
    return problems


def check_gpu() -> list[Problem]:
    """Ask torch, which only the course's own environment has."""
    remedy = "use the cpu preset (`make site`), or a machine with a GPU and a torch built for it"
    if importlib.util.find_spec("torch") is None:
        return [Problem("torch is not installed here", "make site")]
    import torch

    if torch.cuda.is_available():
        return []
    return [Problem("torch sees no GPU, and the gpu preset needs one", remedy)]


def find_problems(goal: str) -> list[Problem]:
    """Collect what stands in the way of `goal`: site, check or gpu."""
    if goal == "gpu":
        return check_gpu()
    version = sys.version_info[:2]
    found = check_python(version) + check_venv(importlib.util.find_spec, version)
    have_venv = (ROOT / ".venv" / ".ready").exists()
    found += check_writable(ROOT, os.access(ROOT, os.W_OK))
    found += check_disk(shutil.disk_usage(ROOT).free, have_venv) + check_temporary(*temporary(), have_venv)
    if goal == "check":
        found += check_programs(shutil.which, sys.platform)
    return found


def report(problems: list[Problem], ci: bool) -> tuple[str, int]:
    """Put problems into words; the status is 1 if any of them stops the run."""
    lines = []
    stops = [problem for problem in problems if problem.fatal or ci]
    for problem in problems:
        end = "" if problem in stops or not problem.costs else f"\n  Not run without it: {problem.costs}."
        lines.append(f"{'Missing' if problem in stops else 'Note'}: {problem.what}.\n  Remedy: {problem.remedy}{end}")
    return "\n".join(lines), 1 if stops else 0


def main(argv: list[str]) -> int:
    """Check the machine and print what is missing."""
    goals = ("site", "check", "gpu")
    if len(argv) != 1 or argv[0] not in goals:
        print(f"usage: python tools/preflight.py {{{'|'.join(goals)}}}", file=sys.stderr)
        return 2
    text, status = report(find_problems(argv[0]), ci=CI)
    if text:
        print(text, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
