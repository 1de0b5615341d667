"""What the commands of the course share: numbers with bounds, and errors that are one sentence. Standard library only.

>>> whole(1)("3"), brief("There is no lab " + "x" * 900, 40)
(3, 'There is no lab xxxxxx ... xxxxxxxxxxxxx')
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

LIMIT = 500


def brief(text: str, limit: int = LIMIT) -> str:
    """Return a text on one line, and of a long one the beginning and the end."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit // 2 + 2]} ... {line[-(limit - limit // 2 - 7) :]}"


def refused(error: BaseException, prefix: str = "") -> int:
    """Print an error as one sentence on standard error; return the exit status of a command that did nothing, 2."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename or 'a file that cannot be read or written'}"
    else:
        text = str(error.args[0] if isinstance(error, LookupError) and error.args else error) or type(error).__name__
    # A name may hold bytes that are no text, and a terminal would refuse them.
    print(f"{prefix}{brief(text)}".encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
    return 2


def in_sentences(main: Callable[..., int]) -> Callable[..., int]:
    """Wrap a command so that what the file system refuses is a sentence: a full disk, say, or a closed folder."""

    @functools.wraps(main)
    def wrapped(*arguments: Any) -> int:
        try:
            return main(*arguments)
        except UnicodeDecodeError as error:
            return refused(ValueError(f"A file is no text in UTF-8 ({error})."))
        except OSError as error:
            return refused(error)

    return wrapped


def whole(least: int, most: int = 1_000_000) -> Callable[[str], int]:
    """Return a type for an argument: a whole number within these bounds."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least:,} to {most:,}")
        return value

    return number


class Parser(argparse.ArgumentParser):
    """A parser of arguments that says what is wrong on one line, however long the wrong value is."""

    def error(self, message: str) -> Any:
        """End with the usage, the message on one line, and the status 2."""
        super().error(brief(message))

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse arguments, of which `--option=--` would give a list to the option (Python 3.11 to 3.12)."""
        given = sys.argv[1:] if args is None else list(args)
        for one in given[: given.index("--") if "--" in given else None]:
            if one.startswith("--") and one.partition("=")[2] == "--":
                self.error(f"argument {one.partition('=')[0]}: -- is no value for it")
        return super().parse_known_args(given, namespace)
