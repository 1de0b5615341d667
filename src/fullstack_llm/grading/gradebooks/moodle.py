"""Enter grades and feedback in an assignment's grading worksheet from Moodle, for Moodle to import.

The format is that of `mod/assign/gradingtable.php` and `mod/assign/feedback/offline/importgradeslib.php`, looked up in
November 2026, in English: `Identifier`, `Full name`, `Grade`, `Maximum Grade`, `Last modified (grade)`,
`Feedback comments` and others.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from fullstack_llm.grading.intake import roster, spreadsheet
from fullstack_llm.grading.intake.spreadsheet import Sheet, SheetError
from fullstack_llm.grading.reports.report import safe_cell

from .scores import FillResult, Score, feedback, fill_rows, gradebook_maximum, missing_column, scaled

EXPORT = (
    "download it in English from the assignment (Grading action, Download grading worksheet); the assignment's "
    "feedback types must include Offline grading worksheet"
)
NEEDED = ("Identifier", "Grade", "Maximum Grade", "Last modified (grade)")


def enter(path: Path, scores: list[Score], scale: bool = False) -> tuple[Sheet, FillResult]:
    """Return the worksheet with grades, and a note for each grade not entered.

    Feedback is entered where the worksheet has the column for it.
    """
    sheet = spreadsheet.read(path)
    for name in NEEDED:
        if sheet.column(name) is None:
            raise missing_column(path, sheet, name, EXPORT)
    columns = {name: column for column, name in enumerate(sheet.header)}
    rows: dict[str, int] = {}
    for number, row in enumerate(sheet.rows[1:], start=1):
        if len(row) == len(sheet.header):
            rows[roster.participant(row[columns["Identifier"]])] = number
            if "Email address" in columns and (email := row[columns["Email address"]].strip().casefold()):
                rows.setdefault(email, number)
    if not rows:
        raise SheetError(f"{path} lists no students: {EXPORT}")
    maximum = sheet.rows[min(rows.values())][columns["Maximum Grade"]]
    points = gradebook_maximum(path, maximum, scores[0].points, scale)

    def enter_score(row: int, score: Score) -> str:
        cells = sheet.rows[row]
        if "Grade can be changed" in columns and cells[columns["Grade can be changed"]].strip() == "No":
            return "has a grade that Moodle does not let change"
        grade = scaled(score.earned, score.points, points)
        # Moodle reads a worksheet with decimal commas, if the course's language has them.
        cells[columns["Grade"]] = grade.replace(".", ",") if "," in maximum else grade
        if "Feedback comments" in columns:
            cells[columns["Feedback comments"]] = safe_cell(escape(feedback(score.report)).replace("\n", "<br>"))
        return ""

    filled = fill_rows(rows, scores, enter_score, "the worksheet")
    if "Feedback comments" not in columns:
        filled.notes.append("the worksheet has no column Feedback comments, so grades are entered without feedback")
    return sheet, filled
