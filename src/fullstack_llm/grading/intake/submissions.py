"""Find the submissions in a folder or a zip: whose each file is, and an identifier that owes nothing to its name."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from fullstack_llm.checks.show import plain
from fullstack_llm.grading.machine import scratch
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.worker.reader import MAX_FILE

from .archive import SUFFIXES, unpack

MAX_DEPTH = 16
STUDENT_FILES, STUDENT_UNPACKED, STUDENT_LINES = 2_000, 512 << 20, 50
# Of all together. A class that has more is graded in parts: nobody is left out without a word.
MAX_FILES, MAX_UNPACKED = 500_000, 32 << 30


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
    return f"s-{hashlib.sha256(student.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def digest(path: Path) -> str:
    """The SHA-256 of a file; of one that is too large to be read, its size."""
    if (size := path.stat().st_size) > MAX_FILE:
        return f"{size} bytes"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Rooms:
    """What each student takes of the room that there is for a class, so that nobody takes another's."""

    def __init__(self, owner_of: Callable[[PurePath], str]) -> None:
        self.owner_of = owner_of
        self.files, self.bytes, self.lines = Counter[str](), Counter[str](), Counter[str]()
        self.left_out: list[str] = []

    def whose(self, name: PurePath) -> tuple[str, str]:
        """The owner of a file, or nobody, with the reason."""
        try:
            return self.owner_of(name), ""
        except ValueError as error:
            return "", printable(str(error))

    def refuse(self, who: str, size: int = 0) -> str:
        """Count a file, with the bytes that unpacking it takes; why it is one too many, or nothing."""
        if self.files[who] >= STUDENT_FILES:
            return f"at most {STUDENT_FILES:,} files of a student are looked at"
        if self.bytes[who] + size > STUDENT_UNPACKED:
            return f"what the student has zipped is larger than {STUDENT_UNPACKED >> 20} MB unpacked"
        if self.files.total() >= MAX_FILES or self.bytes.total() + size > MAX_UNPACKED:
            largest = (self.bytes if self.bytes.total() else self.files).most_common(3)
            raise GraderError(
                f"the submissions hold more than {MAX_FILES:,} files, or {MAX_UNPACKED >> 30} GB unpacked, most of it "
                f"by {', '.join(printable(one) for one, _ in largest)}. Remedy: grade the class in parts"
            )
        self.files[who] += 1
        self.bytes[who] += size
        return ""

    def leave(self, who: str, sentence: str) -> None:
        """Say what is left out, as long as it is not too much of one student's."""
        self.lines[who] += 1
        if self.lines[who] <= STUDENT_LINES:
            self.left_out.append(sentence)

    def rest(self) -> Iterator[str]:
        """What was not said any more."""
        for who, count in self.lines.items():
            if count > STUDENT_LINES:
                yield f"{printable(who) or 'of no student'}: and {count - STUDENT_LINES} files more"


@contextmanager
def opened(root: Path, reports: Path | None = None, owner_of: Callable[[PurePath], str] = owner) -> Iterator[Intake]:
    """The submissions in a folder or a zip; what is unpacked lies in a private folder that ends with the block.

    `owner_of` may refuse a file by a `ValueError`, whose sentence is kept. A zip's members are those of who owns the
    zip, whatever they are called; only the zip of a class holds files of many.
    """
    with scratch.folder(scratch.SUBMISSIONS) as home:
        rooms, owned = Rooms(owner_of), dict[str, list[File]]()
        for number, (who, name, path) in enumerate(_files(root, reports, rooms)):
            if who is not None and path.suffix.lower() != ".zip":
                owned.setdefault(who, []).append(File(printable(str(name)), path))
                continue
            folder = home / str(number)
            folder.mkdir()
            for whose, file in _unpacked(who, name, path, folder, rooms):
                owned.setdefault(whose, []).append(file)
        found = Intake(left_out=[*rooms.left_out, *rooms.rest()])
        for student, files in sorted(owned.items(), key=lambda item: natural(item[0])):
            in_order = tuple(sorted(files, key=lambda file: natural(file.name)))
            found.submissions.append(Submission(identifier(student), student, printable(student), in_order))
        yield found


def _unpacked(who: str | None, name: PurePath, path: Path, folder: Path, rooms: Rooms) -> Iterator[tuple[str, File]]:
    """The files in a zip, each with its owner; in that of a class, which has none, each has its own."""

    def whose(member: PurePosixPath) -> tuple[str, str]:
        return rooms.whose(member) if who is None else (who, "")

    def refuse(member: PurePosixPath, size: int) -> str:
        mine, why = whose(member)
        return why or rooms.refuse(mine, size)

    # People often make the zip of a class from a folder, which is no student.
    out = unpack(path, printable(str(name)), folder, refuse, without_top=who is None and rooms.owner_of is owner)
    for line in out.left_out:
        rooms.leave(who or "", line)
    for member, target in out.files:
        inside = printable(str(member if who is None else name / member))
        yield whose(member.relative_to(out.top))[0], File(inside, target)


def _files(root: Path, reports: Path | None, rooms: Rooms) -> Iterator[tuple[str | None, PurePath, Path]]:
    """Files to look into, with their owners; links, hidden files and the folder of `reports` are left alone.

    The zip of a class is nobody's.
    """
    if root.is_file():
        name = PurePath(root.name)
        yield None if root.suffix.lower() == ".zip" else rooms.whose(name)[0], name, root
        return
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(root, followlinks=False, onerror=unreadable.append):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if (here / name).is_symlink()]
        mine = [name for name in folders if reports and (here / name).resolve() == reports.resolve()]
        folders[:] = [name for name in folders if name not in links + mine]
        if len(here.relative_to(root).parts) >= MAX_DEPTH and folders:
            name = here.relative_to(root)
            rooms.leave(rooms.whose(name)[0], f"{printable(str(name))}: what lies deeper than {MAX_DEPTH} folders")
            folders.clear()
        for path in (here / name for name in sorted(files) + links if not name.startswith(".")):
            name = path.relative_to(root)
            who, why = rooms.whose(name)
            if why := _fault(path) or why or rooms.refuse(who):
                rooms.leave(who, f"{printable(str(name))}: {why}")
            else:
                yield who, name, path
    for one in unreadable:
        rooms.leave("", f"{printable(str(one.filename))}: a folder that cannot be read ({one.strerror})")


def _fault(path: Path) -> str:
    """Why a file is not looked into, or nothing."""
    try:
        if path.is_symlink() or not path.is_file():
            return "a link or a special file, not followed"
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})"
    if path.suffix.lower() not in SUFFIXES | {".zip"}:
        return "no .ipynb or .py file"
    return "" if os.access(path, os.R_OK) else "a file that cannot be read (its mode keeps it from the grader)"
