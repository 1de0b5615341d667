"""Run an engine on a thread of its own, and carry requests to it and pieces back to asyncio.

Nothing but this thread touches the engine. The front hands it calls, which it makes between two steps, and it hands
back what a step added. A job, which may be several prompts, counts until it is closed, by whoever answers it. So what
slow readers have not fetched yet is bounded by what the open jobs may generate, and they are bounded in number.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fullstack_llm.engine.engine import Engine
from fullstack_llm.engine.requests import Piece, Sequence, Settings
from fullstack_llm.engine.server.metrics import Metrics

logger = logging.getLogger(__name__)


class Refused(Exception):
    """Say why there is no answer: a status, what is wrong, a code for programs, and the field that is to blame.

    `wait` is after how many seconds it may be tried again.
    """

    def __init__(
        self, status: int, message: str, code: str | None = None, param: str | None = None, wait: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.wait = status, message, code, param, wait


@dataclass(eq=False)
class Job:
    """Hold one request of a client: its prompts, which are requests of the engine, and what comes of them.

    `news` carries the pieces of a step, of which `request` is the number of the prompt; or an error, and nothing more.
    """

    prompts: list[list[int]]
    settings: Settings
    news: asyncio.Queue[list[Piece] | Refused] = field(default_factory=asyncio.Queue)
    requests: list[int] = field(default_factory=list)  # the engine's numbers of the prompts
    begun: float = field(default_factory=time.monotonic)
    started: set[int] = field(default_factory=set)  # requests that have left the queue
    last: dict[tuple[int, int], float] = field(default_factory=dict)  # when a sequence's latest token came

    @property
    def size(self) -> int:
        """Return how many sequences the job is."""
        return len(self.prompts) * self.settings.n


class Worker:
    """Own an engine and the thread that runs it; `most` is how many sequences may be open at once."""

    def __init__(self, engine: Engine, metrics: Metrics, most: int) -> None:
        self.engine, self.metrics, self.most = engine, metrics, most
        self.open, self.draining, self.stopping = set[Job](), False, False
        self.jobs = dict[int, Job]()  # by the engine's number of a request
        self.calls, self.wake = deque[Callable[[], None]](), threading.Condition()
        self.loop = asyncio.get_running_loop()
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.thread.start()

    async def submit(self, prompts: list[list[int]], settings: Settings) -> Job:
        """Hand a job to the engine, and return it when the engine has taken it; Refused if it has not."""
        job, busy = Job(prompts, settings), sum(each.size for each in self.open)
        if self.draining:
            raise Refused(503, "the server is shutting down", "shutting_down", wait=5)
        if job.size > self.most:
            raise Refused(400, f"{job.size} sequences in one request, and at most {self.most} are taken", param="n")
        if busy + job.size > self.most:
            raise Refused(429, f"{busy} sequences run or wait already: try again later", "engine_overloaded", wait=1)
        self.open.add(job)
        try:
            self._call(lambda: self._add(job))
            if isinstance(taken := await job.news.get(), Refused):
                raise taken
        except BaseException:
            self.close(job)
            raise
        return job

    def close(self, job: Job) -> None:
        """Forget a job, whether it has ended or its client has left; its blocks are free after the step that runs."""
        if job in self.open:
            self.open.remove(job)
            self._call(lambda: self._cancel(job))

    def stop(self) -> None:
        """End the thread, and with an error what is still open."""
        self.draining = self.stopping = True
        self._call(lambda: None)
        self.thread.join()
        for job in self.open:
            job.news.put_nowait(Refused(503, "the server is shutting down", "shutting_down"))

    def _call(self, function: Callable[[], None]) -> None:
        """Let the thread call a function between two steps."""
        with self.wake:
            self.calls.append(function)
            self.wake.notify()

    def _send(self, news: dict[Job, list[Piece] | Refused]) -> None:
        """Put news into the queues of their jobs, on the thread of asyncio."""

        def put() -> None:
            for job, what in news.items():
                job.news.put_nowait(what)

        self.loop.call_soon_threadsafe(put)

    def _add(self, job: Job) -> None:
        """Give a job's prompts to the engine: all or none."""
        taken: list[Piece] | Refused = []
        try:
            for prompt in job.prompts:
                job.requests.append(self.engine.add(prompt, job.settings))
                self.jobs[job.requests[-1]] = job
        except ValueError as error:
            taken = Refused(400, str(error))
        except Exception:
            logger.exception("a request could not be added")
            taken = Refused(500, "the engine failed", "engine_error")
        self._send({job: taken})

    def _cancel(self, job: Job) -> None:
        """Take out of the engine what is left of a job."""
        for request in job.requests:
            self.engine.cancel(request)
            self.jobs.pop(request, None)

    def _run(self) -> None:
        """Step for as long as there is something to do; what goes wrong costs only those whom it concerns."""
        while True:
            with self.wake:
                self.wake.wait_for(lambda: self.calls or self.engine.sequences)
                calls, self.calls = self.calls, deque()
            for call in calls:
                call()
            if self.stopping:
                return
            begun = time.monotonic()
            try:
                pieces = self.engine.step()
            except Exception:
                logger.exception("a step failed: each sequence now goes on alone, and those that cannot are given up")
                pieces = self._one_by_one()
            self._deliver(pieces, begun)

    def _one_by_one(self) -> list[Piece]:
        """After a step that failed, let each sequence go on alone until it has a token more, or fails itself."""
        scheduler, pieces = self.engine.scheduler, list[Piece]()
        scheduler.restart()
        kept = deque[Sequence]()
        for suspect in list(scheduler.waiting):
            scheduler.waiting = deque([suspect])
            found = list[Piece]()
            try:
                while not found and self.engine.sequences:
                    found = self.engine.step()
            except Exception:
                logger.exception("request %d fails alone as well", suspect.request)
                found = [Piece(suspect.request, suspect.index, finish="error")]
                for sequence in self.engine.sequences:
                    scheduler.remove(sequence)
            scheduler.restart()
            kept += scheduler.waiting
            pieces += found
        scheduler.waiting = kept
        return pieces

    def _deliver(self, pieces: list[Piece], begun: float) -> None:
        """Send the pieces of a step to their jobs, and measure what they waited for."""
        now, news = time.monotonic(), dict[Job, list[Piece] | Refused]()
        begun_now = {each.request for each in self.engine.scheduler.running} | {piece.request for piece in pieces}
        for request in begun_now & self.jobs.keys():
            if request not in (job := self.jobs[request]).started:
                job.started.add(request)
                self.metrics.queue.observe(max(begun - job.begun, 0))
        for piece in pieces:
            job = self.jobs[piece.request]
            if isinstance(sent := news.setdefault(job, []), Refused):
                continue
            before = job.last.get((piece.request, piece.index))
            job.last[piece.request, piece.index] = now
            if before is None:
                self.metrics.first.observe(now - job.begun)
            else:
                self.metrics.between.observe((now - before) / max(len(piece.tokens), 1))
            piece.request = job.requests.index(piece.request)
            sent.append(piece)
            if piece.finish == "error":
                news[job] = Refused(500, "the model gave no numbers for this request", "model_error")
        if news:
            self._send(news)
