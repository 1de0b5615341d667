"""Build nbgrader's metadata for a lab's cells, schema version 3 (nbgrader 0.6 to 0.9).

An answer is a "manually graded answer" in nbgrader's terms and carries the points of its exercise; the course's grader
enters the points earned. A check is read-only and has no points: nbgrader would run the check in the student's own
kernel, and count a cell that raises nothing as right.
"""

from typing import Any


def metadata(cell: str, points: int) -> dict[str, Any]:
    """Return the metadata of an answer or a check, by its cell's id, such as `answer-merge` or `check-merge`.

    >>> metadata("answer-merge", 10)["points"], metadata("check-merge", 10)["locked"]
    (10, True)
    """
    answer = cell.startswith("answer-")
    common = {"schema_version": 3, "grade_id": cell, "task": False}
    return common | {"grade": answer, "solution": answer, "locked": not answer} | ({"points": points} if answer else {})
