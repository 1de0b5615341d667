"""Who is behind each submission, in the folder of reports, and who of the class handed nothing in."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fullstack_llm.grading.intake import roster, submissions
from fullstack_llm.grading.intake.names import Names
from fullstack_llm.grading.intake.roster import Person

from .runs import write

FILE = "people.json"


def settle(found: submissions.Intake, by_name: Names) -> None:
    """Leave out what may be of either of two students: neither gets the other's points."""
    for one in found.submissions:
        if one.owner in by_name.contested:
            files = ", ".join(file.name for file in one.files[:5])
            found.left_out.append(f"{one.student}: two names stand before this number, grade these by hand: {files}")
    found.submissions[:] = [one for one in found.submissions if one.owner not in by_name.contested]


def record(out: Path, by_name: Names, found: submissions.Intake, people: list[Person] | None) -> list[str]:
    """Say who is behind each submission, there and in the folder of reports; lines about who is missing or unknown."""
    who = {
        one.owner: roster.completed(by_name.people.get(one.owner) or [Person(one.owner)], people or [])
        for one in found.submissions
    }
    handed = [person for group in who.values() for person in group]
    seen = roster.compare(people, handed) if people is not None else roster.Comparison([], [])
    data: dict[str, Any] = {
        "people": {owner: [asdict(person) for person in group] for owner, group in who.items()},
        "missing": [asdict(person) for person in seen.missing],
    }
    found.submissions[:] = [
        replace(one, student=submissions.printable("; ".join(map(str, who[one.owner])))) for one in found.submissions
    ]
    write(out / FILE, json.dumps(data, indent=1) + "\n")
    return [submissions.printable(line) for line in seen.lines]
