"""Enter scores into nbgrader's gradebook through its API (nbgrader 0.9): read JSON, and print one line of JSON.

    python -P nbgrader.py < scores.json

Python needs nbgrader here, but not this package, so this file imports nothing else of the package. Without `-P`, the
import of nbgrader would find this file by its name.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def register(book: Any, data: dict[str, Any]) -> None:
    """Add the assignment, its notebook and its answer cells to the gradebook; what the gradebook has already stays."""
    assignment, notebook = data["assignment"], data["notebook"]
    book.update_or_create_assignment(assignment)
    book.update_or_create_notebook(notebook, assignment)
    for cell, points in data["cells"].items():
        book.update_or_create_grade_cell(cell, notebook, assignment, max_score=points, cell_type="code")
        book.update_or_create_solution_cell(cell, notebook, assignment)


def submit(book: Any, assignment: str, student: dict[str, Any]) -> tuple[Any, bool]:
    """Return the student's submission in the gradebook, and whether nbgrader could read its timestamp."""
    try:
        timestamp = {"timestamp": student["timestamp"]} if student["timestamp"] else {}
        return book.update_or_create_submission(assignment, student["id"], **timestamp), True
    except Exception:
        # The parser of timestamps may raise any exception.
        book.db.rollback()
        return book.update_or_create_submission(assignment, student["id"]), False


def enter_student(api: Any, book: Any, data: dict[str, Any], student: dict[str, Any]) -> bool:
    """Enter a student's scores and comments, all of them or none; add the student and the submission if missing.

    Return False if nbgrader could not read the submission's timestamp.
    """
    assignment, notebook = data["assignment"], data["notebook"]
    try:
        book.find_student(student["id"])
    except api.MissingEntry:
        book.add_student(student["id"], email=student["email"] or None)
    submission, timed = submit(book, assignment, student)
    submitted = next((candidate for candidate in submission.notebooks if candidate.name == notebook), None)
    if submitted is None:
        submitted = api.SubmittedNotebook(notebook=book.find_notebook(notebook, assignment), assignment=submission)
        book.db.add(submitted)
    grades = {grade.name: grade for grade in submitted.grades}
    comments = {comment.name: comment for comment in submitted.comments}
    for cell, score in student["scores"].items():
        # The lab may have a new exercise since this submission was first recorded.
        if cell not in grades:
            grade_cell = book.find_grade_cell(cell, notebook, assignment)
            grades[cell] = api.Grade(cell=grade_cell, notebook=submitted)
        if cell not in comments:
            solution_cell = book.find_solution_cell(cell, notebook, assignment)
            comments[cell] = api.Comment(cell=solution_cell, notebook=submitted)
        grades[cell].manual_score, grades[cell].needs_manual_grade = score, False
        comments[cell].manual_comment = student["comments"].get(cell)
    book.db.commit()
    return timed


def main() -> None:
    """Enter the scores from standard input; print which timestamps are not valid, and whose scores failed and why."""
    api = importlib.import_module("nbgrader.api")
    data = json.load(sys.stdin)
    with api.Gradebook(f"sqlite:///{data['gradebook']}", data["course"]) as book:
        register(book, data)
        untimed, failed = [], {}
        for student in data["students"]:
            try:
                untimed += [] if enter_student(api, book, data, student) else [student["id"]]
            except Exception as error:
                # One student's failure must not keep the others' scores out.
                book.db.rollback()
                failed[student["id"]] = f"{type(error).__name__}: {error}"[:300]
    print(json.dumps({"untimed": untimed, "failed": failed}))


if __name__ == "__main__":
    main()
