"""The command `gradescope-run`: grade the submission in Gradescope's /autograder; `run_autograder` calls it."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

from fullstack_llm.checks import declared
from fullstack_llm.checks.draws import PUBLIC_KEY, seeds
from fullstack_llm.grading.gradebooks import gradescope
from fullstack_llm.grading.intake import submissions
from fullstack_llm.grading.isolation.world import world
from fullstack_llm.grading.judge.batch import Batch, open_grader
from fullstack_llm.grading.judge.grade import Result, raise_fault
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.machine.walk import below
from fullstack_llm.grading.probing.levels import describe, strongest
from fullstack_llm.grading.reports.runs import load, write

from .arguments import CommandError, HelpFormatter, find_lab
from .console import say


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    purpose = "grade the submission in Gradescope's /autograder (the zip of gradescope-zip calls it)"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "gradescope-run",
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog="An error of the grader leaves no results.json: Gradescope then shows an error, and enters no score.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("root", type=Path, help="the folder with source, submission and results")
    parser.add_argument("--close", action="store_true", help="only close the judge's files to other users (setup.sh)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade the submission, and write `results/results.json` completely or not at all."""
    source, submission, results = (args.root / name for name in ("source", "submission", "results"))
    # A file that exists already is not from this run.
    (results / "results.json").unlink(missing_ok=True)
    about = load(source / "lab.json")
    if not about:
        raise CommandError(f"{source} has no lab.json: build the autograder again with gradescope-zip")
    checks = source / "checks" if about["own_checks"] else declared.FOLDER
    lab = find_lab(about["lab"], checks)
    if args.close:
        for path in (*world(lab.answers).hidden, source):
            close(path)
        return 0
    if not submission.is_dir():
        raise CommandError(f"there is no folder {submission}")
    for path in (source, submission, results):
        close(path)
    check_seeds = seeds(lab, (source / "class.key").read_bytes() if about["key"] else PUBLIC_KEY)
    sandbox = strongest()
    say(f"Isolation is level {describe(sandbox)}.")
    batch = Batch(lab.slug, check_seeds, checks, source / "labs", sandbox, (source, submission, results))
    with open_grader(batch) as grader, _intake(submission) as intake:
        if intake.submissions and intake.submissions[0].files:
            graded = grader.grade_student(intake.submissions[0])
            _raise_faults(graded.result)
            data = gradescope.results(lab, graded.result, graded.others)
        else:
            left_out = [f"left out: {line}" for line in intake.left_out[:20]]
            data = gradescope.refused(lab, "\n".join(["There is no .ipynb or .py file to grade.", *left_out]))
    write(results / "results.json", json.dumps(data, indent=1) + "\n")
    say(f"{lab.slug}: {data['score']} of {lab.points()} points")
    return 0


def _raise_faults(result: Result) -> None:
    """Raise `GraderError` if the grader or a check failed by itself, so that Gradescope enters no score."""
    raise_fault(result)
    for verdict in result.verdicts:
        for outcome in verdict.outcomes:
            if outcome.kind == "check failed":
                raise GraderError(f"a check of {verdict.exercise} failed by itself ({outcome.hint})")


def _intake(submission: Path) -> contextlib.AbstractContextManager[submissions.Intake]:
    # Every file belongs to the same student, whatever the folders are called.
    return submissions.opened(submission, owner_of=lambda _: "submission")


def close(path: Path) -> None:
    """Remove all rights of other users from a file, or from a folder and all that is in it; links have no mode."""
    # Deeper folders need no change: other users cannot enter the folders above them.
    for inside in below(path, submissions.MAX_DEPTH):
        if not inside.is_symlink():
            inside.chmod(inside.stat().st_mode & 0o700)
