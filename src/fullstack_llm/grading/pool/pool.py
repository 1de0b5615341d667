"""Keep workers ready: forks of a zygote, or processes that are spawned ahead. Each serves one submission."""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from pathlib import Path

from fullstack_llm.grading.isolation.sandbox import Sandbox, command
from fullstack_llm.grading.machine import cgroup as cgroups
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.errors import SHORT, GraderError, RetryableError, short_of

from .forked import PendingFork, Zygote, pipes
from .process import SpawnedProcess
from .proxy import WorkerProxy, make_cgroup

PATIENCE = 5.0  # seconds


class Pool:
    """A pool of workers with the same modules imported; their folders are in `home`, `private` paths are hidden."""

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
        cgroups.sweep()
        self.base = tempfile.mkdtemp(prefix="grading-", dir=home)
        self.spawned: deque[WorkerProxy] = deque()
        self.taken: list[WorkerProxy] = []
        self.stopping: WorkerProxy | None = None
        self.pending: PendingFork | None = None
        self.zygote: Zygote | None = None
        # Whether workers are forked; false if the modules turn out to start threads.
        self.warm = sandbox.warm
        self._start_ahead()

    def _folder(self) -> str:
        folder = tempfile.mkdtemp(dir=self.base)
        uid = self.sandbox.uid()
        if uid is not None:
            # The worker's user may pass through these folders, and not list them: names of workers' folders are random.
            for above in {self.base, str(Path(self.base).parent)}:
                if Path(above).stat().st_uid == os.geteuid() and Path(above).name.startswith("grading-"):
                    Path(above).chmod(0o711)
            os.chown(folder, uid, uid)
        return folder

    def _start_ahead(self) -> None:
        if not self.warm:
            self.spawned.extend(self._spawn() for _ in range(self.ahead - len(self.spawned)))
        elif self.zygote is None:
            self.zygote = Zygote(self.sandbox, self.modules, self.answers, self.private, self._folder())

    def _spawn(self) -> WorkerProxy:
        with pipes() as (reads, requests, replies, writes):
            folder = self._folder()
            line = command(self.sandbox, self.modules, self.answers, self.private, (reads, writes), folder)
            process = SpawnedProcess(line, folder, (reads, writes), self.sandbox.namespaces)
            cgroup = make_cgroup(self.sandbox)
            if cgroup:
                cgroup.add(process.pid)
            return WorkerProxy(process, requests, replies, folder, self.sandbox, cgroup)

    def _fork(self) -> WorkerProxy:
        assert self.zygote
        if not self.zygote.wait():
            self.zygote.close()
            self.zygote, self.warm = None, False
            return self._spawn()
        pending, self.pending = self.pending or self._request_fork(), None
        try:
            process = self.zygote.receive_fork(pending)
        except BaseException:
            pending.close()
            raise
        return WorkerProxy(process, pending.requests, pending.replies, pending.folder, self.sandbox, pending.cgroup)

    def _request_fork(self) -> PendingFork:
        assert self.zygote
        return self.zygote.request_fork(self._folder(), make_cgroup(self.sandbox))

    def take(self) -> WorkerProxy:
        """Return a ready worker, and start the next one; raise `GraderError` if no worker can be started."""
        for attempt in (1, 2):
            self.taken = [worker for worker in self.taken if not worker.closed]
            try:
                self._start_ahead()
                if self.warm:
                    worker = self._fork()
                else:
                    self.spawned.append(self._spawn())
                    worker = self.spawned.popleft()
                self.taken.append(worker)
                worker.ready()
                if self.zygote:
                    self.pending = self._request_fork()
                return worker
            except (GraderError, OSError) as error:
                # An earlier submission may have harmed processes that were started ahead: a second attempt starts anew.
                stderr = self._end_all()
                short = isinstance(error, RetryableError) or (isinstance(error, OSError) and error.errno in SHORT)
                if attempt == 2 and isinstance(error, RetryableError):
                    raise
                if attempt == 2 and short:
                    raise short_of(str(error)) from None
                if attempt == 2:
                    raise GraderError(f"{error}\n{stderr}".strip()) from None
                # What is short now, another process may give back.
                time.sleep(PATIENCE * short)
        raise AssertionError

    def dismiss(self, worker: WorkerProxy) -> None:
        """Kill a worker that is done, without waiting while its memory is freed: the next call removes it."""
        previous, self.stopping = self.stopping, worker
        worker.stop()
        if previous:
            previous.close()

    def _end_all(self) -> str:
        # Cleared first, since a signal handler may call this while it runs.
        workers, pending, zygote = [*self.spawned, *self.taken], self.pending, self.zygote
        self.spawned, self.taken, self.pending, self.zygote = deque(), [], None, None
        for worker in workers:
            worker.close()
        stderr = zygote.close() if zygote else ""
        if pending:
            pending.close()
        return stderr

    def close(self) -> None:
        """End all workers, ready or taken, and remove their folders."""
        self._end_all()
        usage.remove_folder(self.base)
