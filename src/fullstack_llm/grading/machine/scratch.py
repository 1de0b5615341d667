"""Temporary folders of a run. One that was killed leaves its own: the next removes them, by the lock that is gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import usage

GRADING, SUBMISSIONS = "grading-run-", "submissions-run-"
# Between a folder's making and its locking there is a moment.
YOUNG_SECONDS = 60.0


@contextlib.contextmanager
def folder(kind: str) -> Iterator[Path]:
    """A folder of one of the kinds, for the block; others of a run that was killed go now."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=kind, ignore_cleanup_errors=True) as name:
        handle = os.open(name, os.O_RDONLY)
        try:
            # Whoever holds it, lives: the lock ends with the process, and no other gets it from there.
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(handle)


def sweep() -> None:
    """Remove this user's folders that nobody holds."""
    for path in Path(tempfile.gettempdir()).iterdir():
        if path.name.startswith((GRADING, SUBMISSIONS)):
            # Someone else's, or gone by now.
            with contextlib.suppress(OSError):
                _remove_unheld(path)


def _remove_unheld(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(handle)
        if status.st_uid != os.geteuid() or time.time() - status.st_mtime < YOUNG_SECONDS:
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        usage.remove(str(path))
    finally:
        os.close(handle)
