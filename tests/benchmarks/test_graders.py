"""The benchmark of graders: the three tests are one, and fair, and a fraud earns nothing here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.graders import classes, others, ours, questions
from fullstack_llm import recorded
from fullstack_llm.grading.judge.batch import Grader
from fullstack_llm.grading.probing.levels import strongest


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours, "HOME", tmp_path_factory.mktemp("graders"))
        ours.prepare(questions.submissions() | questions.FRAUDS)
        one = Grader(ours.five(strongest()))
        yield one
        one.close()


def by_asserts(answers: list[str]) -> int:
    """What the asserts give that the other two run, in the same process as the answers."""
    namespace: dict[str, object] = {"np": np}
    for answer in answers:
        exec(answer, namespace)
    earned = 0
    for one in questions.QUESTIONS:
        for part, _ in one.tests:
            try:
                exec("\n".join(questions.asserts(one, part)), namespace)
                earned += questions.POINTS
            except Exception:
                continue
    return earned


def test_asserts_and_checks_give_the_same_scores(grader: Grader) -> None:
    found = {}
    for student, answers in questions.submissions().items():
        found[student] = grader.grade(ours.HOME / "class" / f"{student}.ipynb").earned
        assert found[student] == by_asserts(answers), student
    assert len(found) == 20
    assert {0, 100} < set(found.values())


def test_two_answers_of_a_question_are_right_and_three_are_not() -> None:
    for number, one in enumerate(questions.QUESTIONS):
        right = [other.answers[0] for other in questions.QUESTIONS]
        scores = [by_asserts([*right[:number], answer, *right[number + 1 :]]) for answer in one.answers]
        assert scores[:2] == [100, 100] and max(scores[2:]) < 100, one.name


@pytest.mark.parametrize("name", questions.FRAUDS)
def test_a_fraud_earns_nothing(grader: Grader, name: str) -> None:
    assert grader.grade(ours.HOME / "class" / f"{name}.ipynb").earned == 0


def test_control_objects_equal_to_all_are_paid_by_asserts() -> None:
    assert by_asserts(questions.FRAUDS["equal_to_all"]) == 100


def test_times_by_stage_are_each_counted_once(grader: Grader) -> None:
    path = ours.HOME / "class" / "student00.ipynb"
    kept = {
        place: getattr(*place) for places in ours.STAGES.values() for place in places if place[0] is not ours.report
    }
    with ours.watched() as spent:
        seconds = grader.grade(path).seconds
    assert sum(spent.values()) <= seconds * 1.05
    assert spent["start of the worker"] > 0 < spent["calls"]
    assert kept == {place: getattr(*place) for place in kept}


def test_the_class_is_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "HOME", tmp_path / "class")
    files = sorted(classes.write(30).glob("*.ipynb"))
    assert len({path.read_bytes() for path in files}) == 30


def test_a_lock_names_the_grader_that_it_is_for() -> None:
    assert {name: others.version(name).split(".")[0] for name in others.LOCKS} == {"nbgrader": "0", "otter": "7"}


def test_the_recorded_run_is_of_these_questions() -> None:
    values = recorded.load("grading")["values"]
    assert values["questions"] == len(questions.QUESTIONS)
    assert values["submissions"] == len(questions.submissions() | questions.FRAUDS)
    assert not any(values["frauds_paid"]["A, warm"].values())
