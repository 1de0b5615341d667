"""What grading again has changed: who gained or lost what, in which exercise, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fullstack_llm.checks.verdict import HEADINGS
from fullstack_llm.grading.intake.submissions import natural

from .runs import open_still

Report = Mapping[str, Any]
COLUMNS = ("id", "student", "submission", "exercise", "before", "after", "outcome_before", "outcome_after", "remark")
# Stands in for the report of a student who has none.
NONE: Report = {"exercises": [], "error": "no report", "files": None}


def outcome(report: Report, exercise: str) -> tuple[int, str]:
    """Points of an exercise, and the outcome in a line: right, or what the first check that failed said.

    >>> checks = [{"kind": "wrong", "part": "ties", "hint": "The smallest wins."}]
    >>> outcome({"error": "", "exercises": [{"exercise": "train", "earned": 11, "checks": checks}]}, "train")
    (11, 'ties: not right yet (The smallest wins.)')
    """
    for one in report["exercises"]:
        if one["exercise"] == exercise:
            for check in one["checks"]:
                if check["kind"] != "right":
                    part = f"{check['part']}: " if check["part"] else ""
                    return one["earned"], f"{part}{HEADINGS.get(check['kind'], check['kind'])} ({check['hint']})"
            return one["earned"], "right"
    return 0, report["error"] or "no such exercise"


def changes(before: Mapping[str, Report], after: Mapping[str, Report]) -> list[dict[str, Any]]:
    """One row for each exercise of each student whose points are no longer the same, by student.

    A student whose grading has failed by the grader's own fault is in none.
    """
    rows = []
    for name, known in sorted({**before, **after}.items(), key=lambda item: natural(item[1]["student"])):
        old, new = before.get(name, NONE), after.get(name, NONE)
        if open_still(new):
            # It has no points yet: nobody has lost any.
            continue
        edited = "the files are not those of before" if old["files"] != new["files"] else ""
        for exercise in dict.fromkeys(one["exercise"] for one in (*new["exercises"], *old["exercises"])):
            (was, why), (now, reason) = outcome(old, exercise), outcome(new, exercise)
            if was != now:
                values = (name, known["student"], known["submission"], exercise, was, now, why, reason, edited)
                rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows
