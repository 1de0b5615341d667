"""The command `classroom`: write a workflow that grades a lab in a student's repository on GitHub."""

from __future__ import annotations

import argparse
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fullstack_llm.grading.gradebooks import classroom
from fullstack_llm.grading.judge import lab_cells
from fullstack_llm.grading.reports.runs import write

from .arguments import CommandError, add_command, find_lab, require_name
from .console import say

EPILOG = """put the file as .github/workflows/classroom.yml into the repository from which the students' are made,
with the lab's notebook. On every push the points appear in the run's summary. They are for students to see: the inputs
are those that the notebook shows, and a student can change the workflow. To grade, collect the notebooks and use
`grade`.

GitHub has closed GitHub Classroom itself (notice in the reporter's README, seen in November 2026): the points are not
collected there any more, and the workflow works in any repository on GitHub.

exit codes:
  0  the workflow is written
  2  nothing was written, and a sentence says why
"""


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    parser = add_command(subparsers, "classroom", "write a GitHub workflow that grades a lab where students push it")
    parser.epilog = EPILOG
    parser.add_argument("lab", help="the lab's slug, such as 03_tokenization")
    parser.add_argument("--notebook", help="the notebook's path in their repository (default: the lab's own name)")
    parser.add_argument("--tag", default=f"v{version('fullstack_llm')}", help="the course's tag (default: %(default)s)")
    parser.add_argument("--repository", help="the course's repository on GitHub, owner/name (default: this one's)")
    parser.add_argument("--out", type=Path, help="file to write (default: print it)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Write or print the workflow."""
    lab = find_lab(args.lab, args.checks)
    notebook = args.notebook or f"{lab.slug}.ipynb"
    for name, text in (("--notebook", notebook), ("--tag", args.tag)):
        # The workflow has the text between quotes, in YAML and in a shell command.
        if not re.fullmatch(r"[\w./ -]+", text) or text.startswith("-"):
            raise CommandError(f"{name} {text!r} has characters other than letters, digits, spaces and . _ / -")
    repository = args.repository or _repository()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise CommandError(f"--repository is owner/name on GitHub, and not {repository!r}")
    text = classroom.workflow(lab.slug, notebook, repository, args.tag)
    if args.out is None:
        print(text, end="")
        return 0
    require_name(args.out, "a workflow")
    write(args.out, text)
    say(f"{args.out} grades {notebook} as {lab.slug}, with the course at {args.tag}: that tag must be there.")
    return 0


def _repository() -> str:
    from fullstack_llm.lessons.generate import repository

    root = lab_cells.FOLDER.parent
    if not (root / "_config.yml").is_file():
        raise CommandError("this is no checkout of the course, which would name its repository: give --repository")
    return repository(root)[0].removeprefix("https://github.com/")
