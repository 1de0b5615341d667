"""Write requirements.lock from the environment that runs this: what the package and its extras need, and nothing else.

The pins of requirements-nodeps.lock stand apart: neither they nor what they would pull in enter the lock.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# Every package of the course's environment, pinned, for Python 3.11. `make lock` writes it; environment.yml names it.
# torch comes first, so that TORCH_INDEX can choose its build (see the Makefile); setuptools builds the package itself.
"""
FIRST = ("torch", "setuptools")


def pins(path: Path) -> dict[str, str]:
    """Read a lock file as canonical name -> version."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement:
            name, _, version = requirement.partition("==")
            found[str(canonicalize_name(name))] = version
    return found


def declared(root: Path) -> list[Requirement]:
    """Read the requirements of pyproject.toml, every extra included."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [Requirement(line) for line in [*project["dependencies"], *(line for extra in extras for line in extra)]]


def closure(roots: list[Requirement], leave_out: set[str]) -> dict[str, str]:
    """Follow requirements through the installed packages; return display name -> version."""
    todo, done, found = list(roots), set(), {}
    while todo:
        requirement = todo.pop()
        name = str(canonicalize_name(requirement.name))
        key = (name, tuple(sorted(requirement.extras)))
        if key in done or name in leave_out:
            continue
        done.add(key)
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            raise SystemExit(
                f"{requirement} is not installed in {sys.prefix}: install it, then run this again."
            ) from None
        # A local version (2.13.0+cpu) names one build; the lock must fit every build of that version.
        found[name] = f"{name}=={package.version.partition('+')[0]}"
        for line in package.requires or []:
            child = Requirement(line)
            wanted = [{"extra": extra} for extra in requirement.extras] or [{"extra": ""}]
            if child.marker is None or any(child.marker.evaluate(extra) for extra in wanted):
                todo.append(child)
    return found


def render(found: dict[str, str]) -> str:
    """Lay the pins out: torch and setuptools first, the rest by name."""
    rest = sorted(set(found) - set(FIRST))
    return HEADER + "".join(f"{found[name]}\n" for name in [*FIRST, *rest])


def main(arguments: list[str]) -> int:
    """Write the lock file; return the exit status: 0 done, 2 for any argument, since there is nothing to choose."""
    if arguments:
        print("usage: python tools/lock.py, without arguments: it writes requirements.lock", file=sys.stderr)
        return 2
    leave_out = set(pins(ROOT / "requirements-nodeps.lock"))
    found = closure([*declared(ROOT), Requirement("setuptools")], leave_out)
    (ROOT / "requirements.lock").write_text(render(found), encoding="utf-8")
    print(f"requirements.lock: {len(found)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
