"""Grade one submission: run its cells in a worker, judge the returned values in this process, exercise by exercise."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.judge import judge_exercise
from fullstack_llm.checks.show import one_line, plain
from fullstack_llm.checks.verdict import Verdict
from fullstack_llm.grading.intake.files import open_file
from fullstack_llm.grading.intake.kinds import kind
from fullstack_llm.grading.machine.errors import GraderError, WorkerLost
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.pool.proxy import WorkerProxy
from fullstack_llm.worker import codec
from fullstack_llm.worker.reader import MAX_FILE

from .session import Session

READ_SECONDS = 30.0
REVIEW_SECONDS = 30.0
CHUNK = 32 << 20
MAX_PROBLEMS = 20


@dataclass
class Result:
    """What one submission earned; `error` says why nothing could be graded, `problems` what else went wrong.

    `review` says what a person should look at, without effect on the points. `fault` says that `error` is the grader's
    own, so that the submission has no score rather than a zero. `lab` and `version` are those that the file names, and
    `digest` is that of the bytes that were graded.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    error: str = ""
    problems: list[str] = field(default_factory=list)
    review: list[str] = field(default_factory=list)
    lab: str = ""
    version: str = ""
    digest: str = ""
    seconds: float = 0.0
    fault: bool = False

    @property
    def earned(self) -> int:
        """Return the points earned in all exercises."""
        return sum(verdict.earned for verdict in self.verdicts)


def raise_fault(result: Result) -> Result:
    """Return the result; raise `GraderError` if its error is the grader's own."""
    if result.fault:
        raise GraderError(result.error)
    return result


def open_submission(path: Path, workers: Pool) -> tuple[WorkerProxy, dict[str, Any]]:
    """Have a worker read a file; return the worker and the notebook; `ValueError` says why a file cannot be read.

    The notebook is a dictionary: `cells` as (label, source), `lab` and `version` from its metadata, `notes` as
    sentences, `in_text` as the names of the functions that stand in a text cell, `digest` of the bytes that were read.
    """
    hashed = hashlib.sha256()
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE:
            raise ValueError(f"the file has {size >> 20} MB; at most {MAX_FILE >> 20} MB are read: clear its outputs")
        worker = workers.take()
        try:
            # What is appended meanwhile is not read.
            while size > 0 and (chunk := file.read(min(CHUNK, size))):
                worker.ask(("put", chunk), READ_SECONDS)
                hashed.update(chunk)
                size -= len(chunk)
            reply = codec.decode(worker.ask(("read", kind(path.name)), READ_SECONDS))
        except WorkerLost as gone:
            raise ValueError(f"the file cannot be read: {gone.why}") from None
        except BaseException:
            worker.close()
            raise
    if reply[0] == "cells":
        return worker, reply[1] | {"digest": hashed.hexdigest()}
    worker.close()
    raise ValueError(reply[1])


def _review(worker: WorkerProxy, book: dict[str, Any], lab: LabChecks) -> list[str]:
    """Return a sentence for each name that an answer uses and its exercise does not allow.

    A worker that exceeds its limits over this is ended; the session then runs the cells in another worker.
    """
    if not lab.review:
        return []
    table = {exercise: list(names) for exercise, names in lab.review.items()}
    try:
        reply = codec.decode(worker.ask(("review", book["cells"], table), REVIEW_SECONDS))
    except WorkerLost as gone:
        return [f"the code could not be looked through: {gone.why}"]
    return [plain(sentence, 500) for sentence in reply[1]]


def grade(
    path: Path,
    lab: LabChecks,
    workers: Pool,
    given: Iterable[tuple[str, str]] = (),
    seeds: Mapping[str, str] | None = None,
) -> Result:
    """Return the result of one submission; the only exceptions are errors of the grader itself."""
    begin = time.monotonic()
    result = Result()
    try:
        worker, book = open_submission(path, workers)
    except ValueError as error:
        result.error = plain(str(error), 500)
        return result
    result.lab, result.version = one_line(book["lab"], 80), one_line(book["version"], 80)
    result.digest = book["digest"]
    result.problems = [plain(note, 300) for note in book["notes"]]
    if result.lab and result.lab != lab.slug:
        result.problems.insert(0, f"the file says that it is lab {result.lab}, and it was graded as {lab.slug}")
    result.review = _review(worker, book, lab)
    session = Session(workers, [*given, *book["cells"]], lab.exercises)
    session.functions_in_text = book["in_text"]
    try:
        session.start_in(worker)
        result.verdicts = [judge_exercise(lab, exercise, session, seeds) for exercise in lab.exercises]
    finally:
        session.close()
    result.problems += [f"{label}: {why}" for label, why in session.problems]
    more = len(result.problems) - MAX_PROBLEMS
    result.problems[MAX_PROBLEMS:] = [f"and {more} more"] if more > 0 else []
    result.seconds = time.monotonic() - begin
    return result
