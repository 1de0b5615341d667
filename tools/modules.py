"""Know what belongs to a module, and check one by itself: its notebooks, its lab, its package's tests, its pages.

python tools/modules.py 03_tokenization
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from fullstack_llm.lessons.closure import dotted, modules

ROOT = Path(__file__).resolve().parents[1]
PAGE = re.compile(r"(\d\d)([a-z]?)_[a-z0-9_]+")
CODE = re.compile(r"^```\{code-cell\}[^\n]*\n(?::[^\n]*\n)*(.*?)^```$", flags=re.M | re.S)
# What all modules stand on belongs to none of them.
HOUSE = {
    *("checks", "corpus", "data", "expect", "experiments", "grading", "hub", "labs", "lessons", "measure", "models"),
    *("plotting", "presets", "recorded", "tinytown", "worker"),
}
# A module that measures with what later modules build: its own subjects are these alone.
OWNS = {"02_sequence_models": {"recurrence"}}


def slugs(root: Path) -> dict[str, str]:
    """Return the modules: their numbers, and their slugs.

    >>> slugs(ROOT)["03"]
    '03_tokenization'
    """
    found = [match for path in sorted((root / "book").glob("*.md")) if (match := PAGE.fullmatch(path.stem))]
    return {match[1]: match[0] for match in found if not match[2]}


def notebooks(root: Path, number: str) -> list[Path]:
    """Return the sources of a module's notebooks, in order."""
    return sorted((root / "notebooks").glob(f"{number}*.md"))


@cache
def subjects(root: Path) -> dict[str, str]:
    """Return the first part of each subject's name below the package, with the first module whose notebooks use it.

    >>> subjects(ROOT)["transformer"]
    '04'
    """
    package, found = root / "src" / "fullstack_llm", dict[str, str]()
    for number, slug in sorted(slugs(root).items()):
        cells = [cell for path in notebooks(root, number) for cell in CODE.findall(path.read_text(encoding="utf-8"))]
        trees = [ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell, flags=re.M)) for cell in cells]
        for path in modules(package, trees):
            subject = dotted(package, path).partition(".")[2].partition(".")[0]
            if subject and subject not in HOUSE and subject in OWNS.get(slug, {subject}):
                found.setdefault(subject, number)
    return found


def tests(root: Path, number: str) -> list[str]:
    """Return the paths of a module's own tests and doctests.

    They are those of its experiments, and of the subjects that it is the first to use.
    """
    places = [f"tests/experiments/test_m{number}_*.py", f"src/fullstack_llm/experiments/m{number}_*.py"]
    for subject in (name for name, first in subjects(root).items() if first == number):
        places += [f"tests/{subject}", f"tests/test_{subject}.py", f"tests/test_{subject}_*.py"]
        places += [f"src/fullstack_llm/{subject}", f"src/fullstack_llm/{subject}.py"]
    return [path.relative_to(root).as_posix() for place in places for path in sorted(root.glob(place))]


def owner(root: Path, test: str) -> str:
    """Return the number of the module that a test belongs to by its path and its parameters, empty if to none.

    >>> owner(ROOT, "tests/browser/test_pages.py::test_page[book/04a_attention.html]")
    '04'
    >>> owner(ROOT, "tests/labs/test_labs.py::test_x[03_tokenization]")
    '03'
    >>> owner(ROOT, "tests/rules/test_rule_site.py::test_x")
    ''
    """
    path, _, rest = test.partition("::")
    parameter = re.search(r"(?:^|[\[/-])(\d\d)[a-z]?_[a-z]", rest)
    if named := parameter or re.search(r"/(?:test_)?m(\d\d)[_.]", path):
        number = named[1]
        return number if number in slugs(root) else ""
    below = re.match(r"(?:tests/(?:test_)?|src/fullstack_llm/)(\w+)", path)
    words = below[1].split("_") if below else []
    return next(
        (subjects(root)[name] for n in range(len(words), 0, -1) if (name := "_".join(words[:n])) in subjects(root)), ""
    )


def steps(root: Path, slug: str) -> list[list[str]]:
    """Return the commands that check one module by itself. Raises ValueError for a slug that is no module's."""
    known = slugs(root)
    if slug not in known.values():
        raise ValueError(f"There is no module {slug[:80]!r}; there are {', '.join(known.values())}.")
    number = slug[:2]
    sources = [path.relative_to(root).as_posix() for path in notebooks(root, number)]
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return [
        [sys.executable, "-m", "fullstack_llm.lessons"],
        [sys.executable, "-m", "fullstack_llm.lessons.execute", *sources],
        [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-W", "-n", "--keep-going", "-q"],
        [*pytest, "tests/labs", "-k", f"{slug} or m{number}"],
        *([[*pytest, *tests(root, number)]] if tests(root, number) else []),
        [*pytest, "tests/browser/test_pages.py", "-k", f"/{number}"],
    ]


def main(arguments: list[str], call: Callable[[list[str]], int] = subprocess.call) -> int:
    """Check the module whose slug is given; return the first status that is not 0."""
    try:
        commands = steps(ROOT, arguments[0] if arguments else "")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for command in commands:
        print(f"\n== {' '.join([Path(command[0]).name, *command[1:]])}", flush=True)
        if status := call(command):
            return status
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
