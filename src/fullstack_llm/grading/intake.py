"""Find the submissions in a folder or a zip: whose each file is, and an identifier that owes nothing to its name."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from ..checks.show import plain
from . import scratch
from .archive import SUFFIXES, unpack
from .notebook import MAX_FILE

MAX_DEPTH = 16
MAX_FILES = 50_000
MAX_UNPACKED = 8 << 30


@dataclass(frozen=True)
class File:
    """A file that may be graded; `name` is its path under the root, made printable."""

    name: str
    path: Path


@dataclass(frozen=True)
class Submission:
    """What one student handed in, by natural order of names; `id` names the reports, `student` shows the owner."""

    id: str
    owner: str
    student: str
    files: tuple[File, ...]


@dataclass
class Intake:
    """What a folder or a zip holds: submissions in order, and what was left out, as sentences."""

    submissions: list[Submission] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def owner(path: PurePath) -> str:
    """The student to whom a file belongs: the first folder under the root, or the file's stem if it lies in the root.

    >>> owner(PurePath("ada/week 3/lab.ipynb")), owner(PurePath("bo.ipynb"))
    ('ada', 'bo')
    """
    return path.parts[0] if len(path.parts) > 1 else path.stem


def natural(name: str) -> tuple[tuple[str, int, str], ...]:
    """A key that sorts numbers by value, and a name before the same name with something behind it.

    >>> sorted(["lab (10).ipynb", "lab (2).ipynb", "lab.ipynb"], key=natural)
    ['lab.ipynb', 'lab (2).ipynb', 'lab (10).ipynb']
    """
    stem, _, suffix = unicodedata.normalize("NFKC", name).casefold().rpartition(".")
    pieces = [piece.lstrip("0") if piece.isdecimal() else piece for piece in re.split(r"(\d+)", stem)]
    # By length first, a number needs no conversion, whatever its length.
    numbers = [(pieces[i], len(pieces[i + 1]), pieces[i + 1]) for i in range(0, len(pieces) - 1, 2)]
    return (*numbers, (pieces[-1], -1, suffix))


def printable(text: str) -> str:
    """A name in one line, whatever it holds."""
    return plain(text, 200).replace("\n", "\\n")


def identifier(student: str) -> str:
    """From the hash of a student's name: the same in every run, and safe in any path."""
    return f"s-{hashlib.sha256(student.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def digest(path: Path) -> str:
    """The SHA-256 of a file; of one that is too large to be read, its size."""
    if (size := path.stat().st_size) > MAX_FILE:
        return f"{size} bytes"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(root: Path, reports: Path | None = None, owner_of: Callable[[PurePath], str] = owner) -> Iterator[Intake]:
    """The submissions in a folder or a zip; what is unpacked lies in a private folder that ends with the block.

    `owner_of` may refuse a file by a `ValueError`, whose sentence is kept.
    """
    with scratch.folder("submissions-run-") as home:
        found = Intake()
        owned: dict[str, list[File]] = {}
        for name, file in _unpacked(root, reports, home, found.left_out, owner_of is owner):
            try:
                owned.setdefault(owner_of(name), []).append(file)
            except ValueError as error:
                found.left_out.append(f"{file.name}: {error}")
        for student, files in sorted(owned.items(), key=lambda item: natural(item[0])):
            in_order = tuple(sorted(files, key=lambda file: natural(file.name)))
            found.submissions.append(Submission(identifier(student), student, printable(student), in_order))
        yield found


def _unpacked(
    root: Path, reports: Path | None, home: Path, left_out: list[str], without_top: bool
) -> Iterator[tuple[PurePath, File]]:
    """Each file that may be graded, with the path by which its owner is told."""
    room = MAX_UNPACKED
    for number, (name, path) in enumerate(_files(root, reports, left_out)):
        if path.suffix.lower() != ".zip":
            yield name, File(printable(str(name)), path)
            continue
        folder = home / str(number)
        folder.mkdir()
        unpacked = unpack(path, printable(str(name)), folder, room)
        left_out += unpacked.left_out
        room -= sum(target.stat().st_size for _, target in unpacked.files)
        if path == root:
            # The zip of a class; people often make it from a folder, which is no student.
            top = _common([member for member, _ in unpacked.files]) if without_top else PurePosixPath()
            for member, target in unpacked.files:
                yield member.relative_to(top), File(printable(str(member)), target)
        else:
            # A student's zip in the folder counts as a folder of that name.
            for member, target in unpacked.files:
                yield name.with_suffix("") / member, File(printable(str(name / member)), target)


def _common(names: list[PurePosixPath]) -> PurePosixPath:
    """The one folder that holds all the others, if there is one."""
    tops = {name.parts[0] for name in names}
    return PurePosixPath(*tops) if len(tops) == 1 and all(len(name.parts) > 1 for name in names) else PurePosixPath()


def _files(root: Path, reports: Path | None, left_out: list[str]) -> Iterator[tuple[PurePath, Path]]:
    """Files to look into; links, hidden files and the folder of `reports` are left alone."""
    if root.is_file():
        yield PurePath(root.name), root
        return
    count = 0
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(root, followlinks=False, onerror=unreadable.append):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if (here / name).is_symlink()]
        mine = [name for name in folders if reports and (here / name).resolve() == reports.resolve()]
        folders[:] = [name for name in folders if name not in links + mine]
        if len(here.relative_to(root).parts) >= MAX_DEPTH and folders:
            left_out.append(f"{printable(os.path.relpath(here, root))}: what lies deeper than {MAX_DEPTH} folders")
            folders.clear()
        for name in sorted(files) + links:
            path = here / name
            count += 1
            if count > MAX_FILES:
                left_out.append(f"everything after the first {MAX_FILES:,} files: grade the folder in parts")
                return
            if name.startswith("."):
                continue
            if path.is_symlink() or not path.is_file():
                left_out.append(f"{printable(str(path.relative_to(root)))}: a link or a special file, not followed")
            elif path.suffix.lower() not in SUFFIXES | {".zip"}:
                left_out.append(f"{printable(str(path.relative_to(root)))}: no .ipynb or .py file")
            else:
                yield path.relative_to(root), path
    left_out += [f"{printable(str(one.filename))}: a folder that cannot be read ({one.strerror})" for one in unreadable]
