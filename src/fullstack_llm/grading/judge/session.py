"""A submission in a worker: run its cells, call its functions, and start again whenever the worker is lost."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from fullstack_llm.checks.declared import Check
from fullstack_llm.checks.judge import NoValue, too_long
from fullstack_llm.checks.limits import WALL
from fullstack_llm.checks.show import plain
from fullstack_llm.grading.machine.errors import Gone, Unfair
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.pool.proxy import WorkerProxy
from fullstack_llm.worker import codec

CELL_SECONDS = 10.0
CELLS_SECONDS = 60.0
SUBMISSION_SECONDS = 600.0
MAX_LOST = 5


class Session:
    """A submission in a worker, started again and its cells replayed whenever the worker is lost."""

    def __init__(self, workers: Pool, cells: Iterable[tuple[str, str]], exercises: tuple[str, ...]) -> None:
        self.workers, self.exercises = workers, exercises
        self.cells = list(cells)
        self.worker: WorkerProxy | None = None
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

    def begin(self, worker: WorkerProxy) -> None:
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
