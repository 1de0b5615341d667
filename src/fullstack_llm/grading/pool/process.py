"""The process behind a worker: how it is started, how it ended, and how it is ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from typing import Protocol

from fullstack_llm.grading.isolation.sandbox import environment
from fullstack_llm.grading.machine.errors import CLOSED, GraderError, ended
from fullstack_llm.worker.confine.namespaces import FOLDER


class Process(Protocol):
    """The process behind a worker: one of its own, or the fork of a zygote."""

    pid: int

    @property
    def orphaned(self) -> bool:
        """Whether the process that it was forked from has ended, and has taken it along."""

    def end(self) -> str:
        """How it ended, as a sentence; it need not have."""

    def stop(self) -> None:
        """Have it end, with all that it started."""

    def kill(self) -> None:
        """End it and all that it started, and wait until that is so."""

    def said(self) -> str:
        """What it wrote to its error output while it started."""


class Cold:
    """A process of its own, started for one worker."""

    orphaned = False

    def __init__(self, command: list[str], folder: str, fds: tuple[int, ...], boxed: bool) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        self.boxed = boxed
        try:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(FOLDER if boxed else folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=fds,
                start_new_session=True,
            )
        except OSError as error:
            raise GraderError(f"{command[0]} cannot be started ({error.strerror})") from None
        self.pid = self.process.pid

    def end(self) -> str:
        """How it ended; it stays a zombie, so that its group's number cannot belong to another before `kill`."""
        if not hasattr(os, "waitid"):  # on macOS, before Python 3.13
            return "its process ended"
        for _ in range(100):
            status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if status is None:
                time.sleep(0.01)
            elif status.si_code == os.CLD_EXITED:
                # bubblewrap and the shell agree: 128 and the signal's number.
                signalled = self.boxed and 128 < status.si_status <= 128 + 64
                return ended(status.si_status - 128 if signalled else status.si_status << 8)
            else:
                return ended(status.si_status)
        return CLOSED

    def stop(self) -> None:
        """Signal its group, or the sandbox that ends with it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it, and wait."""
        self.stop()
        self.process.wait()

    def said(self) -> str:
        """The end of its error output."""
        self.errors.seek(0)
        text = self.errors.read()[-2000:].decode(errors="replace")
        self.errors.close()
        return text
