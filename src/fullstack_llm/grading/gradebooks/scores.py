"""The scores in a folder of reports, by student: what goes back into a gradebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullstack_llm.grading.intake.roster import Person
from fullstack_llm.grading.intake.spreadsheet import Sheet, SheetError, listing
from fullstack_llm.grading.reports import people, runs


@dataclass(frozen=True)
class Score:
    """What one student earned, and the report that says for what."""

    person: Person
    earned: int
    points: int
    report: dict[str, Any]

    @property
    def error(self) -> str:
        """Why the file could not be graded; then there is no score to enter."""
        stumbled = any(map(runs.stumbled, self.report["exercises"]))
        own = "a check failed by a fault of its own: mend it, and grade again" if stumbled else ""
        return self.report["error"] or own


def feedback(report: dict[str, Any]) -> str:
    """The report in a few lines, for a gradebook's comment; it begins with a word, so no spreadsheet computes it."""
    lines = [f"Lab {report['lab']}: {report['earned']} of {report['points']} points."]
    for one in report["exercises"]:
        lines.append(f"{one['exercise']}: {one['earned']} of {one['points']}.")
        failed = [check for check in one["checks"] if check["kind"] != "right"]
        lines += [f"  {text}" for check in failed[:1] for text in (check["hint"], check.get("advice")) if text]
    return "\n".join(lines)


@dataclass(frozen=True)
class Scores:
    """All scores of a lab, and who of the class list has handed nothing in."""

    lab: str
    scores: list[Score]
    missing: list[Person]


def read(folder: Path) -> Scores:
    """The scores in a folder of reports; `SheetError` if there are none, or the run is not complete."""
    if not (folder / "class.json").is_file():
        raise SheetError(f"{folder} holds no reports (there is no class.json): give the folder that was grade's --out")
    data, who = runs.load(folder / "class.json"), runs.load(folder / people.FILE)
    if not data:
        raise SheetError(f"{folder / 'class.json'} is damaged: run grade again into {folder}")
    if not data["complete"]:
        raise SheetError(f"the run in {folder} was interrupted: run grade again, which goes on, and then this")
    found = []
    for report in data["students"]:
        group = [Person(**one) for one in who.get("people", {}).get(report["owner"], ())] or [Person(report["owner"])]
        if not report["gone"]:
            found += [Score(one, report["earned"], report["points"], report) for one in group]
    if not found:
        raise SheetError(f"the reports in {folder} are of nobody: there is nothing to enter")
    return Scores(data["lab"], found, [Person(**one) for one in who.get("missing", ())])


def scaled(earned: int, points: int, maximum: float) -> str:
    """Points out of another maximum, as a spreadsheet's number.

    >>> scaled(84, 100, 10), scaled(100, 100, 100)
    ('8.4', '100')
    """
    return f"{round(earned * maximum / points, 2):g}"


def number(text: str) -> float | None:
    """The number in a cell, with a point or a comma, or nothing."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


@dataclass(frozen=True)
class Filled:
    """What filling in a table did: how many rows were set, and in sentences what was not."""

    rows: int
    notes: list[str]


def fill(rows: dict[str, int], scores: Iterable[Score], enter: Callable[[int, Score], str], where: str) -> Filled:
    """Enter each score in the student's row; `rows` has every row by what its student may be called.

    `enter` gives back a sentence if it leaves the row as it is.
    """
    notes, done = [], set[int]()
    for score in scores:
        found = {rows[key] for key in score.person.keys if key in rows}
        row = next(iter(found)) if len(found) == 1 else -1
        if score.error:
            why = f"left as it is, since the file could not be graded ({score.error})"
        elif row < 0:
            why = f"{'fits several rows' if found else 'is in no row'} of {where}"
        elif row in done:
            why = f"has two submissions; {score.earned} points are not entered, look at both"
        elif not (why := enter(row, score)):
            done.add(row)
        if why:
            notes.append(f"{score.person}: {why}")
    return Filled(len(done), notes)


def lacks(path: Path, sheet: Sheet, wanted: str, remedy: str) -> SheetError:
    """The error of a table without a column."""
    return SheetError(f"{path} has no column {wanted} (its columns: {listing(sheet.header)}): {remedy}")


def maximum(path: Path, cell: str, points: int, scale: bool) -> float:
    """The points that the system gives at most; `SheetError` where they are not the lab's, and nobody said to scale."""
    most = number(cell)
    if not most or most <= 0:
        raise SheetError(
            f"{path} gives no maximum of points for it ({cell or 'the cell is empty'}): set it and export again"
        )
    if most != points and not scale:
        raise SheetError(
            f"{path} counts at most {most:g} points, and the lab has {points}: set {points} there and export again, "
            "or let this command convert with --scale"
        )
    return most
