"""Find what a lab declares: its exercises, their parts as checks, and the package's modules that would solve it.

Lab `03_tokenization` is the package `m03_tokenization` in the folder of labs. Each exercise is a module of the package,
and holds an `Exercise` of the same name. The package's own file names the exercises, and can be read without PyTorch.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .exercise import Exercise, Part

FOLDER = Path(__file__).parents[1] / "labs"


@dataclass(frozen=True)
class Check:
    """What the points of one part are given for; every call of the student's function in it has the same clock."""

    declared: Exercise
    rules: Part

    @property
    def exercise(self) -> str:
        """Return the name of the exercise, which is the name of the student's function."""
        return self.declared.name

    @property
    def part(self) -> str:
        """Return the name of the part, empty where the exercise has only one."""
        return self.rules.name

    @property
    def points(self) -> int:
        """Return the points of the part."""
        return self.rules.points

    @property
    def seconds(self) -> float:
        """Return the CPU seconds that the student's function may take in all calls of this check together."""
        return self.declared.seconds

    @property
    def label(self) -> str:
        """Return the check's name in a lab, such as `merge` or `merge, overlaps`."""
        return f"{self.exercise}, {self.part}" if self.part else self.exercise


@dataclass(frozen=True)
class LabChecks:
    """All checks of a lab, in order; `answers` are this package's modules that would solve it, which no worker reads.

    `review` holds, by exercise, what an answer is not meant to use: for a person, and without effect on points.
    """

    slug: str
    checks: tuple[Check, ...]
    answers: tuple[str, ...] = ()
    review: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def exercises(self) -> tuple[str, ...]:
        """Return the names of the exercises, in order."""
        return tuple(dict.fromkeys(check.exercise for check in self.checks))

    @property
    def declarations(self) -> tuple[Exercise, ...]:
        """Return the exercises as they are declared, in order."""
        return tuple(dict.fromkeys(check.declared for check in self.checks))

    def of(self, exercise: str) -> tuple[Check, ...]:
        """Return the checks of one exercise."""
        return tuple(check for check in self.checks if check.exercise == exercise)

    def points(self, exercise: str | None = None) -> int:
        """Return the points to be earned in one exercise, or in the whole lab."""
        return sum(check.points for check in self.checks if exercise in (None, check.exercise))


def lab_of(slug: str, *exercises: Exercise, answers: tuple[str, ...] = ()) -> LabChecks:
    """Put exercises together to a lab."""
    checks = tuple(Check(exercise, part) for exercise in exercises for part in exercise.parts)
    return LabChecks(slug, checks, answers, {one.name: one.review for one in exercises if one.review})


def constant(package: Path, name: str) -> tuple[str, ...]:
    """Read a tuple of strings, `ANSWERS` or `EXERCISES`, from a lab's package without importing it."""
    for node in ast.parse((package / "__init__.py").read_text("utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(found)], value=ast.expr() as value) if found == name:
                return tuple(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name(found), value=ast.expr() as value) if found == name:
                return tuple(ast.literal_eval(value))
    return ()


def labs(folder: Path = FOLDER) -> dict[str, Path]:
    """Return the packages of a folder of labs, by the slug of the lab."""
    return {path.parent.name[1:]: path.parent for path in sorted(folder.glob("m*/__init__.py"))}


def find(slug: str, folder: Path = FOLDER) -> LabChecks:
    """Import what a lab declares; an unknown lab is a `LookupError` that names the known ones."""
    known = labs(folder)
    if slug not in known:
        raise LookupError(f"there is no lab {slug!r}; the labs are: {', '.join(known) or 'none yet'}")
    package = known[slug]
    name = _package(package)
    exercises = []
    for exercise in constant(package, "EXERCISES"):
        declared = getattr(importlib.import_module(f"{name}.{exercise}"), exercise, None)
        if not isinstance(declared, Exercise) or declared.name != exercise or not declared.parts:
            raise ValueError(f"{package.name}/{exercise}.py declares no exercise {exercise!r} with a part")
        exercises.append(declared)
    return lab_of(slug, *exercises, answers=constant(package, "ANSWERS"))


def _package(path: Path) -> str:
    """Make a lab's package importable, and return its name; one that is not ours is read anew each time."""
    if path.parent == FOLDER:
        return f"{__package__.rpartition('.')[0]}.labs.{path.name}"
    name = f"{path.name}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()
    _load(name, path)
    return name


def _load(name: str, path: Path) -> ModuleType:
    spec: Any = importlib.util.spec_from_file_location(
        name, path / "__init__.py", submodule_search_locations=[str(path)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
