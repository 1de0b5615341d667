"""Run a command of the command line: a module with `add(subparsers)` and `run(args)`; turn errors into exit codes."""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

from fullstack_llm.commands import Parser, refused
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.reports.runs import RunError

from . import check, classroom, classroom_run, feedback, grade, gradescope_run, gradescope_zip, nbgrader, replay, scores
from .arguments import EXIT_CODES, CommandError

# `add` returns the command's parser, and `run` returns the exit code.
COMMANDS: tuple[ModuleType, ...] = (
    grade,
    check,
    replay,
    scores,
    feedback,
    nbgrader,
    gradescope_zip,
    gradescope_run,
    classroom,
    classroom_run,
)


def parser() -> argparse.ArgumentParser:
    """Return the argument parser with all commands."""
    top = Parser(
        prog="python -m fullstack_llm.grading",
        description="Grade labs by the values that their functions return.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands).set_defaults(run=command.run)
    return top


def main(arguments: list[str]) -> int:
    """Run a command, and return the exit code."""
    args = parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except (CommandError, RunError, OSError) as error:
        return refused(error, "error: ")
    except GraderError as error:
        print(f"error of the grader, no submission's fault: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
