"""Canvas: enter scores in one assignment's column of an exported gradebook, which Canvas then imports.

The format is that of Canvas's `lib/gradebook_exporter.rb` and `gradebook_importer.rb`, looked up in November 2026: a
header row, perhaps a row `Manual Posting`, a row `Points Possible`, then a student a row; an assignment's column is
called `title (id)`.
"""

from __future__ import annotations

import re
from pathlib import Path

from fullstack_llm.grading.intake import spreadsheet
from fullstack_llm.grading.intake.spreadsheet import Sheet, SheetError, listing

from .scores import Filled, Score, fill, lacks, maximum, scaled

EXPORT = "export it from Canvas's gradebook (Export, Entire Gradebook)"
IDS = ("ID", "SIS User ID", "SIS Login ID")
TITLE = re.compile(r"(?P<title>.*) \((?P<id>\d+)\)")
# Excused, and not assigned to this student.
KEPT = {"EX": "is excused there", "N/A": "does not have this assignment there"}


def assignments(sheet: Sheet) -> dict[int, tuple[str, str]]:
    """Title and id of the assignments, by column."""
    found = ((column, TITLE.fullmatch(name)) for column, name in enumerate(sheet.header))
    return {column: (match["title"], match["id"]) for column, match in found if match}


def assignment(path: Path, sheet: Sheet, wanted: str) -> int:
    """The column of the assignment with this title or id, or with both as in the header."""
    known = assignments(sheet)
    found = [column for column, names in known.items() if wanted in (*names, sheet.header[column])]
    if len(found) != 1:
        what = f"{len(found)} assignments" if found else "no assignment"
        titles = listing(sheet.header[column] for column in known) or "none"
        raise SheetError(f"{path} has {what} {wanted!r}; it has: {titles}. Name one with its number in --assignment")
    return found[0]


def _is_student(sheet: Sheet, row: list[str]) -> bool:
    return len(row) == len(sheet.header) and bool(row[sheet.header.index("ID")].strip())


def enter(path: Path, scores: list[Score], wanted: str, scale: bool = False) -> tuple[Sheet, Filled]:
    """The gradebook with the scores in the assignment's column, and what was not entered."""
    sheet = spreadsheet.read(path)
    of_id = sheet.column("ID")
    if of_id is None or sheet.column("Section") is None:
        raise lacks(path, sheet, "ID and Section", EXPORT)
    column = assignment(path, sheet, wanted)
    students = [number for number, row in enumerate(sheet.rows) if number and _is_student(sheet, row)]
    above = [row for row in sheet.rows[1:] if len(row) == len(sheet.header) and not _is_student(sheet, row)]
    most = next((row[column] for row in above if "Points Possible" in row[0]), "")
    rows: dict[str, int] = {}
    # Canvas's own number first: a login that looks like another student's number must not take their row.
    for at in [at for name in IDS if (at := sheet.column(name)) is not None]:
        for number in students:
            for key in {sheet.rows[number][at].strip(), sheet.rows[number][at].strip().casefold()} - {""}:
                rows.setdefault(key, number)
    of = maximum(path, most, scores[0].points, scale)

    def one(row: int, score: Score) -> str:
        kept = KEPT.get(sheet.rows[row][column].strip().upper(), "")
        if not kept:
            sheet.rows[row][column] = scaled(score.earned, score.points, of)
        return kept

    return sheet, fill(rows, scores, one, "the gradebook")
