"""Every lab, taken four times: with the reference answers, with other right answers, and as it was handed out."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fullstack_llm.checks import draws, registry
from fullstack_llm.grading.judge import lab_cells
from fullstack_llm.grading.judge.batch import Batch, grader
from fullstack_llm.lessons import generate

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = ROOT / "tests" / "mutants"
# That every solution has its mutants is a rule of its own (tests/rules/test_rule_layout.py).
SOLUTIONS = [path for path in sorted((ROOT / "solutions").glob("*.md")) if (MUTANTS / f"{path.stem}.py").exists()]
UNTOUCHED, REFERENCE = "untouched", "reference"


@cache
def mutants(slug: str) -> ModuleType:
    """The module with wrong answers and differently written right ones."""
    path = MUTANTS / f"{slug}.py"
    spec = importlib.util.spec_from_file_location(f"mutants_{slug}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(solution: Path, answers: str) -> dict[str, Any]:
    """The lab's notebook with a set of answers: reference, untouched, or the name of an alternative."""
    lab = json.loads(generate.lab(solution, "https://example.org/course", "main"))
    for cell, source in zip((c for c in lab["cells"] if c["id"] != "install"), generate.read(solution), strict=True):
        exercise = cell["metadata"].get("exercise")
        if "answer" not in cell["metadata"].get("tags", []) or answers == UNTOUCHED:
            continue
        if answers == REFERENCE:
            cell["source"] = source["source"]
        else:
            cell["source"] = mutants(solution.stem).ALTERNATIVES[answers][exercise]
    return lab


def run(lab: dict[str, Any], monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, int]:
    """Run a lab's cells in order, as a student would; return the points of each exercise."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in lab["cells"]:
        if cell["cell_type"] == "code" and cell["id"] != "install":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return {exercise: verdict.earned for exercise, verdict in names["check"].verdicts.items()}


def full_marks(slug: str) -> dict[str, int]:
    """What each exercise is worth."""
    lab = registry.find(slug)
    return {exercise: lab.points(exercise) for exercise in lab.exercises}


def sets_of_answers() -> list[tuple[Path, str]]:
    """Each lab with each set of right answers."""
    return [(path, name) for path in SOLUTIONS for name in (REFERENCE, *mutants(path.stem).ALTERNATIVES)]


RIGHT = pytest.mark.parametrize(
    ("solution", "answers"), sets_of_answers(), ids=lambda value: getattr(value, "stem", value)
)
EACH = pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)


@RIGHT
def test_right_answers_get_full_marks(
    solution: Path, answers: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(notebook(solution, answers), monkeypatch, tmp_path) == full_marks(solution.stem)


@EACH
def test_an_untouched_lab_runs_and_gets_nothing(
    solution: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    points = run(notebook(solution, UNTOUCHED), monkeypatch, tmp_path)
    assert points == dict.fromkeys(full_marks(solution.stem), 0)


@EACH
def test_the_grader_agrees_on_whole_files(solution: Path, tmp_path: Path) -> None:
    lab = registry.find(solution.stem)
    with grader(Batch(lab.slug, draws.seeds(lab), registry.HERE, lab_cells.FOLDER)) as one:
        for answers, share in ((REFERENCE, 1), (UNTOUCHED, 0)):
            submission = tmp_path / f"{answers}.ipynb"
            submission.write_text(json.dumps(notebook(solution, answers)), encoding="utf-8")
            result = one.grade(submission)
            assert not result.error, result.error
            assert result.earned == 100 * share, result.problems


@EACH
def test_there_are_three_sets_of_other_right_answers(solution: Path) -> None:
    exercises = set(full_marks(solution.stem))
    alternatives = mutants(solution.stem).ALTERNATIVES
    assert len(alternatives) >= 3
    assert all(set(answers) == exercises for answers in alternatives.values())
    for exercise in exercises:
        assert len({answers[exercise] for answers in alternatives.values()}) == len(alternatives)


@EACH
def test_the_lab_tells_points_and_time(solution: Path) -> None:
    lab = registry.find(solution.stem)
    minutes = sum(max(check.minutes for check in lab.of(exercise)) for exercise in lab.exercises)
    assert lab.points() == 100 and 60 <= minutes <= 150
