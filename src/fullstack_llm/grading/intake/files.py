"""Open the files that were handed in: once, and only regular files."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from fullstack_llm.worker.reader import MAX_FILE


def descriptor(path: Path) -> int:
    """Open a regular file to read, and return its descriptor; raise `ValueError` for a link or a special file.

    Whoever may write into the folder can put another thing there at any moment, so it is looked at after it is open. A
    pipe that waits for a writer would otherwise hold up the run.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise ValueError("the file has become something else than a file, which is not read")


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for the block; raise `ValueError` for a link or a special file."""
    with os.fdopen(descriptor(path), "rb") as file:
        yield file


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, its size if it is too large to be read, or why it cannot be read."""
    try:
        with open_file(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > MAX_FILE:
                return f"{size} bytes"
            return hashlib.file_digest(file, "sha256").hexdigest()
    except ValueError as error:
        return str(error)
