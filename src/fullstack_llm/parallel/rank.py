"""What a rank does: join the group, run the function, count, and send the result back. Imported by the fork server."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import signal
import sys
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
import torch
import torch.distributed as dist

from fullstack_llm.parallel.counting import Counter, Sent

# The launcher's own limit comes long before it, and names the rank; this one would name an address.
NEVER = timedelta(hours=12)
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


@dataclass(frozen=True)
class Run:
    """Hold what came of one rank.

    `value` is what the function returned, `sent` what it handed to each collective, `peak` the most bytes of tensors
    that were alive at once (on a GPU: that were allocated), and `text` what it printed.
    """

    rank: int
    value: Any = None
    sent: dict[str, Sent] = field(default_factory=dict)
    peak: int = 0
    text: str = ""


@dataclass(frozen=True)
class Failure:
    """Hold the exception of one rank: its last line, all of it, and whether it only says that another rank is gone."""

    rank: int
    error: str
    trace: str
    follows: bool
    text: str = ""


def end_group(leader: int) -> None:
    """Kill a rank and whatever it started: a rank leads a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def guard(ranks: Connection) -> None:
    """Wait until the launcher has ended, however that came about, and end the ranks that said that they began."""
    # The fork server stays as long as anybody holds this, and it shall not stay for the guard's sake.
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    os.setsid()
    leaders = list[int]()
    with contextlib.suppress(EOFError, OSError):
        while leader := ranks.recv():
            leaders.append(leader)
        return  # 0: the launcher has ended them itself
    for leader in leaders:
        end_group(leader)


def main(
    rank: int, ranks: int, backend: str, store: str, work: bytes, results: Connection, guarded: Connection,
    moves: Any, stacks: str,
) -> None:  # fmt: skip
    """Run one rank: `work` is the pickled function with its arguments, and the result goes into `results`."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guarded.send(os.getpid())
    guarded.close()
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    faulthandler.register(signal.SIGUSR1, Path(stacks).open("w"), all_threads=False)  # noqa: SIM115 (as long as it runs)
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
    text = io.StringIO()

    def moved() -> None:
        moves[rank] += 1

    counter = Counter(moved)
    try:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            if backend == "nccl":
                torch.cuda.set_device(rank)
            group = dist.FileStore(store, ranks)
            dist.init_process_group(backend, store=group, rank=rank, world_size=ranks, timeout=NEVER)
            function, arguments = cloudpickle.loads(work)
            with counter:
                value = function(*arguments)
            # No rank leaves while another still sends to it.
            dist.barrier()
        peak = torch.cuda.max_memory_allocated() if backend == "nccl" else counter.peak
        sent = cloudpickle.dumps(Run(rank, value, counter.sent, peak, text.getvalue()))
    except BaseException as error:
        last = "".join(traceback.format_exception_only(error)).strip()
        follows = isinstance(error, dist.DistError) or "gloo" in last or "onnection" in last
        sent = cloudpickle.dumps(Failure(rank, last, traceback.format_exc(), follows, text.getvalue()))
    results.send_bytes(sent)
    results.close()
    # Whatever the function left running, threads of its own too, ends here.
    sys.stdout.flush()
    os._exit(0)
