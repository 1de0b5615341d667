"""GitHub Classroom: a workflow for the students' repositories, and a result in the form that its reporter reads.

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
# A variable of the environment carries the result, and Linux bounds it to 128 KiB.
MAX_MESSAGE = 2000


def workflow(lab: str, notebook: str, repository: str, tag: str) -> str:
    """The text of `.github/workflows/classroom.yml`; `repository` is the course's, as in `owner/name`."""
    told = {"LAB": lab, "NOTEBOOK": notebook, "REPOSITORY": repository, "TAG": tag}
    return re.sub(r"@([A-Z]+)@", lambda found: told[found[1]], TEMPLATE.read_text("utf-8"))


def results(lab: LabChecks, result: Result, notebook: str) -> dict[str, Any]:
    """The result as the reporter reads it; a file that cannot be graded is an error and earns nothing."""
    done = result.earned == lab.points()
    found = {one.exercise: one for one in result.verdicts}
    return {
        "version": 1,
        "status": "error" if result.error else "pass" if done else "fail",
        "max_score": lab.points(),
        "tests": [_test(name, found.get(name), result.error, notebook) for name in lab.exercises],
    }


def _test(name: str, verdict: Verdict | None, error: str, notebook: str) -> dict[str, Any]:
    right = verdict is not None and verdict.earned == verdict.points
    # By a fault of the check, and not of the answer.
    failed = verdict is not None and any(one.kind == "check failed" for one in verdict.outcomes)
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
    """The result as the value of a step's output.

    >>> encoded({"version": 1})
    'eyJ2ZXJzaW9uIjogMX0='
    """
    return base64.b64encode(json.dumps(data).encode()).decode()
