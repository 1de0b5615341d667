"""Make temporary folders for a run, and remove those that killed runs have left: their locks are no longer held."""

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
# A folder that is younger may have been made and not locked yet.
YOUNG_SECONDS = 60.0


@contextlib.contextmanager
def folder(kind: str) -> Iterator[Path]:
    """Make a folder of this kind, for the block; remove the folders of killed runs first."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=kind, ignore_cleanup_errors=True) as name:
        fd = os.open(name, os.O_RDONLY)
        try:
            # A shared lock marks the folder as in use until this process ends: `sweep` needs the exclusive lock.
            fcntl.flock(fd, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(fd)


def sweep() -> None:
    """Remove this user's folders that no process has locked."""
    for path in Path(tempfile.gettempdir()).iterdir():
        if path.name.startswith((GRADING, SUBMISSIONS)):
            # The folder may be another user's, or removed by another run meanwhile.
            with contextlib.suppress(OSError):
                _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or time.time() - status.st_mtime < YOUNG_SECONDS:
            return
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        usage.remove_folder(str(path))
    finally:
        os.close(fd)
