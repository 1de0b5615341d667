"""Run a function on several ranks, each a process of its own in one process group, and bring back what they return."""

from __future__ import annotations

import contextlib
import linecache
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import cloudpickle
import torch

from fullstack_llm.parallel.rank import Failure, Run, end_group, guard, main

MOST = 64  # ranks on one machine
GRACE = 0.5  # seconds in which other ranks may still say why they failed
LOOK = 0.2  # seconds between two looks at what the ranks do
# Where a rank stands that waits for another.
WAITING = "torch/distributed/distributed_c10d.py"


class RankError(RuntimeError):
    """Say which rank failed, and how. `rank` is its number."""

    def __init__(self, rank: int, message: str):
        super().__init__(message)
        self.rank = rank


def server() -> Any:
    """Give multiprocessing's context with a fork server: one clean process with one thread, which has imported torch.

    The ranks are forked from it and not from the notebook's kernel, whose threads and CUDA context a fork would break.
    Raises OSError on Windows, which has no fork.
    """
    if sys.platform == "win32":
        raise OSError("Ranks are forked, and Windows has no fork: use WSL, Colab or a hub.")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fullstack_llm.parallel.warm"])
    return context


def launch(
    function: Callable[..., Any], ranks: int, *arguments: Any, timeout: float = 30.0, backend: str | None = None
) -> list[Run]:
    """Run `function(*arguments)` on each rank, inside an initialised process group, and give what came of each.

    A rank finds its number by `dist.get_rank()`. The function may be defined in a notebook; it and its arguments are
    pickled by cloudpickle. `backend` is `nccl` where there are enough GPUs, else `gloo`. `timeout` is in seconds
    without any operation of torch on any rank. All ranks are ended when one fails, and when the launcher is interrupted
    or killed. Raises RankError that names the rank which raised, died or hung, and TypeError if the function or an
    argument cannot be pickled.

    >>> import torch.distributed as dist
    >>> def total(start):
    ...     value = torch.tensor([float(start + dist.get_rank())])
    ...     dist.all_reduce(value)
    ...     return value.item()
    >>> runs = launch(total, 2, 10)
    >>> [run.value for run in runs], runs[0].sent
    ([21.0, 21.0], {'all_reduce': Sent(calls=1, bytes=4)})
    """
    if not 1 <= ranks <= MOST:
        raise ValueError(f"ranks must be 1 to {MOST}, not {ranks}")
    backend = backend or ("nccl" if torch.cuda.device_count() >= ranks else "gloo")
    try:
        work = cloudpickle.dumps((function, arguments))
    except Exception as error:
        raise TypeError(f"the function and its arguments must be picklable: {error}") from error
    context = server()
    moves = context.Array("q", ranks, lock=False)
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        guarding, guarded = context.Pipe(duplex=False)
        processes, results = [], []
        try:
            with threads(1):
                context.Process(target=guard, args=(guarding,), daemon=True).start()
                for rank in range(ranks):
                    outside, inside = context.Pipe(duplex=False)
                    place = str(Path(folder) / f"stack-{rank}")
                    given = (rank, ranks, backend, f"{folder}/store", work, inside, guarded, moves, place)
                    processes.append(context.Process(target=main, args=given, daemon=True))
                    processes[-1].start()
                    inside.close()
                    results.append(outside)
            return collect(processes, results, moves, Path(folder), timeout)
        finally:
            for process in processes:
                if process.pid:
                    end_group(process.pid)
                    process.kill()
                    process.join()
            with contextlib.suppress(BrokenPipeError):
                guarded.send(0)
            guarded.close()


@contextlib.contextmanager
def threads(number: int) -> Any:
    """Set the number of OpenMP's threads for processes that are started inside the block."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def collect(processes: list[Any], results: list[Connection], moves: Any, folder: Path, timeout: float) -> list[Run]:
    """Wait for the results of all ranks; raise RankError at the first failure, death or standstill."""
    runs: dict[int, Run] = {}
    failures: list[Failure] = []
    seen, since = -1, time.monotonic()
    deadline = float("inf")
    while len(runs) < len(processes) and time.monotonic() < deadline:
        open_ones = {results[rank]: rank for rank in range(len(processes)) if rank not in runs}
        for rank in [open_ones[connection] for connection in wait(list(open_ones), LOOK)]:  # type: ignore[index]
            try:
                came = cloudpickle.loads(results[rank].recv_bytes())
            except EOFError:
                came = Failure(rank, death(processes[rank]), "", False)
            for line in came.text.splitlines():
                print(f"[rank {rank}] {line}")
            runs[rank] = came if isinstance(came, Run) else Run(rank)
            if isinstance(came, Failure):
                failures.append(came)
                deadline = min(deadline, time.monotonic() + GRACE)
        if sum(moves) + len(runs) != seen:
            seen, since = sum(moves) + len(runs), time.monotonic()
        elif time.monotonic() - since > timeout and not failures:
            raise standstill([rank for rank in range(len(processes)) if rank not in runs], processes, folder, timeout)
    if failures:
        # A death explains the errors of those that waited for the dead, and an error of its own the lost connections.
        first = min(failures, key=lambda failure: (failure.follows, bool(failure.trace)))
        others = "" if len(processes) == 1 else " The other ranks were ended."
        raise RankError(first.rank, f"rank {first.rank}: {first.error}.{others}\n\n{first.trace}".strip())
    return [runs[rank] for rank in range(len(processes))]


def death(process: Any) -> str:
    """Say how a process ended that sent no result."""
    process.join(GRACE)
    code = process.exitcode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended without a result, with exit status {code}"


def standstill(open_ones: list[int], processes: list[Any], folder: Path, timeout: float) -> RankError:
    """Make the error for ranks of which none moves: it names one that waits for no other, and where each stands."""
    for rank in open_ones:
        with contextlib.suppress(ProcessLookupError):
            os.kill(processes[rank].pid, signal.SIGUSR1)
    time.sleep(GRACE)
    lines, calls = [f"nothing happened for {timeout:g} s"], {}
    for rank in open_ones:
        frames = re.findall(r'File "(.+)", line (\d+) in (.+)', (folder / f"stack-{rank}").read_text())
        call = next((name for file, _, name in frames if file.endswith(WAITING)), "")
        if frames and not call and ".wait(" in linecache.getline(frames[0][0], int(frames[0][1])):
            call = "wait"
        own = [f"{file}, line {line}, in {name}" for file, line, name in frames if "site-packages" not in file]
        lines.append(f"rank {rank} {f'waits in {call}' if call else 'is'} at {own[0] if own else 'an unknown place'}")
        calls[rank] = call
    # A rank that waits for no other, or else one that waits for something else than most do.
    named = min(open_ones, key=lambda rank: (bool(calls[rank]), list(calls.values()).count(calls[rank])))
    lines[0] += f": look at rank {named}."
    return RankError(named, "\n".join(lines))
