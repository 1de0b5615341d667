"""Unpack the notebooks and scripts of a zip under new names; members that could do harm are refused with a sentence."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from fullstack_llm.checks.show import plain
from fullstack_llm.worker.reader import MAX_FILE

from .files import descriptor
from .kinds import can_be_graded, is_added, kind, named_like, of_programs

NO_MEMBER = PurePosixPath()
NEITHER = "no .ipynb or .py file"
PROGRAMS_SKIPPED = "an environment, a repository or checkpoints, not looked into"
# The flag of a name in UTF-8.
UTF_8 = 0x800
MAX_MEMBERS = 20_000
MAX_DIRECTORY = 8 << 20
MAX_NAME = 1_000
# A notebook of printed lines compresses to a fiftieth; a large member that compresses to less was made for that.
MAX_RATIO, RATIO_FROM = 200, 16 << 20
MAX_SHOWN = 50
CHUNK = 1 << 20
# With other methods, a few bytes can unpack into one huge piece; every ordinary tool writes these two.
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, IndexError, NotImplementedError, RuntimeError, OverflowError),
)


@dataclass
class Unpacked:
    """Hold the unpacked files, each with its name in the zip and its new path, and of each refused member a sentence.

    `top` is the single top folder of the zip, if there is one and the caller asked for it.
    """

    top: PurePosixPath = field(default_factory=PurePosixPath)
    files: list[tuple[PurePosixPath, Path]] = field(default_factory=list)
    left_out: list[tuple[PurePosixPath, str]] = field(default_factory=list)


class _Bounded(io.FileIO):
    """A file that refuses large reads: zipfile reads the directory in one piece, of the length that the file claims."""

    def read(self, size: int | None = -1, /) -> bytes:
        size = -1 if size is None else size
        left = os.fstat(self.fileno()).st_size - self.tell()
        if (left if size < 0 else min(size, left)) > MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has more than {MAX_DIRECTORY >> 20} MB")
        return super().read(size) or b""


def unpack(
    path: Path,
    shown: str,
    folder: Path,
    refuse: Callable[[PurePosixPath, int], str],
    zips: bool = False,
    slug: str | None = None,
) -> Unpacked:
    """Write the notebooks and scripts of a zip to the folder; `shown` names the zip in sentences.

    `refuse` gets a member's name and size, and returns a reason or "". With `zips`, zips are written too. With the slug
    of a lab, or "", names are those below the single top folder of a class.
    """
    out = Unpacked()
    try:
        fd = descriptor(path)
    except ValueError as error:
        out.left_out.append((NO_MEMBER, f"{shown}: {error}"))
        return out
    with _Bounded(fd) as file:
        try:
            archive = zipfile.ZipFile(file)
            members = _members(archive, os.fstat(file.fileno()).st_size)
            wanted = list(_wanted(members, shown, out, zips))
        except DAMAGE as error:
            out.left_out.append((NO_MEMBER, f"{shown}: a zip that cannot be read ({_message(error)})"))
            return out
        out.top = _common(members, slug) if slug is not None else PurePosixPath()
        for number, (name, member) in enumerate(wanted):
            target = folder / f"{number}{kind(name.name)}"
            short = name.relative_to(out.top) if out.top.parts else name
            if why := refuse(short, member.file_size) or _write(archive, member, target):
                target.unlink(missing_ok=True)
                out.left_out.append((name, f"{_inside(shown, _name(member))}: {why}"))
                continue
            out.files.append((name, target))
    if len(out.left_out) > MAX_SHOWN and not zips:
        out.left_out[MAX_SHOWN:] = [(NO_MEMBER, f"{shown}: and {len(out.left_out) - MAX_SHOWN} members more")]
    return out


def _common(members: list[zipfile.ZipInfo], slug: str) -> PurePosixPath:
    """Return the single top folder of the members, or an empty path if there are several, or if it is a student's."""
    names = [name for member in members if not member.filename.endswith("/") and not is_added(name := _path(member))]
    names = [name for name in names if not _leads_out(name) and not of_programs(name)]
    tops = {name.parts[0] for name in names}
    if len(tops) != 1 or any(len(name.parts) == 1 for name in names):
        return PurePosixPath()
    # A class's folder holds folders, or files that have names of students; a student's holds a file named as the lab.
    flat = all(len(name.parts) == 2 for name in names)
    graded = [name for name in names if can_be_graded(name.name)]
    own = len(graded) == 1 or any(slug and named_like(name.name[: len(slug)], slug) for name in names)
    return PurePosixPath() if flat and own else PurePosixPath(*tops)


