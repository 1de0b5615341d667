"""Write results: JSON for programs, CSV for a spreadsheet, one HTML page a student, and an index of the class."""

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
from .runs import STUDENTS, write


@dataclass
class ClassRun:
    """What a run knows of a class besides its reports; `changes` is None unless everything was graded again.

    `roster` has a line for whoever is on the class list without a submission, or the other way round.
    """

    isolation: str
    submissions: int
    left_out: list[str]
    roster: list[str] = field(default_factory=list)
    changes: list[dict[str, Any]] | None = None
    complete: bool = False


AFTER = re.compile(r"([;\t]\s*)([=+\-@|%])")
TEMPLATES = Path(__file__).parent / "templates"


def exercise(verdict: Verdict) -> dict[str, Any]:
    """One exercise as plain data."""
    checks = [one.texts for one in verdict.outcomes]
    return {"exercise": verdict.exercise, "earned": verdict.earned, "points": verdict.points, "checks": checks}


def student(lab: LabChecks, graded: Graded, files: list[list[str]]) -> dict[str, Any]:
    """One student's report as plain data; `files` names each file with its digest."""
    one, result = graded.submission, graded.result
    return {
        "lab": lab.slug,
        "id": one.id,
        "owner": one.owner,
        "student": one.student,
        "submission": graded.file.name,
        "digest": files[one.files.index(graded.file)][1],
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
        "exercises": [exercise(verdict) for verdict in result.verdicts],
        # Whether a later run found its files no more.
        "gone": False,
    }


@functools.cache
def _pages() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _page(name: str, **values: Any) -> str:
    return _pages().get_template(name).render(**values)


def write_student(out: Path, lab: LabChecks, graded: Graded, files: list[list[str]]) -> dict[str, Any]:
    """Write one student's HTML and then JSON, which says that both are there; the data for the class."""
    data = student(lab, graded, files)
    write(out / STUDENTS / f"{data['id']}.html", _page("student.html", data=data, verdicts=graded.result.verdicts))
    write(out / STUDENTS / f"{data['id']}.json", json.dumps(data, indent=1) + "\n")
    return data


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    >>> cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    # The name of a file need not be text.
    # Some programs end a cell at a semicolon, and begin the next one behind it.
    text = AFTER.sub(r"\1'\2", text)
    text = text.replace("\r", " ").replace("\n", " ").encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@", "|", "%")) or text[:1] == "\t" else text


def _csv(path: Path, head: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(head)
    table.writerows([cell(one) if isinstance(one, str) else one for one in row] for row in rows)
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
        "graded": sum(not one["error"] and not one["gone"] for one in reports),
        "left_out": run.left_out,
        "roster": run.roster,
        "changes": run.changes,
        "students": reports,
    }
    write(out / "class.json", json.dumps(data, indent=1) + "\n")
    rows = []
    for one in reports:
        earned = {item["exercise"]: item["earned"] for item in one["exercises"]}
        # What could not be graded has no points, and a zero is some.
        failed = {item["exercise"] for item in one["exercises"] if runs.stumbled(item)}
        entered = ["" if one["error"] or failed else one["earned"]]
        entered += ["" if one["error"] or name in failed else earned.get(name, 0) for name in lab.exercises]
        remark = "; ".join([one["error"]] * bool(one["error"]) + one["problems"])[:500]
        rows.append([one["id"], one["student"], one["submission"], *entered, remark])
    _csv(out / "class.csv", ["id", "student", "submission", "points", *lab.exercises, "remark"], rows)
    if run.changes is not None:
        _csv(out / "changes.csv", COLUMNS, [[row[name] for name in COLUMNS] for row in run.changes])
    shown = {
        "scores": summary.scores(reports, lab.points()),
        "hardest": summary.hardest(reports),
        "oddities": summary.oddities(reports, run.roster, run.left_out, lab.slug),
    }
    write(out / "index.html", _page("class.html", data=data, exercises=lab.exercises, **shown))
