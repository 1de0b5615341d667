"""The command `check`: a student's own notebook, with the inputs that notebooks show, before it is handed in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.draws import seeds
from fullstack_llm.grading.intake.archive import SUFFIXES
from fullstack_llm.grading.judge import batch
from fullstack_llm.grading.judge.grade import Result, graded, open_submission
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing.levels import SELF_CHECK, strongest

from .arguments import CommandError, command, find_lab


def add(subparsers: Any) -> argparse.ArgumentParser:
    """The arguments."""
    parser = command(subparsers, "check", "check your own notebook before handing it in")
    parser.add_argument("notebook", type=Path, help="your .ipynb or .py file")
    parser.add_argument("--lab", help="the lab's slug, if the file does not name it")
    return parser


def run(args: argparse.Namespace) -> int:
    """Check one notebook with the public draw, and print the verdicts."""
    if not args.notebook.is_file():
        raise CommandError(f"there is no file {args.notebook}")
    if args.notebook.suffix.lower() not in SUFFIXES:
        raise CommandError(f"{args.notebook} is no .ipynb or .py file")
    lab = find_lab(args.lab or _named(args.notebook), args.checks)
    one = batch.Batch(lab.slug, seeds(lab), args.checks, args.labs, strongest(self_check=True))
    with batch.grader(one) as grader:
        result = graded(grader.grade(args.notebook))
    if result.error:
        print(f"{args.notebook} could not be graded: {result.error}.")
        return 1
    _show(lab, result)
    return 0


def _named(path: Path) -> str:
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


def _show(lab: LabChecks, result: Result) -> None:
    for verdict in result.verdicts:
        print(verdict)
    for sentence in result.review:
        print(f"for review: {sentence}")
    for problem in result.problems:
        print(f"note: {problem}")
    print(f"{lab.slug}: {result.earned} of {lab.points()} points, in {result.seconds:.1f} s")
