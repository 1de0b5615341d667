"""The command `scores`: write the scores of a run as a table, or enter them in a table from Canvas or Moodle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fullstack_llm.grading.gradebooks import canvas, moodle, scores
from fullstack_llm.grading.gradebooks.scores import FillResult, Scores
from fullstack_llm.grading.intake import spreadsheet
from fullstack_llm.grading.intake.spreadsheet import Sheet, SheetError
from fullstack_llm.grading.reports.report import safe_cell

from .arguments import CommandError, HelpFormatter, require_name
from .console import say

EPILOG = """how it is used:
  grade SUBMISSIONS --names canvas --lab 03_tokenization --out grades
  scores grades --canvas exported.csv --assignment "Lab 03" --out import.csv     then import.csv goes into Canvas
  scores grades --moodle worksheet.csv --out import.csv                          then import.csv goes into Moodle
  scores grades --out scores.csv                                                 for a spreadsheet

nothing of an exported table is changed but the cells of this lab. A file that could not be graded is no zero: the cell
stays as it is, and the student is named.

exit codes:
  0  every score was entered
  1  some could not be entered; each is named with the reason
  2  nothing was written, and a sentence says why
"""


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    purpose = "enter the scores of a run into a gradebook of Canvas or Moodle, or write them as a table"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "scores",
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("grades", type=Path, help="folder of reports, the --out of grade")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to write")
    into = parser.add_mutually_exclusive_group()
    into.add_argument("--canvas", type=Path, metavar="FILE", help="the gradebook that Canvas exported")
    into.add_argument("--moodle", type=Path, metavar="FILE", help="the assignment's grading worksheet from Moodle")
    parser.add_argument("--assignment", help="with --canvas: the assignment's title, or its number, as in the header")
    parser.add_argument(
        "--scale", action="store_true", help="convert points where the maximum there is not the lab's (default: refuse)"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Write the table, and print each score that could not be entered."""
    exported = args.canvas or args.moodle
    if bool(args.canvas) != bool(args.assignment):
        raise CommandError('--canvas and --assignment go together, as in --canvas exported.csv --assignment "Lab 03"')
    require_name(args.out, "a CSV file")
    if exported and args.out.absolute() == exported.absolute():
        raise CommandError(f"--out {args.out} is the exported file itself: give another name, so that it stays")
    try:
        read = scores.read(args.grades)
        sheet, filled = _filled(args, read)
    except SheetError as error:
        raise CommandError(str(error)) from None
    spreadsheet.write(args.out, sheet)
    for note in filled.notes:
        say(f"not entered: {note}")
    for person in read.missing:
        say(f"no submission: {person}")
    say(f"{filled.rows} of {len(read.scores)} scores of {read.lab} are in {args.out}")
    return 1 if filled.notes else 0


def _filled(args: argparse.Namespace, read: Scores) -> tuple[Sheet, FillResult]:
    if args.canvas:
        return canvas.enter(args.canvas, read.scores, args.assignment, args.scale)
    if args.moodle:
        return moodle.enter(args.moodle, read.scores, args.scale)
    return _table(read)


def _table(read: Scores) -> tuple[Sheet, FillResult]:
    rows = [["id", "name", "email", "points", "of", "remark"]]
    for score in read.scores:
        person = score.person
        # A file that could not be graded has an empty cell: a zero would be a score.
        earned = "" if score.error else str(score.earned)
        rows.append([person.id, person.name, person.email, earned, str(score.points), score.remark])
    points = str(read.scores[0].points)
    rows += [[person.id, person.name, person.email, "", points, "no submission"] for person in read.missing]
    failed = [f"{score.person}: the file could not be graded ({score.error})" for score in read.scores if score.error]
    sheet = Sheet([[safe_cell(text) for text in row] for row in rows])
    return sheet, FillResult(len(read.scores) - len(failed), failed)
