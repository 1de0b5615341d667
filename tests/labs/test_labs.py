"""Every lab: its numbers, its right answers, the mistakes that it names, and what earns nothing or little."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import faults
import pytest
from judged import ROOT, LabUnderTest, defined, judged, load, notebook, run_notebook, seeds, worker
from pasting import module_of, of_notebooks, of_package, pasted

from fullstack_llm.checks.declared import labs
from fullstack_llm.grading.judge import lab_cells
from fullstack_llm.grading.judge.batch import Batch, open_grader
from fullstack_llm.worker import review

FULL = os.environ.get("FULLSTACK_LLM_FULL") == "1"
SLUGS = sorted({"00_toy", *labs()})
MOST_PASTED = 30
WILD = Path(__file__).parent / "wild"
EACH = pytest.mark.parametrize("slug", [pytest.param(slug, marks=pytest.mark.xdist_group(slug)) for slug in SLUGS])
COURSE = pytest.mark.parametrize(
    "slug", [pytest.param(slug, marks=pytest.mark.xdist_group(slug)) for slug in SLUGS if slug != "00_toy"]
)


def test_every_solution_has_a_lab() -> None:
    assert {path.stem for path in (ROOT / "solutions").glob("[0-9]*.md")} == set(labs())


@EACH
def test_points_and_minutes(slug: str) -> None:
    assert not list(faults.of_numbers(load(slug)))


@EACH
def test_right_answers_earn_everything(slug: str) -> None:
    assert not (found := list(faults.of_right_answers(load(slug)))), "\n".join(found)


@EACH
def test_mistakes_lose_and_are_named(slug: str) -> None:
    assert not (found := list(faults.of_mistakes(load(slug)))), "\n".join(found)


@pytest.mark.attack(77)
@EACH
def test_answers_without_work_earn_nothing(slug: str) -> None:
    assert not (found := list(faults.of_workless_answers(load(slug)))), "\n".join(found)


@COURSE
def test_pasting_earns_little(slug: str) -> None:
    lab = load(slug)
    best = pasted(lab, of_notebooks(module_of(slug)) | of_package(lab.checks.answers))
    assert sum(points for points, _ in best.values()) <= MOST_PASTED, best


@COURSE
def test_a_lab_runs_from_top_to_bottom(slug: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lab = load(slug)
    monkeypatch.chdir(tmp_path)
    full = {name: lab.checks.points(name) for name in lab.checks.exercises}
    assert run_notebook(notebook(lab, written=True)) == full
    assert run_notebook(notebook(lab, written=False)) == dict.fromkeys(full, 0)


@EACH
def test_the_grader_agrees_on_whole_files(slug: str, tmp_path: Path) -> None:
    lab = load(slug)
    (tmp_path / f"{slug}.ipynb").write_text(json.dumps(notebook(lab, written=False)), "utf-8")
    with open_grader(Batch(slug, seeds(lab), lab.folder, lab_cells.FOLDER if slug != "00_toy" else tmp_path)) as one:
        for written, points in ((True, 100), (False, 0)):
            path = tmp_path / f"{written}.ipynb"
            path.write_text(json.dumps(notebook(lab, written)), "utf-8")
            result = one.grade(path)
            assert (result.error, result.earned) == ("", points), (result.problems, result.verdicts)


@EACH
def test_the_grader_gives_the_same_verdicts(slug: str) -> None:
    lab = load(slug)
    with worker(lab) as grade:
        assert not (found := list(faults.of_parity(lab, grade, FULL))), "\n".join(found)


@COURSE
def test_right_answers_are_not_for_review(slug: str) -> None:
    lab = load(slug)
    table = {exercise: list(names) for exercise, names in lab.checks.review.items()}
    assert review.find([*lab.given, *lab.reference.items()], table) == []
    # The control: an answer that takes it from a library.
    for exercise, names in table.items():
        name = names[0].removeprefix(".")
        cheat = f"import {name.partition('.')[0]}\ndef {exercise}(*values):\n    return {name}.it(*values)"
        assert review.find([*lab.given, ("cheat", cheat)], table)[0].startswith(exercise)


def wild(slug: str) -> Any:
    """Load the answers of real solvers: `RIGHT` and `WRONG` are tuples of (exercise, source).

    In `WRONG`, a third item is a part of the hint that must be shown; "" where no declared mistake may be named.
    """
    path = WILD / f"{slug[:2]}.py"
    if not path.exists():
        return None
    spec: Any = importlib.util.spec_from_file_location(f"wild_{slug}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@COURSE
def test_answers_of_real_solvers(slug: str) -> None:
    lab, answers = load(slug), wild(slug)
    for exercise, source in getattr(answers, "RIGHT", ()):
        verdict = judged(lab, exercise, defined(lab, exercise, source))
        assert verdict.earned == verdict.points, f"{source}\n{verdict}"
    for exercise, source, hint in getattr(answers, "WRONG", ()):
        verdict = judged(lab, exercise, defined(lab, exercise, source))
        assert verdict.earned < verdict.points, source
        shown = [said for one in verdict.failures for said in (one.hint, one.advice)]
        assert any(hint in said for said in shown), f"{source}\n{verdict}"
        assert hint or not named(lab, exercise) & set(shown), f"{source}\n{verdict}"


def named(lab: LabUnderTest, exercise: str) -> set[str]:
    """Return the hints of the declared mistakes of an exercise."""
    return {hint for one in lab.checks.declarations if one.name == exercise for hint, _ in one.table}
