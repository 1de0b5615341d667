"""The command `replay`: grade one submission again with the seeds of its report, and compare the verdicts."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from fullstack_llm.grading.intake.archive import SUFFIXES
from fullstack_llm.grading.intake.submissions import digest
from fullstack_llm.grading.judge import settings
from fullstack_llm.grading.judge.batch import Batch, open_grader
from fullstack_llm.grading.judge.grade import raise_fault
from fullstack_llm.grading.probing.levels import level
from fullstack_llm.grading.reports import runs
from fullstack_llm.grading.reports.report import exercise_data

from .arguments import CommandError, add_command, find_lab, known


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    parser = add_command(subparsers, "replay", "judge one submission again with the draws of its report, and compare")
    parser.add_argument("out", type=Path, help="folder of reports, as grade wrote it")
    parser.add_argument("submission", type=Path, help="the .ipynb or .py file that was graded")
    parser.add_argument("--exercise", default="", help="this exercise alone")
    parser.epilog = "exit codes: 0 the verdicts are those of the report, 1 they differ, 2 nothing was judged"
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade one submission with the stored seeds; return 1 if a verdict differs from the report."""
    then = runs.load(args.out / "run.json")
    if not then:
        raise CommandError(
            f"{args.out} holds no run (there is no run.json that can be read): give grade's --out folder"
        )
    if not args.submission.is_file() or args.submission.suffix.lower() not in SUFFIXES:
        raise CommandError(f"there is no .ipynb or .py file {args.submission}")
    report = _report(args.out, args.submission)
    lab = find_lab(then["lab"], args.checks)
    if args.exercise and args.exercise not in lab.exercises:
        raise CommandError(f"lab {lab.slug} has no exercise {args.exercise!r}; it has {', '.join(lab.exercises)}")
    seeds = known(lab, then["draws"])
    without_seed = [check.label for check in lab.checks if check.label not in seeds]
    drawn = replace(lab, checks=tuple(check for check in lab.checks if check.label in seeds))
    sandbox = level(then["isolation"])
    now = settings.run_settings(lab, args.checks, args.labs, sandbox.level, seeds)
    for what in runs.differences(then, now):
        print(f"Note: the report was made with {what}.")
    for label in without_seed:
        print(f"Note: the check {label} is new since, and has no draw to be replayed with.")
    with open_grader(Batch(lab.slug, seeds, args.checks, args.labs, sandbox)) as grader:
        grader.lab = replace(drawn, checks=drawn.of(args.exercise)) if args.exercise else drawn
        result = raise_fault(grader.grade(args.submission))
    for verdict in result.verdicts:
        print(verdict)
    if result.error != report["error"]:
        print(f"DIFFERS: the report says {report['error'] or 'nothing'}, and now: {result.error or 'nothing'}")
        return 1
    return _compare(report["exercises"], [exercise_data(verdict) for verdict in result.verdicts], grader.lab.exercises)


def _compare(then: list[dict[str, Any]], now: list[dict[str, Any]], exercises: tuple[str, ...]) -> int:
    """Print each check whose outcome differs from the one in the report; return 1 if there is such a check, else 0."""
    before, after = _outcomes(then, exercises), _outcomes(now, exercises)
    differ = [label for label in dict.fromkeys([*before, *after]) if before.get(label) != after.get(label)]
    for label in differ:
        was, is_now = before.get(label, "no such check"), after.get(label, "not judged")
        print(f"DIFFERS: {label}: in the report {was}, and now {is_now}")
    if not differ:
        print("The verdicts are those of the report.")
    return 1 if differ else 0


def _outcomes(data: list[dict[str, Any]], exercises: tuple[str, ...]) -> dict[str, str]:
    return {
        f"{exercise['exercise']}, {check['part']}".removesuffix(", "): f"{check['earned']} points ({check['kind']})"
        for exercise in data
        for check in exercise["checks"]
        if exercise["exercise"] in exercises
    }


def _report(out: Path, path: Path) -> dict[str, Any]:
    wanted = digest(path)
    matching = [report for report in runs.reports(out / runs.STUDENTS).values() if report["digest"] == wanted]
    if not matching:
        raise CommandError(f"no report in {out} is of {path}: the file has changed since, or another file was graded")
    if len(matching) > 1:
        print(f"Note: {len(matching)} students handed in this file; compared with {matching[0]['student']}.")
    return matching[0]
