"""The command `nbgrader`: a run's scores in an nbgrader course's gradebook, and its pages in the tree of feedback."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path, PurePath
from typing import Any

from fullstack_llm.checks.show import plain
from fullstack_llm.grading.gradebooks import scores
from fullstack_llm.grading.gradebooks.scores import Score, Scores
from fullstack_llm.grading.intake.spreadsheet import SheetError
from fullstack_llm.grading.reports.runs import STUDENTS, write

from .arguments import CommandError, Help

WRITER = Path(__file__).with_name("nbgrader_gradebook.py")
# From nbgrader's exchange; `nbgrader release_feedback` looks for them beside the page.
WITH_FEEDBACK = ("timestamp.txt", "submission_secret.txt")
MAX_BESIDE = 1_000
EPILOG = """how it is used, with COURSE the folder of an nbgrader course:
  1. put `c.ClearSolutions.enabled = False` into COURSE/nbgrader_config.py (our labs hold no solutions, and nbgrader
     would replace whole answers by its own stub), copy labs/03_tokenization.ipynb to COURSE/source/03_tokenization/,
     and run `nbgrader generate_assignment 03_tokenization`; hand it out and collect it as always
  2. grade COURSE/submitted --names nbgrader --lab 03_tokenization --out grades
  3. nbgrader grades COURSE
the scores stand in COURSE/gradebook.db as manual grades of the answers, and each student's page in COURSE/feedback/,
from where `nbgrader release_feedback` takes it. `nbgrader autograde` and `generate_feedback` are not needed, and would
grade nothing. A file that could not be graded gets no score.

exit codes:
  0  every score was entered
  1  some files could not be graded, and have no score; each is named
  2  nothing was entered, and a sentence says why
"""


def add(subparsers: Any) -> argparse.ArgumentParser:
    """The arguments."""
    does = "enter the scores of a run into an nbgrader course's gradebook, with feedback"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "nbgrader", help=does, description=f"{does[0].upper()}{does[1:]}.", epilog=EPILOG, formatter_class=Help
    )
    parser.add_argument("grades", type=Path, help="folder of reports, the --out of grade")
    parser.add_argument("course", type=Path, help="folder of the nbgrader course, where gradebook.db is or will be")
    parser.add_argument("--assignment", help="the assignment's name there (default: the lab's slug)")
    parser.add_argument("--course-id", default="default_course", help="the course's id, if nbgrader_config.py sets one")
    parser.add_argument("--python", type=Path, help="a Python that has nbgrader (default: this one)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Enter the scores, then put the feedback in its place."""
    if not args.course.is_dir():
        raise CommandError(f"there is no folder {args.course}: give the nbgrader course's folder")
    python = _python(args)
    try:
        found = scores.read(args.grades)
    except SheetError as error:
        raise CommandError(str(error)) from None
    assignment = args.assignment or found.lab
    for name in (assignment, *(one.person.id for one in found.scores)):
        # It becomes the name of a folder.
        if PurePath(name).parts != (name,) or name == "..":
            raise CommandError(f"{name!r} cannot be the name of a student or an assignment in nbgrader")
    graded = [one for one in found.scores if not one.error]
    said = _enter(python, request(args.course, args.course_id, assignment, found, graded))
    for name in said["untimed"]:
        print(f"no time: {plain(name)}: what stands in timestamp.txt is none, so nothing is late")
    for name, why in said["failed"].items():
        print(f"no score: {plain(name)}: nbgrader could not take it ({plain(why)})")
    for one in found.scores:
        page = args.grades / STUDENTS / f"{one.report['id']}.html"
        folder = args.course / "feedback" / one.person.id / assignment
        write(folder / f"{found.lab}.html", page.read_text("utf-8"))
        for name in WITH_FEEDBACK:
            if text := _beside(args.course / "submitted" / one.person.id / assignment / name):
                write(folder / name, text)
    for one in found.scores:
        if one.error:
            print(f"no score: {one.person}: the file could not be graded ({one.error})")
    entered = len(graded) - len(said["failed"])
    print(f"{entered} of {len(found.scores)} scores of {assignment} are in {args.course / 'gradebook.db'}")
    return 0 if entered == len(found.scores) else 1


def _beside(path: Path) -> str:
    """What nbgrader's exchange wrote beside a submission, in a folder where its student may have written, too."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MAX_BESIDE).decode("utf-8", "replace")


def request(course: Path, course_id: str, assignment: str, found: Scores, graded: list[Score]) -> dict[str, Any]:
    """What the writer is told: the assignment with its answer cells, and every student's scores by cell."""
    cells = {f"answer-{one['exercise']}": one["points"] for score in graded for one in score.report["exercises"]}
    return {
        "gradebook": str((course / "gradebook.db").resolve()),
        "course": course_id,
        "assignment": assignment,
        "notebook": found.lab,
        "cells": cells,
        "students": [_student(course, assignment, one) for one in graded],
    }


def _student(course: Path, assignment: str, score: Score) -> dict[str, Any]:
    exercises = {f"answer-{one['exercise']}": one for one in score.report["exercises"]}
    hints = {
        cell: [
            " ".join(filter(None, (check["hint"], check.get("advice"))))
            for check in one["checks"]
            if check["kind"] != "right" and check["hint"]
        ]
        for cell, one in exercises.items()
    }
    handed = _beside(course / "submitted" / score.person.id / assignment / "timestamp.txt")
    return {
        "id": score.person.id,
        "email": score.person.email,
        # As nbgrader's own autograde takes it; what counts as late is for nbgrader to say.
        "timestamp": handed.strip()[:100],
        "scores": {cell: one["earned"] for cell, one in exercises.items()},
        "comments": {cell: found[0] for cell, found in hints.items() if found},
    }


def _python(args: argparse.Namespace) -> str:
    if args.python:
        # Not resolved: through its link a virtual environment's Python would be another one.
        return str(args.python.absolute())
    if importlib.util.find_spec("nbgrader") is None:
        raise CommandError("this Python has no nbgrader: name one that has, as in --python .venv-nbgrader/bin/python")
    return sys.executable


def _enter(python: str, data: dict[str, Any]) -> dict[str, Any]:
    """Enter the scores; what the writer says."""
    # A new gradebook is made with alembic, which nbgrader looks for by its name.
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(
            [python, "-P", "-s", str(WRITER)],
            input=json.dumps(data),
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise CommandError(f"{python} cannot be started ({error.strerror})") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        missing = ": install nbgrader there" if "No module named 'nbgrader'" in why else ""
        raise CommandError(f"nbgrader's gradebook could not be written ({why}){missing}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said
