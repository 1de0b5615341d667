"""The options `--names` and `--roster` of `grade`: the system that named the files, and the class list."""

from __future__ import annotations

import argparse
from pathlib import Path, PurePath

from fullstack_llm.grading.intake import names, roster, submissions
from fullstack_llm.grading.intake.names import Names, UnnamedError
from fullstack_llm.grading.intake.roster import Person
from fullstack_llm.grading.intake.spreadsheet import SheetError

from .arguments import CommandError
from .console import say


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options `--names` and `--roster`."""
    parser.add_argument(
        "--names", choices=names.SYSTEMS, help="the files are named by this system's download of submissions"
    )
    parser.add_argument(
        "--roster",
        type=Path,
        help="class list: a CSV file with columns id, name, email; or Canvas's gradebook, Moodle's grading worksheet",
    )


def names_of_files(args: argparse.Namespace, lab: str) -> Names:
    """Return how files are assigned to students: by the system in `--names`, or else by the first folder."""
    if not args.names:
        return Names(submissions.owner)
    try:
        return names.named_by(args.names, args.folder, lab)
    except UnnamedError as error:
        raise CommandError(str(error)) from None


def suggest(args: argparse.Namespace, lab: str, intake: submissions.Intake) -> None:
    """Print which system the files are named like, where `--names` is not given."""
    paths = [PurePath(file.name) for submission in intake.submissions for file in submission.files]
    if not args.names and (system := names.guessed(paths, lab)):
        say(f"Note: these files are named as {system.title()} does it: --names {system} would tell whose they are.")


def class_list(args: argparse.Namespace) -> list[Person] | None:
    """Return the people of the class list in `--roster`; None if the option is not given."""
    try:
        return roster.read(args.roster) if args.roster else None
    except SheetError as error:
        raise CommandError(str(error)) from None
