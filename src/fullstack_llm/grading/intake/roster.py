"""Read a class list, and compare it with the submissions: who handed in nothing, and who is not in the list.

A class list is a CSV file with the columns `id`, `name`, `email` (the first is needed, or else the last), or what
Canvas, Moodle, Gradescope, Blackboard, Brightspace or GitHub Classroom exports. The id identifies a person; two people
may have the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fullstack_llm.checks.show import plain

from . import spreadsheet
from .spreadsheet import SheetError, listing

# As Canvas, Moodle and people write them; neither case nor spaces and hyphens count.
ID = ("id", "Identifier", "SID", "Student ID", "Username", "OrgDefinedId")
NAME = ("name", "Student", "Full name", "Student name")
PARTS = (("First name", "Given name", "Forename"), ("Last name", "Surname", "Family name"))
EMAIL = ("email", "e-mail", "Email address", "SIS Login ID", "mail")


@dataclass(frozen=True)
class Person:
    """Hold a student: the id in the learning management system and, where known, the name and the email address."""

    id: str
    name: str = ""
    email: str = ""

    def __str__(self) -> str:
        name = f"{self.id} {self.name}".strip() if self.name != self.id else self.id
        return plain(f"{name} <{self.email}>" if self.email else name)

    @property
    def keys(self) -> set[str]:
        """Return the keys by which tables may name this person: the id, and addresses in lower case."""
        return {self.id.casefold() if "@" in self.id else self.id, self.email.casefold()} - {""}


def participant(identifier: str) -> str:
    """Return the number at the end of a Moodle identifier, whatever the language of the word before it.

    >>> participant("Participant 4711")
    '4711'
    """
    match = re.search(r"\d+$", identifier.strip())
    return match[0] if match else identifier.strip()


def read(path: Path) -> list[Person]:
    """Read the people of a class list; raise `SheetError` for a missing column, or an id that is there twice."""
    sheet = spreadsheet.read(path)
    of_name, of_email = sheet.column_like(*NAME), sheet.column_like(*EMAIL)
    of_parts = [column for names in PARTS if (column := sheet.column_like(*names)) is not None]
    # A list without ids identifies people by their addresses.
    of_id = found if (found := sheet.column_like(*ID)) is not None else of_email
    if of_id is None:
        raise SheetError(
            f"{path} has no column `id` (its columns: {listing(sheet.header)}): name the column of the students' ids, "
            "or of what else their files are named by, `id`; or give the gradebook that Canvas exports, or Moodle's "
            "grading worksheet"
        )

    # Moodle writes "Participant 4711"; in other lists an identifier is a whole one, such as ada2.
    moodles = of_id == sheet.column_like("Identifier") and sheet.column_like("Full name", "Grade") is not None

    def at(row: list[str], column: int | None) -> str:
        return row[column].strip() if column is not None and column < len(row) else ""

    people: dict[str, Person] = {}
    for row in sheet.rows[1:]:
        # Canvas adds rows without an id, and a test student.
        if not at(row, of_id) or at(row, of_name) == "Student, Test":
            continue
        person = Person(participant(at(row, of_id)) if moodles else at(row, of_id))
        # A login that is not an address is not used: it may equal another student's id.
        email = at(row, of_email) if "@" in at(row, of_email) else ""
        name = at(row, of_name) or " ".join(filter(None, (at(row, column) for column in of_parts)))
        person = Person(person.id, name, email)
        for key in person.keys:
            if key in people:
                raise SheetError(f"{path} has {key} twice, for {people[key]} and for {person}: mend the list")
            people[key] = person
    if not people:
        raise SheetError(f"{path} lists no students: each needs a row with an id")
    return list(dict.fromkeys(people.values()))


@dataclass(frozen=True)
class Comparison:
    """Hold who of a class list has no submission, and who has a submission and is not in the list."""

    missing: list[Person]
    strangers: list[Person]

    @property
    def lines(self) -> list[str]:
        """Return the comparison as lines for the console."""
        return [
            *(f"no submission: {person}" for person in self.missing),
            *(f"not in the class list: {person}" for person in self.strangers),
        ]


def compare(roster: Iterable[Person], submitted: Iterable[Person]) -> Comparison:
    """Compare the class list with the people who handed something in."""
    listed, handed = list(roster), list(submitted)
    keys = set().union(*(person.keys for person in handed))
    known = set().union(*(person.keys for person in listed))
    return Comparison(
        [person for person in listed if person.keys.isdisjoint(keys)],
        [person for person in handed if person.keys.isdisjoint(known)],
    )


def by_key(people: Iterable[Person]) -> dict[str, Person]:
    """Return each person by id and by address."""
    return {key: person for person in people for key in person.keys}


def completed(people: Iterable[Person], roster: Iterable[Person]) -> list[Person]:
    """Return the people, each as the class list has them where the list has them."""
    listed = by_key(roster)
    return [next((listed[key] for key in person.keys if key in listed), person) for person in people]
