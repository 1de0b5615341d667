"""Name what is handed back to each student: as the student is called, or as a system's upload of feedback wants it.

The names follow the published sources of these systems, looked up in November 2026:

- Canvas, `infer_comment_context_from_filename` of an assignment: of the name's parts between underscores, the first two
  that are numbers are the student's and the file's, as in its own download. It shows a file under the name that was
  handed in, whatever it holds, so what is handed back for a notebook is a notebook.
- Moodle, `mod/assign/feedback/file/importziplib.php`: a folder `Full Name_ID_assignfeedback_file`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from fullstack_llm.checks.verdict import Outcome, Verdict
from fullstack_llm.grading.intake.names import CANVAS
from fullstack_llm.grading.intake.roster import Person
from fullstack_llm.grading.reports.runs import is_late
from fullstack_llm.grading.reports.summary import LATE

MAX_NAME = 80
# What some system's file names may not hold, and what a shell or a spreadsheet program could take for more than a name.
UNSAFE = re.compile(r"[^\w.@+ -]+|_+")


def safe(text: str) -> str:
    """Return a text as a part of a file's name.

    >>> safe("Lovelace, Ada <ada@x.org>"), safe("../-rf")
    ('Lovelace Ada ada@x.org', 'rf')
    """
    return " ".join(UNSAFE.sub(" ", text).split()).lstrip(".- ")[:MAX_NAME].rstrip(". ")


def for_person(person: Person) -> str:
    """Return a name for what one student gets: the name and the id, or one of them.

    >>> for_person(Person("101", "Lovelace, Ada", "ada@x.org")), for_person(Person("ada"))
    ('Lovelace Ada 101', 'ada')
    """
    return safe(f"{person.name} {person.id}" if person.name not in ("", person.id) else person.id) or "student"


def for_canvas(report: Mapping[str, Any]) -> str | None:
    """Return the name under which Canvas takes a file for the student of a report; None if the file's name has none.

    >>> for_canvas({"submission": "submissions/lovelaceada_LATE_101_9001_lab.ipynb"})
    'lovelaceada_LATE_101_9001_lab.ipynb'
    """
    parts = PurePosixPath(report["submission"]).parts
    name = next((part for part in parts if CANVAS.fullmatch(part)), None)
    # A student's zip would be shown as one, and a text is no zip.
    return name and (name if name.endswith((".ipynb", ".py")) else f"{name.rpartition('.')[0] or name}.ipynb")


def for_moodle(report: Mapping[str, Any], person: Person) -> str | None:
    """Return the path under which Moodle takes a student's page; None without a participant's number.

    >>> for_moodle({"lab": "03_tokenization"}, Person("4711", "Ada_Lovelace"))
    'Ada Lovelace_4711_assignfeedback_file/03_tokenization.html'
    """
    if not person.id.isdecimal():
        return None
    return f"{safe(person.name) or 'student'}_{person.id}_assignfeedback_file/{report['lab']}.html"


def text(report: Mapping[str, Any]) -> str:
    """Return a report as a notebook prints its verdicts."""
    lines = [f"{report['lab']}: {report['earned']} of {report['points']} points"]
    if report["error"]:
        lines = [f"{report['lab']}: this file could not be graded: {report['error']}."]
    lines += [f"Note: {LATE}."] * is_late(report) + [f"Note: {problem}" for problem in report["problems"]]
    for exercise in report["exercises"]:
        outcomes = tuple(Outcome(**check) for check in exercise["checks"])
        lines += ["", str(Verdict(report["lab"], exercise["exercise"], outcomes))]
    return "\n".join(lines) + "\n"


def as_notebook(report: Mapping[str, Any]) -> str:
    """Return a notebook that shows a report, for a system that shows every file under the submission's own name."""
    source = f"# Feedback on lab {report['lab']}\n\n" + "".join(f"    {line}\n" for line in text(report).splitlines())
    cell = {"cell_type": "markdown", "id": "feedback", "metadata": {}, "source": source.splitlines(keepends=True)}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1) + "\n"


def as_script(report: Mapping[str, Any]) -> str:
    """Return a report as the comments of a script.

    >>> as_script({"lab": "x", "earned": 1, "points": 2, "error": "", "problems": [], "exercises": []})
    '# x: 1 of 2 points\\n'
    """
    return "".join(f"# {line}".rstrip() + "\n" for line in text(report).splitlines())
