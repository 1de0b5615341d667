"""Grade a folder: one submission after another in each of a few processes, each result written at once."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..checks import registry
from .intake import Submission
from .judge import Result, Session, grade
from .labs import given, modules
from .levels import strongest
from .process import GraderError
from .sandbox import Sandbox
from .workers import Workers


@dataclass(frozen=True)
class Batch:
    """What is the same for every submission of a run."""

    lab: str
    key: bytes
    checks: Path
    labs: Path
    # Chosen once, here, and the same in every process of the batch.
    sandbox: Sandbox = field(default_factory=strongest)


class Grader:
    """Grades one submission after another, with workers that load ahead."""

    def __init__(self, batch: Batch, home: str | None = None) -> None:
        self.batch = batch
        self.lab = registry.find(batch.lab, batch.checks)
        self.given = given(batch.lab, batch.labs)
        self.workers = Workers(batch.sandbox, modules(self.given), self.lab.answers, home=home)
        try:
            self._prove_own_cells()
        except BaseException:
            self.close()
            raise

    def _prove_own_cells(self) -> None:
        # A package that the lab needs and this machine lacks would be a zero for everyone.
        session = Session(self.workers, self.given, self.lab.exercises)
        session.start_again()
        session.close()
        for label, why in session.problems:
            raise GraderError(f"{label} of {self.batch.lab} does not run here ({why}): install what the lab needs")

    def grade(self, path: Path) -> Result:
        """The result of one submission."""
        return grade(path, self.lab, self.workers, self.given, self.batch.key)

    def close(self) -> None:
        """End the workers."""
        self.workers.close()


@contextmanager
def grader(batch: Batch) -> Iterator[Grader]:
    """A grader whose workers, and all their folders, end with the block."""
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as home:
        one = Grader(batch, home)
        try:
            yield one
        finally:
            one.close()


_MINE: list[Grader] = []


def _begin(batch: Batch, home: str) -> None:
    # The first process hears Ctrl-C, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _MINE.append(Grader(batch, home))
    atexit.register(_MINE[0].close)
    signal.signal(signal.SIGTERM, _stop)


def _stop(*_: object) -> None:
    _MINE[0].close()
    os._exit(1)


def _grade(path: Path) -> Result:
    return _MINE[0].grade(path)


def results(batch: Batch, submissions: list[Submission], jobs: int = 1) -> Iterator[tuple[Submission, Result]]:
    """Each submission with its result, as they get ready; with several jobs, in processes of their own."""
    if jobs == 1:
        with grader(batch) as one:
            for item in submissions:
                yield item, one.grade(item.path)
        return
    # Folders that a stopped process leaves behind go with this one.
    home = tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (batch, home.name))
    try:
        waiting = {pool.submit(_grade, item.path): item for item in submissions}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BrokenProcessPool:
        raise GraderError("a grading process ended unexpectedly: is there enough memory for --jobs?") from None
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        home.cleanup()
