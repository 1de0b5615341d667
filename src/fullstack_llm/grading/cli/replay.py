"""The command `replay`: grade one submission again with the seeds of its report, and compare the verdicts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fullstack_llm.grading.intake import spreadsheet, submissions
from fullstack_llm.grading.intake.files import digest
from fullstack_llm.grading.intake.kinds import can_be_graded, kind
from fullstack_llm.grading.judge import settings
from fullstack_llm.grading.judge.batch import Batch, open_grader
from fullstack_llm.grading.judge.grade import raise_fault
from fullstack_llm.grading.probing.levels import level
from fullstack_llm.grading.reports import runs
from fullstack_llm.grading.reports.report import exercise_data

from .arguments import CommandError, add_command, find_lab, known
from .console import say


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    parser = add_command(subparsers, "replay", "judge one submission again with the draws of its report, and compare")
    parser.add_argument("out", type=Path, help="folder of reports, as grade wrote it")
    parser.add_argument(
        "submission", type=Path, help="the .ipynb or .py file that was graded, or the folder or zip of all"
    )
    parser.add_argument(
        "--student", default="", help="with a folder or zip: a part of the student's name, id or address"
    )
    parser.add_argument("--exercise", default="", help="this exercise alone")
    parser.epilog = "exit codes: 0 the verdicts are those of the report, 1 they differ, 2 nothing was judged"
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade one submission with the stored seeds; return 1 if a verdict differs from the report."""
    then = runs.load(args.out / "run.json")
    if not runs.has_form(then, runs.RUN):
        raise CommandError(
            f"{args.out} holds no run (there is no run.json that can be read): give grade's --out folder"
        )
    with _opened(args) as (file, report):
        return _replay(args, then, file, report)


def _replay(args: argparse.Namespace, then: dict[str, Any], file: Path, report: dict[str, Any]) -> int:
    """Grade the file with the seeds of the run, and return 1 if a verdict differs from the report, else 0."""
    lab = find_lab(then["lab"], args.checks)
    if args.exercise and args.exercise not in lab.exercises:
        raise CommandError(f"lab {lab.slug} has no exercise {args.exercise!r}; it has {', '.join(lab.exercises)}")
    seeds = known(lab, then["draws"])
    without_seed = [check.label for check in lab.checks if check.label not in seeds]
    drawn = replace(lab, checks=tuple(check for check in lab.checks if check.label in seeds))
    sandbox = level(then["isolation"])
    now = settings.run_settings(lab, args.checks, args.labs, sandbox.level, seeds)
    for what in runs.differences(then, now):
        say(f"Note: the report was made with {what}.")
    for label in without_seed:
        say(f"Note: the check {label} is new since, and has no draw to be replayed with.")
    with open_grader(Batch(lab.slug, seeds, args.checks, args.labs, sandbox)) as grader:
        grader.lab = replace(drawn, checks=drawn.of(args.exercise)) if args.exercise else drawn
        result = raise_fault(grader.grade(file))
    for verdict in result.verdicts:
        print(verdict)
    if result.error != report["error"]:
        say(f"DIFFERS: the report says {report['error'] or 'nothing'}, and now: {result.error or 'nothing'}")
        return 1
    return _compare(report["exercises"], [exercise_data(verdict) for verdict in result.verdicts], grader.lab.exercises)


def _compare(then: list[dict[str, Any]], now: list[dict[str, Any]], exercises: tuple[str, ...]) -> int:
    """Print each check whose outcome differs from the one in the report; return 1 if there is such a check, else 0."""
    before, after = _outcomes(then, exercises), _outcomes(now, exercises)
    differ = [label for label in dict.fromkeys([*before, *after]) if before.get(label) != after.get(label)]
    for label in differ:
        was, is_now = before.get(label, "no such check"), after.get(label, "not judged")
        say(f"DIFFERS: {label}: in the report {was}, and now {is_now}")
    if not differ:
        say("The verdicts are those of the report.")
    return 1 if differ else 0


def _outcomes(data: list[dict[str, Any]], exercises: tuple[str, ...]) -> dict[str, str]:
    return {
        f"{exercise['exercise']}, {check['part']}".removesuffix(", "): f"{check['earned']} points ({check['kind']})"
        for exercise in data
        for check in exercise["checks"]
        if exercise["exercise"] in exercises
    }


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the file to judge and its report; a file in a zip lies in a temporary folder until the block ends."""
    given, reports = args.submission, list(runs.reports(args.out / runs.STUDENTS).values())
    if given.is_file() and can_be_graded(given.name):
        yield given, _report([report for report in reports if report["digest"] == digest(given)], args, given)
    elif given.is_dir() or (given.is_file() and kind(given.name) == ".zip"):
        wanted = args.student.casefold()
        report = _report([one for one in reports if wanted and wanted in _names(one)], args, given)
        with submissions.opened(given, args.out) as intake:
            files = (file.path for submission in intake.submissions for file in submission.files)
            file = next((path for path in files if digest(path) == report["digest"]), None)
            if file is None:
                raise CommandError(f"the file of {report['student']} is not in {given}, or has changed since")
            yield file, report
    else:
        raise CommandError(f"there is no .ipynb or .py file {given}, and no folder or zip of that name")


def _names(report: dict[str, Any]) -> str:
    return f"{report['student']}\n{report['owner']}\n{report['submission']}".casefold()


def _report(matching: list[dict[str, Any]], args: argparse.Namespace, given: Path) -> dict[str, Any]:
    """Return the one report that fits; a file may be that of several students."""
    if matching and len({report["digest"] for report in matching}) == 1:
        if len(matching) > 1:
            say(f"Note: {len(matching)} students handed in this file; compared with {matching[0]['student']}.")
        return matching[0]
    if given.is_file() and can_be_graded(given.name):
        raise CommandError(f"no report in {args.out} is of {given}: the file has changed since, or another was graded")
    if not args.student:
        raise CommandError(
            f"{given} holds many files: name the student with --student, by a part of the name or the id"
        )
    found = spreadsheet.listing(report["student"] for report in matching)
    raise CommandError(f"--student {args.student!r} fits {found or 'nobody'} in {args.out}: name one student")
