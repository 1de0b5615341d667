"""The command `check`: grade a student's own notebook before handing it in, with the inputs that notebooks show."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.draws import seeds
from fullstack_llm.grading.intake.kinds import can_be_graded
from fullstack_llm.grading.judge.batch import Batch, open_grader
from fullstack_llm.grading.judge.grade import Result, open_submission, raise_fault
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing.levels import SELF_CHECK, strongest

from .arguments import CommandError, add_command, find_lab
from .console import say


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    parser = add_command(subparsers, "check", "check your own notebook before handing it in")
    parser.add_argument("notebook", type=Path, help="your .ipynb or .py file")
    parser.add_argument("--lab", help="the lab's slug, if the file does not name it")
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade one notebook with the public seeds, and print the verdicts."""
    if not args.notebook.is_file():
        raise CommandError(f"there is no file {args.notebook}")
    if not can_be_graded(args.notebook.name):
        raise CommandError(f"{args.notebook} is no .ipynb or .py file")
    lab = find_lab(args.lab or _lab_named_in(args.notebook), args.checks)
    batch = Batch(lab.slug, seeds(lab), args.checks, args.labs, strongest(self_check=True))
    with open_grader(batch) as grader:
        result = raise_fault(grader.grade(args.notebook))
    if result.error:
        say(f"{args.notebook} could not be graded: {result.error}.")
        return 1
    _print(lab, result)
    return 0


def _lab_named_in(path: Path) -> str:
    workers = Pool(SELF_CHECK, ahead=0)
    try:
        worker, book = open_submission(path, workers)
        worker.close()
    except ValueError as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    finally:
        workers.close()
    if not book["lab"]:
        raise CommandError(f"{path} does not name its lab: give it with --lab, as in --lab 03_tokenization")
    return str(book["lab"])


def _print(lab: LabChecks, result: Result) -> None:
    for verdict in result.verdicts:
        print(verdict)
    for sentence in result.review:
        say(f"for review: {sentence}")
    for problem in result.problems:
        say(f"note: {problem}")
    say(f"{lab.slug}: {result.earned} of {lab.points()} points, in {result.seconds:.1f} s")
