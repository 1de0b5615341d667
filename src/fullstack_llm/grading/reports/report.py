"""Write the reports: JSON for programs, CSV for a spreadsheet, an HTML page for each student, and one of the class."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.verdict import Verdict
from fullstack_llm.grading.intake.submissions import natural
from fullstack_llm.grading.judge.batch import Graded

from . import runs, summary
from .changes import COLUMNS
from .runs import STUDENTS, is_late, write
from .summary import LATE


@dataclass
class ClassRun:
    """What a run knows of a class besides its reports.

    `roster` has a line for each person of the class list without a submission, and for each submission of somebody
    who is not in the list. `changes` is None unless everything was graded again.
    """

    isolation: str
    submissions: int
    left_out: list[str]
    roster: list[str] = field(default_factory=list)
    changes: list[dict[str, Any]] | None = None
    complete: bool = False


# What a spreadsheet program takes for the beginning of a formula, in full width too; and after a separator, since some
# programs end a cell at a semicolon or a tab, whatever the quotes there say.
FORMULA = "=+\\-@|%\uff1d\uff0b\uff0d\uff20"
FORMULA_AT_START = re.compile(rf"\s*[{FORMULA}]|\t")
FORMULA_AFTER_SEPARATOR = re.compile(rf"([;\t][\s\"']*)([{FORMULA}])")
TEMPLATES = Path(__file__).parent / "templates"


def exercise_data(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict on an exercise as plain data."""
    checks = [outcome.texts for outcome in verdict.outcomes]
    return {"exercise": verdict.exercise, "earned": verdict.earned, "points": verdict.points, "checks": checks}


def student_data(lab: LabChecks, graded: Graded, files: list[list[str]], made_with: str) -> dict[str, Any]:
    """Return a student's report as plain data.

    `files` holds name and digest of each of the student's files, and `made_with` is the digest of the run's settings.
    """
    submission, result = graded.submission, graded.result
    if submission.files and result.digest:
        # The bytes that were graded, should the file have changed since it was looked at.
        files[submission.files.index(graded.file)][1] = result.digest
    return {
        "lab": lab.slug,
        "made_with": made_with,
        "id": submission.id,
        "owner": submission.owner,
        "student": submission.student,
        "submission": graded.file.name,
        "late": graded.file.late,
        "digest": files[submission.files.index(graded.file)][1] if submission.files else "",
        "files": files,
        "others": [list(other) for other in graded.others],
        "earned": result.earned,
        "points": lab.points(),
        "error": result.error,
        "fault": result.fault,
        "problems": result.problems,
        "review": result.review,
        "lab_named": result.lab,
        "lab_version": result.version,
        "seconds": round(result.seconds, 2),
        "exercises": [exercise_data(verdict) for verdict in result.verdicts],
        # Whether a later run no longer finds the student's files.
        "gone": False,
    }


@functools.cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _render(name: str, **values: Any) -> str:
    return _templates().get_template(name).render(**values)


def write_student(out: Path, lab: LabChecks, graded: Graded, files: list[list[str]], made_with: str) -> dict[str, Any]:
    """Write a student's HTML page and then the JSON file, whose presence means that both are there; return the data."""
    data = student_data(lab, graded, files, made_with)
    write(out / STUDENTS / f"{data['id']}.html", _render("student.html", data=data, verdicts=graded.result.verdicts))
    write(out / STUDENTS / f"{data['id']}.json", json.dumps(data, indent=1) + "\n")
    return data


def safe_cell(text: str) -> str:
    """Return the text of a cell in a form that no spreadsheet program takes for a formula.

    >>> safe_cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    text = FORMULA_AFTER_SEPARATOR.sub(r"\1'\2", text)
    # The name of a file may hold bytes that are no UTF-8: `backslashreplace` writes them as escapes.
    text = text.replace("\r", " ").replace("\n", " ").encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if FORMULA_AT_START.match(text) else text


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(header)
    table.writerows([safe_cell(value) if isinstance(value, str) else value for value in row] for row in rows)
    write(path, text.getvalue())


def write_class(out: Path, lab: LabChecks, run: ClassRun, reports: list[dict[str, Any]]) -> None:
    """Write `class.json`, `class.csv`, `index.html`, and `changes.csv` where there are changes."""
    reports = sorted(reports, key=lambda data: natural(data["student"]))
    data = {
        "lab": lab.slug,
        "points": lab.points(),
        "isolation": run.isolation,
        "complete": run.complete,
        "submissions": run.submissions,
        "graded": sum(not report["error"] and not report["gone"] for report in reports),
        "left_out": run.left_out,
        "roster": run.roster,
        "changes": run.changes,
        "students": reports,
    }
    write(out / "class.json", json.dumps(data, indent=1) + "\n")
    rows = []
    for report in reports:
        earned = {item["exercise"]: item["earned"] for item in report["exercises"]}
        # What could not be graded has an empty cell: a zero would be a score.
        failed = {item["exercise"] for item in report["exercises"] if runs.has_failed_check(item)}
        points = ["" if report["error"] or failed else report["earned"]]
        points += ["" if report["error"] or name in failed else earned.get(name, 0) for name in lab.exercises]
        remarks = [report["error"]] * bool(report["error"]) + [LATE] * is_late(report) + report["problems"]
        remark = "; ".join(remarks)[:500]
        rows.append([report["id"], report["student"], report["submission"], *points, remark])
    _write_csv(out / "class.csv", ["id", "student", "submission", "points", *lab.exercises, "remark"], rows)
    if run.changes is not None:
        _write_csv(out / "changes.csv", COLUMNS, [[row[name] for name in COLUMNS] for row in run.changes])
    shown = {
        "scores": summary.distribution(reports, lab.points()),
        "hardest": summary.hardest_exercises(reports),
        "oddities": summary.oddities(reports, run.roster, run.left_out, lab.slug),
    }
    write(out / "index.html", _render("class.html", data=data, exercises=lab.exercises, **shown))
