"""Run a submission's cells in a worker, call its functions, and continue in another worker if that one ends."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from fullstack_llm.checks.declared import Check
from fullstack_llm.checks.judge import NoValue, too_long
from fullstack_llm.checks.limits import WALL
from fullstack_llm.checks.show import plain
from fullstack_llm.grading.machine.errors import RetryableError, WorkerLost
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.pool.proxy import WorkerProxy
from fullstack_llm.worker import codec

CELL_SECONDS = 10.0
CELLS_SECONDS = 60.0
SUBMISSION_SECONDS = 600.0
MAX_LOST = 5


class Session:
    """A submission in a worker; when the worker ends, the cells run again in a new one.

    `cells` are (label, source). A `Session` is a `checks.judge.Transport`: `start` and `call` serve the checks.
    """

    def __init__(self, workers: Pool, cells: Iterable[tuple[str, str]], exercises: tuple[str, ...]) -> None:
        self.workers, self.exercises = workers, exercises
        self.cells = list(cells)
        self.worker: WorkerProxy | None = None
        self.defined: set[str] = set()
        # By the cell's number, why a cell raised an exception, and why a cell is left out of every further run.
        self.failed: dict[int, str] = {}
        self.skipped: dict[int, str] = {}
        self.functions_in_text: list[str] = []
        # Of the current check: its CPU seconds, and what is left of them and of its wall-clock seconds.
        self.seconds = self.cpu_left = self.wall_left = 0.0
        self.unfair: RetryableError | None = None
        self.deadline = time.monotonic() + SUBMISSION_SECONDS

    def run_cells(self) -> None:
        """Run all cells in order; record each cell that raises, and never again run a cell that ended a worker."""
        self.defined, self.failed = set(), {}
        deadline = min(time.monotonic() + CELLS_SECONDS, self.deadline)
        for number, (label, source) in enumerate(self.cells):
            if number in self.skipped or not source.strip():
                continue
            left = min(CELL_SECONDS, deadline - time.monotonic())
            if left <= 0 or len(self.skipped) >= MAX_LOST:
                self.skipped[number] = (
                    f"not run: the cells may take {CELLS_SECONDS:.0f} s, and end {MAX_LOST} processes"
                )
                continue
            try:
                reply = self._decode(self._ask(("define", label, source, list(self.exercises)), left))
            except WorkerLost as gone:
                self.skipped[number] = f"it was left out: {gone.why}"
                return self.restart()
            match reply:
                case ("defined", list(names), str(error)):
                    self.defined = {name for name in names if isinstance(name, str)}
                    if error:
                        # The text of an exception may be long, and may hold nothing but line ends.
                        lines = error[-2000:].strip().splitlines()
                        self.failed[number] = plain(lines[-1] if lines else "an error that says nothing", 300)
        return None

    def _ask(self, request: tuple[object, ...], seconds: float, cpu: float = math.inf) -> bytes:
        assert self.worker
        try:
            return self.worker.ask(request, seconds, cpu)
        except RetryableError as unfair:
            # A check would count `RetryableError` as its own failure, so `close` raises it after the last check.
            self.unfair = unfair
            raise WorkerLost("died", str(unfair)) from None

    def _decode(self, frame: bytes) -> Any:
        try:
            return codec.decode(frame)
        except codec.CodecError:
            return None

    def restart(self) -> None:
        """Take a new worker, and run the cells in it."""
        self.worker = self.workers.take()
        self.run_cells()

    def start_in(self, worker: WorkerProxy) -> None:
        """Run the cells in this worker, or in a new one if this one has ended."""
        self.worker = self.workers.take() if worker.closed else worker
        self.run_cells()

    def start(self, check: Check) -> None:
        """Begin a check: replace a worker that has ended, and start to count the check's seconds."""
        if time.monotonic() >= self.deadline:
            raise NoValue("timeout", f"the submission has used the {SUBMISSION_SECONDS:.0f} s that it has in all")
        self._drop_ended_worker()
        if self.worker is None:
            self.restart()
        self.seconds = self.cpu_left = check.seconds
        self.wall_left = check.seconds * WALL
        if check.exercise not in self.defined:
            raise NoValue("missing", self._missing(check.exercise))

    def _drop_ended_worker(self) -> None:
        # Code of an earlier check may be about to end the worker, or may have written to its pipe. An empty request
        # finds that out here, so that the check that begins now does not pay for it.
        try:
            if self.worker:
                self._ask(("define", "", "", list(self.exercises)), CELL_SECONDS)
        except WorkerLost:
            self.worker = None

    def _missing(self, name: str) -> str:
        if name in self.functions_in_text:
            return f"`def {name}` stands in a text cell: turn that cell into a code cell"
        sources = dict(self.cells)
        for label, why in self.problems:
            if f"def {name}(" in sources[label]:
                return f"no function {name} was defined, since {label} failed: {why}"
        return f"the submission defines no function {name}"

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Return the label of each cell that raised or was left out, in order, with the reason."""
        return [(self.cells[number][0], why) for number, why in sorted((self.failed | self.skipped).items())]

    def call(self, name: str, values: bytes) -> bytes:
        """Return the reply frame to one call, within what is left of the check's seconds."""
        if self.worker is None:
            raise NoValue("died", f"{name} ended its process in an earlier call")
        begin, worker = time.monotonic(), self.worker
        try:
            return self._ask(("call", name, values), max(self.wall_left, 0.0), max(self.cpu_left, 0.0))
        except WorkerLost as gone:
            self.worker = None
            if gone.kind == "timeout":
                raise too_long(name, self.seconds) from None
            raise NoValue(gone.kind, f"{name} gave no value: {gone.why}") from None
        finally:
            self.wall_left -= time.monotonic() - begin
            self.cpu_left -= worker.used

    def close(self) -> None:
        """End the worker, and raise the `RetryableError` that happened meanwhile, if any."""
        if self.worker:
            self.workers.dismiss(self.worker)
        if self.unfair:
            raise self.unfair
