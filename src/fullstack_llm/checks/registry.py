"""What a lab's check module declares: exercises, points, and the functions that judge them."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Check:
    """One check: `judge(student, draw)` raises `Wrong`, or returns and the points are earned.

    `seconds` bounds the time that the student's function may take in all calls of this check together.
    """

    exercise: str
    part: str
    points: int
    minutes: int
    difficulty: int
    seconds: float
    judge: Callable[[Callable[..., Any], Any], None]

    @property
    def label(self) -> str:
        """The check's name in a lab, such as `merge` or `merge, overlaps`."""
        return f"{self.exercise}, {self.part}" if self.part else self.exercise


@dataclass(frozen=True)
class LabChecks:
    """All checks of a lab, in the order of the module; `answers` are this package's modules that would solve it.

    A check module names them as `ANSWERS = ("bpe",)`, and no worker of the lab can read them. `review` names what an
    exercise's answer is not meant to use, as in `REVIEW = {"merge": ("tokenizers",)}`: for a person, and worth nothing.
    """

    slug: str
    checks: tuple[Check, ...]
    answers: tuple[str, ...] = ()
    review: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def exercises(self) -> tuple[str, ...]:
        """Exercise names, in order, each once."""
        return tuple(dict.fromkeys(one.exercise for one in self.checks))

    def of(self, exercise: str) -> tuple[Check, ...]:
        """The checks of one exercise."""
        return tuple(one for one in self.checks if one.exercise == exercise)

    def points(self, exercise: str | None = None) -> int:
        """Points to be earned in one exercise, or in the whole lab."""
        return sum(one.points for one in self.checks if exercise in (None, one.exercise))


_DECLARED: dict[str, list[Check]] = {}


def check(
    exercise: str, *, points: int, minutes: int = 10, difficulty: int = 2, part: str = "", seconds: float = 10.0
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare a function `(student, draw)` as a check of the exercise, the student's function of that name.

    `seconds` should be at least ten times what the reference takes in all calls of the check.
    """
    if not exercise.isidentifier():
        raise ValueError(f"an exercise is named as its function, and {exercise!r} is no function name")
    if points < 0 or not 1 <= difficulty <= 5:
        raise ValueError(f"{exercise}: points are 0 or more and difficulty is 1 to 5")

    def declare(function: Callable[..., None]) -> Callable[..., None]:
        declared = _DECLARED.setdefault(function.__module__, [])
        if any((one.exercise, one.part) == (exercise, part) for one in declared):
            raise ValueError(f"two checks of {exercise!r} with part={part!r}: name each part")
        declared.append(Check(exercise, part, points, minutes, difficulty, seconds, function))
        return function

    return declare


def _constant(path: Path, name: str) -> Any:
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value) if isinstance(node.value, (ast.Constant, ast.Tuple)) else None
    return None


def labs(folder: Path = HERE) -> dict[str, Path]:
    """Check modules by the slug of their lab: the constant `LAB`, read without importing the module."""
    found = ((_constant(path, "LAB"), path) for path in sorted(folder.glob("*.py")))
    return {slug: path for slug, path in found if slug}


def _load(path: Path) -> ModuleType:
    if path.parent == HERE:
        name = f"{__package__}.{path.stem}"
        try:
            return importlib.import_module(name)
        except BaseException:
            _DECLARED.pop(name, None)
            raise
    name = f"fullstack_llm_checks_{path.stem}"
    _DECLARED.pop(name, None)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find(slug: str, folder: Path = HERE) -> LabChecks:
    """The checks of a lab; an unknown lab is a `LookupError` that names the known ones."""
    known = labs(folder)
    if slug not in known:
        raise LookupError(f"there is no lab {slug!r}; the labs are: {', '.join(known) or 'none yet'}")
    module = _load(known[slug])
    checks = tuple(_DECLARED.get(module.__name__, ()))
    lab = LabChecks(slug, checks, tuple(_constant(known[slug], "ANSWERS") or ()), getattr(module, "REVIEW", {}))
    if unknown := set(lab.review) - set(lab.exercises):
        raise ValueError(f"REVIEW names {', '.join(sorted(unknown))}, which is no exercise of lab {slug}")
    return lab
