"""Enter scores into nbgrader's gradebook, through its own API (nbgrader 0.9): JSON comes in, a line of JSON goes out.

    python nbgrader_gradebook.py < scores.json

The Python is one that has nbgrader, and need have nothing of the course, so this file imports nothing else of it.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def register(book: Any, data: dict[str, Any]) -> None:
    """The assignment, its notebook and its answer cells, as they are in the lab; what is there already stays."""
    assignment, notebook = data["assignment"], data["notebook"]
    book.update_or_create_assignment(assignment)
    book.update_or_create_notebook(notebook, assignment)
    for cell, points in data["cells"].items():
        book.update_or_create_grade_cell(cell, notebook, assignment, max_score=points, cell_type="code")
        book.update_or_create_solution_cell(cell, notebook, assignment)


def submit(book: Any, assignment: str, student: dict[str, Any]) -> tuple[Any, bool]:
    """The student's submission, and whether it has the time that it came with, which may be no time."""
    try:
        timed = {"timestamp": student["timestamp"]} if student["timestamp"] else {}
        return book.update_or_create_submission(assignment, student["id"], **timed), True
    except Exception:
        # What reads times raises anything.
        book.db.rollback()
        return book.update_or_create_submission(assignment, student["id"]), False


def enter(api: Any, book: Any, data: dict[str, Any], student: dict[str, Any]) -> bool:
    """One student's scores and comments, all of them or none; a student or a submission that is missing is added.

    False if the time of the submission is none.
    """
    assignment, notebook = data["assignment"], data["notebook"]
    try:
        book.find_student(student["id"])
    except api.MissingEntry:
        book.add_student(student["id"], email=student["email"] or None)
    submission, timed = submit(book, assignment, student)
    mine = next((one for one in submission.notebooks if one.name == notebook), None)
    if mine is None:
        mine = api.SubmittedNotebook(notebook=book.find_notebook(notebook, assignment), assignment=submission)
        book.db.add(mine)
    grades = {one.name: one for one in mine.grades}
    comments = {one.name: one for one in mine.comments}
    for cell, score in student["scores"].items():
        # The lab may have got an exercise since this submission was first recorded.
        if cell not in grades:
            grades[cell] = api.Grade(cell=book.find_grade_cell(cell, notebook, assignment), notebook=mine)
        if cell not in comments:
            comments[cell] = api.Comment(cell=book.find_solution_cell(cell, notebook, assignment), notebook=mine)
        grades[cell].manual_score, grades[cell].needs_manual_grade = score, False
        comments[cell].manual_comment = student["comments"].get(cell)
    book.db.commit()
    return timed


def main() -> None:
    """Enter what standard input says, and say whose submissions have no time, and who could not be entered, and why."""
    api = importlib.import_module("nbgrader.api")
    data = json.load(sys.stdin)
    with api.Gradebook(f"sqlite:///{data['gradebook']}", data["course"]) as book:
        register(book, data)
        untimed, failed = [], {}
        for student in data["students"]:
            try:
                untimed += [] if enter(api, book, data, student) else [student["id"]]
            except Exception as error:
                # The others' scores are no less theirs.
                book.db.rollback()
                failed[student["id"]] = f"{type(error).__name__}: {error}"[:300]
    print(json.dumps({"untimed": untimed, "failed": failed}))


if __name__ == "__main__":
    main()
