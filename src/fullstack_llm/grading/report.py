"""Write results: JSON for programs, CSV for a spreadsheet, one HTML page a student, and an index of the class."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..checks.registry import LabChecks
from ..checks.verdict import Verdict
from .intake import Intake, Submission
from .judge import Result

TEMPLATES = Path(__file__).parent / "templates"


def exercise(verdict: Verdict) -> dict[str, Any]:
    """One exercise as plain data."""
    checks = [asdict(one) for one in verdict.outcomes]
    return {"exercise": verdict.exercise, "earned": verdict.earned, "points": verdict.points, "checks": checks}


def student(lab: LabChecks, one: Submission, result: Result) -> dict[str, Any]:
    """One submission's report as plain data."""
    return {
        "lab": lab.slug,
        "id": one.id,
        "submission": one.name,
        "earned": result.earned,
        "points": lab.points(),
        "error": result.error,
        "problems": result.problems,
        "lab_version": result.version,
        "seconds": round(result.seconds, 2),
        "exercises": [exercise(verdict) for verdict in result.verdicts],
    }


def _page(name: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return pages.get_template(name).render(**values)


def write_student(out: Path, lab: LabChecks, one: Submission, result: Result) -> dict[str, Any]:
    """Write one student's JSON and HTML, and give the data back for the class."""
    data = student(lab, one, result)
    folder = out / "students"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{one.id}.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    (folder / f"{one.id}.html").write_text(_page("student.html", data=data, verdicts=result.verdicts), "utf-8")
    return data


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    >>> cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    text = text.replace("\r", " ").replace("\n", " ")
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@", "|", "%")) or text[:1] == "\t" else text


def write_class(
    out: Path, lab: LabChecks, intake: Intake, reports: list[dict[str, Any]], complete: bool, isolation: str
) -> None:
    """Write `class.json`, `class.csv` and `index.html`; `isolation` says at which level it was graded."""
    out.mkdir(parents=True, exist_ok=True)
    data = {
        "lab": lab.slug,
        "points": lab.points(),
        "isolation": isolation,
        "complete": complete,
        "submissions": len(intake.submissions),
        "graded": sum(not one["error"] for one in reports),
        "left_out": intake.left_out,
        "students": reports,
    }
    (out / "class.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    with (out / "class.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "submission", "points", *lab.exercises, "remark"])
        for one in reports:
            earned = {item["exercise"]: item["earned"] for item in one["exercises"]}
            points = [earned.get(name, 0) for name in lab.exercises]
            remark = cell("; ".join([one["error"]] * bool(one["error"]) + one["problems"])[:500])
            rows.writerow([one["id"], cell(one["submission"]), one["earned"], *points, remark])
    (out / "index.html").write_text(_page("class.html", data=data, exercises=lab.exercises), "utf-8")
