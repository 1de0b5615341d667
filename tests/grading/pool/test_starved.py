"""Memory that does not suffice is an error of the grader with its remedy, and nobody's zero."""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Callable

import pytest
from submissions import COUNT, DOUBLE, TWICE

from fullstack_llm.grading.isolation import sandbox
from fullstack_llm.grading.judge import batch
from fullstack_llm.grading.judge.batch import Grader
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.grading.machine import cgroup, errors, usage
from fullstack_llm.grading.machine.errors import OutOfMemory
from fullstack_llm.grading.probing import levels

Graded = Callable[..., Result]
# As a worker ends that the kernel picks when memory is full.
ENDED = "import os\ndef double(xs):\n    os.kill(os.getpid(), 9)"


def starved(result: Result) -> bool:
    """Whether the submission is left ungraded, with what to do about it."""
    wanted = r"has \d+ MB, and each of --jobs needs 1 GB.*Remedy: .*fewer --jobs"
    return result.fault and not result.verdicts and re.search(wanted, result.error) is not None


@pytest.fixture
def without_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most containers: the kernel's count for the whole machine is all that there is."""
    # The worker that comes next may be in a group already.
    monkeypatch.setattr(cgroup.Cgroup, "counts", lambda *_: False)


@pytest.mark.usefixtures("without_groups")
@pytest.mark.control(81)
def test_a_worker_that_memory_did_not_suffice_for_is_nobodys_zero(
    graded: Graded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "oom_kills", itertools.count().__next__)
    assert starved(graded([TWICE, ENDED, COUNT]))


def test_control_a_worker_that_ends_itself_earns_nothing(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "oom_kills", lambda: 7)
    result = graded([TWICE, ENDED, COUNT])
    assert result.earned == 60
    assert result.verdicts[0].outcomes[0].kind == "died"


@pytest.mark.attack(81)
def test_what_befalls_a_neighbour_is_no_excuse(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "oom_kills", itertools.count().__next__)
    monkeypatch.setattr(cgroup.Cgroup, "counts", lambda *_: True)
    assert graded([TWICE, ENDED, COUNT]).earned == 60


@pytest.mark.parametrize("full", [True, False])
def test_a_group_knows_whose_memory_was_full(graded: Graded, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    for name, value in {"counts": lambda *_: True, "oom_killed": True, "limit_exceeded": full}.items():
        monkeypatch.setattr(cgroup.Cgroup, name, value)
    if full:
        result = graded([TWICE, ENDED, COUNT])
        assert result.earned == 60
        assert "GB of memory" in result.verdicts[0].outcomes[0].hint
    else:
        assert starved(graded([TWICE, ENDED, COUNT]))


@pytest.mark.usefixtures("without_groups")
def test_also_when_a_cell_or_the_reading_is_what_ends(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "oom_kills", itertools.count().__next__)
    assert starved(graded([TWICE, DOUBLE, COUNT, "import os\nos.kill(os.getpid(), 9)"]))


def test_what_another_submission_took_is_tried_again(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    grade, tries = batch.grade, itertools.count()

    def once(*values: object) -> Result:
        if next(tries) == 0:
            raise errors.out_of_memory()
        return grade(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "grade", once)
    assert graded([TWICE, DOUBLE, COUNT]).earned == 100


def test_too_little_memory_is_said_at_once(monkeypatch: pytest.MonkeyPatch, grader: Grader) -> None:
    monkeypatch.setattr(usage, "total_memory", lambda: 800 << 20)
    with pytest.raises(OutOfMemory, match="has 800 MB"):
        list(batch.results(grader.batch, [], jobs=2))
    assert list(batch.results(grader.batch, [], jobs=1)) == []
    monkeypatch.setattr(usage, "total_memory", lambda: 300 << 20)
    for name in ("A", "B"):
        with pytest.raises(OutOfMemory, match="has 300 MB"):
            levels.level.__wrapped__(name)


def test_submissions_that_are_graded_at_a_time_share_what_one_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "total_memory", lambda: 4 << 30)
    alone = sandbox.Sandbox("B", memory=2 << 30)
    assert [alone.shared(jobs).memory for jobs in (1, 2, 4)] == [2 << 30, (4 << 30) * 6 // 20, (4 << 30) * 6 // 40]
    assert alone.shared(4).limits["AS"] == alone.shared(4).limits["DATA"] == alone.shared(4).memory
    assert "AS" not in sandbox.Sandbox("B", limits={}).shared(4).limits


def test_the_error_reaches_the_first_process() -> None:
    error = pickle.loads(pickle.dumps(errors.out_of_memory()))
    assert isinstance(error, OutOfMemory)
    assert "Remedy" in str(error)


def test_the_kernel_says_how_often_memory_was_full() -> None:
    assert usage.oom_kills() >= 0
