"""The command `grade`: grade a folder or a zip of submissions, show the progress, and write the reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.commands import whole
from fullstack_llm.grading.intake import submissions
from fullstack_llm.grading.intake.choose import IN_DOUBT
from fullstack_llm.grading.judge import batch, cluster, settings
from fullstack_llm.grading.judge.batch import Batch
from fullstack_llm.grading.probing.levels import describe, level, strongest
from fullstack_llm.grading.reports import report, runs
from fullstack_llm.grading.reports.changes import changes
from fullstack_llm.grading.reports.people import leave_out_contested, record_people
from fullstack_llm.grading.reports.report import ClassRun

from . import people
from .arguments import EXIT_CODES, CommandError, add_command, add_key, class_seeds, find_lab
from .console import say, say_some

ZIP = ".zip"
RULES = """\
whose a file is: the first folder under the root, or a zip in it, is a student; so is a file in the root itself.
of several files of a student, those drop out that cannot be read, name another lab, define none of its functions, or
have no answer where another file has one; then one that is named like the lab counts, a notebook before a script, an
upper folder before a lower one, and the last in order of names: "lab (2).ipynb" after "lab.ipynb".
a second run into the same folder of reports goes on: it grades what is new, changed, or was stopped.
"""


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    parser = add_command(subparsers, "grade", "grade every student's notebook or script in a folder or a zip")
    parser.epilog = f"{RULES}\n{EXIT_CODES}"
    parser.add_argument("folder", type=Path, help="folder or zip of submissions (.ipynb and .py)")
    parser.add_argument("--lab", required=True, help="the lab's slug, such as 03_tokenization")
    parser.add_argument("--out", type=Path, default=Path("grades"), help="folder for the reports (default: grades/)")
    parser.add_argument("--again", action="store_true", help="grade everything again, and say what has changed")
    parser.add_argument("--jobs", type=whole(1, 1000), default=1, help="submissions graded at a time (default: 1)")
    parser.add_argument("--ray-address", help="grade on this Ray cluster, as in 192.0.2.7:6379, with --jobs graders")
    parser.add_argument("--level", choices=("A", "B", "C"), help="isolation: A or B as can be had, C only if asked for")
    people.add(parser)
    add_key(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade what is new or changed, or with `--again` everything, and write the reports."""
    if not args.folder.is_dir() and not (args.folder.is_file() and args.folder.suffix.lower() == ZIP):
        raise CommandError(f"there is no folder {args.folder}, and no zip of that name")
    if args.out.exists() and not args.out.is_dir():
        raise CommandError(f"--out {args.out} is a file, and the reports need a folder")
    lab = find_lab(args.lab, args.checks)
    check_seeds = class_seeds(args, lab)
    names, class_list = people.names_of_files(args, lab.slug), people.class_list(args)
    with submissions.opened(args.folder, args.out, names.owner, lab.slug) as intake:
        leave_out_contested(intake, names)
        people.suggest(args, lab.slug, intake)
        if not intake.submissions:
            _print_left_out(intake)
            raise CommandError(f"there are no submissions (.ipynb or .py) in {args.folder}")
        if not (args.labs / f"{lab.slug}.ipynb").is_file():
            say(f"Note: no {lab.slug}.ipynb in {args.labs}: deleted set-up cells cannot be restored (--labs FOLDER).")
        sandbox = level(args.level) if args.level else strongest()
        isolation = describe(sandbox)
        say(f"Isolation is level {isolation}.")
        now = settings.run_settings(lab, args.checks, args.labs, sandbox.level, check_seeds)
        with runs.locked(args.out):
            runs.prepare(args.out, now, args.again)
            differences = record_people(args.out, names, intake, class_list)
            class_batch = Batch(lab.slug, check_seeds, args.checks, args.labs, sandbox, (args.folder, args.out))
            class_run = ClassRun(isolation, len(intake.submissions), intake.left_out, differences)
            reports = _grade(args, lab, class_batch, intake, class_run, now["made_with"])
        say_some(differences)
        return _print_results(args.out, intake, reports)


