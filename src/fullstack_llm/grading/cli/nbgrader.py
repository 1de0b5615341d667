"""The command `nbgrader`: enter scores in an nbgrader course's gradebook, and copy the pages as feedback."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path, PurePath
from typing import Any

from fullstack_llm.grading.gradebooks import nbgrader as gradebook
from fullstack_llm.grading.gradebooks import scores
from fullstack_llm.grading.gradebooks.scores import Score, Scores
from fullstack_llm.grading.intake.spreadsheet import SheetError
from fullstack_llm.grading.judge import lab_cells
from fullstack_llm.grading.reports.runs import STUDENTS, write

from .arguments import CommandError, HelpFormatter
from .console import say

# Run by the Python that has nbgrader.
WRITER = Path(gradebook.__file__)
# Where `make nbgrader-env` sets nbgrader up.
OWN = lab_cells.FOLDER.parent / ".venv-nbgrader" / "bin" / "python"
# Files that nbgrader's exchange adds to a submission; `nbgrader release_feedback` looks for them beside the page.
EXCHANGE_FILES = ("timestamp.txt", "submission_secret.txt")
MAX_EXCHANGE_BYTES = 1_000
# Of a file's name, on the usual file systems.
MAX_NAME = 255
EPILOG = """how it is used, with COURSE the folder of an nbgrader course:
  1. put `c.ClearSolutions.enabled = False` into COURSE/nbgrader_config.py (our labs hold no solutions, and nbgrader
     would replace whole answers by its own stub), copy labs/03_tokenization.ipynb to COURSE/source/03_tokenization/,
     and run `nbgrader generate_assignment 03_tokenization`; hand it out and collect it as always
  2. grade COURSE/submitted --names nbgrader --lab 03_tokenization --out grades
  3. nbgrader grades COURSE, with nbgrader in this Python, or set up beside it by `make nbgrader-env`
the scores stand in COURSE/gradebook.db as manual grades of the answers, and each student's page in COURSE/feedback/,
from where `nbgrader release_feedback` takes it. `nbgrader autograde` and `generate_feedback` are not needed, and would
grade nothing. A file that could not be graded gets no score.

exit codes:
  0  every score was entered
  1  some files could not be graded, and have no score; each is named
  2  nothing was entered, and a sentence says why
"""


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    purpose = "enter the scores of a run into an nbgrader course's gradebook, with feedback"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "nbgrader",
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("grades", type=Path, help="folder of reports, the --out of grade")
    parser.add_argument("course", type=Path, help="folder of the nbgrader course, where gradebook.db is or will be")
    parser.add_argument("--assignment", help="the assignment's name there (default: the lab's slug)")
    parser.add_argument("--course-id", default="default_course", help="the course's id, if nbgrader_config.py sets one")
    parser.add_argument(
        "--python", type=Path, help="a Python that has nbgrader (default: this one, or that of `make nbgrader-env`)"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Enter the scores, and copy each student's page to the course's folder of feedback."""
    if not args.course.is_dir():
        raise CommandError(f"there is no folder {args.course}: give the nbgrader course's folder")
    python = _python(args)
    try:
        read = scores.read(args.grades)
    except SheetError as error:
        raise CommandError(str(error)) from None
    assignment = args.assignment or read.lab
    for name in (assignment, *(score.person.id for score in read.scores)):
        # Each becomes the name of a folder.
        if PurePath(name).parts != (name,) or name == ".." or len(os.fsencode(name)) > MAX_NAME:
            raise CommandError(f"{name!r} cannot be the name of a student or an assignment in nbgrader")
    graded = [score for score in read.scores if not score.error]
    reply = _enter(python, request(args.course, args.course_id, assignment, read, graded))
    for name in reply["untimed"]:
        say(f"no time: {name}: what stands in timestamp.txt is none, so nothing is late")
    for name, why in reply["failed"].items():
        say(f"no score: {name}: nbgrader could not take it ({why})")
    for score in read.scores:
        page = args.grades / STUDENTS / f"{score.report['id']}.html"
        folder = args.course / "feedback" / score.person.id / assignment
        write(folder / f"{read.lab}.html", page.read_text("utf-8"))
        for name in EXCHANGE_FILES:
            if text := _read_exchange_file(args.course / "submitted" / score.person.id / assignment / name):
                write(folder / name, text)
    for score in read.scores:
        if score.error:
            say(f"no score: {score.person}: the file could not be graded ({score.error})")
    entered = len(graded) - len(reply["failed"])
    say(f"{entered} of {len(read.scores)} scores of {assignment} are in {args.course / 'gradebook.db'}")
    return 0 if entered == len(read.scores) else 1


def _read_exchange_file(path: Path) -> str:
    """Return the start of a file that nbgrader's exchange wrote, or "" for a link: students may write there too."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MAX_EXCHANGE_BYTES).decode("utf-8", "replace")


def request(course: Path, course_id: str, assignment: str, read: Scores, graded: list[Score]) -> dict[str, Any]:
    """Return the JSON for `gradebooks.nbgrader`: the assignment with its answer cells, and each student's scores."""
    exercises = [exercise for score in graded for exercise in score.report["exercises"]]
    return {
        "gradebook": str((course / "gradebook.db").resolve()),
        "course": course_id,
        "assignment": assignment,
        "notebook": read.lab,
        "cells": {f"answer-{exercise['exercise']}": exercise["points"] for exercise in exercises},
        "students": [_student(course, assignment, score) for score in graded],
    }


def _student(course: Path, assignment: str, score: Score) -> dict[str, Any]:
    exercises = {f"answer-{exercise['exercise']}": exercise for exercise in score.report["exercises"]}
    hints = {
        cell: [
            " ".join(filter(None, (check["hint"], check.get("advice"))))
            for check in exercise["checks"]
            if check["kind"] != "right" and check["hint"]
        ]
        for cell, exercise in exercises.items()
    }
    timestamp = _read_exchange_file(course / "submitted" / score.person.id / assignment / "timestamp.txt")
    return {
        "id": score.person.id,
        "email": score.person.email,
        # In the form that nbgrader's autograde reads; nbgrader decides what is late.
        "timestamp": timestamp.strip()[:100],
        "scores": {cell: exercise["earned"] for cell, exercise in exercises.items()},
        "comments": {cell: texts[0] for cell, texts in hints.items() if texts},
    }


def _python(args: argparse.Namespace) -> str:
    if args.python:
        # Not resolved: the link's target is a Python outside the virtual environment.
        return str(args.python.absolute())
    if importlib.util.find_spec("nbgrader") is not None:
        return sys.executable
    if OWN.is_file():
        return str(OWN)
    raise CommandError(
        "this Python has no nbgrader: run `make nbgrader-env` in the course's folder, or name a Python that has it, as "
        "in --python /path/to/venv/bin/python"
    )


def _enter(python: str, data: dict[str, Any]) -> dict[str, Any]:
    """Enter the scores with a Python that has nbgrader, and return its reply."""
    # nbgrader creates a new gradebook with the program alembic, which it finds by PATH.
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
    reply: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return reply
