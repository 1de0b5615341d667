"""Common arguments of the commands, the lookup of a lab, the class key, and the error for a wrong argument."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path
from typing import Any

from fullstack_llm.checks import declared, recorded
from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.draws import PUBLIC_KEY, seeds
from fullstack_llm.grading.judge import lab_cells

MAX_KEY = 4096
EXIT_CODES = """exit codes:
  0    everything was graded (whatever it earned)
  1    everything was tried, and some files could not be read; the report says which
  2    a wrong argument, or an error of the grader itself; what was graded until then is kept
  130  interrupted; what was graded until then is in the report, and the same command goes on
"""


class CommandError(Exception):
    """An argument is wrong; the message is a sentence."""


def add_command(subparsers: Any, name: str, purpose: str) -> argparse.ArgumentParser:
    """Return the parser of a new command, with the options `--checks` and `--labs`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=EXIT_CODES,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--checks", type=Path, default=declared.FOLDER, help="folder of labs' packages, if not ours")
    parser.add_argument("--labs", type=Path, default=lab_cells.FOLDER, help="folder of the labs' own notebooks")
    return parser


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keep the line breaks of an epilog, such as the table of exit codes."""


def find_lab(slug: str, folder: Path) -> LabChecks:
    """Return the checks of a lab; raise `CommandError` if the folder, the lab or its checks cannot be loaded."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder of labs' packages")
    try:
        return declared.find(slug, folder)
    except LookupError as error:
        raise CommandError(str(error.args[0])) from None
    except Exception as error:
        raise CommandError(f"the checks in {folder} cannot be loaded ({type(error).__name__}: {error})") from None


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the options `--key-file` and `--key`, of which at most one may be given."""
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--key-file", type=Path, help="file with the class key, from which inputs are drawn")
    keys.add_argument(
        "--key",
        help="the class key itself, which everyone on this machine can see while the command runs (in ps): "
        "rather use --key-file (default: the inputs that notebooks show)",
    )


def require_name(out: Path, what: str) -> None:
    """Raise `CommandError` if `--out` cannot be the name of a file."""
    if not out.name or out.is_dir():
        raise CommandError(f"--out {out} is a folder, and {what} is to be written: give its name")


def class_seeds(args: argparse.Namespace, lab: LabChecks) -> dict[str, str]:
    """Return the seed of each check, by its label, from the class key in the options."""
    return known(lab, seeds(lab, class_key(args)))


def known(lab: LabChecks, drawn: dict[str, str]) -> dict[str, str]:
    """Return the seeds; raise `CommandError` if this copy of the course has no answers for what they draw."""
    for check in lab.checks:
        if check.declared.recorded and check.label in drawn:
            try:
                recorded.read(check.declared.recorded, check.label, drawn[check.label])
            except recorded.NotRecordedError as error:
                raise CommandError(str(error)) from None
    return drawn


def class_key(args: argparse.Namespace) -> bytes:
    """Return the class key from the options, or the public key if there is none."""
    if args.key is not None:
        if not args.key.strip():
            raise CommandError("--key is empty: give a key, or leave it out for the inputs that notebooks show")
        return str(args.key).strip().encode("utf-8", "surrogateescape")
    if args.key_file is None:
        return PUBLIC_KEY
    path: Path = args.key_file
    if not path.is_file():
        raise CommandError(f"there is no file {path} (--key-file)")
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise CommandError(f"everyone on this machine can read the key in {path}: chmod 600 {path}")
    if path.stat().st_size > MAX_KEY:
        raise CommandError(f"{path} has more than {MAX_KEY} bytes, and is hardly a key (--key-file)")
    if not (key := path.read_bytes().strip()):
        raise CommandError(f"{path} is empty: write the key into it (--key-file)")
    return key
