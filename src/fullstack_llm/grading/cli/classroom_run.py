"""The command `classroom-run`: grade the notebook in a student's repository, for the reporter of the workflow."""

from __future__ import annotations

import argparse
import json
import os
import secrets
from pathlib import Path
from typing import Any

from fullstack_llm.checks.draws import seeds
from fullstack_llm.grading.gradebooks import classroom
from fullstack_llm.grading.judge.batch import Batch, open_grader
from fullstack_llm.grading.judge.grade import raise_fault
from fullstack_llm.grading.probing.levels import strongest

from .arguments import CommandError, add_command, find_lab
from .console import say

OUTPUT = "GITHUB_OUTPUT"


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    parser = add_command(
        subparsers, "classroom-run", "grade a notebook in a GitHub workflow (that of classroom calls it)"
    )
    parser.add_argument("notebook", type=Path, help="the .ipynb or .py file")
    parser.add_argument("--lab", required=True, help="the lab's slug, such as 03_tokenization")
    parser.epilog = (
        "exit codes:\n  0  graded, whatever it earned\n  2  an error of the grader, or no file: there are no points"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade with the public seeds, print the verdicts, and set the output of the workflow's step."""
    if not args.notebook.is_file():
        raise CommandError(f"there is no file {args.notebook} in the repository: was it renamed, or not pushed?")
    lab = find_lab(args.lab, args.checks)
    batch = Batch(lab.slug, seeds(lab), args.checks, args.labs, strongest(self_check=True))
    with open_grader(batch) as grader:
        result = raise_fault(grader.grade(args.notebook))
    # GitHub's runner executes a printed line that begins with two colons, and a verdict may show a student's text.
    token = secrets.token_hex(16)
    say(f"::stop-commands::{token}")
    for verdict in result.verdicts:
        print(verdict)
    for problem in result.problems:
        say(f"note: {problem}")
    say(f"::{token}::")
    say(f"{lab.slug}: {result.error or f'{result.earned} of {lab.points()} points'}")
    data = classroom.results(lab, result, str(args.notebook))
    if OUTPUT in os.environ:
        with Path(os.environ[OUTPUT]).open("a", encoding="utf-8") as file:
            file.write(f"result={classroom.encoded(data)}\n")
    else:
        print(json.dumps(data, indent=1))
    return 0