def _members(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise zipfile.BadZipFile(f"it has {len(members):,} members; at most {MAX_MEMBERS:,} are read")
    # Overlapping members unpack a small zip into much data, though each stays within MAX_RATIO.
    ends = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < ends:
            raise zipfile.BadZipFile("its members overlap")
        ends = member.header_offset + 30 + member.compress_size
    if ends > size:
        raise zipfile.BadZipFile("it is cut off")
    return members


def _wanted(
    members: list[zipfile.ZipInfo], shown: str, out: Unpacked, zips: bool
) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    last = {_path(member): member for member in members}
    programs = set[PurePath]()
    for member in members:
        name = _path(member)
        # Not `is_dir`, which fails for an empty name.
        if member.filename.endswith("/") or is_added(name):
            continue
        if program := of_programs(name):
            if program not in programs:
                out.left_out.append((name, f"{_inside(shown, str(program))}: {PROGRAMS_SKIPPED}"))
            programs.add(program)
            continue
        if why := _fault(member, name, zips) or (
            "" if last[name] is member else "the zip holds a later file of this name"
        ):
            # A name that leads out of the zip leads to no student.
            out.left_out.append((NO_MEMBER if _leads_out(name) else name, f"{_inside(shown, _name(member))}: {why}"))
        else:
            yield name, member


def _leads_out(name: PurePosixPath) -> bool:
    return not name.parts or name.is_absolute() or ".." in name.parts or name.parts[0][1:2] == ":"


def _path(member: zipfile.ZipInfo) -> PurePosixPath:
    # Some tools on Windows write backslashes.
    return PurePosixPath(_name(member).replace("\\", "/"))


def _name(member: zipfile.ZipInfo) -> str:
    """Return a member's name; many programs write UTF-8 and do not say so."""
    try:
        return member.filename if member.flag_bits & UTF_8 else member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _fault(member: zipfile.ZipInfo, name: PurePosixPath, zips: bool) -> str:
    """Return the reason to refuse a member, or ""."""
    mode = stat.S_IFMT(member.external_attr >> 16)
    if _leads_out(name):
        return "its name leads out of the zip"
    if len(member.filename) > MAX_NAME:
        return f"its name has more than {MAX_NAME:,} characters"
    if mode not in (0, stat.S_IFREG):
        return "a link or a special file, which is not followed"
    if kind(name.name) == ".zip" and not zips:
        return "a zip inside a student's zip, which is not opened"
    if not kind(name.name):
        return NEITHER
    if member.flag_bits & 0x1:
        return "it is encrypted: ask for a zip without a password"
    if member.compress_type not in METHODS:
        return "it is compressed by an uncommon method: ask for an ordinary zip"
    if member.file_size > MAX_FILE:
        return f"it has {member.file_size >> 20:,} MB unpacked; at most {MAX_FILE >> 20} MB are read: clear its outputs"
    if member.file_size > RATIO_FROM and member.file_size > MAX_RATIO * member.compress_size:
        return f"it unpacks to more than {MAX_RATIO} times its size: hand it in as it is, not in a zip"
    return ""


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> str:
    """Unpack a member, of which zipfile reads at most the declared size; return what is wrong with it, or ""."""
    with target.open("xb") as file:
        chunks = _chunks(archive, member)
        while True:
            try:
                chunk = next(chunks)
            except StopIteration:
                return ""
            except DAMAGE as error:
                return f"it is damaged ({_message(error)})"
            # Outside the `try`: an error of the disk is not a fault of the zip.
            file.write(chunk)


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(member) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _message(error: BaseException) -> str:
    return plain(str(error) or type(error).__name__, 200)


def _inside(shown: str, name: str) -> str:
    return f"{shown}/{plain(name, 200)}".replace("\n", "\\n")
