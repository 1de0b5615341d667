"""The commands `grade` and `check`: arguments, progress, sentences, exit codes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..checks import registry
from ..checks.draws import PUBLIC_KEY
from ..checks.registry import LabChecks
from . import batch, intake, labs, report
from .judge import Result
from .levels import describe, level, strongest
from .process import GraderError

CODES = """exit codes:
  0    everything was graded (whatever it earned)
  1    everything was tried, and some files could not be read; the report says which
  2    nothing was graded: a wrong argument, or an error of the grader itself
  130  interrupted; what was graded until then is in the report
"""


class CommandError(Exception):
    """An argument that cannot be right; the message is a sentence."""


def parser() -> argparse.ArgumentParser:
    """The argument parser, with help for both commands."""
    top = argparse.ArgumentParser(
        prog="python -m fullstack_llm.grading",
        description="Grade labs by the values that their functions return.",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common: dict[str, Any] = {"epilog": CODES, "formatter_class": argparse.RawDescriptionHelpFormatter}
    one = commands.add_parser("grade", help="grade every notebook and script in a folder", **common)
    one.add_argument("folder", type=Path, help="folder of submissions (.ipynb and .py, in subfolders too)")
    one.add_argument("--lab", required=True, help="the lab's slug, such as 03_tokenization")
    one.add_argument("--out", type=Path, default=Path("grades"), help="folder for the reports (default: grades/)")
    one.add_argument("--key", help="the class key, from which inputs are drawn (default: those that notebooks show)")
    one.add_argument("--jobs", type=int, default=1, help="submissions graded at a time (default: 1)")
    one.add_argument("--level", choices=("A", "B", "C"), help="isolation: A or B as can be had, C only if asked for")
    two = commands.add_parser("check", help="check your own notebook before handing it in", **common)
    two.add_argument("notebook", type=Path, help="your .ipynb or .py file")
    two.add_argument("--lab", help="the lab's slug, if the file does not name it")
    for command in (one, two):
        command.add_argument("--checks", type=Path, default=registry.HERE, help="folder of check modules, if not ours")
        command.add_argument("--labs", type=Path, default=labs.FOLDER, help="folder of the labs' own notebooks")
    return top


def _lab(slug: str, folder: Path) -> LabChecks:
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder of check modules")
    try:
        return registry.find(slug, folder)
    except LookupError as error:
        raise CommandError(str(error.args[0])) from None
    except Exception as error:
        raise CommandError(f"the checks in {folder} cannot be loaded ({type(error).__name__}: {error})") from None


def grade(args: argparse.Namespace) -> int:
    """Grade a folder, and write the report."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    if not args.folder.is_dir():
        raise CommandError(f"there is no folder {args.folder}")
    if args.jobs < 1:
        raise CommandError("--jobs is 1 or more")
    if args.out.exists() and not args.out.is_dir():
        raise CommandError(f"--out {args.out} is a file, and the reports need a folder")
    lab = _lab(args.lab, args.checks)
    found = intake.find(args.folder, args.out)
    if not found.submissions:
        raise CommandError(f"there are no submissions (.ipynb or .py) in {args.folder}")
    if not (args.labs / f"{lab.slug}.ipynb").is_file():
        print(f"Note: no {lab.slug}.ipynb in {args.labs}: deleted set-up cells cannot be restored (--labs FOLDER).")
    sandbox = level(args.level) if args.level else strongest()
    isolation = describe(sandbox)
    print(f"Isolation is level {isolation}.")
    key = args.key.encode() if args.key else PUBLIC_KEY
    run = batch.Batch(lab.slug, key, args.checks, args.labs, sandbox)
    reports: list[dict[str, Any]] = []
    complete = False
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, transient=True) as progress:
            task = progress.add_task("grading", total=len(found.submissions))
            for one, result in batch.results(run, found.submissions, args.jobs):
                reports.append(report.write_student(args.out, lab, one, result))
                progress.advance(task)
        complete = True
    finally:
        reports.sort(key=lambda data: data["submission"])
        report.write_class(args.out, lab, found, reports, complete, isolation)
    failed = [data for data in reports if data["error"]]
    for data in failed:
        print(f"{data['submission']}: {data['error']}")
    for line in found.left_out:
        print(f"left out: {line}")
    print(f"{len(reports) - len(failed)} of {len(reports)} submissions graded; see {args.out / 'index.html'}")
    return 1 if failed else 0


def check(args: argparse.Namespace) -> int:
    """Check one notebook with the public draw, and print the verdicts."""
    if not args.notebook.is_file():
        raise CommandError(f"there is no file {args.notebook}")
    if args.notebook.suffix.lower() not in intake.SUFFIXES:
        raise CommandError(f"{args.notebook} is no .ipynb or .py file")
    slug = args.lab or _named(args.notebook)
    lab = _lab(slug, args.checks)
    run = batch.Batch(lab.slug, PUBLIC_KEY, args.checks, args.labs, strongest(self_check=True))
    with batch.grader(run) as one:
        result = one.grade(args.notebook)
    if result.error:
        print(f"{args.notebook} could not be graded: {result.error}.")
        return 1
    _show(lab, result)
    return 0


def _named(path: Path) -> str:
    from .judge import open_submission
    from .levels import SELF_CHECK
    from .workers import Workers

    workers = Workers(SELF_CHECK, ahead=0)
    try:
        worker, book = open_submission(path, workers)
        worker.close()
    except ValueError as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    finally:
        workers.close()
    if not book["lab"]:
        raise CommandError(f"{path} does not name its lab: give it with --lab, as in --lab 03_tokenization")
    return str(book["lab"])


def _show(lab: LabChecks, result: Result) -> None:
    for verdict in result.verdicts:
        print(verdict)
    for problem in result.problems:
        print(f"note: {problem}")
    print(f"{lab.slug}: {result.earned} of {lab.points()} points, in {result.seconds:.1f} s")


def main(arguments: list[str]) -> int:
    """Run a command; the exit code."""

    args = parser().parse_args(arguments)
    try:
        return grade(args) if args.command == "grade" else check(args)
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except GraderError as error:
        print(f"error of the grader, no submission's fault: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
