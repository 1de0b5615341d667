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

# CPU seconds of a cell and of all cells; by the clock on the wall they may take WALL times as many. A submission has
# its seconds by the clock.
CELL_SECONDS = 10.0
CELLS_SECONDS = 60.0
SUBMISSION_SECONDS = 600.0
MAX_LOST = 12


class Session:
    """A submission in a worker; when the worker ends, the cells run again in a new one.

    `cells` are (label, source). A `Session` is a `checks.judge.Transport`: `start` and `call` serve the checks.
    """

    def __init__(self, workers: Pool, cells: Iterable[tuple[str, str]], exercises: tuple[str, ...]) -> None:
        self.workers, self.exercises = workers, exercises
        self.worker: WorkerProxy | None = None
        self.functions_in_text: list[str] = []
        # Of the current check: its CPU seconds, and what is left of them and of its wall-clock seconds.
        self.seconds = self.cpu_left = self.wall_left = 0.0
        self.unfair: RetryableError | None = None
        self.deadline = time.monotonic() + SUBMISSION_SECONDS
        self.begin(cells)

    def begin(self, cells: Iterable[tuple[str, str]]) -> None:
        """Take the cells, of which nothing is known yet."""
        self.cells = list(cells)
        self.defined: set[str] = set()
        # By the cell's number, why a cell raised an exception, and why a cell was ended: of it only the definitions run
        # again, or nothing if they ended a worker too. From cell `spent` on, only definitions are run, and from cell
        # `stop` on nothing, for the reasons in `why`.
        self.failed: dict[int, str] = {}
        self.lost: dict[int, str] = {}
        self.skipped: set[int] = set()
        self.spent = self.stop = len(self.cells)
        self.why: dict[int, str] = {}

    def run_cells(self) -> None:
        """Run all cells in order; record each that raises, and never again run what ended a worker."""
        self.defined, self.failed = set(), {}
        left, deadline = CELLS_SECONDS, min(time.monotonic() + CELLS_SECONDS * WALL, self.deadline)
        slowest = (0.0, "")
        for number, (label, source) in enumerate(self.cells[: self.stop]):
            if number in self.skipped or not source.strip():
                continue
            wall = min(CELL_SECONDS * WALL, deadline - time.monotonic())
            if wall <= 0:
                return self._stop(
                    number, f"not run: the cells before it took all the time that there is, {slowest[1]} the most"
                )
            reduced = number in self.lost or number >= self.spent
            cpu = CELL_SECONDS if reduced else min(CELL_SECONDS, left)
            begin = time.monotonic()
            try:
                request = ("define", label, source, list(self.exercises), reduced)
                reply = self._decode(self._ask(request, wall, cpu))
            except WorkerLost as gone:
                if gone.kind == "timeout" and cpu < CELL_SECONDS:
                    # Run again, the cells before it may take a little more, and then an earlier one is the first.
                    self.why.pop(self.spent, None)
                    self.spent = number
                    self.why[number] = f"only definitions were run from here on: the cells took {CELLS_SECONDS:.0f} s"
                    return self.restart()
                return self._lose(number, gone)
            assert self.worker
            left -= 0 if reduced else self.worker.used
            slowest = max(slowest, (time.monotonic() - begin, label))
            match reply:
                case ("defined", list(names), str(error)):
                    self.defined = {name for name in names if isinstance(name, str)}
                    if error:
                        # The text of an exception may be long, and may hold nothing but line ends.
                        lines = error[-2000:].strip().splitlines()
                        self.failed[number] = plain(lines[-1] if lines else "an error that says nothing", 400)
        return None

    def _lose(self, number: int, gone: WorkerLost) -> None:
        """Note which cell ended the worker, and run the cells in another."""
        why = f"it took more than {CELL_SECONDS:.0f} s" if gone.kind == "timeout" else gone.why
        if number in self.lost:
            self.skipped.add(number)
        what = "it was left out" if number in self.skipped else "only its definitions were run"
        self.lost[number] = f"{what}: {why}"
        if len(self.lost) + len(self.skipped) >= MAX_LOST:
            # What stands before it has run, and is run again.
            self._stop(number + 1, f"not run: the cells before it ended {MAX_LOST} processes")
        self.restart()

    def _stop(self, number: int, why: str) -> None:
        """Run nothing from this cell on."""
        self.stop = number
        self.why |= {at: why for at in range(number, len(self.cells)) if self.cells[at][1].strip()}

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
                self._ask(("define", "", "", list(self.exercises)), CELL_SECONDS * WALL, CELL_SECONDS)
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
        found = self.failed | self.why | self.lost
        return [(self.cells[number][0], why) for number, why in sorted(found.items())]

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
