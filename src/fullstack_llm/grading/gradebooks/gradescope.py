"""Write a result as Gradescope's `results.json`, by the autograder specification, looked up in November 2026.

https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.verdict import Verdict
from fullstack_llm.grading.judge.grade import Result


def results(lab: LabChecks, result: Result, others: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what Gradescope shows of a result; a file that cannot be read gets zero points, with the reason."""
    if result.error:
        return refused(lab, f"Your file could not be graded: {result.error}.")
    notes = [f"note: {problem}" for problem in result.problems]
    notes += [f"not graded: {name}: {why}" for name, why in others]
    return {
        "score": result.earned,
        "execution_time": round(result.seconds),
        "output": "\n".join([f"{lab.slug}: {result.earned} of {lab.points()} points.", *notes]),
        "output_format": "text",
        # Only instructors see what the grader prints.
        "stdout_visibility": "hidden",
        "tests": [_test(verdict) for verdict in result.verdicts],
    }


def _test(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.exercise,
        "score": verdict.earned,
        "max_score": verdict.points,
        "status": "passed" if verdict.earned == verdict.points else "failed",
        "output": str(verdict),
        "output_format": "text",
        "visibility": "visible",
    }


def refused(lab: LabChecks, why: str) -> dict[str, Any]:
    """Return zero points in every exercise, with the reason why the submission cannot be graded."""
    return {
        "score": 0,
        "output": why,
        "output_format": "text",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": name,
                "score": 0,
                "max_score": lab.points(name),
                "status": "failed",
                "output": "not graded",
                "output_format": "text",
                "visibility": "visible",
            }
            for name in lab.exercises
        ],
    }
