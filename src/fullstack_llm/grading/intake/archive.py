"""Take the notebooks and scripts out of a zip under names of our own; what could do harm stays in, with a sentence."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fullstack_llm.checks.show import plain
from fullstack_llm.worker.reader import MAX_FILE

SUFFIXES = {".ipynb", ".py"}
MAX_MEMBERS = 20_000
MAX_DIRECTORY = 8 << 20
MAX_NAME = 1_000
# A notebook of printed lines shrinks to a fiftieth; from this size on, what shrinks more is made to.
MAX_RATIO, RATIO_FROM = 200, 16 << 20
MAX_SHOWN = 50
CHUNK = 1 << 20
# Other methods give out whatever a few bytes ask for in one piece; every tool writes these two.
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, IndexError, NotImplementedError, RuntimeError, OverflowError),
)


@dataclass
class Unpacked:
    """What came out of a zip: each file's name in it and where it is now, and what was left out, as sentences.

    `top` is the one folder that holds all the others, if there is one and it was to be looked for.
    """

    top: PurePosixPath = field(default_factory=PurePosixPath)
    files: list[tuple[PurePosixPath, Path]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class _Bounded(io.FileIO):
    """A file that is never read in large pieces: zipfile reads a directory, whose length the file claims, in one."""

    def read(self, size: int | None = -1, /) -> bytes:
        size = -1 if size is None else size
        left = os.fstat(self.fileno()).st_size - self.tell()
        if (left if size < 0 else min(size, left)) > MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has more than {MAX_DIRECTORY >> 20} MB")
        return super().read(size) or b""


def unpack(
    path: Path, shown: str, folder: Path, refuse: Callable[[PurePosixPath, int], str], without_top: bool = False
) -> Unpacked:
    """Write the `.ipynb` and `.py` members to the folder; `shown` names the zip in sentences.

    `refuse` is told a member's name, below the top where that is looked for, and its bytes, and says why not.
    """
    out = Unpacked()
    with _Bounded(path) as file:
        try:
            archive = zipfile.ZipFile(file)
            members = _members(archive, path.stat().st_size)
            wanted = list(_wanted(members, shown, out))
        except DAMAGE as error:
            out.left_out.append(f"{shown}: a zip that cannot be read ({_said(error)})")
            return out
        out.top = _common(members) if without_top else PurePosixPath()
        for number, (name, one) in enumerate(wanted):
            target = folder / f"{number}{name.suffix.lower()}"
            short = name.relative_to(out.top) if out.top.parts else name
            if why := refuse(short, one.file_size) or _write(archive, one, target):
                target.unlink(missing_ok=True)
                out.left_out.append(f"{_inside(shown, one.filename)}: {why}")
                continue
            out.files.append((name, target))
    if len(out.left_out) > MAX_SHOWN:
        out.left_out[MAX_SHOWN:] = [f"{shown}: and {len(out.left_out) - MAX_SHOWN} members more"]
    return out


def _common(members: list[zipfile.ZipInfo]) -> PurePosixPath:
    """The one folder that holds all the others, of whatever kind, if there is one."""
    names = [name for one in members if not one.filename.endswith("/") and not _hidden(name := _path(one))]
    names = [name for name in names if not _leads_out(name)]
    tops = {name.parts[0] for name in names}
    return PurePosixPath(*tops) if len(tops) == 1 and all(len(name.parts) > 1 for name in names) else PurePosixPath()


def _members(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise zipfile.BadZipFile(f"it has {len(members):,} members; at most {MAX_MEMBERS:,} are read")
    # Members that share their bytes make a small file unfold into a large one, each within its ratio.
    ends = 0
    for one in sorted(members, key=lambda one: one.header_offset):
        if one.header_offset < ends:
            raise zipfile.BadZipFile("its members overlap")
        ends = one.header_offset + 30 + one.compress_size
    if ends > size:
        raise zipfile.BadZipFile("it is cut off")
    return members


def _wanted(
    members: list[zipfile.ZipInfo], shown: str, out: Unpacked
) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    last = {_path(one): one for one in members}
    for one in members:
        name = _path(one)
        # Not `is_dir`, which looks for the last letter of a name that may have none.
        if one.filename.endswith("/") or _hidden(name):
            continue
        if why := _fault(one, name) or ("" if last[name] is one else "the zip holds a later file of this name"):
            out.left_out.append(f"{_inside(shown, one.filename)}: {why}")
        else:
            yield name, one


def _hidden(name: PurePosixPath) -> bool:
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in name.parts)


def _leads_out(name: PurePosixPath) -> bool:
    return not name.parts or name.is_absolute() or ".." in name.parts or name.parts[0][1:2] == ":"


def _path(one: zipfile.ZipInfo) -> PurePosixPath:
    # Some tools on Windows write their own separators.
    return PurePosixPath(one.filename.replace("\\", "/"))


def _fault(one: zipfile.ZipInfo, name: PurePosixPath) -> str:
    """Why a member stays in the zip, or nothing."""
    kind = stat.S_IFMT(one.external_attr >> 16)
    if _leads_out(name):
        return "its name leads out of the zip"
    if len(one.filename) > MAX_NAME:
        return f"its name has more than {MAX_NAME:,} characters"
    if kind not in (0, stat.S_IFREG):
        return "a link or a special file, which is not followed"
    if name.suffix.lower() == ".zip":
        return "a zip inside a zip, which is not opened"
    if name.suffix.lower() not in SUFFIXES:
        return "no .ipynb or .py file"
    if one.flag_bits & 0x1:
        return "it is encrypted: ask for a zip without a password"
    if one.compress_type not in METHODS:
        return "it is compressed by an uncommon method: ask for an ordinary zip"
    if one.file_size > MAX_FILE:
        return f"it has {one.file_size >> 20:,} MB unpacked; at most {MAX_FILE >> 20} MB are read: clear its outputs"
    if one.file_size > RATIO_FROM and one.file_size > MAX_RATIO * one.compress_size:
        return f"it unpacks to more than {MAX_RATIO} times its size: hand it in as it is, not in a zip"
    return ""


def _write(archive: zipfile.ZipFile, one: zipfile.ZipInfo, target: Path) -> str:
    """Unpack one member; what is wrong with it, or nothing. zipfile reads no more than the size that it declares."""
    with target.open("xb") as file:
        chunks = _chunks(archive, one)
        while True:
            try:
                chunk = next(chunks)
            except StopIteration:
                return ""
            except DAMAGE as error:
                return f"it is damaged ({_said(error)})"
            # Out of the `try`: a full disk here is no fault of the zip.
            file.write(chunk)


def _chunks(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(one) as member:
        while chunk := member.read(CHUNK):
            yield chunk


def _said(error: BaseException) -> str:
    return plain(str(error) or type(error).__name__, 200)


def _inside(shown: str, name: str) -> str:
    return f"{shown}/{plain(name, 200)}".replace("\n", "\\n")
