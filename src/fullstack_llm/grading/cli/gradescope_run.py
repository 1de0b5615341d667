"""The command `gradescope-run`: what Gradescope's `run_autograder` starts, for one submission in /autograder."""

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
from fullstack_llm.grading.judge import batch, grade
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.machine.walk import below
from fullstack_llm.grading.probing.levels import describe, strongest
from fullstack_llm.grading.reports.runs import load, write

from .arguments import CommandError, Help, find_lab


def add(subparsers: Any) -> argparse.ArgumentParser:
    """The arguments."""
    does = "grade the submission in Gradescope's /autograder (the zip of gradescope-zip calls it)"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "gradescope-run",
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog="An error of the grader leaves no results.json: Gradescope then shows an error, and enters no score.",
        formatter_class=Help,
    )
    parser.add_argument("root", type=Path, help="the folder with source, submission and results")
    parser.add_argument("--close", action="store_true", help="only close the judge's files to other users (setup.sh)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade the submission and write `results/results.json`, whole or not at all."""
    source, submission, results = (args.root / name for name in ("source", "submission", "results"))
    # Whatever lies there is not of this run.
    (results / "results.json").unlink(missing_ok=True)
    told = load(source / "lab.json")
    if not told:
        raise CommandError(f"{source} has no lab.json: build the autograder again with gradescope-zip")
    checks = source / "checks" if told["own_checks"] else declared.FOLDER
    lab = find_lab(told["lab"], checks)
    if args.close:
        for path in (*world(lab.answers).hidden, source):
            close(path)
        return 0
    if not submission.is_dir():
        raise CommandError(f"there is no folder {submission}")
    for path in (source, submission, results):
        close(path)
    drawn = seeds(lab, (source / "class.key").read_bytes() if told["key"] else PUBLIC_KEY)
    sandbox = strongest()
    print(f"Isolation is level {describe(sandbox)}.")
    one = batch.Batch(lab.slug, drawn, checks, source / "labs", sandbox, (source, submission, results))
    with batch.grader(one) as grader, _handed(submission) as found:
        if found.submissions:
            graded = grader.grade_student(found.submissions[0])
            _hold_to_account(graded.result)
            data = gradescope.results(lab, graded.result, graded.others)
        else:
            left = [f"left out: {line}" for line in found.left_out[:20]]
            data = gradescope.refused(lab, "\n".join(["There is no .ipynb or .py file to grade.", *left]))
    write(results / "results.json", json.dumps(data, indent=1) + "\n")
    print(f"{lab.slug}: {data['score']} of {lab.points()} points")
    return 0


def _hold_to_account(result: Result) -> None:
    """Raise `GraderError` if the grader, or a check, failed by a fault of its own: that is no student's zero."""
    grade.graded(result)
    for verdict in result.verdicts:
        for one in verdict.outcomes:
            if one.kind == "check failed":
                raise GraderError(f"a check of {verdict.exercise} failed by itself ({one.hint})")


def _handed(submission: Path) -> contextlib.AbstractContextManager[submissions.Intake]:
    # All of it is one student's, whatever the folders are called.
    return submissions.opened(submission, owner_of=lambda _: "submission")


def close(path: Path) -> None:
    """Take a file or a folder, with all that is in it, from other users; links stay, for they have no mode."""
    # Nobody enters what lies in a folder that nobody else may enter.
    for one in below(path, submissions.MAX_DEPTH):
        if not one.is_symlink():
            one.chmod(one.stat().st_mode & 0o700)
