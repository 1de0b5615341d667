"""One grader of the toy lab for all tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from submissions import TOY, save

from fullstack_llm.checks.declared import find
from fullstack_llm.checks.draws import seeds
from fullstack_llm.grading.judge.batch import Batch, Grader
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.lessons.generate import lab as generate


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy lab's notebook, as students get it."""
    folder = tmp_path_factory.mktemp("labs")
    (folder / "00_toy.ipynb").write_text(generate(TOY / "00_toy.md", "https://example.org/course", "main"), "utf-8")
    return folder


@pytest.fixture(scope="session")
def grader(labs: Path) -> Iterator[Grader]:
    one = Grader(Batch("00_toy", seeds(find("00_toy", TOY)), TOY, labs))
    yield one
    one.close()


@pytest.fixture
def graded(grader: Grader, tmp_path: Path) -> Callable[..., Result]:
    """The result of a list of cells, a notebook, or the bytes of a file."""

    def grade(content: list | dict | bytes, name: str = "any.ipynb") -> Result:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            save(path, content)
        return grader.grade(path)

    return grade
