"""Read the scores of each student from a folder of reports, and enter them in the rows of a gradebook's table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullstack_llm.grading.intake.roster import Person
from fullstack_llm.grading.intake.spreadsheet import Sheet, SheetError, listing
from fullstack_llm.grading.reports import people, runs, summary


@dataclass(frozen=True)
class Score:
    """A student's points, the points of the lab, and the report of the submission."""

    person: Person
    earned: int
    points: int
    report: dict[str, Any]

    @property
    def remark(self) -> str:
        """Return what a table says beside the points: why there are none, or that the file was handed in late."""
        return self.error or (summary.LATE if runs.is_late(self.report) else "")

    @property
    def error(self) -> str:
        """Return why the file could not be graded, so that there is no score to enter; "" if there is a score."""
        failed = any(map(runs.has_failed_check, self.report["exercises"]))
        why = "a check failed by a fault of its own: mend it, and grade again" if failed else ""
        return self.report["error"] or why


def feedback(report: dict[str, Any]) -> str:
    """Return the report in a few lines, for a comment in a gradebook; the first word keeps it from being a formula."""
    lines = [f"Lab {report['lab']}: {report['earned']} of {report['points']} points."]
    for exercise in report["exercises"]:
        lines.append(f"{exercise['exercise']}: {exercise['earned']} of {exercise['points']}.")
        failed = [check for check in exercise["checks"] if check["kind"] != "right"]
        lines += [f"  {text}" for check in failed[:1] for text in (check["hint"], check.get("advice")) if text]
    return "\n".join(lines)


@dataclass(frozen=True)
class Scores:
    """All scores of a lab, and the people of the class list who have handed nothing in."""

    lab: str
    scores: list[Score]
    missing: list[Person]


def read(folder: Path) -> Scores:
    """Return the scores in a folder of reports; raise `SheetError` if there are none, or the run is not complete."""
    if not (folder / "class.json").is_file():
        raise SheetError(f"{folder} holds no reports (there is no class.json): give the folder that was grade's --out")
    data, recorded = runs.load(folder / "class.json"), runs.load(folder / people.FILE)
    if not runs.has_form(data, runs.CLASS):
        raise SheetError(f"{folder / 'class.json'} is damaged: run grade again into {folder}")
    if not data["complete"]:
        raise SheetError(f"the run in {folder} was interrupted: run grade again, which goes on, and then this")
    if recorded and not runs.has_form(recorded, people.FORM):
        raise SheetError(f"{folder / people.FILE} is damaged: run grade again into {folder}")
    scores = []
    for report in data["students"]:
        group = [Person(**fields) for fields in recorded.get("people", {}).get(report["owner"], ())]
        if not report["gone"]:
            people_of_report = group or [Person(report["owner"])]
            scores += [Score(person, report["earned"], report["points"], report) for person in people_of_report]
    if not scores:
        raise SheetError(f"the reports in {folder} are of nobody: there is nothing to enter")
    return Scores(data["lab"], scores, [Person(**fields) for fields in recorded.get("missing", ())])


def scaled(earned: int, points: int, maximum: float) -> str:
    """Convert points of the lab to points out of `maximum`, as the text of a spreadsheet's cell.

    >>> scaled(84, 100, 10), scaled(100, 100, 100)
    ('8.4', '100')
    """
    return f"{round(earned * maximum / points, 2):g}"


def parse_number(text: str) -> float | None:
    """Return the number in a cell, written with a decimal point or comma; None if there is no number.

    >>> parse_number(" 8,5 "), parse_number("")
    (8.5, None)
    """
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


@dataclass(frozen=True)
class FillResult:
    """How many rows of a table got a score, and for each score that was not entered a sentence that says why."""

    rows: int
    notes: list[str]


def fill_rows(
    rows: dict[str, int], scores: Iterable[Score], enter: Callable[[int, Score], str], where: str
) -> FillResult:
    """Enter each score in the student's row, which is looked up in `rows` by each of the person's `keys`.

    `enter` sets a row, or leaves the row as it is and returns the reason. `where` names the table in sentences.
    """
    notes, done = [], set[int]()
    found = [(score, {rows[key] for key in score.person.keys if key in rows}) for score in scores]
    met = Counter(row for score, matching in found if not score.error for row in matching)
    for score, matching in found:
        row = next(iter(matching)) if len(matching) == 1 else -1
        if score.error:
            why = f"left as it is, since the file could not be graded ({score.error})"
        elif row < 0:
            why = f"{'fits several rows' if matching else 'is in no row'} of {where}"
        elif met[row] > 1:
            # One of them may have given another's number as their own.
            why = f"meets another submission in one row of {where}; neither is entered ({score.earned} points here)"
        elif not (why := enter(row, score)):
            done.add(row)
        if why:
            notes.append(f"{score.person}: {why}")
    return FillResult(len(done), notes)


def missing_column(path: Path, sheet: Sheet, wanted: str, remedy: str) -> SheetError:
    """Return the error about a table without the wanted column; `remedy` says what to do."""
    return SheetError(f"{path} has no column {wanted} (its columns: {listing(sheet.header)}): {remedy}")


def gradebook_maximum(path: Path, cell: str, points: int, scale: bool) -> float:
    """Return the maximum of points in a gradebook, from the text of its cell.

    Raise `SheetError` if there is none, or if the maximum is not the lab's and `scale` is false.
    """
    maximum = parse_number(cell)
    if not maximum or maximum <= 0:
        raise SheetError(
            f"{path} gives no maximum of points for it ({cell or 'the cell is empty'}): set it and export again"
        )
    if maximum != points and not scale:
        raise SheetError(
            f"{path} counts at most {maximum:g} points, and the lab has {points}: set {points} there and export again, "
            "or let this command convert with --scale"
        )
    return maximum