def _grade(
    args: argparse.Namespace,
    lab: LabChecks,
    class_batch: Batch,
    intake: submissions.Intake,
    class_run: ClassRun,
    made_with: str,
) -> dict[str, dict[str, Any]]:
    """Grade the submissions without a finished report, and return all reports of the class by identifier."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    files = {submission.id: runs.file_digests(submission) for submission in intake.submissions}
    reports = _reports(args.out, files, set(), made_with)
    waiting = [
        submission
        for submission in intake.submissions
        if not runs.is_finished(reports.get(submission.id), files[submission.id])
    ]
    if kept := len(intake.submissions) - len(waiting):
        say(f"{kept} of {len(intake.submissions)} students are graded already; --again would grade them again.")
    missing = {submission.id for submission in waiting}
    class_run.changes = runs.load(args.out / "class.json").get("changes")
    # Written now, so that a run that is killed leaves a page that says so.
    report.write_class(args.out, lab, class_run, [data for id_, data in reports.items() if id_ not in missing])
    # The reports of a large class need not stay in memory: they are read again from the folder in the end.
    del reports
    if args.ray_address:
        results = cluster.results(class_batch, waiting, args.ray_address, args.jobs)
    else:
        results = batch.results(class_batch, waiting, args.jobs)
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, transient=True) as progress:
            task = progress.add_task("grading", total=len(intake.submissions), completed=kept)
            for graded in results:
                id_ = graded.submission.id
                report.write_student(args.out, lab, graded, files[id_], made_with)
                missing.discard(id_)
                progress.advance(task)
        class_run.complete = True
    finally:
        reports = _reports(args.out, files, missing, made_with)
        if class_run.complete and (args.out / runs.PREVIOUS).is_dir():
            class_run.changes = changes(runs.reports(args.out / runs.PREVIOUS), reports)
            _print_changes(class_run.changes)
        report.write_class(args.out, lab, class_run, list(reports.values()))
    # The previous reports stay until every submission has a valid score.
    if not any(map(runs.has_grader_fault, reports.values())):
        runs.discard_previous(args.out)
    return reports


def _reports(
    out: Path, files: dict[str, list[list[str]]], missing: set[str], made_with: str
) -> dict[str, dict[str, Any]]:
    """Return this run's reports in the folder, without those of `missing` students, whose files are not graded yet."""
    found = runs.reports(out / runs.STUDENTS)
    reports = {id_: data for id_, data in found.items() if id_ not in missing and data["made_with"] == made_with}
    for id_, data in reports.items():
        data["gone"] = id_ not in files
    return reports


def _print_changes(rows: list[dict[str, Any]]) -> None:
    gained = {row["id"] for row in rows if row["after"] > row["before"]}
    lost = {row["id"] for row in rows if row["after"] < row["before"]}
    say(f"Since the grading before, {len(gained)} gained points in an exercise, and {len(lost)} lost some.")
    say_some([f"changed: {row['student']}, {row['exercise']}: {row['before']} to {row['after']}" for row in rows])


def _print_left_out(intake: submissions.Intake) -> None:
    say_some([f"left out: {line}" for line in intake.left_out])


def _print_results(out: Path, intake: submissions.Intake, reports: dict[str, dict[str, Any]]) -> int:
    """Print what could not be graded and how many were, and return the exit code."""
    current = [reports[submission.id] for submission in intake.submissions]
    failed = [data for data in current if data["error"]]
    say_some([f"{data['submission'] or data['student']}: {data['error']}" for data in failed])
    others = [
        f"not graded: {name}: {why}, and {data['submission']} is graded"
        for data in current
        for name, why in data["others"]
    ]
    say_some(sorted(others, key=lambda line: IN_DOUBT not in line))
    _print_left_out(intake)
    say(f"{len(current) - len(failed)} of {len(current)} submissions graded; see {out / 'index.html'}")
    if any(data["fault"] for data in failed):
        say("The grader failed over some, which is nobody's zero: the same command tries these again.")
        return 2
    return 1 if failed else 0
