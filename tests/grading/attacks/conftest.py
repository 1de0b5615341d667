"""Graders at levels A and B, with limits that suit a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from submissions import TOY, save

from fullstack_llm.checks import declared, draws
from fullstack_llm.grading.judge import session
from fullstack_llm.grading.judge.batch import Batch, Grader
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.probing import levels


@pytest.fixture(scope="session", params=["A", "B"])
def grader(request: pytest.FixtureRequest, labs: Path) -> Iterator[Grader]:
    """A grader of the toy lab at each level that this machine can have; the reason names what is missing."""
    try:
        sandbox = levels.level(request.param)
    except GraderError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "CELL_SECONDS", 8.0)
        one = Grader(Batch("00_toy", draws.seeds(declared.find("00_toy", TOY)), TOY, labs, sandbox))
        yield one
        one.close()


@pytest.fixture
def graded(grader: Grader, tmp_path: Path) -> Callable[..., Result]:
    """The result of a list of cells."""
    return lambda content: grader.grade(save(tmp_path / "any.ipynb", content))
