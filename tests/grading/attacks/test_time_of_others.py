"""A neighbour's work costs nobody a point; answers of the lab, a closed umask, and disks that are full."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from submissions import RIGHT, TOY, save

from fullstack_llm.checks import declared, draws
from fullstack_llm.grading.intake.submissions import opened
from fullstack_llm.grading.isolation.world import PACKAGE
from fullstack_llm.grading.judge import batch as batches
from fullstack_llm.grading.judge.batch import Batch, Grader, results
from fullstack_llm.grading.machine import usage
from fullstack_llm.grading.machine.errors import GraderError, Unfair, WorkerLost
from fullstack_llm.grading.pool import proxy
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.probing import levels
from fullstack_llm.grading.reports import runs
from fullstack_llm.worker import codec

CPUS = sorted(os.sched_getaffinity(0))
MOVE = f"import os\ndef f():\n    os.sched_setaffinity(0, {CPUS})\n    return sorted(os.sched_getaffinity(0))"


def asked(workers: Pool, code: str) -> Any:
    worker = workers.take()
    try:
        worker.ask(("define", "cell 1", code, ["f"]), 60)
        return codec.decode(worker.ask(("call", "f", codec.encode(())), 60))
    finally:
        worker.close()


@contextlib.contextmanager
def pool(*given: Any, **more: Any) -> Iterator[Pool]:
    one = Pool(*given, **more)
    try:
        yield one
    finally:
        one.close()


@pytest.mark.attack(87)
@pytest.mark.control(87)
def test_a_worker_stays_on_the_cpus_of_its_job(grader: Grader) -> None:
    with pool(grader.batch.sandbox.pinned(1, 2)) as workers:
        assert asked(workers, MOVE) == ("value", CPUS[1::2] or CPUS[:1])
    # The control: without the filter it goes where it wants.
    weak = replace(levels.CANDIDATES["B"][0], landlock=False, seccomp=False, warm=False, user=False)
    with pool(weak.pinned(1, 2)) as workers:
        assert asked(workers, MOVE) == ("value", CPUS)


def test_jobs_share_out_the_cpus(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = grader.batch.sandbox
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 4})
    assert [sandbox.pinned(job, 2).cpus for job in range(2)] == [(0, 2, 4), (1, 3)]
    assert [sandbox.pinned(job, 7).cpus for job in (4, 5, 6)] == [(4,), (0,), (1,)]
    assert sandbox.pinned(0, 1).cpus == ()


BUSY = "def f():\n    while True:\n        pass"
SLEEPS = "import time\ndef f():\n    time.sleep(99)"


def ending(sandbox: Any, code: str, seconds: float) -> Exception:
    with pool(sandbox) as workers:
        worker = workers.take()
        worker.ask(("define", "cell 1", code, ["f"]), 60)
        with pytest.raises((WorkerLost, Unfair)) as found:
            worker.ask(("call", "f", codec.encode(())), seconds)
        return found.value


@pytest.mark.attack(87)
def test_a_time_out_while_others_had_the_cpu_is_nobodys_fault(grader: Grader) -> None:
    sandbox = replace(grader.batch.sandbox, cpus=CPUS[:1])
    line = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {CPUS[:1]})\nwhile True: pass"]
    # Each in a session of its own: the kernel shares a CPU out among sessions first.
    others = [subprocess.Popen(line, start_new_session=True) for _ in range(6)]
    try:
        assert isinstance(ending(sandbox, BUSY, 4.0), Unfair)
        # One that sleeps would have had the CPU.
        assert isinstance(ending(sandbox, SLEEPS, 1.0), WorkerLost)
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.control(87)
def test_what_waits_for_itself_is_not_excused(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel's counts, as they are with and without others: seconds waited, and seconds on a CPU.
    for waited, used, kind in ((3.9, 0.1, Unfair), (3.9, 3.9, WorkerLost), (0.1, 0.1, WorkerLost)):
        counts = {"begin": (0.0, 0.0), "end": (waited, used)}
        state = ["begin"]
        monkeypatch.setattr(usage, "waited", lambda pid: counts[state[0]][0])  # noqa: B023
        monkeypatch.setattr(usage, "cpu_seconds", lambda pid: counts[state[0]][1])  # noqa: B023
        with pool(grader.batch.sandbox) as workers:
            worker = workers.take()
            worker.began, worker.shared, state[0] = time.monotonic() - 4.0, (0.0, 0.0), "end"
            with pytest.raises((Unfair, WorkerLost)) as found:
                worker._wait(worker.replies, 1, time.monotonic())
            assert type(found.value) is kind


@pytest.mark.attack(87)
def test_an_unfair_end_leaves_one_submission_without_a_score(
    tmp_path: Path, labs: Path, monkeypatch: pytest.MonkeyPatch, grader: Grader
) -> None:
    for name in ("ada", "bo"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "lab.ipynb", RIGHT)
    grade = batches.grade
    tried = []

    def unfair_to_ada(path: Path, *more: Any) -> Any:
        tried.append(path.parent.name)
        if path.parent.name == "ada":
            raise proxy.unfair()
        return grade(path, *more)

    monkeypatch.setattr(batches, "grade", unfair_to_ada)
    seeds = draws.seeds(declared.find("00_toy", TOY))
    with opened(tmp_path) as found:
        done = {
            one.submission.owner: one.result for one in results(Batch("00_toy", seeds, TOY, labs), found.submissions)
        }
    assert tried == ["ada", "ada", "bo"]
    assert done["ada"].fault and "other processes had the CPUs" in done["ada"].error
    assert done["bo"].earned == 100


ANSWERS = ("tokenization.bpe",)
TAKE = """
import sys
def f():
    for name in [name for name in sys.modules if name.startswith("fullstack_llm.tokenization")]:
        sys.modules.pop(name)
    try:
        import fullstack_llm.tokenization.bpe as answers
    except (ImportError, OSError):
        return "nothing"
    return answers.__name__
