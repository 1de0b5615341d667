"""The sandbox itself: what it costs torch, what a lab hides, what is left behind, and what happens to a zygote."""

from __future__ import annotations

import itertools
import os
import re
import select
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from submissions import COUNT, RIGHT, TOY, TWICE
from table import FIND, LEAVE

from fullstack_llm.checks import declared
from fullstack_llm.grading.isolation import world
from fullstack_llm.grading.judge import session
from fullstack_llm.grading.judge.batch import Grader
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.grading.machine import cgroup, usage
from fullstack_llm.grading.machine.errors import DiskFull, WorkerLost
from fullstack_llm.grading.pool import forked, proxy
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.worker import codec
from fullstack_llm.worker.confine import seccomp, syscalls

Graded = Callable[..., Result]
TORCH = """
import torch
torch.manual_seed(0)
torch.set_num_threads(2)
model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 256))
step = torch.optim.AdamW(model.parameters())
def train(n):
    x = torch.randn(512, 256)
    for _ in range(n):
        step.zero_grad()
        loss = (model(x) - x).pow(2).mean()
        loss.backward()
        step.step()
    return [float(loss), torch.get_num_threads()]
"""


def ask(workers: Pool, code: str, name: str, *values: object) -> object:
    worker = workers.take()
    try:
        worker.ask(("define", "cell 1", code, [name]), 60)
        return codec.decode(worker.ask(("call", name, codec.encode(values)), 30))
    finally:
        worker.close()


def test_a_worker_has_no_descriptor_but_its_own(grader: Grader) -> None:
    code = """
import os, stat
def f(x):
    return [stat.filemode(os.fstat(fd).st_mode)[0] for fd in range(256) if exists(fd)]
def exists(fd):
    try:
        return os.fstat(fd)
    except OSError:
        return False
"""
    # The null device three times, and its two pipes.
    assert sorted(ask(grader.workers, code, "f", 0)[1]) == ["c", "c", "c", "p", "p"]  # type: ignore[index]


def test_torch_trains_with_threads(grader: Grader) -> None:
    workers = Pool(grader.batch.sandbox, ("torch",))
    try:
        got = ask(workers, TORCH, "train", 3)
    finally:
        workers.close()
    assert isinstance(got, tuple) and got[0] == "value", got
    assert got[1][0] < 2 and got[1][1] == 2


def test_the_same_in_a_cold_sandbox(grader: Grader) -> None:
    workers = Pool(replace(grader.batch.sandbox, warm=False), ("numpy",), ahead=0)
    try:
        assert ask(workers, "import numpy\ndef f(x):\n    return numpy.ones(x)", "f", 3)[0] == "value"  # type: ignore[index]
    finally:
        workers.close()


def test_modules_with_threads_are_not_forked(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        code = "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
        (Path(folder) / "threaded.py").write_text(code)
        monkeypatch.setattr(world, "SYSTEM", (*world.SYSTEM, folder))
        monkeypatch.setenv("PYTHONPATH", folder, prepend=os.pathsep)
        workers = Pool(grader.batch.sandbox, ("threaded",))
        try:
            assert ask(workers, "def f(x):\n    return x", "f", 3) == ("value", 3)
            assert not workers.warm
        finally:
            workers.close()


def test_python_may_lie_in_tmp(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "lies_in_tmp.py").write_text("")
        monkeypatch.setattr(world, "SYSTEM", (*world.SYSTEM, folder))
        monkeypatch.setenv("PYTHONPATH", folder, prepend=os.pathsep)
        workers = Pool(grader.batch.sandbox)
        try:
            assert ask(workers, "def f(x):\n    import lies_in_tmp\n    return x", "f", 3) == ("value", 3)
        finally:
            workers.close()


def kill_zygote(workers: Pool) -> None:
    """Kill the process that forks: the first Python below what the grader has started."""
    assert workers.zygote
    below = usage.process_tree(workers.zygote.process.pid)
    os.kill(next(pid for pid in below if b"python" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]), 9)


