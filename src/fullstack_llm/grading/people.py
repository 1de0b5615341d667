"""The options `--names` and `--roster` of `grade`: whose a file is, by a system's names, and who is in the class."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from . import intake, names, roster
from .arguments import CommandError
from .names import Names, UnnamedError
from .roster import Person
from .runs import write
from .spreadsheet import SheetError

FILE = "people.json"


def add(parser: argparse.ArgumentParser) -> None:
    """The two options."""
    parser.add_argument(
        "--names", choices=names.SYSTEMS, help="the files are named by this system's download of submissions"
    )
    parser.add_argument(
        "--roster",
        type=Path,
        help="class list: a CSV file with columns id, name, email; or Canvas's gradebook, Moodle's grading worksheet",
    )


def named(args: argparse.Namespace, lab: str) -> Names:
    """How the files are named, where `--names` says it, or by the first folder."""
    if not args.names:
        return Names(intake.owner)
    try:
        return names.named_by(args.names, args.folder, lab)
    except UnnamedError as error:
        raise CommandError(str(error)) from None


def listed(args: argparse.Namespace) -> list[Person] | None:
    """The people of the class list, if there is one."""
    try:
        return roster.read(args.roster) if args.roster else None
    except SheetError as error:
        raise CommandError(str(error)) from None


def settle(found: intake.Intake, by_name: Names) -> None:
    """Leave out what may be of either of two students: neither gets the other's points."""
    for one in found.submissions:
        if one.owner in by_name.contested:
            files = ", ".join(file.name for file in one.files[:5])
            found.left_out.append(f"{one.student}: two names stand before this number, grade these by hand: {files}")
    found.submissions[:] = [one for one in found.submissions if one.owner not in by_name.contested]


def record(out: Path, by_name: Names, found: intake.Intake, people: list[Person] | None) -> list[str]:
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
        replace(one, student=intake.printable("; ".join(map(str, who[one.owner])))) for one in found.submissions
    ]
    write(out / FILE, json.dumps(data, indent=1) + "\n")
    return [intake.printable(line) for line in seen.lines]
