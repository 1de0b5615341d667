"""Grade a folder: one submission after another in each of a few processes, each result written at once."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from fullstack_llm.checks import declared
from fullstack_llm.checks.show import plain
from fullstack_llm.grading.intake.choose import choose
from fullstack_llm.grading.intake.submissions import File, Submission
from fullstack_llm.grading.isolation.sandbox import Sandbox
from fullstack_llm.grading.machine import scratch
from fullstack_llm.grading.machine.errors import GraderError, Unfair, enough
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing.levels import prove_private, strongest
from fullstack_llm.worker.confine import confine

from .grade import Result, Session, grade, open_submission
from .lab_cells import given, modules


@dataclass(frozen=True)
class Batch:
    """What is the same for every submission of a run."""

    lab: str
    # The draws of the class, one for each check; never the key that they were made from.
    seeds: Mapping[str, str]
    checks: Path
    labs: Path
    # Chosen once, here, and the same in every process of the batch.
    sandbox: Sandbox = field(default_factory=strongest)
    # Beside the checks: what no submission may read, such as the other submissions and the reports.
    private: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Graded:
    """A student's result, the file that it belongs to, and the other files, each with why it was not graded."""

    submission: Submission
    file: File
    others: list[tuple[str, str]]
    result: Result


T = TypeVar("T")


def _fairly(action: Callable[[], T], ungraded: Callable[[Result], T]) -> T:
    """Do it, and once more where that was unfair; what the grader cannot do leaves one submission ungraded, not all."""
    for _ in range(2):
        try:
            return action()
        except Unfair as error:
            # It may have been another's doing, which has ended as well.
            why = str(error)
        except GraderError:
            raise
        except Exception as error:
            why = f"the grader itself failed ({type(error).__name__}: {error}): please report this, with the file"
            break
    return ungraded(Result(error=plain(why, 500), fault=True))


class Grader:
    """Grades one submission after another, with workers that load ahead."""

    def __init__(self, batch: Batch, home: str | None = None) -> None:
        self.batch = batch
        self.lab = declared.find(batch.lab, batch.checks)
        self.given = given(batch.lab, batch.labs)
        private = (batch.checks, *batch.private)
        self.workers = Pool(batch.sandbox, modules(self.given), self.lab.answers, home=home, private=private)
        try:
            prove_private(self.workers)
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
        """The result of one file."""
        one = self.lab, self.workers, self.given, self.batch.seeds
        return _fairly(lambda: grade(path, *one), lambda result: result)

    def lab_of(self, file: File) -> str | None:
        """The lab that a file names, nothing if it names none, None if it cannot be read."""
        try:
            worker, book = open_submission(file.path, self.workers)
        except ValueError:
            return None
        worker.close()
        return plain(book["lab"], 80)

    def grade_student(self, one: Submission) -> Graded:
        """The result of the one file that counts."""

        def counted() -> Graded:
            file, others = choose(one.files, self.lab.slug, self.lab_of)
            return Graded(one, file, others, self.grade(file.path))

        return _fairly(counted, lambda result: Graded(one, one.files[0], [], result))

    def close(self) -> None:
        """End the workers."""
        self.workers.close()


@contextmanager
def grader(batch: Batch) -> Iterator[Grader]:
    """A grader whose workers, and all their folders, end with the block."""
    with scratch.folder(scratch.GRADING) as home:
        one = Grader(batch, str(home))
        try:
            yield one
        finally:
            one.close()


_MINE: list[Grader] = []


def _begin(batch: Batch, home: str) -> None:
    # The first process hears Ctrl-C, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine.end_with_parent()
    _MINE.append(Grader(batch, home))
    atexit.register(_MINE[0].close)
    signal.signal(signal.SIGTERM, _stop)


def _stop(*_: object) -> None:
    _MINE[0].close()
    os._exit(1)


def _grade(one: Submission) -> Graded:
    return _MINE[0].grade_student(one)


def results(batch: Batch, submissions: list[Submission], jobs: int = 1) -> Iterator[Graded]:
    """Each student's result, as they get ready; with several jobs, in processes of their own."""
    enough(jobs)
    batch = replace(batch, sandbox=batch.sandbox.shared(jobs))
    if jobs == 1:
        with grader(batch) as one:
            for item in submissions:
                yield one.grade_student(item)
        return
    # Folders that a stopped process leaves behind go with this one.
    with scratch.folder(scratch.GRADING) as home:
        pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (batch, str(home)))
        try:
            for done in as_completed([pool.submit(_grade, item) for item in submissions]):
                yield done.result()
        except BrokenProcessPool:
            raise GraderError("a grading process ended unexpectedly: is there enough memory for --jobs?") from None
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
