"""Moodle: enter grades and feedback in an assignment's grading worksheet, which Moodle then imports.

The format is that of `mod/assign/gradingtable.php` and `mod/assign/feedback/offline/importgradeslib.php`, looked up in
November 2026, in English: `Identifier`, `Full name`, `Grade`, `Maximum Grade`, `Last modified (grade)`,
`Feedback comments` and others.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from fullstack_llm.grading.intake import roster, spreadsheet
from fullstack_llm.grading.intake.spreadsheet import Sheet, SheetError

from .scores import Filled, Score, feedback, fill, lacks, maximum, scaled

EXPORT = (
    "download it in English from the assignment (Grading action, Download grading worksheet); the assignment's "
    "feedback types must include Offline grading worksheet"
)
NEEDED = ("Identifier", "Grade", "Maximum Grade", "Last modified (grade)")


def enter(path: Path, scores: list[Score], scale: bool = False) -> tuple[Sheet, Filled]:
    """The worksheet with grades, and feedback where it has the column, and what was not entered."""
    sheet = spreadsheet.read(path)
    for name in NEEDED:
        if sheet.column(name) is None:
            raise lacks(path, sheet, name, EXPORT)
    at = {name: column for column, name in enumerate(sheet.header)}
    rows: dict[str, int] = {}
    for number, row in enumerate(sheet.rows[1:], start=1):
        if len(row) == len(sheet.header):
            rows[roster.participant(row[at["Identifier"]])] = number
            if "Email address" in at and (email := row[at["Email address"]].strip().casefold()):
                rows.setdefault(email, number)
    if not rows:
        raise SheetError(f"{path} lists no students: {EXPORT}")
    first = sheet.rows[min(rows.values())][at["Maximum Grade"]]
    of = maximum(path, first, scores[0].points, scale)

    def one(row: int, score: Score) -> str:
        cells = sheet.rows[row]
        if "Grade can be changed" in at and cells[at["Grade can be changed"]].strip() == "No":
            return "has a grade that Moodle does not let change"
        grade = scaled(score.earned, score.points, of)
        # A worksheet in a language with decimal commas is read with them.
        cells[at["Grade"]] = grade.replace(".", ",") if "," in first else grade
        if "Feedback comments" in at:
            cells[at["Feedback comments"]] = escape(feedback(score.report)).replace("\n", "<br>")
        return ""

    filled = fill(rows, scores, one, "the worksheet")
    if "Feedback comments" not in at:
        filled.notes.append("the worksheet has no column Feedback comments, so grades are entered without feedback")
    return sheet, filled
