"""Memory that does not suffice is an error of the grader with its remedy, and nobody's zero."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable

import pytest
from submissions import COUNT, DOUBLE, TWICE

from fullstack_llm.grading import batch, levels, process, usage
from fullstack_llm.grading.batch import Grader
from fullstack_llm.grading.judge import Result
from fullstack_llm.grading.process import Starved

Graded = Callable[..., Result]
# As a worker ends that the kernel picks when memory is full.
ENDED = "import os\ndef double(xs):\n    os.kill(os.getpid(), 9)"


def test_a_worker_that_memory_did_not_suffice_for_is_nobodys_zero(
    graded: Graded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "starved", itertools.count().__next__)
    with pytest.raises(Starved, match=r"has \d+ MB, and each of --jobs needs 1 GB.*Remedy: .*fewer --jobs"):
        graded([TWICE, ENDED, COUNT])


def test_control_a_worker_that_ends_itself_earns_nothing(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "starved", lambda: 7)
    result = graded([TWICE, ENDED, COUNT])
    assert result.earned == 60
    assert result.verdicts[0].outcomes[0].kind == "died"


def test_also_when_a_cell_or_the_reading_is_what_ends(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "starved", itertools.count().__next__)
    with pytest.raises(Starved):
        graded([TWICE, DOUBLE, COUNT, "import os\nos.kill(os.getpid(), 9)"])


def test_what_another_submission_took_is_tried_again(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    grade, tries = batch.grade, itertools.count()

    def once(*values: object) -> Result:
        if next(tries) == 0:
            raise process.starved()
        return grade(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "grade", once)
    assert graded([TWICE, DOUBLE, COUNT]).earned == 100


def test_too_little_memory_is_said_at_once(monkeypatch: pytest.MonkeyPatch, grader: Grader) -> None:
    monkeypatch.setattr(usage, "installed", lambda: 800 << 20)
    with pytest.raises(Starved, match="has 800 MB"):
        list(batch.results(grader.batch, [], jobs=2))
    assert list(batch.results(grader.batch, [], jobs=1)) == []
    monkeypatch.setattr(usage, "installed", lambda: 300 << 20)
    for name in ("A", "B"):
        with pytest.raises(Starved, match="has 300 MB"):
            levels.level.__wrapped__(name)


def test_the_error_reaches_the_first_process() -> None:
    error = pickle.loads(pickle.dumps(process.starved()))
    assert isinstance(error, Starved)
    assert "Remedy" in str(error)


def test_the_kernel_says_how_often_memory_was_full() -> None:
    assert usage.starved() >= 0
