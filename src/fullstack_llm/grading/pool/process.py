"""Start the process of a worker, end it with all its descendants, and say how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from typing import Protocol

from fullstack_llm.grading.isolation.sandbox import environment
from fullstack_llm.grading.machine.errors import CLOSED, GraderError, describe_exit
from fullstack_llm.worker.confine.namespaces import FOLDER


class Process(Protocol):
    """The process of a worker: spawned for it, or forked by a zygote."""

    pid: int

    @property
    def orphaned(self) -> bool:
        """Whether the zygote that forked the process has ended, which ends its forks too."""

    def exit_cause(self) -> str:
        """Wait a moment for the process to end; return how it ended, as a sentence, or `CLOSED` if it has not."""

    def stop(self) -> None:
        """Send SIGKILL to the process and its descendants, without waiting."""

    def kill(self) -> None:
        """Kill the process and its descendants, and wait until they have ended."""

    def stderr_tail(self) -> str:
        """Return the end of what the process wrote to stderr."""


class SpawnedProcess:
    """A process that is spawned: a worker of its own, or a zygote; `bwrap` says whether bubblewrap starts it."""

    orphaned = False

    def __init__(self, command: list[str], folder: str, fds: tuple[int, ...], bwrap: bool) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process runs)
        self.bwrap = bwrap
        try:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(FOLDER if bwrap else folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=fds,
                start_new_session=True,
            )
        except OSError as error:
            raise GraderError(f"{command[0]} cannot be started ({error.strerror})") from None
        self.pid = self.process.pid

    def exit_cause(self) -> str:
        """Return how the process ended; it stays a zombie, so that its process group ID is not reused before `kill`."""
        if not hasattr(os, "waitid"):  # on macOS, before Python 3.13
            return "its process ended"
        for _ in range(100):
            status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if status is None:
                time.sleep(0.01)
            elif status.si_code == os.CLD_EXITED:
                # bubblewrap reports a signal as a shell does: 128 plus its number.
                signalled = self.bwrap and 128 < status.si_status <= 128 + 64
                return describe_exit(status.si_status - 128 if signalled else status.si_status << 8)
            else:
                return describe_exit(status.si_status)
        return CLOSED

    def stop(self) -> None:
        """Send SIGKILL to the process group, or to bubblewrap, with which its sandbox ends."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process, and wait."""
        self.stop()
        self.process.wait()

    def stderr_tail(self) -> str:
        """Return the end of what the process wrote to stderr."""
        self.errors.seek(0)
        text = self.errors.read()[-2000:].decode(errors="replace")
        self.errors.close()
        return text
