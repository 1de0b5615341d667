"""Drop root's privileges: switch to an unused UID and run the command that follows.

    python launch.py UID PATH... -- COMMAND...

The new user must reach every PATH (Python, the packages). Where a folder above a PATH is closed to other users, such as
/root, the process gets a mount namespace in which that folder is a tmpfs with bind mounts of the PATHs alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from fullstack_llm.worker.confine.syscalls import PR_SET_NO_NEW_PRIVS, call, mount, prctl

WORKER = Path(__file__).parents[2] / "worker"
CLONE_NEWNS, BIND, RECURSIVE, PRIVATE, NOSUID = 0x00020000, 0x1000, 0x4000, 0x40000, 2


def closed_parent(path: Path) -> Path | None:
    """Return the topmost folder above the path that other users may not enter."""
    return next((folder for folder in [*path.parents][::-1] if not folder.stat().st_mode & 0o001), None)


def make_reachable(paths: list[Path]) -> None:
    """Enter a mount namespace in which other users reach the paths; raise `OSError` where the kernel refuses."""
    blocked: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        if folder := closed_parent(path):
            blocked.setdefault(folder, []).append(path)
    if not blocked:
        return
    call("unshare", ctypes.c_int(CLONE_NEWNS))
    mount("", "/", "", RECURSIVE | PRIVATE)
    for folder, within in blocked.items():
        outer = [path for path in within if not any(path != other and path.is_relative_to(other) for other in within)]
        kept = {path: os.open(path, os.O_PATH) for path in outer}
        mount("tmpfs", str(folder), "tmpfs", NOSUID, "mode=755,size=1m")
        for path, fd in kept.items():
            path.mkdir(parents=True)
            mount(f"/proc/self/fd/{fd}", str(path), "", BIND | RECURSIVE)
            os.close(fd)


def main(arguments: list[str]) -> None:
    """Drop privileges and run the command; exit with a sentence if that fails."""
    dashes = arguments.index("--")
    uid, paths, command = int(arguments[0]), [Path(name) for name in arguments[1:dashes]], arguments[dashes + 1 :]
    # The new user passes through folders that are made here, whatever umask the grader has.
    os.umask(0o022)
    try:
        make_reachable(paths)
    except OSError as error:
        folders = ", ".join({str(folder) for folder in map(closed_parent, paths) if folder})
        sys.exit(
            f"root cannot give workers a user of their own, since others may not enter {folders} ({error}). "
            "Remedy: install Python and the course where every user may read them, or start the grader as a plain user."
        )
    here = Path.cwd()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    # Resolve the working folder again, through the new mounts.
    os.chdir(here)
    if closed := next((path for path in _needed(paths) if not os.access(path, os.R_OK)), None):
        sys.exit(
            f"{closed} can be read by root alone, as what is installed under `umask 077`, and workers have a user of "
            f"their own. Remedy: open it to others: chmod -R go+rX {' '.join(map(str, paths[:-1]))}"
        )
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started ({error.strerror})")


def _needed(paths: list[Path]) -> list[Path]:
    # The last path is the run's own folder, which may be passed through and not be listed.
    return [*paths[:-1], Path(os.__file__), WORKER / "main.py"]


if __name__ == "__main__":
    main(sys.argv[1:])
