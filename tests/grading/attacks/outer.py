"""The sandbox around a control: what an attack does when an obstacle is taken away must not reach this machine."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONTROL = Path(__file__).with_name("control.py")


def outer(*command: str) -> list[str]:
    """A sandbox around a control: processes, signals, sockets and memory files of its own, no disk to write to."""
    mounts = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    sized = [part for path in ("/tmp", "/dev/shm") for part in ("--size", str(1 << 30), "--tmpfs", path)]
    # Someone may have cloned the course into a temporary folder.
    needed = [Path(path).resolve() for path in (sys.base_prefix, sys.prefix, CONTROL.parents[3])]
    sized += [part for path in needed if path.is_relative_to("/tmp") for part in ("--ro-bind", str(path), str(path))]
    own = ["--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    return ["bwrap", *own, "--die-with-parent", "--new-session", *mounts, *sized, "--chdir", "/tmp", *command]


def bounded() -> None:
    """Limits for everything inside."""
    for name, value in (("AS", 16 << 30), ("FSIZE", 2 << 40), ("CPU", 60), ("CORE", 0)):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def control(*arguments: str, hangs: float = 0) -> subprocess.CompletedProcess[str]:
    """Run `control.py` with the arguments; 137 if it was killed, 124 if it did not end in time.

    With `hangs` it has so many seconds from its first line of output on, and otherwise minutes: a machine may be busy.
    """
    if not shutil.which("bwrap"):
        pytest.skip("no bubblewrap, and a control without a sandbox around it could harm this machine")
    command = outer(sys.executable, "-P", "-s", str(CONTROL), *arguments)
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.PIPE
    # Unbuffered, so that reading a line takes no more than that.
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, bufsize=0, preexec_fn=bounded) as process:
        begun = process.stdout.readline() if hangs and process.stdout else b""
        status = None
        try:
            said, errors = process.communicate(timeout=hangs or 600)
        except subprocess.TimeoutExpired:
            process.kill()
            said, errors = process.communicate()
            status = 124
    status = status or process.returncode
    return subprocess.CompletedProcess(command, status, (begun + said).decode(), errors.decode())
