"""Read and write a CSV file of another program, which must be able to read it again: other cells keep their text."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BOM = "\ufeff"
LIMIT = 64 << 20
SEPARATOR = re.compile(r"sep=([,;\t|])", re.IGNORECASE)


class SheetError(ValueError):
    """Raised for a file that is not the expected table; the message says what to do."""


@dataclass
class Sheet:
    """Hold rows of cells, the first of them the header, and how the file separates cells and rows."""

    rows: list[list[str]]
    delimiter: str = ","
    newline: str = "\n"
    bom: bool = False

    @property
    def header(self) -> list[str]:
        """Return the first row."""
        return self.rows[0]

    def column(self, *names: str) -> int | None:
        """Return the index of the first of these names that is in the header."""
        return next((self.header.index(name) for name in names if name in self.header), None)

    def column_like(self, *names: str) -> int | None:
        """Return the index of the first of these names that is in the header, whatever its case, spaces and hyphens.

        >>> Sheet([["E-Mail", " ID "]]).column_like("id", "email")
        1
        """
        header = [_letters(name) for name in self.header]
        return next((header.index(letters) for name in names if (letters := _letters(name)) in header), None)


def _letters(name: str) -> str:
    return name.casefold().translate({ord(mark): None for mark in " -_\t\xa0"})


def read(path: Path) -> Sheet:
    """Read a table as Canvas, Moodle or a spreadsheet program saves it: UTF-8, with commas, semicolons or tabs."""
    if not path.is_file():
        raise SheetError(f"there is no file {path}")
    if path.stat().st_size > LIMIT:
        raise SheetError(f"{path} is larger than {LIMIT >> 20} MB, which no class list is")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise SheetError(
            f"{path} is not UTF-8 (byte {error.start}): export it again, or save it as CSV UTF-8"
        ) from None
    bom, text = text.startswith(BOM), text.removeprefix(BOM)
    if not text.strip():
        raise SheetError(f"{path} is empty")
    # A spreadsheet program may begin with a line that names the separator, and people leave lines free.
    lines = text.splitlines(keepends=True)
    named = SEPARATOR.fullmatch(lines[0].strip())
    if named:
        lines = lines[1:]
    while lines and not lines[0].strip():
        lines = lines[1:]
    if not lines:
        raise SheetError(f"{path} is empty")
    text = "".join(lines)
    delimiter = named[1] if named else max(",;\t", key=lines[0].count)
    newline = "\r\n" if "\r\n" in text else "\n"
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise SheetError(f"{path} is not a CSV file ({error}): export it again") from None
    return Sheet(rows, delimiter, newline, bom)


def write(path: Path, sheet: Sheet) -> None:
    """Write the table to a file, whole or not at all."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=sheet.delimiter, lineterminator=sheet.newline).writerows(sheet.rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(((BOM if sheet.bom else "") + text.getvalue()).encode())
    os.replace(part, path)  # noqa: PTH105 (the file is there whole, or the old one is)


def listing(names: Iterable[str], limit: int = 12) -> str:
    """Join names for a sentence, at most `limit` of them.

    >>> listing(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    stripped = [name.strip() for name in names]
    more = len(stripped) - limit
    return ", ".join(stripped[:limit]) + (f" and {more} more" if more > 0 else "")