@pytest.fixture
def killing(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of calls at which the zygote is killed, counted over all tries."""
    call, made, when = session.Session.call, itertools.count(), list[int]()

    def kill(self: session.Session, name: str, values: bytes) -> bytes:
        if next(made) in when:
            kill_zygote(grader.workers)
            assert self.worker and isinstance(self.worker.process, forked.ForkedProcess)
            # A descriptor of a process can be read once it has ended.
            select.select([self.worker.process.pidfd], [], [], 10)
        return call(self, name, values)

    monkeypatch.setattr(session.Session, "call", kill)
    return when


def test_a_zygote_that_ends_in_the_midst_costs_nobody_a_point(graded: Graded, killing: list[int]) -> None:
    killing.append(1)
    assert graded(RIGHT).earned == 100


def test_one_that_ends_again_is_the_graders_error(graded: Graded, killing: list[int]) -> None:
    killing += range(100)
    result = graded(RIGHT)
    assert result.fault and not result.verdicts
    assert re.search("twice over one submission.*Remedy", result.error)


def test_control_taken_for_the_submissions_own_end_it_costs_points(
    graded: Graded, killing: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    killing.append(1)
    monkeypatch.setattr(forked.ForkedProcess, "orphaned", False)
    assert graded(RIGHT).earned < 100


def test_a_zygote_that_ended_is_replaced(grader: Grader, graded: Graded) -> None:
    workers = grader.workers
    assert workers.zygote
    workers.zygote.process.kill()
    assert graded(RIGHT).earned == 100


@pytest.mark.attack(76)
def test_nothing_is_left_for_the_next(graded: Graded) -> None:
    assert graded([LEAVE, *RIGHT]).earned == 100
    result = graded([FIND, *RIGHT])
    assert (result.earned, result.problems) == (100, [])


@pytest.mark.attack(75)
def test_the_cause_of_a_lost_worker_is_recorded(graded: Graded) -> None:
    code = "def double(xs, n=[]):\n    n.append(1)\n    if len(n) > 1: import os; os.abort()\n    return []"
    result = graded([TWICE, code, COUNT])
    assert result.earned == 60
    assert "SIGABRT" in result.verdicts[0].outcomes[0].hint


def test_memory_is_watched_where_limits_do_not_reach(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Pool(replace(grader.batch.sandbox, limits={}, memory=100 << 20))
    worker = workers.take()
    try:
        with pytest.raises(WorkerLost, match="of memory"):
            worker.ask(("define", "cell 1", "import time\nx = b'1' * (300 << 20)\ntime.sleep(3)", []), 60)
    finally:
        workers.close()


THREADS = """
import threading, time
def f(x):
    threading.stack_size(1 << 16)
    for count in range(5000):
        try:
            threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
        except RuntimeError:
            return count
"""


@pytest.mark.attack(13)
def test_threads_are_few_also_between_two_looks(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a control group, and without the watch, there is the kernel's count of a user's threads; for a user who
    # has other processes there is none.
    monkeypatch.setattr(cgroup, "parents", list)
    bounds = grader.batch.sandbox.rlimits()
    assert ("NPROC" in bounds) == (os.geteuid() == 0)
    if "NPROC" in bounds:
        workers = Pool(replace(grader.batch.sandbox, watched=False))
        try:
            got = ask(workers, THREADS, "f", 0)
            assert isinstance(got, tuple) and 100 < got[1] <= bounds["NPROC"]
        finally:
            workers.close()


NAMED = """
import ctypes, threading, time
ctypes.CDLL(None).prctl(15, {!r}, 0, 0, 0)
for _ in range(40):
    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
time.sleep(3)
"""


@pytest.mark.parametrize("name", [b"\xff", b"a\x0bb", b"Threads:\t1"])
def test_a_process_is_counted_whatever_it_calls_itself(
    grader: Grader, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    monkeypatch.setattr(cgroup, "parents", list)
    monkeypatch.setattr(proxy, "THREADS", 12)
    workers = Pool(grader.batch.sandbox)
    try:
        with pytest.raises(WorkerLost, match="more than 12 threads"):
            workers.take().ask(("define", "cell 1", NAMED.format(name), []), 60)
    finally:
        workers.close()


NAMELESS = """
import mmap, os, time
kept = []
for number in range(12):
    with open("x", "w+b") as file:
        file.write(b"1" * (7 << 20))
        file.flush()
        os.remove("x")
        kept.append(mmap.mmap(file.fileno(), 4096))
time.sleep(3)
"""


@pytest.mark.attack(14)
def test_files_without_a_name_fill_no_disk(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "DISK", 40 << 20)
    workers = Pool(grader.batch.sandbox)
    try:
        worker = workers.take()
        if grader.batch.sandbox.namespaces:
            # They are in memory of a size.
            worker.ask(("define", "cell 1", NAMELESS, []), 60)
        else:
            with pytest.raises(DiskFull, match="Remedy"):
                worker.ask(("define", "cell 1", NAMELESS, []), 60)
    finally:
        workers.close()


@pytest.mark.attack(11)
def test_a_worker_cannot_ask_to_be_spared_when_memory_is_full(grader: Grader) -> None:
    code = """
def f(value):
    try:
        open("/proc/self/oom_score_adj", "w").write(value)
    except OSError:
        pass
    return open("/proc/self/oom_score_adj").read().strip()
"""
    assert ask(grader.workers, code, "f", "0") == ("value", "1000")
    workers = Pool(replace(grader.batch.sandbox, warm=False), ahead=0)
    try:
        assert ask(workers, code, "f", "0") == ("value", "1000")
    finally:
        workers.close()


def test_a_lab_hides_its_answers(grader: Grader) -> None:
    answers = ("tokenization.bpe", "tinytown.world")
    stem = Path(world.PACKAGE)
    code = f"""
def f(x):
    found = []
    for name in ("fullstack_llm.tokenization.bpe", "fullstack_llm.tinytown.world", "fullstack_llm.plotting"):
        try:
            __import__(name)
            found.append(name)
        except ImportError:
            pass
    for path in {[str(stem / name) for name in ("tokenization/bpe.py", "tinytown/world.py", "plotting.py")]}:
        try:
            open(path).close()
            found.append(path)
        except OSError:
            pass
    return found
"""
    workers = Pool(grader.batch.sandbox, (), answers)
    try:
        assert ask(workers, code, "f", 0) == ("value", ["fullstack_llm.plotting", str(stem / "plotting.py")])
    finally:
        workers.close()


def test_answers_are_named_by_the_checks(tmp_path: Path) -> None:
    package = Path(shutil.copytree(TOY / "m00_toy", tmp_path / "m00_toy")) / "__init__.py"
    package.write_text(package.read_text().replace("ANSWERS = ()", 'ANSWERS = ("bpe",)'))
    assert declared.find("00_toy", tmp_path).answers == ("bpe",)
    assert declared.find("00_toy", TOY).answers == ()


def test_only_the_workers_side_is_in_the_world() -> None:
    granted = {path for path, grant in world.grants(world.world(("tokenization.bpe",))) if grant == "read"}
    assert str(world.PACKAGE / "worker") in granted
    judges = ("/checks", "/labs", "/grading", "/fullstack_llm", "/bpe.py")
    assert not [path for path in granted if path.endswith(judges) or "/grading/" in path or "/checks/" in path]


def test_a_deep_folder_is_counted_and_removed(tmp_path: Path) -> None:
    deep, here = tmp_path / "deep", Path.cwd()
    deep.mkdir()
    try:
        os.chdir(deep)
        for _ in range(1500):
            Path("x").mkdir()
            os.chdir("x")
    finally:
        os.chdir(here)
    assert usage.folder_fault(str(deep), 1 << 40, 9_999) == "nested folders too deeply"
    usage.remove_folder(str(deep))
    assert not deep.exists()


def test_the_filter_knows_both_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine in syscalls.MACHINES:
        monkeypatch.setattr(syscalls, "MACHINE", machine)
        monkeypatch.setattr(seccomp, "MACHINE", machine)
        monkeypatch.setattr(seccomp, "NUMBERS", syscalls._numbers())
        code = seccomp.program(7)
        assert len(code) < 4096
        assert all(0 <= one[1] < 256 and 0 <= one[2] < 256 for one in code)
        for at, (kind, yes, no, value) in enumerate(code):
            ahead = value if kind == seccomp.JUMP else max(yes, no)
            assert at + ahead + 1 < len(code) or kind == seccomp.RETURN
