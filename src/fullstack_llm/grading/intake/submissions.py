"""Find the submissions in a folder or a zip: the owner of each file, and an identifier for each student."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from fullstack_llm.grading.machine import scratch

from .archive import NEITHER, PROGRAMS_SKIPPED, unpack
from .kinds import is_added, kind, of_programs
from .quotas import Quotas, printable

MAX_DEPTH = 16


@dataclass(frozen=True)
class File:
    """Hold a file that may be graded: `name` is its printable path under the root, `late` the system's word."""

    name: str
    path: Path
    late: bool = False


@dataclass(frozen=True)
class Submission:
    """Hold one student's files, in natural order of names; `id` names the reports, `student` is the printable owner.

    `why` says why a student who handed something in has no file that can be graded.
    """

    id: str
    owner: str
    student: str
    files: tuple[File, ...]
    why: str = ""


@dataclass
class Intake:
    """Hold the submissions of a folder or a zip, in order, and a sentence for each file that was left out."""

    submissions: list[Submission] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def owner(path: PurePath) -> str:
    """Return the student to whom a file belongs: the first folder under the root, or the stem of a file in the root.

    >>> owner(PurePath("ada/week 3/lab.ipynb")), owner(PurePath("bo.ipynb"))
    ('ada', 'bo')
    """
    return path.parts[0] if len(path.parts) > 1 else path.stem


def natural(name: str) -> tuple[tuple[str, int, str], ...]:
    """Return a sort key that orders numbers by value, and a name before the same name with a suffix.

    >>> sorted(["lab (10).ipynb", "lab (2).ipynb", "lab.ipynb"], key=natural)
    ['lab.ipynb', 'lab (2).ipynb', 'lab (10).ipynb']
    """
    stem, _, suffix = unicodedata.normalize("NFKC", name).casefold().rpartition(".")
    pieces = [piece.lstrip("0") if piece.isdecimal() else piece for piece in re.split(r"(\d+)", stem)]
    # Comparing the length first, then the digits, needs no conversion of a number of any length.
    numbers = [(pieces[i], len(pieces[i + 1]), pieces[i + 1]) for i in range(0, len(pieces) - 1, 2)]
    return (*numbers, (pieces[-1], -1, suffix))


def identifier(student: str) -> str:
    """Return an identifier from the hash of a student's name: the same in every run, and safe in any path."""
    return f"s-{hashlib.sha256(student.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


@contextmanager
def opened(
    root: Path, reports: Path | None = None, owner_of: Callable[[PurePath], str] = owner, lab: str = ""
) -> Iterator[Intake]:
    """Find the submissions in a folder or a zip; zips are unpacked to a temporary folder that ends with the block.

    `owner_of` may refuse a file by a `ValueError`, whose message is kept. The members of a student's zip belong to that
    student, whatever their names; the zip of a whole class holds files and zips of many students. A student of whom all
    was left out has a submission without files, which says why. `lab` is the slug by which files may be named.
    """
    with scratch.folder(scratch.SUBMISSIONS) as home:
        quotas, owned = Quotas(owner_of), dict[str, list[File]]()
        for number, (student, name, path) in enumerate(_files(root, reports, quotas)):
            if student is not None and kind(path.name) != ".zip":
                owned.setdefault(student, []).append(File(printable(str(name)), path))
                continue
            folder = home / str(number)
            folder.mkdir()
            for file_owner, file in _unpacked(student, name, path, folder, quotas, lab):
                owned.setdefault(file_owner, []).append(file)
        intake = Intake(left_out=[*quotas.left_out, *quotas.unlisted()])
        for student, files in sorted(owned.items(), key=lambda item: natural(item[0])):
            in_order = tuple(sorted(files, key=lambda file: natural(file.name)))
            intake.submissions.append(Submission(identifier(student), student, printable(student), in_order))
        for student in sorted(quotas.first.keys() - owned.keys() - {""}, key=natural):
            why = f"none of the files can be graded: {quotas.first[student]}"
            intake.submissions.append(Submission(identifier(student), student, printable(student), (), why))
        yield intake


