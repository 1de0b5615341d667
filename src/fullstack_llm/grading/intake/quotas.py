"""Count files, bytes and lines of each student, so that no student uses up the limits of the class."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePath

from fullstack_llm.checks.show import one_line
from fullstack_llm.grading.machine.errors import GraderError

STUDENT_FILES, STUDENT_UNPACKED, STUDENT_LINES = 2_000, 512 << 20, 50
# For the whole class. With more, the run stops and says so: no student is left out silently.
MAX_FILES, MAX_UNPACKED = 500_000, 32 << 30


def printable(text: str) -> str:
    """Return the text as one printable line."""
    return one_line(text, 200)


class Quotas:
    """Count files, bytes and lines of each student, so that no student uses up the limits of the class."""

    def __init__(self, owner_of: Callable[[PurePath], str]) -> None:
        self.owner_of = owner_of
        self.files, self.bytes, self.lines = Counter[str](), Counter[str](), Counter[str]()
        self.left_out: list[str] = []
        # Of each student, the first sentence about a file that was left out.
        self.first: dict[str, str] = {}

    def owner_or_reason(self, name: PurePath) -> tuple[str, str]:
        """Return the owner of a file and "", or "" and the reason why the file has no owner.

        One name has two spellings in Unicode, and computers differ in which of them they write.
        """
        try:
            return self.owner_of(PurePath(unicodedata.normalize("NFC", str(name)))), ""
        except ValueError as error:
            return "", printable(str(error))

    def refuse(self, student: str, size: int = 0) -> str:
        """Count a file and the bytes that it takes unpacked; return the reason to refuse it, or ""."""
        if self.files[student] >= STUDENT_FILES:
            return f"at most {STUDENT_FILES:,} files of a student are looked at"
        if self.bytes[student] + size > STUDENT_UNPACKED:
            return f"what the student has zipped is larger than {STUDENT_UNPACKED >> 20} MB unpacked"
        if self.files.total() >= MAX_FILES or self.bytes.total() + size > MAX_UNPACKED:
            largest = (self.bytes if self.bytes.total() else self.files).most_common(3)
            raise GraderError(
                f"the submissions hold more than {MAX_FILES:,} files, or {MAX_UNPACKED >> 30} GB unpacked, most of it "
                f"by {', '.join(printable(name) for name, _ in largest)}. Remedy: grade the class in parts"
            )
        self.files[student] += 1
        self.bytes[student] += size
        return ""

    def leave_out(self, student: str, sentence: str) -> None:
        """Keep a sentence about a file that is left out; beyond a number of lines for each student, only count it."""
        self.lines[student] += 1
        self.first.setdefault(student, sentence)
        if self.lines[student] <= STUDENT_LINES:
            self.left_out.append(sentence)

    def unlisted(self) -> Iterator[str]:
        """Yield for each student how many sentences were only counted."""
        for student, count in self.lines.items():
            if count > STUDENT_LINES:
                yield f"{printable(student) or 'of no student'}: and {count - STUDENT_LINES} files more"
