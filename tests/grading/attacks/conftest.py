"""Graders at levels A and B, and which attack is tried at which of them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from submissions import TOY, save

from fullstack_llm.checks import declared, draws
from fullstack_llm.grading.judge.batch import Batch, Grader
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.probing import levels

HERE = Path(__file__).parent


@pytest.fixture(scope="session", params=["A", "B"])
def grader(request: pytest.FixtureRequest, labs: Path) -> Iterator[Grader]:
    """A grader of the toy lab at each level that this machine can have; the reason names what is missing."""
    try:
        sandbox = levels.level(request.param)
    except GraderError as error:
        pytest.skip(str(error))
    one = Grader(Batch("00_toy", draws.seeds(declared.find("00_toy", TOY)), TOY, labs, sandbox))
    yield one
    one.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave one of the two levels of each attack to the full run: which one, the attack's name draws.

    What is no row of a table (a probe, a guarantee) stays at both. What needs no grader is a group of its own.
    """
    for item in (item for item in items if HERE in item.path.parents):
        if "grader" not in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.name} without a grader"))
        name = re.fullmatch(r"(.*\[)([AB])-(.*)", item.nodeid)
        if name and "AB"[zlib.crc32((name[1] + name[3]).encode()) % 2] != name[2]:
            item.add_marker(pytest.mark.full)


@pytest.fixture
def graded(grader: Grader, tmp_path: Path) -> Callable[..., Result]:
    """The result of a list of cells."""
    return lambda content: grader.grade(save(tmp_path / "any.ipynb", content))
