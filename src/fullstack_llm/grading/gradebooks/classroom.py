"""Write a GitHub workflow for students' repositories, and results in the form that GitHub Classroom's reporter reads.

Both follow classroom-resources/autograding-grading-reporter v1, looked up in November 2026: the result of a step, JSON
in base64, with `max_score` and for each test `name`, `status`, `score`, `message`.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.verdict import Verdict
from fullstack_llm.grading.judge.grade import Result

TEMPLATE = Path(__file__).parent / "templates" / "classroom.yml"
# The result is passed in an environment variable, which Linux limits to 128 KiB.
MAX_MESSAGE = 2000


def workflow(lab: str, notebook: str, repository: str, tag: str) -> str:
    """Return the text of `.github/workflows/classroom.yml`; `repository` is the course's, as `owner/name`."""
    values = {"LAB": lab, "NOTEBOOK": notebook, "REPOSITORY": repository, "TAG": tag}
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], TEMPLATE.read_text("utf-8"))


def results(lab: LabChecks, result: Result, notebook: str) -> dict[str, Any]:
    """Return the result as the reporter reads it; a file that cannot be graded is an error and earns nothing."""
    full = result.earned == lab.points()
    verdicts = {verdict.exercise: verdict for verdict in result.verdicts}
    return {
        "version": 1,
        "status": "error" if result.error else "pass" if full else "fail",
        "max_score": lab.points(),
        "tests": [_test(name, verdicts.get(name), result.error, notebook) for name in lab.exercises],
    }


def _test(name: str, verdict: Verdict | None, error: str, notebook: str) -> dict[str, Any]:
    right = verdict is not None and verdict.earned == verdict.points
    # The check itself failed, which says nothing about the answer.
    failed = verdict is not None and any(outcome.kind == "check failed" for outcome in verdict.outcomes)
    return {
        "name": name,
        "status": "error" if verdict is None or failed else "pass" if right else "fail",
        "score": verdict.earned if verdict else 0,
        "message": (str(verdict) if verdict else error)[:MAX_MESSAGE],
        "test_code": f"check({name})",
        "filename": notebook,
        "line_no": 0,
    }


def encoded(data: dict[str, Any]) -> str:
    """Return the result as the value of a workflow step's output: JSON in base64.

    >>> encoded({"version": 1})
    'eyJ2ZXJzaW9uIjogMX0='
    """
    return base64.b64encode(json.dumps(data).encode()).decode()
