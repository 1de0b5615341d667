"""Grade one submission: its cells run in a worker, the checks run here, and each exercise stands alone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..checks import codec
from ..checks.declared import Check, LabChecks
from ..checks.judge import NoValue, judge_exercise, too_long
from ..checks.limits import WALL
from ..checks.show import plain
from ..checks.verdict import Verdict
from .errors import Gone, GraderError, Unfair
from .notebook import MAX_FILE
from .process import Worker
from .workers import Workers

READ_SECONDS = 30.0
REVIEW_SECONDS = 30.0
CELL_SECONDS = 10.0
CELLS_SECONDS = 60.0
SUBMISSION_SECONDS = 600.0
CHUNK = 32 << 20
MAX_LOST = 5
MAX_PROBLEMS = 20


@dataclass
class Result:
    """What one submission earned; `error` says why nothing could be graded, `problems` what else went wrong.

    `review` says what a person should look at; it decides no points. `fault`: the error is the grader's, and no zero.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    error: str = ""
    problems: list[str] = field(default_factory=list)
    review: list[str] = field(default_factory=list)
    lab: str = ""
    version: str = ""
    seconds: float = 0.0
    fault: bool = False

    @property
    def earned(self) -> int:
        """Points earned."""
        return sum(one.earned for one in self.verdicts)


class Session:
    """A submission in a worker, started again and its cells replayed whenever the worker is lost."""

    def __init__(self, workers: Workers, cells: Iterable[tuple[str, str]], exercises: tuple[str, ...]) -> None:
        self.workers, self.exercises = workers, exercises
        self.cells = list(cells)
        self.worker: Worker | None = None
        self.defined: set[str] = set()
        self.failed: dict[int, str] = {}
        self.lost: dict[int, str] = {}
        self.in_text: list[str] = []
        # Of a check: its CPU seconds, those that are left of them, and of the time by the clock.
        self.seconds = self.cpu = self.left = 0.0
        self.unfair: Unfair | None = None
        self.end = time.monotonic() + SUBMISSION_SECONDS

    def define(self) -> None:
        """Run all cells in order; one that fails is named, one that takes the worker with it is never run again."""
        self.defined, self.failed = set(), {}
        end = min(time.monotonic() + CELLS_SECONDS, self.end)
        for number, (label, source) in enumerate(self.cells):
            if number in self.lost or not source.strip():
                continue
            left = min(CELL_SECONDS, end - time.monotonic())
            if left <= 0 or len(self.lost) >= MAX_LOST:
                self.lost[number] = f"not run: the cells may take {CELLS_SECONDS:.0f} s, and end {MAX_LOST} processes"
                continue
            try:
                reply = self._decoded(self._ask(("define", label, source, list(self.exercises)), left))
            except Gone as gone:
                self.lost[number] = f"it was left out: {gone.why}"
                return self.start_again()
            match reply:
                case ("defined", list(names), str(error)):
                    self.defined = {name for name in names if isinstance(name, str)}
                    if error:
                        # It may be long, and hold nothing but line ends.
                        lines = error[-2000:].strip().splitlines()
                        self.failed[number] = plain(lines[-1] if lines else "an error that says nothing", 300)
        return None

    def _ask(self, request: tuple[object, ...], seconds: float, cpu: float = math.inf) -> bytes:
        assert self.worker
        try:
            return self.worker.ask(request, seconds, cpu)
        except Unfair as unfair:
            # A check takes what is raised in it for its own fault, so this is kept for the end.
            self.unfair = unfair
            raise Gone("died", str(unfair)) from None

    def _decoded(self, frame: bytes) -> Any:
        try:
            return codec.decode(frame)
        except codec.CodecError:
            return None

    def start_again(self) -> None:
        """A fresh worker with the cells replayed."""
        self.worker = self.workers.take()
        self.define()

    def begin(self, worker: Worker) -> None:
        """Run the cells in this worker, or in a fresh one if it is gone."""
        self.worker = self.workers.take() if worker.closed else worker
        self.define()

    def start(self, check: Check) -> None:
        """Begin a check: its seconds count from here, and a lost worker is replaced."""
        if time.monotonic() >= self.end:
            raise NoValue("timeout", f"the submission has used the {SUBMISSION_SECONDS:.0f} s that it has in all")
        self._prove_alive()
        if self.worker is None:
            self.start_again()
        self.seconds = self.cpu = check.seconds
        self.left = check.seconds * WALL
        if check.exercise not in self.defined:
            raise NoValue("missing", self._missing(check.exercise))

    def _prove_alive(self) -> None:
        # An earlier check may have left a worker that ends, or a reply of its own in the pipe: that is not this one's.
        try:
            if self.worker:
                self._ask(("define", "", "", list(self.exercises)), CELL_SECONDS)
        except Gone:
            self.worker = None

    def _missing(self, name: str) -> str:
        if name in self.in_text:
            return f"`def {name}` stands in a text cell: turn that cell into a code cell"
        sources = dict(self.cells)
        for label, why in self.problems:
            if f"def {name}(" in sources[label]:
                return f"no function {name} was defined, since {label} failed: {why}"
        return f"the submission defines no function {name}"

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Cells that failed or were left out, in order, with the reason."""
        return [(self.cells[number][0], why) for number, why in sorted((self.failed | self.lost).items())]

    def call(self, name: str, values: bytes) -> bytes:
        """The reply frame to one call, within what is left of the check's seconds."""
        if self.worker is None:
            raise NoValue("died", f"{name} ended its process in an earlier call")
        begin, worker = time.monotonic(), self.worker
        try:
            return self._ask(("call", name, values), max(self.left, 0.0), max(self.cpu, 0.0))
        except Gone as gone:
            self.worker = None
            if gone.kind == "timeout":
                raise too_long(name, self.seconds) from None
            raise NoValue(gone.kind, f"{name} gave no value: {gone.why}") from None
        finally:
            self.left -= time.monotonic() - begin
            self.cpu -= worker.used

    def close(self) -> None:
        """End the worker; what the grader itself lacked in the meantime is raised now."""
        if self.worker:
            self.workers.dismiss(self.worker)
        if self.unfair:
            raise self.unfair


