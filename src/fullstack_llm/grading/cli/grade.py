"""The command `grade`: a folder or a zip of submissions, with progress, reports and a summary."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.draws import seeds
from fullstack_llm.grading.intake import submissions
from fullstack_llm.grading.judge import batch, cluster, settings
from fullstack_llm.grading.probing.levels import describe, level, strongest
from fullstack_llm.grading.reports import people as behind
from fullstack_llm.grading.reports import report, runs
from fullstack_llm.grading.reports.changes import changes

from . import people
from .arguments import CODES, CommandError, add_key, class_key, command, find_lab

ZIP = ".zip"
RULES = """\
whose a file is: the first folder under the root, or a zip in it, is a student; so is a file in the root itself.
of several files of a student, those that cannot be read or name another lab drop out; then one that is named like the
lab counts, a notebook before a script, and the last in order of names: "lab (2).ipynb" after "lab.ipynb".
a second run into the same folder of reports goes on: it grades what is new, changed, or was stopped.
"""
SHOWN = 20


def add(subparsers: Any) -> argparse.ArgumentParser:
    """The arguments."""
    parser = command(subparsers, "grade", "grade every student's notebook or script in a folder or a zip")
    parser.epilog = f"{RULES}\n{CODES}"
    parser.add_argument("folder", type=Path, help="folder or zip of submissions (.ipynb and .py)")
    parser.add_argument("--lab", required=True, help="the lab's slug, such as 03_tokenization")
    parser.add_argument("--out", type=Path, default=Path("grades"), help="folder for the reports (default: grades/)")
    parser.add_argument("--again", action="store_true", help="grade everything again, and say what has changed")
    parser.add_argument("--jobs", type=int, default=1, help="submissions graded at a time (default: 1)")
    parser.add_argument("--ray-address", help="grade on this Ray cluster, as in 192.0.2.7:6379, with --jobs graders")
    parser.add_argument("--level", choices=("A", "B", "C"), help="isolation: A or B as can be had, C only if asked for")
    people.add(parser)
    add_key(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Grade what is new or changed, or with `--again` everything, and write the reports."""
    if not args.folder.is_dir() and not (args.folder.is_file() and args.folder.suffix.lower() == ZIP):
        raise CommandError(f"there is no folder {args.folder}, and no zip of that name")
    if args.jobs < 1:
        raise CommandError("--jobs is 1 or more")
    if args.out.exists() and not args.out.is_dir():
        raise CommandError(f"--out {args.out} is a file, and the reports need a folder")
    lab = find_lab(args.lab, args.checks)
    drawn = seeds(lab, class_key(args))
    by_name, roster = people.named(args, lab.slug), people.listed(args)
    with submissions.opened(args.folder, args.out, by_name.owner) as found:
        behind.settle(found, by_name)
        if not found.submissions:
            _left_out(found)
            raise CommandError(f"there are no submissions (.ipynb or .py) in {args.folder}")
        if not (args.labs / f"{lab.slug}.ipynb").is_file():
            print(f"Note: no {lab.slug}.ipynb in {args.labs}: deleted set-up cells cannot be restored (--labs FOLDER).")
        sandbox = level(args.level) if args.level else strongest()
        isolation = describe(sandbox)
        print(f"Isolation is level {isolation}.")
        now = settings.made_with(lab, args.checks, args.labs, sandbox.level, drawn)
        with runs.alone(args.out):
            runs.begin(args.out, now, args.again)
            absent = behind.record(args.out, by_name, found, roster)
            one = batch.Batch(lab.slug, drawn, args.checks, args.labs, sandbox, (args.folder, args.out))
            shown = report.ClassRun(isolation, len(found.submissions), found.left_out, absent)
            reports = _grade(args, lab, one, found, shown)
        _some(absent)
        return _say(args.out, found, reports)


def _grade(
    args: argparse.Namespace, lab: LabChecks, one: batch.Batch, found: submissions.Intake, shown: report.ClassRun
) -> dict[str, dict[str, Any]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    files = {item.id: runs.files(item) for item in found.submissions}
    reports = _reports(args.out, files, set())
    waiting = [item for item in found.submissions if not runs.finished(reports.get(item.id), files[item.id])]
    if kept := len(found.submissions) - len(waiting):
        print(f"{kept} of {len(found.submissions)} students are graded already; --again would grade them again.")
    missing = {item.id for item in waiting}
    shown.changes = runs.load(args.out / "class.json").get("changes")
    # A run that is killed leaves a page that says so.
    report.write_class(args.out, lab, shown, [data for name, data in reports.items() if name not in missing])
    # What is written is read again in the end: a large class is not kept in memory until then.
    del reports
    where = args.ray_address
    ready = cluster.results(one, waiting, where, args.jobs) if where else batch.results(one, waiting, args.jobs)
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, transient=True) as progress:
            task = progress.add_task("grading", total=len(found.submissions), completed=kept)
            for graded in ready:
                name = graded.submission.id
                report.write_student(args.out, lab, graded, files[name])
                missing.discard(name)
                progress.advance(task)
        shown.complete = True
    finally:
        reports = _reports(args.out, files, missing)
        if shown.complete and (args.out / runs.PREVIOUS).is_dir():
            shown.changes = changes(runs.reports(args.out / runs.PREVIOUS), reports)
            _changed(shown.changes)
        report.write_class(args.out, lab, shown, list(reports.values()))
    # What was set aside stays until there is something in its place.
    if not any(map(runs.open_still, reports.values())):
        runs.end(args.out)
    return reports


def _reports(out: Path, files: dict[str, list[list[str]]], missing: set[str]) -> dict[str, dict[str, Any]]:
    """The reports in the folder, without those of files that have changed since and are not graded again yet."""
    reports = {name: data for name, data in runs.reports(out / runs.STUDENTS).items() if name not in missing}
    for name, data in reports.items():
        data["gone"] = name not in files
    return reports


def _changed(rows: list[dict[str, Any]]) -> None:
    gained = {row["id"] for row in rows if row["after"] > row["before"]}
    lost = {row["id"] for row in rows if row["after"] < row["before"]}
    print(f"Since the grading before, {len(gained)} gained points in an exercise, and {len(lost)} lost some.")
    _some([f"changed: {one['student']}, {one['exercise']}: {one['before']} to {one['after']}" for one in rows])


def _left_out(found: submissions.Intake) -> None:
    _some([f"left out: {line}" for line in found.left_out])


def _some(lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        print(line)
    if len(lines) > SHOWN:
        print(f"{lines[0].partition(':')[0]}: and {len(lines) - SHOWN} more")


def _say(out: Path, found: submissions.Intake, reports: dict[str, dict[str, Any]]) -> int:
    mine = [reports[one.id] for one in found.submissions]
    failed = [data for data in mine if data["error"]]
    for data in failed:
        print(f"{data['submission']}: {data['error']}")
    for data in mine:
        for name, why in data["others"]:
            print(f"not graded: {name}: {why}, and {data['submission']} is graded")
    _left_out(found)
    print(f"{len(mine) - len(failed)} of {len(mine)} submissions graded; see {out / 'index.html'}")
    if any(data["fault"] for data in failed):
        print("The grader failed over some, which is nobody's zero: the same command tries these again.")
        return 2
    return 1 if failed else 0
