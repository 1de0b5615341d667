"""The options `--names` and `--roster` of `grade`: whose a file is, by a system's names, and who is in the class."""

from __future__ import annotations

import argparse
from pathlib import Path

from fullstack_llm.grading.intake import names, roster, submissions
from fullstack_llm.grading.intake.names import Names, UnnamedError
from fullstack_llm.grading.intake.roster import Person
from fullstack_llm.grading.intake.spreadsheet import SheetError

from .arguments import CommandError


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
        return Names(submissions.owner)
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
