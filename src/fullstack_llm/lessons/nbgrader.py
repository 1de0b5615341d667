"""Build nbgrader's metadata for a lab's cells, schema version 3 (nbgrader 0.6 to 0.9).

An answer is a "manually graded answer" in nbgrader's terms and carries the points of its exercise; the course's grader
enters the points earned. A check is read-only and has no points: nbgrader would run the check in the student's own
kernel, and count a cell that raises nothing as right.
"""

import ast
from pathlib import Path
from typing import Any

from fullstack_llm.checks import registry


def metadata(cell: str, points: int) -> dict[str, Any]:
    """Return the metadata of an answer or a check, by its cell's id, such as `answer-merge` or `check-merge`.

    >>> metadata("answer-merge", 10)["points"], metadata("check-merge", 10)["locked"]
    (10, True)
    """
    answer = cell.startswith("answer-")
    common = {"schema_version": 3, "grade_id": cell, "task": False}
    return common | {"grade": answer, "solution": answer, "locked": not answer} | ({"points": points} if answer else {})


def points(checks: Path) -> dict[str, dict[str, int]]:
    """The points of every exercise, by lab, as the check modules declare them.

    They are read and not run: they import what the labs are about, and a lab is generated without PyTorch.
    """
    found: dict[str, dict[str, int]] = {}
    for slug, path in registry.labs(checks).items():
        worth = found.setdefault(slug, {})
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name("check"), args=[ast.Constant(str(exercise))], keywords=words):
                    values = {word.arg: word.value for word in words}
                    worth[exercise] = worth.get(exercise, 0) + ast.literal_eval(values["points"])
    return found
