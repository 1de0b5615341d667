"""Where workers come from: forks of a zygote, or processes that load ahead. Each serves one submission."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from pathlib import Path

from fullstack_llm.grading.isolation.sandbox import Sandbox, command
from fullstack_llm.grading.machine import cgroup, usage
from fullstack_llm.grading.machine.errors import GraderError

from .forked import Coming, Zygote, pipes
from .process import Cold
from .proxy import WorkerProxy, group


class Pool:
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
        self.waiting: deque[WorkerProxy] = deque()
        self.taken: list[WorkerProxy] = []
        self.leaving: WorkerProxy | None = None
        self.coming: Coming | None = None
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
        if not self.warm:
            self.waiting.extend(self._cold() for _ in range(self.ahead - len(self.waiting)))
        elif self.zygote is None:
            self.zygote = Zygote(self.sandbox, self.modules, self.answers, self.private, self._folder())

    def _cold(self) -> WorkerProxy:
        with pipes() as (there, requests, replies, back):
            folder = self._folder()
            line = command(self.sandbox, self.modules, self.answers, self.private, (there, back), folder)
            process = Cold(line, folder, (there, back), self.sandbox.namespaces)
            mine = group(self.sandbox)
            if mine:
                mine.take(process.pid)
            return WorkerProxy(process, requests, replies, folder, self.sandbox, mine)

    def _fork(self) -> WorkerProxy:
        assert self.zygote
        if not self.zygote.wait():
            self.zygote.close()
            self.zygote, self.warm = None, False
            return self._cold()
        coming, self.coming = self.coming or self._order(), None
        try:
            process = self.zygote.collect(coming)
        except BaseException:
            coming.close()
            raise
        return WorkerProxy(process, coming.requests, coming.replies, coming.folder, self.sandbox, coming.group)

    def _order(self) -> Coming:
        assert self.zygote
        return self.zygote.order(self._folder(), group(self.sandbox))

    def take(self) -> WorkerProxy:
        """A worker that is ready, while the next one gets so; `GraderError` if there can be none."""
        for attempt in (1, 2):
            self.taken = [one for one in self.taken if not one.closed]
            try:
                self._load()
                if self.warm:
                    worker = self._fork()
                else:
                    self.waiting.append(self._cold())
                    worker = self.waiting.popleft()
                self.taken.append(worker)
                worker.ready()
                if self.zygote:
                    self.coming = self._order()
                return worker
            except (GraderError, OSError) as error:
                # What waits may have been harmed by an earlier submission: one that starts now decides.
                said = self._end()
                if attempt == 2:
                    raise GraderError(f"{error}\n{said}".strip()) from None
        raise AssertionError

    def dismiss(self, worker: WorkerProxy) -> None:
        """End a worker that is done. Its memory takes a while to go: it is cleared away when the next one is done."""
        before, self.leaving = self.leaving, worker
        worker.stop()
        if before:
            before.close()

    def _end(self) -> str:
        # Forgotten first: a signal's handler may come here while this runs.
        workers, coming, zygote = [*self.waiting, *self.taken], self.coming, self.zygote
        self.waiting, self.taken, self.coming, self.zygote = deque(), [], None, None
        for worker in workers:
            worker.close()
        said = zygote.close() if zygote else ""
        if coming:
            coming.close()
        return said

    def close(self) -> None:
        """End all workers, those that wait and those that were taken, and remove their folders."""
        self._end()
        usage.remove(self.base)
