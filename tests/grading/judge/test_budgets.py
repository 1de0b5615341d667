"""A budget that is spent takes what came after: answers before it stand, the slow cell is named, sleep is free."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from submissions import COUNT, DOUBLE, RIGHT, TWICE, notebook

from fullstack_llm.grading.judge import session
from fullstack_llm.grading.judge.grade import Result

Graded = Callable[..., Result]
SPIN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end:\n    pass"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell has one CPU second, and all cells have three."""
    monkeypatch.setattr(session, "CELL_SECONDS", 1.0)
    monkeypatch.setattr(session, "CELLS_SECONDS", 3.0)


@pytest.mark.usefixtures("short")
def test_slow_cells_behind_the_answers_cost_nothing(graded: Graded) -> None:
    result = graded(notebook([*RIGHT, *[SPIN.format(5)] * 3]))
    assert result.earned == 100
    assert "cell 7: only its definitions were run: it took more than 1 s" in result.problems


@pytest.mark.usefixtures("short")
def test_many_cells_that_are_a_little_slow_leave_the_definitions_behind_them(graded: Graded) -> None:
    result = graded(notebook([TWICE, DOUBLE, *[SPIN.format(0.8)] * 6, COUNT]))
    assert result.earned == 100
    assert len(result.problems) == 1, "which cell it is depends on a tenth of a second that the worker is not watched"
    assert "only definitions were run from here on: the cells took 3 s" in result.problems[0]


@pytest.mark.usefixtures("short")
def test_a_spent_budget_does_take_what_comes_after(graded: Graded) -> None:
    slow = SPIN.format(0.8)
    result = graded(notebook([TWICE, DOUBLE, *[slow] * 6, "count = lambda text, letter: text.count(letter)"]))
    assert result.earned == 40, "the control: the last line is no definition"


@pytest.mark.usefixtures("short")
def test_what_a_slow_cell_defines_is_kept(graded: Graded) -> None:
    result = graded(notebook([TWICE, f"{DOUBLE}\n{SPIN.format(5)}\n{COUNT}"]))
    assert result.earned == 100


@pytest.mark.usefixtures("short")
def test_sleep_is_no_work(graded: Graded) -> None:
    result = graded(notebook(["import time\ntime.sleep(2)", *RIGHT]))
    assert (result.earned, result.problems) == (100, [])


def test_cells_that_end_their_process_cost_themselves(graded: Graded) -> None:
    ends = ["import os\nos._exit(1)"] * 5
    result = graded(notebook([*ends[:3], *RIGHT, *ends[3:]]))
    assert result.earned == 100
    assert sum("it was left out: " in problem or "only its definitions" in problem for problem in result.problems) == 5


def test_after_too_many_ends_what_stands_before_them_counts(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_LOST", 3)
    result = graded(notebook([TWICE, DOUBLE, *["import os\nos._exit(1)"] * 4, COUNT]))
    assert result.earned == 40
    assert "cell 6: not run: the cells before it ended 3 processes" in result.problems
