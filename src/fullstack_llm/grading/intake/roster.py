"""A class list: who is in the class, who has handed nothing in, and which submission is nobody's.

A CSV file with the columns `id`, `name`, `email` (the first is needed), or as it is the gradebook that Canvas exports
or the grading worksheet of Moodle. People are told apart by their ids; two with one name stay two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fullstack_llm.checks.show import plain

from . import spreadsheet
from .spreadsheet import SheetError, listing

ID = ("id", "ID", "Identifier")
NAME = ("name", "Student", "Full name")
EMAIL = ("email", "Email address", "SIS Login ID")


@dataclass(frozen=True)
class Person:
    """A student: the id that the system knows them by, and, where it is known, name and address."""

    id: str
    name: str = ""
    email: str = ""

    def __str__(self) -> str:
        name = f"{self.id} {self.name}".strip() if self.name != self.id else self.id
        return plain(f"{name} <{self.email}>" if self.email else name)

    @property
    def keys(self) -> set[str]:
        """What this person may be called in a table: the id as it is, the address in any case."""
        return {self.id, self.email.casefold()} - {""}


def participant(identifier: str) -> str:
    """The number at the end of a Moodle identifier, whatever language the word before it is in.

    >>> participant("Participant 4711")
    '4711'
    """
    found = re.search(r"\d+$", identifier.strip())
    return found[0] if found else identifier.strip()


def read(path: Path) -> list[Person]:
    """The people of a class list; `SheetError` says which column is missing, or which id is there twice."""
    sheet = spreadsheet.read(path)
    of_id, of_name, of_email = sheet.column(*ID), sheet.column(*NAME), sheet.column(*EMAIL)
    if of_id is None:
        raise SheetError(
            f"{path} has no column `id` (its columns: {listing(sheet.header)}): name the column of the students' ids "
            "`id`, or give the gradebook that Canvas exports, or Moodle's grading worksheet"
        )

    def at(row: list[str], column: int | None) -> str:
        return row[column].strip() if column is not None and column < len(row) else ""

    people: dict[str, Person] = {}
    for row in sheet.rows[1:]:
        # Canvas's own rows, and its test student, who has no login.
        if not at(row, of_id) or at(row, of_name) == "Student, Test":
            continue
        one = Person(participant(at(row, of_id)) if sheet.header[of_id] == "Identifier" else at(row, of_id))
        # A login that is no address may be another student's number.
        email = at(row, of_email) if "@" in at(row, of_email) else ""
        one = Person(one.id, at(row, of_name), email)
        for key in one.keys:
            if key in people:
                raise SheetError(f"{path} has {key} twice, for {people[key]} and for {one}: mend the list")
            people[key] = one
    if not people:
        raise SheetError(f"{path} lists no students: each needs a row with an id")
    return list(dict.fromkeys(people.values()))


@dataclass(frozen=True)
class Comparison:
    """Who of a class list has handed nothing in, and who has and is not in it."""

    missing: list[Person]
    strangers: list[Person]

    @property
    def lines(self) -> list[str]:
        """The comparison as lines for people."""
        return [
            *(f"no submission: {one}" for one in self.missing),
            *(f"not in the class list: {one}" for one in self.strangers),
        ]


def compare(roster: Iterable[Person], submitted: Iterable[Person]) -> Comparison:
    """The class list against the people who handed something in."""
    listed, handed = list(roster), list(submitted)
    keys = set().union(*(one.keys for one in handed))
    known = set().union(*(one.keys for one in listed))
    return Comparison(
        [one for one in listed if one.keys.isdisjoint(keys)], [one for one in handed if one.keys.isdisjoint(known)]
    )


def by_key(people: Iterable[Person]) -> dict[str, Person]:
    """Each person by the id and by the address."""
    return {key: one for one in people for key in one.keys}


def completed(people: Iterable[Person], roster: Iterable[Person]) -> list[Person]:
    """The people with name and address as the class list has them, where they are in it."""
    listed = by_key(roster)
    return [next((listed[key] for key in one.keys if key in listed), one) for one in people]
