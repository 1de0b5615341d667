"""Record in the folder of reports which people each submission is from, and who of the class handed nothing in."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path, PurePath
from typing import Any

from fullstack_llm.grading.intake import roster, submissions
from fullstack_llm.grading.intake.names import Names
from fullstack_llm.grading.intake.quotas import printable
from fullstack_llm.grading.intake.roster import Person

from .runs import write

FILE = "people.json"
PERSON = {"id": str, "name": str, "email": str}
FORM = {"people": dict, "missing": [PERSON]}


def leave_out_contested(intake: submissions.Intake, names: Names) -> None:
    """Move submissions that may be of either of two students to `left_out`, so that nobody gets another's points."""
    for submission in intake.submissions:
        if submission.owner in names.contested:
            files = ", ".join(file.name for file in submission.files[:5])
            intake.left_out.append(
                f"{submission.student}: two names stand before this number, grade these by hand: {files}"
            )
    intake.submissions[:] = [submission for submission in intake.submissions if submission.owner not in names.contested]


def record_people(out: Path, names: Names, intake: submissions.Intake, listed: list[Person] | None) -> list[str]:
    """Write the people of each submission to `people.json`; set each submission's `student`, and which files are late.

    `listed` are the people of the class list, if there is one. Return a line for each of them without a submission,
    and for each person with a submission who is not in the list.
    """
    people = {
        submission.owner: roster.completed(
            names.people.get(submission.owner) or [Person(submission.owner)], listed or []
        )
        for submission in intake.submissions
    }
    submitted = [person for group in people.values() for person in group]
    comparison = roster.compare(listed, submitted) if listed is not None else roster.Comparison([], [])
    data: dict[str, Any] = {
        "people": {owner: [asdict(person) for person in group] for owner, group in people.items()},
        "missing": [asdict(person) for person in comparison.missing],
    }
    intake.submissions[:] = [
        replace(
            submission,
            student=printable("; ".join(map(str, people[submission.owner]))),
            files=tuple(replace(file, late=names.is_late(PurePath(file.name))) for file in submission.files),
        )
        for submission in intake.submissions
    ]
    write(out / FILE, json.dumps(data, indent=1) + "\n")
    return [printable(line) for line in comparison.lines]
