"""What the tests of labs share: a lab with its solution, and answers to it judged in a notebook and in a worker."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from fullstack_llm.checks import cases, declared, draws, kinds
from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.checks.exercise import Answer, Exercise
from fullstack_llm.checks.judge import NoValue, judge_check, judge_exercise
from fullstack_llm.checks.limits import WALL
from fullstack_llm.checks.notebook import _InProcess
from fullstack_llm.checks.verdict import Outcome, Verdict
from fullstack_llm.grading.judge.session import Session
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing.levels import strongest
from fullstack_llm.lessons import generate
from fullstack_llm.worker import codec
from fullstack_llm.worker.cells import Cells

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests" / "grading" / "toy"
Sources = tuple[tuple[str, str], ...]
# The draw of notebooks, and that of a class.
KEYS = (draws.PUBLIC_KEY, b"a class")


@dataclass(frozen=True, eq=False)
class LabUnderTest:
    """A lab's checks, the cells that it gives to everyone, and the answers of its solution."""

    checks: LabChecks
    solution: Path
    given: Sources
    reference: dict[str, str]

    @property
    def cells(self) -> Sources:
        """The lab's own cells, then the solution's answers, which a later answer may call."""
        return self.given + tuple(self.reference.items())

    @property
    def folder(self) -> Path:
        """Where the lab's package lies."""
        return TOY if self.solution.parent == TOY else declared.FOLDER


@functools.cache
def load(slug: str) -> LabUnderTest:
    """Load a lab of the course, or the toy lab of the grader's tests."""
    solution = ROOT / "solutions" / f"{slug}.md" if slug != "00_toy" else TOY / "00_toy.md"
    given, reference = [], {}
    for number, cell in enumerate(generate.read(solution), start=1):
        tags = cell["metadata"].get("tags", [])
        if "answer" in tags:
            reference[cell["metadata"]["exercise"]] = cell["source"]
        elif cell["cell_type"] == "code" and {"setup", "given"} & set(tags):
            # The toy lab is in no package, so its set-up cell asks for nothing; checks are made here either way.
            given.append((f"cell {number}", cell["source"].replace(f'check = lab("{slug}")', "check = None")))
    checks = declared.find(slug, TOY if slug == "00_toy" else declared.FOLDER)
    return LabUnderTest(checks, solution, tuple(given), reference)


@functools.cache
def seeds(lab: LabUnderTest, key: bytes = KEYS[0]) -> dict[str, str]:
    """Return the seed of each check of a lab."""
    return draws.seeds(lab.checks, key)


@functools.cache
def _namespace(lab: LabUnderTest) -> dict[str, Any]:
    cells = Cells(ModuleType("__main__"))
    for label, source in lab.cells:
        cells.run(source, label)
    return vars(cells.module)


def defined(lab: LabUnderTest, exercise: str, source: str) -> Answer:
    """Return the function that a source defines below the lab's own cells and the other answers."""
    module = ModuleType("__main__")
    vars(module).update(_namespace(lab))
    Cells(module).run(source, exercise)
    answer: Answer = vars(module)[exercise]
    return answer


def judged(lab: LabUnderTest, exercise: str, answer: Answer, key: bytes = KEYS[0]) -> Verdict:
    """Return the verdict on a function in this process, as a notebook shows it."""
    with quiet():
        return judge_exercise(lab.checks, exercise, _InProcess(answer), seeds(lab, key))


def first_failure(lab: LabUnderTest, exercise: str, answer: Answer) -> Outcome | None:
    """Return the outcome of the first part that fails among those in which mistakes are named."""
    with quiet():
        for check in lab.checks.of(exercise):
            if check.rules.named:
                outcome = judge_check(check, _InProcess(answer), seeds(lab)[check.label])
                if not outcome.earned:
                    return outcome
    return None


def earned(lab: LabUnderTest, exercise: str, answer: Answer, seconds: float = 1.0) -> int:
    """Return the points of a function without a hint; one that takes more CPU seconds in all earns nothing more."""
    points, transport = 0, _InProcess(answer)
    transport.seconds = transport.left = seconds
    transport.wall = seconds * WALL
    with quiet(), contextlib.suppress(NoValue):
        for check in lab.checks.of(exercise):
            if all(_right(check, case, transport) for case in cases.KEPT.of(check, seeds(lab)[check.label])):
                points += check.points
    return points


def _right(check: declared.Check, case: cases.Case, transport: _InProcess) -> bool:
    frame = transport.call(check.exercise, case.request)
    if frame == case.reply:
        return True
    reply = codec.decode(frame)
    want = case.want
    return reply[0] == "value" and bool(check.rules.compare(kinds.alike(reply[1], want), want, case.values)[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what answers print and warn of from the tests' output."""
    shut = io.StringIO()
    with contextlib.redirect_stdout(shut), contextlib.redirect_stderr(shut), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def complete(exercise: Exercise, answer: Answer) -> str:
    """Return the source of a declared right answer as a cell in which it has the exercise's name."""
    return f"{exercise.complete(*exercise.uses, answer)}\n\n{exercise.name} = {answer.__name__}\n"


def notebook(lab: LabUnderTest, written: bool) -> dict[str, Any]:
    """Return the lab as it is handed out, or with the solution's answers in it."""
    book: dict[str, Any] = json.loads(generate.lab(lab.solution, "https://example.org/course", "main"))
    for cell in book["cells"]:
        exercise = cell["metadata"].get("exercise")
        if written and "answer" in cell["metadata"].get("tags", []):
            cell["source"] = lab.reference[exercise]
    return book


def run_notebook(book: dict[str, Any]) -> dict[str, int]:
    """Run a lab's cells in order, as a student would; return the points of each exercise."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with quiet():
        for cell in book["cells"]:
            if cell["cell_type"] == "code" and cell["id"] != "install":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return {exercise: verdict.earned for exercise, verdict in names["check"].verdicts.items()}


@contextmanager
def worker(lab: LabUnderTest) -> Iterator[Callable[[Sources, str], Verdict]]:
    """Yield a function that gives the grader's verdict after some cells; one worker for all, unless it is lost."""
    workers = Pool(strongest(), ("numpy",))
    session = Session(workers, [], lab.checks.exercises)

    def judge(cells: Sources, exercise: str) -> Verdict:
        session.begin(cells)
        if session.worker is None:
            session.restart()
        else:
            session.run_cells()
        assert not session.problems, session.problems
        return judge_exercise(lab.checks, exercise, session, seeds(lab))

    try:
        yield judge
    finally:
        session.close()
        workers.close()


def seen(verdict: Verdict) -> list[Any]:
    """Return what of a verdict is the same in a notebook and in the grader: everything but the traceback."""
    return [replace(one, trace="") for one in verdict.outcomes]
