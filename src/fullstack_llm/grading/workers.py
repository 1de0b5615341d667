"""Where workers come from: forks of a zygote, or processes that load ahead. Each serves one submission."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from . import cgroup, usage
from .process import START_SECONDS, Cold, GraderError, Worker, ended
from .sandbox import Sandbox, command


class Forked:
    """The fork of a zygote. It is known by a descriptor, which never comes to mean another process."""

    def __init__(self, pidfd: int, status: int) -> None:
        self.pidfd, self.status, self.how = pidfd, status, ""
        lines = dict(line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines())
        self.pid = int(lines["Pid"])

    def end(self) -> str:
        """How it ended, as the process says that waits for it."""
        if not self.how:
            poll = select.poll()
            poll.register(self.status, select.POLLIN)
            data = os.read(self.status, 4) if poll.poll(1000) else b""
            self.how = ended(int.from_bytes(data, "little")) if len(data) == 4 else "its process closed the connection"
        return self.how

    def kill(self) -> None:
        """End it; it has no other processes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.end()
        os.close(self.pidfd)
        os.close(self.status)

    def said(self) -> str:
        """Nothing: its error output is the zygote's."""
        return ""


class Zygote:
    """The grader's side of a zygote."""

    def __init__(
        self,
        sandbox: Sandbox,
        modules: tuple[str, ...],
        answers: tuple[str, ...],
        private: tuple[Path, ...],
        folder: str,
    ) -> None:
        self.control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(START_SECONDS)
        fds = (there.fileno(),)
        self.process = Cold(command(sandbox, modules, answers, private, fds, folder), folder, fds, sandbox.namespaces)
        there.close()
        self.loaded = ""

    def wait(self) -> bool:
        """Wait until it has loaded; whether its process can be forked, which it cannot once it has threads.

        Raises `GraderError` with what it said if it ended instead.
        """
        if not self.loaded:
            with contextlib.suppress(TimeoutError, ConnectionError):
                self.loaded = self.control.recv(100).decode()
        if not self.loaded:
            raise GraderError("the workers' process did not start. It said:")
        return self.loaded == "ready"

    def fork(self, folder: str, fds: tuple[int, int]) -> Forked:
        """A new worker's process, with the ends of its pipes; `OSError` if the zygote is gone or cannot."""
        status, there = os.pipe()
        try:
            socket.send_fds(self.control, [json.dumps({"folder": folder}).encode()], [*fds, there])
            message, pidfds, _, _ = socket.recv_fds(self.control, 4096, 1)
        except BaseException:
            os.close(status)
            raise
        finally:
            os.close(there)
        if not pidfds:
            os.close(status)
            raise OSError(message.decode(errors="replace") or "it is gone")
        return Forked(pidfds[0], status)

    def close(self) -> str:
        """End it, and its forks with it; what it said."""
        self.control.close()
        self.process.kill()
        return self.process.said()


class Workers:
    """Workers with the same modules loaded, their folders in `home`; they can read nothing that is `private`."""

    def __init__(
        self,
        sandbox: Sandbox,
        modules: tuple[str, ...] = (),
        answers: tuple[str, ...] = (),
        ahead: int = 1,
        home: str | None = None,
        private: tuple[Path, ...] = (),
    ) -> None:
        self.sandbox, self.modules, self.answers, self.ahead = sandbox, modules, answers, ahead
        self.private = private
        cgroup.sweep()
        self.base = tempfile.mkdtemp(prefix="grading-", dir=home)
        self.waiting: deque[Worker] = deque()
        self.taken: list[Worker] = []
        self.zygote: Zygote | None = None
        self.warm = sandbox.warm
        self._load()

    def _folder(self) -> str:
        folder = tempfile.mkdtemp(dir=self.base)
        uid = self.sandbox.uid()
        if uid is not None:
            # It must reach its folder, and see no other's: the names are not to be guessed.
            for above in {self.base, str(Path(self.base).parent)}:
                if Path(above).stat().st_uid == os.geteuid() and Path(above).name.startswith("grading-"):
                    Path(above).chmod(0o711)
            os.chown(folder, uid, uid)
        return folder

    def _load(self) -> None:
        if self.warm:
            self.zygote = Zygote(self.sandbox, self.modules, self.answers, self.private, self._folder())
        else:
            self.waiting.extend(self._cold() for _ in range(self.ahead))

    def _cold(self) -> Worker:
        with _pipes() as (there, requests, replies, back):
            folder = self._folder()
            line = command(self.sandbox, self.modules, self.answers, self.private, (there, back), folder)
            process = Cold(line, folder, (there, back), self.sandbox.namespaces)
            return Worker(process, requests, replies, folder, self.sandbox)

    def _fork(self) -> Worker:
        assert self.zygote
        if not self.zygote.wait():
            self.zygote.close()
            self.zygote, self.warm = None, False
            return self._cold()
        with _pipes() as (there, requests, replies, back):
            folder = self._folder()
            return Worker(self.zygote.fork(folder, (there, back)), requests, replies, folder, self.sandbox)

    def take(self) -> Worker:
        """A worker that is ready; `GraderError` if there can be none."""
        for attempt in (1, 2):
            self.taken = [one for one in self.taken if not one.closed]
            try:
                if self.warm:
                    worker = self._fork()
                else:
                    self.waiting.append(self._cold())
                    worker = self.waiting.popleft()
                self.taken.append(worker)
                worker.ready()
                return worker
            except (GraderError, OSError) as error:
                # What waits may have been harmed by an earlier submission: one that starts now decides.
                said = self._end()
                if attempt == 2:
                    raise GraderError(f"{error}\n{said}".strip()) from None
                self._load()
        raise AssertionError

    def _end(self) -> str:
        # Forgotten first: a signal's handler may come here while this runs.
        workers, zygote = [*self.waiting, *self.taken], self.zygote
        self.waiting, self.taken, self.zygote = deque(), [], None
        for worker in workers:
            worker.close()
        return zygote.close() if zygote else ""

    def close(self) -> None:
        """End all workers, those that wait and those that were taken, and remove their folders."""
        self._end()
        usage.remove(self.base)


@contextlib.contextmanager
def _pipes() -> Iterator[tuple[int, int, int, int]]:
    there, requests = os.pipe()
    replies, back = os.pipe()
    try:
        yield there, requests, replies, back
    except BaseException:
        os.close(requests)
        os.close(replies)
        raise
    finally:
        os.close(there)
        os.close(back)
