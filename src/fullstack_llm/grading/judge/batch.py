"""Grade a folder of submissions: one after another, in one process or in several, and yield each result when ready."""

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
from typing import Any, TypeVar

from fullstack_llm.checks import declared
from fullstack_llm.checks.show import one_line, plain
from fullstack_llm.grading.intake.choose import Look, choose
from fullstack_llm.grading.intake.submissions import File, Submission
from fullstack_llm.grading.isolation.sandbox import Sandbox
from fullstack_llm.grading.isolation.world import require_reachable
from fullstack_llm.grading.machine import scratch
from fullstack_llm.grading.machine.errors import GraderError, RetryableError, require_memory
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing.levels import prove_private, strongest
from fullstack_llm.worker.confine import confine
from fullstack_llm.worker.reader import DEFINITION

from .grade import Result, Session, grade, open_submission
from .lab_cells import given_cells, imported_modules


@dataclass(frozen=True)
class Batch:
    """Settings that are the same for every submission of a run."""

    lab: str
    # The seed of each check, by its label; the class key, from which seeds are derived, is not among the settings.
    seeds: Mapping[str, str]
    checks: Path
    labs: Path
    # Chosen once, and used by every process of the batch.
    sandbox: Sandbox = field(default_factory=strongest)
    # Paths that no submission may read, such as the other submissions and the reports; the checks' folder is added.
    private: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Graded:
    """A student's result, the file that was graded, and the other files, each with the reason why it was not graded."""

    submission: Submission
    file: File
    others: list[tuple[str, str]]
    result: Result


T = TypeVar("T")
# What stands in place of a file where a student handed in nothing that can be graded.
NO_FILE = File("", Path(os.devnull))
# With this, a function is as it was handed out.
STUB = "raise NotImplementedError"


def _with_retry(attempt: Callable[[], T], ungraded: Callable[[Result], T]) -> T:
    """Return `attempt()`, tried twice where a `RetryableError` comes; `ungraded(result)` where neither succeeds.

    An unexpected exception leaves one submission ungraded, and the batch goes on; a `GraderError` ends the batch.
    """
    for _ in range(2):
        try:
            return attempt()
        except RetryableError as error:
            # Another submission may have caused it, and may have ended by now: try a second time.
            why = str(error)
        except GraderError:
            raise
        except Exception as error:
            why = f"the grader itself failed ({type(error).__name__}: {error}): please report this, with the file"
            break
    return ungraded(Result(error=plain(why, 500), fault=True))


class Grader:
    """Grade submissions one after another; while one is graded, the worker for the next one loads."""

    def __init__(self, batch: Batch, home: str | None = None) -> None:
        self.batch = batch
        self.lab = declared.find(batch.lab, batch.checks)
        self.given = given_cells(batch.lab, batch.labs)
        private = (batch.checks, *batch.private)
        modules = imported_modules(self.given)
        if batch.sandbox.level != "C":
            require_reachable(modules)
        self.workers = Pool(batch.sandbox, modules, self.lab.answers, home=home, private=private)
        try:
            prove_private(self.workers)
            self._require_given_cells_run()
        except BaseException:
            self.close()
            raise

    def _require_given_cells_run(self) -> None:
        # If this machine lacks a package that the lab imports, every student would get zero points.
        session = Session(self.workers, self.given, self.lab.exercises)
        session.restart()
        session.close()
        for label, why in session.problems:
            raise GraderError(f"{label} of {self.batch.lab} does not run here ({why}): install what the lab needs")

    def grade(self, path: Path) -> Result:
        """Return the result of one file."""
        return _with_retry(
            lambda: grade(path, self.lab, self.workers, self.given, self.batch.seeds), lambda result: result
        )

    def look(self, file: File) -> Look | None:
        """Return which lab a file names and how many of the lab's functions it has; None if it cannot be read."""
        try:
            worker, book = open_submission(file.path, self.workers)
        except ValueError:
            return None
        worker.close()
        last = {name: source for _, source in book["cells"] for name in DEFINITION.findall(source)}
        defined = [last[name].partition(f"def {name}")[2] for name in self.lab.exercises if name in last]
        return Look(one_line(book["lab"], 80), len(defined), sum(STUB not in body for body in defined))

    def grade_student(self, submission: Submission) -> Graded:
        """Choose the file that counts among a student's files, and return its result."""
        if not submission.files:
            return Graded(submission, NO_FILE, [], Result(error=plain(submission.why, 500)))

        def attempt() -> Graded:
            file, others = choose(submission.files, self.lab.slug, self.look)
            return Graded(submission, file, others, self.grade(file.path))

        return _with_retry(attempt, lambda result: Graded(submission, submission.files[0], [], result))

    def close(self) -> None:
        """End the workers, and remove their folders."""
        self.workers.close()


@contextmanager
def open_grader(batch: Batch) -> Iterator[Grader]:
    """Yield a grader; at the end of the block its workers are ended and their folders removed."""
    with scratch.folder(scratch.GRADING) as home:
        grader = Grader(batch, str(home))
        try:
            yield grader
        finally:
            grader.close()


# The grader of this process, where the process is one of several that `results` has started.
_GRADER: list[Grader] = []


def _start_process(batch: Batch, home: str, started: Any, jobs: int) -> None:
    with started:
        job, started.value = started.value, started.value + 1
    # A process that is started again, since another was killed, takes the CPUs of one of the others.
    batch = replace(batch, sandbox=batch.sandbox.pinned(job % jobs, jobs))
    # Ctrl-C reaches every process of the group: the main process handles it, and terminates the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine.end_with_parent()
    _GRADER.append(Grader(batch, home))
    atexit.register(_GRADER[0].close)
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(*_: object) -> None:
    _GRADER[0].close()
    os._exit(1)


def _grade_student(submission: Submission) -> Graded:
    return _GRADER[0].grade_student(submission)


def results(batch: Batch, submissions: list[Submission], jobs: int = 1) -> Iterator[Graded]:
    """Yield each student's result when it is ready; with several jobs, each job is a process of its own."""
    require_memory(jobs)
    batch = replace(batch, sandbox=batch.sandbox.shared(jobs))
    if jobs == 1:
        with open_grader(batch) as grader:
            for submission in submissions:
                yield grader.grade_student(submission)
        return
    # The processes' folders lie in this one, so that a killed process leaves nothing behind.
    with scratch.folder(scratch.GRADING) as home:
        context = multiprocessing.get_context("spawn")
        given = (batch, str(home), context.Value("i", 0), jobs)
        executor = ProcessPoolExecutor(jobs, context, _start_process, given)
        try:
            for future in as_completed([executor.submit(_grade_student, submission) for submission in submissions]):
                yield future.result()
        except BrokenProcessPool:
            raise GraderError("a grading process ended unexpectedly: is there enough memory for --jobs?") from None
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            executor.shutdown(cancel_futures=True)
