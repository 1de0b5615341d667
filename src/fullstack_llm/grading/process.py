"""The grader's side of a worker: start it, ask it within a deadline, and end it with everything it started."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from ..checks.codec import MAX_BYTES, encode
from .worker import HEADER

# Nothing from the folder where the grader was started, and nothing from a user's own site: a torch.py there would run.
SAFE = ("-P", "-s")
PACKAGE = Path(__file__).parents[1]
START_SECONDS = 60.0
# What this module guarantees, as reports state it: a process of its own with limits, not a sandbox.
LEVEL = "C: limits only; a submission can read files, use the network and signal processes of the same user"
# Address space is what torch maps, data is what a program really asks for.
LIMITS = {
    "AS": 16 << 30,
    "DATA": 4 << 30,
    "CPU": 600,
    "FSIZE": 64 << 20,
    "NOFILE": 256,
    "CORE": 0,
}


class Gone(Exception):
    """The worker gave no reply and is no more; `kind` is "timeout" or "died"."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class GraderError(RuntimeError):
    """The grader itself cannot work; never a zero for a student."""


def clean_environment(folder: str) -> dict[str, str]:
    """Variables for a worker: none of the grader's own, where a key or a token may be."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    return kept | {
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Equal code gets equal marks, also if it iterates over a set of strings.
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": folder,
    }


class Worker:
    """One worker process; it starts loading at once, and `ready` waits for it."""

    def __init__(self, modules: tuple[str, ...] = (), home: str | None = None) -> None:
        self.folder = tempfile.mkdtemp(prefix="grading-", dir=home)
        there, self.requests = os.pipe()
        self.replies, back = os.pipe()
        command = [sys.executable, *SAFE, str(PACKAGE / "grading" / "worker.py"), str(there), str(back)]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        self.said, self.closed = "", False
        self.process = subprocess.Popen(
            [*command, str(PACKAGE), ",".join(modules)],
            cwd=self.folder,
            env=clean_environment(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            pass_fds=(there, back),
            start_new_session=True,
        )
        os.close(there)
        os.close(back)
        for end in (self.requests, self.replies):
            os.set_blocking(end, False)

    def ready(self) -> None:
        """Wait until the worker has loaded and set its limits; a worker that cannot is the grader's error."""
        try:
            self.ask(("limits", LIMITS), START_SECONDS)
        except Gone as gone:
            raise GraderError(f"a worker did not start ({gone.why}). It said:\n{self.said}") from None

    def ask(self, request: tuple[object, ...], seconds: float) -> bytes:
        """The reply to a request; after `Gone` the worker is ended."""
        nonce, content = secrets.token_bytes(16), encode(request)
        deadline = time.monotonic() + seconds
        try:
            self._send(HEADER.pack(nonce, len(content)) + content, deadline)
            back, length = HEADER.unpack(self._receive(HEADER.size, deadline))
            if back != nonce or length > MAX_BYTES:
                raise Gone("died", "its process sent something that is no reply")
            return self._receive(length, deadline)
        except Gone:
            self.close()
            raise

    def _wait(self, end: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(end, event)
        if (left := deadline - time.monotonic()) <= 0 or not poll.poll(left * 1000):
            raise Gone("timeout", "it took too long")

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            self._wait(self.requests, select.POLLOUT, deadline)
            try:
                view = view[os.write(self.requests, view) :]
            except BrokenPipeError:
                raise Gone("died", self._end()) from None

    def _receive(self, count: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._wait(self.replies, select.POLLIN, deadline)
            chunk = os.read(self.replies, min(count - len(data), 1 << 20))
            if not chunk:
                raise Gone("died", self._end())
            data += chunk
        return bytes(data)

    def _end(self) -> str:
        # The process stays a zombie until `close`, so that its group's number cannot belong to another by then.
        if not hasattr(os, "waitid"):  # on macOS, before Python 3.13
            return "its process ended"
        for _ in range(100):
            status = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if status is None:
                time.sleep(0.01)
            elif status.si_code == os.CLD_EXITED:
                return f"its process ended itself (exit status {status.si_status})"
            else:
                return f"its process was ended by {signal.Signals(status.si_status).name}"
        return "its process closed the connection"

    def close(self) -> None:
        """End the worker and its process group, and remove its folder."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for end in (self.requests, self.replies):
            os.close(end)
        self.errors.seek(0)
        self.said = self.errors.read()[-2000:].decode(errors="replace")
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Workers:
    """Workers that are loading ahead, their folders in `home`: each serves one submission and is never used again."""

    def __init__(self, modules: tuple[str, ...] = (), ahead: int = 1, home: str | None = None) -> None:
        self.modules, self.home = modules, home
        self.waiting = deque(Worker(modules, home) for _ in range(ahead))
        self.taken: list[Worker] = []

    def take(self) -> Worker:
        """A worker that is ready; the next one starts loading."""
        for attempt in (1, 2):
            self.waiting.append(Worker(self.modules, self.home))
            worker = self.waiting.popleft()
            self.taken = [*(one for one in self.taken if not one.closed), worker]
            try:
                worker.ready()
                return worker
            except GraderError:
                # What waits may have been harmed by an earlier submission: one that starts now decides.
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError

    def close(self) -> None:
        """End all workers, those that wait and those that were taken."""
        for worker in [*self.waiting, *self.taken]:
            worker.close()
        self.waiting.clear()
        self.taken.clear()
