"""Enter scores in an assignment's column of a gradebook that Canvas exported, for Canvas to import.

The format is that of Canvas's `lib/gradebook_exporter.rb` and `gradebook_importer.rb`, looked up in November 2026: a
header row, perhaps a row `Manual Posting`, a row `Points Possible`, then one row for each student; an assignment's
column is called `title (id)`.
"""

from __future__ import annotations

import re
from pathlib import Path

from fullstack_llm.grading.intake import spreadsheet
from fullstack_llm.grading.intake.spreadsheet import Sheet, SheetError, listing

from .scores import FillResult, Score, fill_rows, gradebook_maximum, missing_column, scaled

EXPORT = "export it from Canvas's gradebook (Export, Entire Gradebook)"
IDS = ("ID", "SIS User ID", "SIS Login ID")
TITLE = re.compile(r"(?P<title>.*) \((?P<id>\d+)\)")
# Cells that are left as they are: the student is excused, or does not have the assignment.
KEPT = {"EX": "is excused there", "N/A": "does not have this assignment there"}


def assignment_columns(sheet: Sheet) -> dict[int, tuple[str, str]]:
    """Return title and id of each assignment, by its column."""
    matches = ((column, TITLE.fullmatch(name)) for column, name in enumerate(sheet.header))
    return {column: (match["title"], match["id"]) for column, match in matches if match}


def assignment_column(path: Path, sheet: Sheet, wanted: str) -> int:
    """Return the column of the assignment with this title, this id, or both as in the header."""
    known = assignment_columns(sheet)
    columns = [column for column, names in known.items() if wanted in (*names, sheet.header[column])]
    if len(columns) != 1:
        what = f"{len(columns)} assignments" if columns else "no assignment"
        titles = listing(sheet.header[column] for column in known) or "none"
        raise SheetError(f"{path} has {what} {wanted!r}; it has: {titles}. Name one with its number in --assignment")
    return columns[0]


def _is_student(sheet: Sheet, row: list[str]) -> bool:
    return len(row) == len(sheet.header) and bool(row[sheet.header.index("ID")].strip())


def enter(path: Path, scores: list[Score], wanted: str, scale: bool = False) -> tuple[Sheet, FillResult]:
    """Return the gradebook with the scores in the assignment's column, and a note for each score not entered."""
    sheet = spreadsheet.read(path)
    id_column = sheet.column("ID")
    if id_column is None or sheet.column("Section") is None:
        raise missing_column(path, sheet, "ID and Section", EXPORT)
    column = assignment_column(path, sheet, wanted)
    students = [number for number, row in enumerate(sheet.rows) if number and _is_student(sheet, row)]
    other_rows = [row for row in sheet.rows[1:] if len(row) == len(sheet.header) and not _is_student(sheet, row)]
    maximum = next((row[column] for row in other_rows if "Points Possible" in row[0]), "")
    rows: dict[str, int] = {}
    # `ID` comes first in `IDS`: a login that equals another student's number must not lead to that student's row.
    for key_column in [index for name in IDS if (index := sheet.column(name)) is not None]:
        for number in students:
            key = sheet.rows[number][key_column].strip()
            for variant in {key, key.casefold()} - {""}:
                rows.setdefault(variant, number)
    points = gradebook_maximum(path, maximum, scores[0].points, scale)

    def enter_score(row: int, score: Score) -> str:
        kept = KEPT.get(sheet.rows[row][column].strip().upper(), "")
        if not kept:
            sheet.rows[row][column] = scaled(score.earned, score.points, points)
        return kept

    return sheet, fill_rows(rows, scores, enter_score, "the gradebook")
