"""The command `feedback`: write what each student gets back, under the student's name, or for a system's upload."""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path
from typing import Any

from fullstack_llm.grading.gradebooks import handback, scores
from fullstack_llm.grading.gradebooks.scores import Score
from fullstack_llm.grading.intake.spreadsheet import SheetError
from fullstack_llm.grading.reports.runs import STUDENTS

from .arguments import CommandError, HelpFormatter
from .console import say

EPILOG = """how it is used:
  feedback grades/lab03 --out feedback/lab03           a zip for each student, of the page and its data, to send
  feedback grades/lab03 --for canvas --out back.zip    one zip: Gradebook, the assignment's menu, Re-Upload Submissions
  feedback grades/lab03 --for moodle --out back.zip    one zip: the assignment, Upload multiple feedback files in a zip

for canvas, `grade` must have had --names canvas: a student's file is told by the numbers in its name, and is shown
under that name, so the feedback on a notebook is a notebook, and that on a script a script of comments.

exit codes:
  0  there is feedback for everybody
  1  for some there is none; each is named with the reason
  2  nothing was written, and a sentence says why
"""


def add(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command and its arguments."""
    purpose = "write each student's feedback under the student's name, or as Canvas or Moodle takes it back"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "feedback",
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("grades", type=Path, help="folder of reports, the --out of grade")
    parser.add_argument("--out", type=Path, required=True, help="folder for the zips; with --for, the one zip to write")
    parser.add_argument("--for", dest="system", choices=("canvas", "moodle"), help="one zip, for this system's upload")
    return parser


def run(args: argparse.Namespace) -> int:
    """Write the feedback, and print for whom there is none."""
    try:
        read = scores.read(args.grades)
    except SheetError as error:
        raise CommandError(str(error)) from None
    if args.system and (args.out.suffix.lower() != ".zip" or args.out.is_dir()):
        raise CommandError(f"with --for, --out is the zip to write, such as feedback.zip, and not {args.out}")
    if not args.system and args.out.exists() and not args.out.is_dir():
        raise CommandError(f"--out {args.out} is a file, and a zip for each student needs a folder")
    files, without = _for_system(args, read.scores) if args.system else _for_each(args.grades, read.scores)
    for name in without:
        say(f"no feedback: {name}: {NAMELESS[args.system]}")
    if not files:
        raise CommandError(f"there is no feedback to write: {NAMELESS[args.system]}")
    if args.system:
        _write(args.out, _zipped(files))
        say(f"the feedback on {len(files)} of {len(read.scores)} submissions is in {args.out}")
    else:
        for name, content in files.items():
            _write(args.out / name, content)
        say(f"the feedback for {len(files)} students is in {args.out}, in a zip for each")
    return 1 if without else 0


NAMELESS = {
    "canvas": "the file's name has no numbers of Canvas's download: grade that, with --names canvas",
    "moodle": "the student has no participant's number: grade Moodle's download, with --names moodle",
}


def _for_each(grades: Path, found: list[Score]) -> tuple[dict[str, bytes], list[str]]:
    """Return a zip for each student, by its name: the page and its data."""
    files: dict[str, bytes] = {}
    for score in found:
        name = base = handback.for_person(score.person)
        number = 1
        # Upper and lower case are the same file on some machines.
        while f"{name}.zip".casefold() in map(str.casefold, files):
            number += 1
            name = f"{base} ({number})"
        files[f"{name}.zip"] = _zipped(
            {
                f"{score.report['lab']}.{kind}": (grades / STUDENTS / f"{score.report['id']}.{kind}").read_bytes()
                for kind in ("html", "json")
            }
        )
    return files, []


def _for_system(args: argparse.Namespace, found: list[Score]) -> tuple[dict[str, bytes], list[str]]:
    """Return the members of the zip that a system takes, and who has none."""
    files: dict[str, bytes] = {}
    without = []
    for score in found:
        report = score.report
        if args.system == "moodle":
            name = handback.for_moodle(report, score.person)
            content = (args.grades / STUDENTS / f"{report['id']}.html").read_bytes()
        else:
            name = handback.for_canvas(report)
            write = handback.as_script if str(name).endswith(".py") else handback.as_notebook
            content = write(report).encode("utf-8", "backslashreplace")
        if name is None:
            without.append(str(score.person))
        else:
            files[name] = content
    return files, without


def _zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)  # of one date: the same content, the same bytes
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            archive.writestr(member, content)
    return out.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.new")
    part.write_bytes(content)
    part.replace(path)
