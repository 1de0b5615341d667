"""What the tests of a lab share: its reference, mutants and alternatives, judged in a notebook and in a worker."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fullstack_llm.checks import registry
from fullstack_llm.checks.judging import judge_exercise
from fullstack_llm.checks.notebook import Lab
from fullstack_llm.checks.verdict import Verdict
from fullstack_llm.grading.judge.session import Session
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing.levels import strongest
from fullstack_llm.lessons.generate import read
from fullstack_llm.worker.cells import run

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Mutant:
    """A mistake that people make: the source of the function with it, and a part of the hint that must name it."""

    exercise: str
    name: str
    hint: str
    code: str


# Answers that no exercise may reward, made from the name of the exercise; the reference is defined before them.
GENERATED = {
    "identity": "def NAME(*args, **kwargs):\n    return args[0] if args else None",
    "none": "def NAME(*args, **kwargs):\n    return None",
    "zero": "def NAME(*args, **kwargs):\n    return 0",
    "empty string": "def NAME(*args, **kwargs):\n    return ''",
    "zeros": """
def NAME(*args, _reference=NAME):
    def zeros(value):
        if isinstance(value, (list, tuple)):
            return type(value)(map(zeros, value))
        if isinstance(value, dict):
            return {key: zeros(item) for key, item in value.items()}
        if value is None or hasattr(value, "dtype"):
            return None if value is None else value * 0
        return type(value)()
    return zeros(_reference(*args))
""",
    "first answer cached": """
def NAME(*args, _reference=NAME, _answers=[]):
    if not _answers:
        _answers.append(_reference(*args))
    return _answers[0]
""",
}


Cells = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class LabUnderTest:
    """A lab with everything that proves its checks."""

    checks: registry.LabChecks
    given: Cells
    answers: dict[str, str]
    mutants: list[Any]
    alternatives: dict[str, dict[str, str]]

    @property
    def reference(self) -> Cells:
        """The lab's own cells and its reference answers."""
        return self.given + tuple(self.answers.items())

    @property
    def generated(self) -> list[Mutant]:
        """Every generated mutant of every exercise."""
        return [
            Mutant(exercise, name, "", code.replace("NAME", exercise))
            for exercise in self.checks.exercises
            for name, code in GENERATED.items()
        ]


def load(solution: Path, mutants: Path, checks: Path = registry.HERE) -> LabUnderTest:
    """The lab of a solution file and a mutants file; its check module lies in the folder `checks`."""
    given, answers = [], {}
    for number, cell in enumerate(read(solution), start=1):
        tags = cell["metadata"].get("tags", [])
        if "answer" in tags:
            answers[cell["metadata"]["exercise"]] = cell["source"]
        elif cell["cell_type"] == "code" and {"setup", "given"} & set(tags):
            given.append((f"cell {number}", cell["source"]))
    spec = importlib.util.spec_from_file_location(f"mutants_{mutants.stem}", mutants)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return LabUnderTest(
        registry.find(solution.stem, checks), tuple(given), answers, module.MUTANTS, module.ALTERNATIVES
    )


@functools.cache
def in_notebook(lab: LabUnderTest, cells: Cells, exercise: str) -> Verdict:
    """The verdict that a student sees after these cells."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    # The toy lab is in no package, so its set-up cell asks for nothing; the check is made here either way.
    for label, source in cells:
        run(source.replace(f'check = lab("{lab.checks.slug}")', "check = None"), label, namespace)
    return replace(Lab(lab.checks)(namespace[exercise]), total="")


@contextmanager
def worker(lab: LabUnderTest) -> Iterator[Callable[[Cells, str], Verdict]]:
    """A function that gives the grader's verdict after some cells; one worker for all of them, unless it is lost."""
    workers = Pool(strongest(), ("numpy",))
    session = Session(workers, [], lab.checks.exercises)

    def judge(cells: Cells, exercise: str) -> Verdict:
        session.cells, session.lost = list(cells), {}
        if session.worker is None:
            session.start_again()
        else:
            session.define()
        assert not session.problems, session.problems
        return judge_exercise(lab.checks, exercise, session)

    try:
        yield judge
    finally:
        session.close()
        workers.close()


def seen(verdict: Verdict) -> list[Any]:
    """What of a verdict must be the same in a notebook and in the grader: everything but the traceback."""
    return [replace(one, trace="") for one in verdict.outcomes]
