"""Compare two gradings of a class: who gained or lost points, in which exercise, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fullstack_llm.checks.verdict import HEADINGS
from fullstack_llm.grading.intake.submissions import natural

from .runs import has_grader_fault

Report = Mapping[str, Any]
COLUMNS = ("id", "student", "submission", "exercise", "before", "after", "outcome_before", "outcome_after", "remark")
# The report of a student who has none.
NO_REPORT: Report = {"exercises": [], "error": "no report", "files": None}


def outcome(report: Report, exercise: str) -> tuple[int, str]:
    """Return the points of an exercise, and its outcome in a line: "right", or the hint of the first check that failed.

    >>> checks = [{"kind": "wrong", "part": "ties", "hint": "The smallest wins."}]
    >>> outcome({"error": "", "exercises": [{"exercise": "train", "earned": 11, "checks": checks}]}, "train")
    (11, 'ties: not right yet (The smallest wins.)')
    """
    for graded in report["exercises"]:
        if graded["exercise"] == exercise:
            for check in graded["checks"]:
                if check["kind"] != "right":
                    part = f"{check['part']}: " if check["part"] else ""
                    return graded["earned"], f"{part}{HEADINGS.get(check['kind'], check['kind'])} ({check['hint']})"
            return graded["earned"], "right"
    return 0, report["error"] or "no such exercise"


def changes(before: Mapping[str, Report], after: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return a row for each exercise of each student whose points differ, in natural order of the students' names.

    `before` and `after` hold reports by the student's identifier. A student whose new report has a fault of the grader
    has no row.
    """
    rows = []
    for id_, report in sorted({**before, **after}.items(), key=lambda item: natural(item[1]["student"])):
        old, new = before.get(id_, NO_REPORT), after.get(id_, NO_REPORT)
        if has_grader_fault(new):
            # Without a score, no points were gained or lost.
            continue
        edited = "the files are not those of before" if old["files"] != new["files"] else ""
        for exercise in dict.fromkeys(row["exercise"] for row in (*new["exercises"], *old["exercises"])):
            (was, why), (now, reason) = outcome(old, exercise), outcome(new, exercise)
            if was != now:
                values = (id_, report["student"], report["submission"], exercise, was, now, why, reason, edited)
                rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows
