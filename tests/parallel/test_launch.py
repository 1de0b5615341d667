"""The launcher: results, counts, and a rank that raises, dies, hangs or is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from fullstack_llm.parallel import RankError, Sent, launch
from fullstack_llm.parallel.launch import MOST

SOON = 15.0  # seconds, on a machine that does other things too


def everything(add: float) -> torch.Tensor:
    """Call each collective once, with eight numbers in four bytes each."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    ours = torch.full((8,), rank + add)
    dist.all_reduce(ours)
    every = [torch.empty(8) for _ in range(ranks)]
    dist.all_gather(every, ours)
    dist.reduce_scatter(torch.empty(8), every)
    dist.all_to_all_single(torch.empty(8), ours)
    dist.broadcast(ours, 0)
    if rank == 0:
        dist.send(ours, 1)
    elif rank == 1:
        dist.recv(ours, 0)
    return ours


def test_values_and_bytes_come_back() -> None:
    runs = launch(everything, 4, 1.0)
    assert [run.rank for run in runs] == [0, 1, 2, 3]
    for run in runs:
        assert torch.equal(run.value, torch.full((8,), 10.0))
        assert run.sent["all_reduce"] == run.sent["all_gather"] == run.sent["broadcast"] == Sent(1, 32)
        assert run.sent["reduce_scatter"] == Sent(1, 4 * 32) and run.sent["all_to_all"] == Sent(1, 32)
    assert [run.sent.get("send") for run in runs] == [Sent(1, 32), None, None, None]
    assert [run.sent.get("recv") for run in runs] == [None, Sent(1, 32), None, None]


def test_a_gradient_of_data_parallel_is_counted() -> None:
    def step() -> float:
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(100, 10, bias=False))
        before = {name: sent.bytes for name, sent in counter().items()}
        model(torch.ones(1, 100)).sum().backward()
        return counter()["all_reduce"].bytes - before.get("all_reduce", 0)

    def counter() -> dict[str, Sent]:
        from torch.utils._python_dispatch import _get_current_dispatch_mode

        return _get_current_dispatch_mode().sent

    assert [run.value for run in launch(step, 2)] == [4000, 4000]


def test_sharded_modules_are_counted() -> None:
    def step() -> torch.Tensor:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        torch.manual_seed(0)
        model = torch.nn.Linear(64, 64, bias=False)
        fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
        model(torch.ones(1, 64)).sum().backward()
        return model.weight.grad.full_tensor()

    runs = launch(step, 2)
    assert torch.equal(runs[0].value, torch.ones(64, 64))
    # Each rank hands over its half of the weight, for the forward pass and for the backward pass.
    assert runs[0].sent["all_gather"] == Sent(2, 2 * 64 * 64 * 4 // 2)
    assert runs[0].sent["reduce_scatter"].bytes == 64 * 64 * 4


def test_the_most_that_was_alive_is_counted_by_storage() -> None:
    def hold(number: int) -> None:
        kept = [torch.zeros(1000) for _ in range(number)]
        views = [tensor[:10] for tensor in kept]
        del kept, views
        torch.zeros(10)

    assert [run.peak for run in launch(hold, 2, 5)] == [20_000, 20_000]


def test_what_ranks_print_comes_back(capsys: Any) -> None:
    runs = launch(lambda: print("here is", dist.get_rank()), 2)
    assert [run.text for run in runs] == ["here is 0\n", "here is 1\n"]
    assert sorted(capsys.readouterr().out.splitlines()) == ["[rank 0] here is 0", "[rank 1] here is 1"]


def wait_for_all() -> None:
    dist.all_reduce(torch.ones(1))


def test_a_rank_that_raises_is_named_and_not_those_that_waited() -> None:
    def one_raises() -> None:
        if dist.get_rank() == 2:
            raise ValueError("three is too many")
        wait_for_all()

    with pytest.raises(RankError, match="rank 2: ValueError: three is too many") as found:
        launch(one_raises, 4)
    assert found.value.rank == 2 and "in one_raises" in str(found.value)


@pytest.mark.parametrize("how", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(3)])
def test_a_rank_that_dies_is_named_within_seconds(how: Any) -> None:
    def one_dies() -> None:
        if dist.get_rank() == 1:
            how()
        wait_for_all()

    start = time.monotonic()
    with pytest.raises(RankError, match="rank 1: (killed by SIGKILL|ended without a result, with exit status 3)"):
        launch(one_dies, 3)
    assert time.monotonic() - start < SOON


def test_a_rank_that_hangs_is_named_with_the_line_where_it_stands() -> None:
    def one_hangs() -> None:
        if dist.get_rank() == 1:
            time.sleep(1000)
        wait_for_all()

    with pytest.raises(RankError, match="look at rank 1") as found:
        launch(one_hangs, 3, timeout=2)
    assert "rank 0 waits in all_reduce" in str(found.value) and "in one_hangs" in str(found.value)


def test_a_rank_that_calls_something_else_is_named() -> None:
    def one_differs() -> None:
        if dist.get_rank() == 2:
            dist.recv(torch.ones(1), 0)
        wait_for_all()

    with pytest.raises(RankError, match="look at rank 2"):
        launch(one_differs, 4, timeout=2)


def test_a_rank_that_works_for_long_is_left_to_it() -> None:
    def works() -> int:
        for _ in range(8):
            time.sleep(0.5)
            torch.ones(1)
        return 1

    assert [run.value for run in launch(works, 2, timeout=2)] == [1, 1]


def alive(folder: Path) -> list[int]:
    """Give the processes that wrote their numbers into a folder and still run."""
    numbers = [int(path.name) for path in folder.iterdir()]
    return [number for number in numbers if Path(f"/proc/{number}/stat").exists() and " Z " not in stat(number)]


def stat(number: int) -> str:
    try:
        return Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return " Z "


def eventually(what: Any) -> bool:
    end = time.monotonic() + SOON
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(what())


SCRIPT = """
import ctypes, os, pathlib, subprocess, sys, time
from fullstack_llm.parallel import launch

def stay(folder):
    child = subprocess.Popen(["sleep", "1000"])
    for number in (os.getpid(), child.pid):
        (pathlib.Path(folder) / str(number)).touch()
    # The lock of the interpreter is held: no thread of this process can run.
    ctypes.PyDLL(None).sleep(1000)

if __name__ == "__main__":
    launch(stay, 2, sys.argv[1], timeout=1000)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_runs_on_when_the_launcher_is_ended(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (folder := tmp_path / "numbers").mkdir()
    script = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), str(folder)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert eventually(lambda: len(alive(folder)) == 4)
    script.send_signal(how)
    script.wait(SOON)
    assert eventually(lambda: not alive(folder)), alive(folder)


def test_a_child_of_a_rank_ends_with_it(tmp_path: Path) -> None:
    def leave() -> None:
        (tmp_path / str(subprocess.Popen(["sleep", "1000"]).pid)).touch()

    launch(leave, 2)
    assert eventually(lambda: not alive(tmp_path))


def test_many_launches_come_back() -> None:
    for _ in range(20):
        assert [run.value for run in launch(dist.get_rank, 3)] == [0, 1, 2]


@pytest.mark.parametrize("ranks", [0, -1, MOST + 1])
def test_wrong_numbers_of_ranks_are_refused(ranks: int) -> None:
    with pytest.raises(ValueError, match="ranks must be 1 to"):
        launch(wait_for_all, ranks)


def test_what_cannot_be_pickled_is_named() -> None:
    with pytest.raises(TypeError, match="arguments"):
        launch(print, 2, (x for x in range(3)))