def _unpacked(
    student: str | None, name: PurePath, path: Path, folder: Path, quotas: Quotas, lab: str
) -> Iterator[tuple[str, File]]:
    """Unpack a zip; yield each file with its owner, which is the zip's, or in the zip of a class each file's own.

    The zips in the zip of a class are their students', and are unpacked too; those in a student's zip are not.
    """

    def member_owner(member: PurePosixPath) -> tuple[str, str]:
        return quotas.owner_or_reason(member) if student is None else (student, "")

    def refuse(member: PurePosixPath, size: int) -> str:
        member_of, why = member_owner(member)
        return why or quotas.refuse(member_of, size)

    # The zip of a class is often made from one folder, whose name is not a student.
    slug = lab if student is None and quotas.owner_of is owner else None
    out = unpack(path, printable(str(name)), folder, refuse, zips=student is None, slug=slug)
    for member, line in out.left_out:
        short = member.relative_to(out.top) if out.top in member.parents else member
        # As in a folder: a file of the course beside the submissions is no student.
        beside = slug is not None and len(short.parts) == 1 and line.endswith(NEITHER)
        quotas.leave_out("" if beside else member_owner(short)[0] if member.parts else student or "", line)
    for number, (member, target) in enumerate(out.files):
        inside = member if student is None else name / member
        of = member_owner(member.relative_to(out.top))[0]
        if kind(target.name) == ".zip":
            below = folder / f"in-{number}"
            below.mkdir()
            yield from _unpacked(of, inside, target, below, quotas, lab)
        else:
            yield of, File(printable(str(inside)), target)


def _files(root: Path, reports: Path | None, quotas: Quotas) -> Iterator[tuple[str | None, PurePath, Path]]:
    """Yield the owner, name and path of each file; links, hidden files and the folder of `reports` are skipped.

    The zip of a whole class has the owner None.
    """
    if root.is_file():
        name = PurePath(root.name)
        yield None if kind(root.name) == ".zip" else quotas.owner_or_reason(name)[0], name, root
        return
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(root, followlinks=False, onerror=unreadable.append):
        here = Path(folder)
        for program in [name for name in folders if of_programs((here / name).relative_to(root))]:
            name = (here / program).relative_to(root)
            quotas.leave_out(quotas.owner_or_reason(name)[0], f"{printable(str(name))}: {PROGRAMS_SKIPPED}")
            folders.remove(program)
        folders[:] = sorted(name for name in folders if not is_added(PurePath(name)))
        links = [name for name in folders if (here / name).is_symlink()]
        own = [name for name in folders if reports and (here / name).resolve() == reports.resolve()]
        folders[:] = [name for name in folders if name not in links + own]
        if len(here.relative_to(root).parts) >= MAX_DEPTH and folders:
            name = here.relative_to(root)
            quotas.leave_out(
                quotas.owner_or_reason(name)[0], f"{printable(str(name))}: what lies deeper than {MAX_DEPTH} folders"
            )
            folders.clear()
        seen = [name for name in sorted(files) + links if not is_added(PurePath(name))]
        for path in (here / name for name in seen):
            name = path.relative_to(root)
            student, why = quotas.owner_or_reason(name)
            if why := _fault(path) or why or quotas.refuse(student):
                # A file of the course that lies beside the submissions is no student.
                beside = len(name.parts) == 1 and quotas.owner_of is owner and why == NEITHER
                quotas.leave_out("" if beside else student, f"{printable(str(name))}: {why}")
            else:
                yield student, name, path
    for error in unreadable:
        quotas.leave_out("", f"{printable(str(error.filename))}: a folder that cannot be read ({error.strerror})")


def _fault(path: Path) -> str:
    """Return the reason why a file is not looked into, or ""."""
    try:
        if path.is_symlink() or not path.is_file():
            return "a link or a special file, not followed"
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})"
    if not kind(path.name):
        return NEITHER
    return "" if os.access(path, os.R_OK) else "a file that cannot be read (its mode keeps it from the grader)"
