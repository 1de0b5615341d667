"""The command `gradescope-zip`: write an autograder for one lab, to upload to Gradescope."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fullstack_llm.checks import declared
from fullstack_llm.grading.gradebooks import gradescope_zip
from fullstack_llm.grading.gradebooks.gradescope_zip import ZipError

from .arguments import CommandError, add_command, add_key, class_key, class_seeds, find_lab, require_name
from .console import say

EPILOG = """on Gradescope: create a Programming Assignment with as many points as the lab has, upload the zip under
Configure Autograder (base image Ubuntu 22.04 or later), and under Settings give a container 4 GB of memory and a
timeout of 20 minutes. Building the image takes some minutes. Then try it with a notebook that has answers, and one
that has none.

students see each exercise with its points and its hint. A file that cannot be read is a zero with the reason; an error
of the grader itself is an error on Gradescope, which enters no score: its output, for instructors, says what to do.

exit codes:
  0  the zip is written
  2  nothing was written, and a sentence says why
"""


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    parser = add_command(subparsers, "gradescope-zip", "write the zip of a Gradescope autograder for a lab")
    parser.epilog = EPILOG
    parser.add_argument("lab", help="the lab's slug, such as 03_tokenization")
    parser.add_argument("--out", type=Path, required=True, help="zip to write")
    add_key(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Collect the files and write the zip."""
    require_name(args.out, "a zip")
    lab = find_lab(args.lab, args.checks)
    key = class_key(args) if args.key is not None or args.key_file else None
    class_seeds(args, lab)
    own_checks = None if args.checks.resolve() == declared.FOLDER else args.checks
    try:
        files = gradescope_zip.members(lab.slug, args.labs / f"{lab.slug}.ipynb", own_checks, key)
    except ZipError as error:
        raise CommandError(str(error)) from None
    gradescope_zip.build(args.out, files)
    contents = (
        "the class key, so keep it from students" if key else "no class key: inputs are those that notebooks show"
    )
    say(f"{args.out} grades {lab.slug} ({lab.points()} points) on Gradescope; it holds {contents}.")
    return 0