def graded(result: Result) -> Result:
    """The result, where one alone is asked for; `GraderError` if the grader could not do it."""
    if result.fault:
        raise GraderError(result.error)
    return result


def open_submission(path: Path, workers: Workers) -> tuple[Worker, dict[str, Any]]:
    """A worker that has read the file, and what it read; `ValueError` says why a file cannot be read."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise ValueError(f"the file has {size >> 20} MB; at most {MAX_FILE >> 20} MB are read: clear its outputs")
    worker = workers.take()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                worker.ask(("put", chunk), READ_SECONDS)
        reply = codec.decode(worker.ask(("read", path.suffix.lower()), READ_SECONDS))
    except Gone as gone:
        raise ValueError(f"the file cannot be read: {gone.why}") from None
    except BaseException:
        worker.close()
        raise
    if reply[0] == "cells":
        return worker, reply[1]
    worker.close()
    raise ValueError(reply[1])


def _reviewed(worker: Worker, book: dict[str, Any], lab: LabChecks) -> list[str]:
    """What the file uses and is not meant to; a worker that this takes too much of is lost, and its cells run anew."""
    if not lab.review:
        return []
    table = {exercise: list(names) for exercise, names in lab.review.items()}
    try:
        reply = codec.decode(worker.ask(("review", book["cells"], table), REVIEW_SECONDS))
    except Gone as gone:
        return [f"the code could not be looked through: {gone.why}"]
    return [plain(sentence, 500) for sentence in reply[1]]


def grade(
    path: Path,
    lab: LabChecks,
    workers: Workers,
    given: Iterable[tuple[str, str]] = (),
    seeds: Mapping[str, str] | None = None,
) -> Result:
    """The result of one submission; nothing in it can raise here, except an error of the grader itself."""
    begin = time.monotonic()
    result = Result()
    try:
        worker, book = open_submission(path, workers)
    except ValueError as error:
        result.error = plain(str(error), 500)
        return result
    result.lab, result.version = plain(book["lab"], 80), plain(book["version"], 80)
    result.problems = [plain(note, 300) for note in book["notes"]]
    if result.lab and result.lab != lab.slug:
        result.problems.insert(0, f"the file says that it is lab {result.lab}, and it was graded as {lab.slug}")
    result.review = _reviewed(worker, book, lab)
    session = Session(workers, [*given, *book["cells"]], lab.exercises)
    session.in_text = book["in_text"]
    try:
        session.begin(worker)
        result.verdicts = [judge_exercise(lab, exercise, session, seeds) for exercise in lab.exercises]
    finally:
        session.close()
    result.problems += [f"{label}: {why}" for label, why in session.problems]
    more = len(result.problems) - MAX_PROBLEMS
    result.problems[MAX_PROBLEMS:] = [f"and {more} more"] if more > 0 else []
    result.seconds = time.monotonic() - begin
    return result