"""


@pytest.mark.attack(89)
def test_the_labs_own_answers_cannot_be_taken(grader: Grader) -> None:
    with pool(grader.batch.sandbox, answers=ANSWERS) as workers:
        levels.prove_private(workers)
        assert asked(workers, TAKE) == ("value", "nothing")


@pytest.mark.attack(89)
@pytest.mark.control(89)
def test_where_the_answers_can_be_read_no_batch_begins() -> None:
    # As for root without Landlock: a user of its own, who reads what every user may read.
    weak = replace(levels.CANDIDATES["B"][0], landlock=False, user=False)
    with pool(weak, answers=ANSWERS) as workers:
        # The control: they are there for the taking, although the name was made to fail.
        assert asked(workers, TAKE) == ("value", "fullstack_llm.tokenization.bpe")
        with pytest.raises(GraderError, match=r"could read .*bpe.*Remedy: .*chmod -R go-rwx .*bpe\.py"):
            levels.prove_private(workers)


@pytest.mark.attack(90)
def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write: Callable[..., Any] = Path.write_bytes
    full = [True, True]

    def sometimes(self: Path, data: bytes) -> int:
        if full and full.pop():
            write(self, data[:1])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", sometimes)
    monkeypatch.setattr(runs, "WAITS", (0.01, 0.01, 0.01))
    runs.write(tmp_path / "report.json", "whole")
    assert (tmp_path / "report.json").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json"]
    full.extend([True] * 9)
    with pytest.raises(OSError, match="No space"):
        runs.write(tmp_path / "other.json", "whole")
    assert not (tmp_path / "other.json").exists()


@pytest.mark.attack(90)
def test_a_worker_that_finds_no_room_leaves_one_submission_ungraded(
    grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fullstack_llm.grading.pool.pool.PATIENCE", 0.0)

    def full(*_: Any, **__: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pool(grader.batch.sandbox) as workers:
        monkeypatch.setattr(workers, "_folder", full)
        workers._end_all()
        seen = batches._with_retry(lambda: workers.take(), lambda result: result)
        assert seen.fault and "no worker could be started, twice" in seen.error
        monkeypatch.undo()
        assert asked(workers, "def f():\n    return 1") == ("value", 1)


def test_the_answers_of_each_lab_are_files_of_the_package() -> None:
    for slug in declared.labs():
        for name in declared.find(slug).answers:
            stem = PACKAGE.joinpath(*name.split("."))
            assert stem.with_suffix(".py").exists() or stem.is_dir(), (slug, name)
