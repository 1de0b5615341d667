"""Started as root: become a user of no one else, without privileges, and run the command that follows.

    python launch.py UID PATH... -- COMMAND...

That user must reach every PATH (Python, the packages). Where a folder above one is closed to others, as /root is,
the process gets mounts of its own in which a way leads there, and to nothing else in that folder.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from fullstack_llm.worker.confine.syscalls import PR_SET_NO_NEW_PRIVS, call, mount, prctl

CLONE_NEWNS, BIND, RECURSIVE, PRIVATE, NOSUID = 0x00020000, 0x1000, 0x4000, 0x40000, 2


def closed(path: Path) -> Path | None:
    """The first folder on the way to the path that others may not enter."""
    return next((one for one in [*path.parents][::-1] if not one.stat().st_mode & 0o001), None)


def open_ways(paths: list[Path]) -> None:
    """Give this process mounts of its own in which others reach the paths; an `OSError` where it may not."""
    blocked: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(one.resolve() for one in paths):
        if folder := closed(path):
            blocked.setdefault(folder, []).append(path)
    if not blocked:
        return
    call("unshare", ctypes.c_int(CLONE_NEWNS))
    mount("", "/", "", RECURSIVE | PRIVATE)
    for folder, within in blocked.items():
        outer = [path for path in within if not any(path != one and path.is_relative_to(one) for one in within)]
        kept = {path: os.open(path, os.O_PATH) for path in outer}
        mount("tmpfs", str(folder), "tmpfs", NOSUID, "mode=755,size=1m")
        for path, fd in kept.items():
            path.mkdir(parents=True)
            mount(f"/proc/self/fd/{fd}", str(path), "", BIND | RECURSIVE)
            os.close(fd)


def main(arguments: list[str]) -> None:
    """Drop privileges and run; whatever cannot be done is a sentence and an exit."""
    at = arguments.index("--")
    uid, paths, command = int(arguments[0]), [Path(one) for one in arguments[1:at]], arguments[at + 1 :]
    try:
        open_ways(paths)
    except OSError as error:
        folders = ", ".join({str(one) for one in map(closed, paths) if one})
        sys.exit(
            f"root cannot give workers a user of their own, since others may not enter {folders} ({error}). "
            "Remedy: install Python and the course where every user may read them, or start the grader as a plain user."
        )
    here = Path.cwd()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    # The way to the working folder may lead through the new mounts.
    os.chdir(here)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started ({error.strerror})")


if __name__ == "__main__":
    main(sys.argv[1:])
