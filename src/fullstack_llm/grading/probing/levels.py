"""Levels of isolation: six guarantees, and a probe for each that tries the forbidden thing from inside a sandbox.

A: all six, by namespaces and seccomp. B: all six, by Landlock and seccomp, or for root by a user of its own that
writes nothing and reads what every user may. C: time alone; a self-check. What the probes show holds for a batch; a
level that cannot be had is an error with its remedy.
"""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fullstack_llm.grading.isolation.sandbox import FILES, LIMITS, Sandbox
from fullstack_llm.grading.isolation.world import PACKAGE, world
from fullstack_llm.grading.machine import scratch
from fullstack_llm.grading.machine.errors import Gone, GraderError, Starved, enough
from fullstack_llm.grading.machine.walk import below
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.pool.proxy import WorkerProxy, bound
from fullstack_llm.worker import codec

from .remedies import remedy

GUARANTEES = {
    "files": "reads only its tree, writes only in its folder",
    "network": "no socket of any family",
    "processes": "no new process, none left behind",
    "memory": "bounded in total, files in memory included",
    "time": "ends at its deadline, whatever it does; CPU time is bounded",
    "neighbours": "no signal, no trace, no /proc into others",
}
CANDIDATES = {
    "A": (
        Sandbox("A", namespaces=True, seccomp=True, user=True, warm=True),
        Sandbox("A", namespaces=True, seccomp=True, user=True),
    ),
    "B": (
        Sandbox("B", landlock=True, seccomp=True, user=True, warm=True),
        # A user of its own may write in /tmp and /dev/shm: it writes nowhere.
        Sandbox("B", seccomp=True, user=True, writes=False, warm=True),
    ),
}
# Limits only: a worker can read files, use the network and signal processes of the same user.
SELF_CHECK = Sandbox("C")
ATTEMPTS = Path(__file__).with_name("attempts.py")
SECONDS = 5.0
TRIED, DEEPEST = 2000, 32


@dataclass
class Probe:
    """What the probes of a sandbox showed: for each guarantee what breaks it, and nothing if it holds."""

    sandbox: Sandbox
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether all guarantees hold."""
        return not any(self.broken.values())

    def __str__(self) -> str:
        lost = [f"{name} ({', '.join(map(str, what[:3]))})" for name, what in self.broken.items() if what]
        return "; ".join(lost) or "all guarantees hold"


def _ask(workers: Pool, name: str, *values: Any) -> Any:
    worker = workers.take()
    try:
        return _call(worker, name, *values)
    finally:
        worker.close()


def _call(worker: WorkerProxy, name: str, *values: Any) -> Any:
    worker.ask(("define", "the probes", ATTEMPTS.read_text("utf-8"), [name]), SECONDS)
    reply = codec.decode(worker.ask(("call", name, codec.encode(values)), SECONDS))
    return reply[1] if reply[0] == "value" else [f"the probe failed: {reply[1]}"]


def _files(workers: Pool) -> list[str]:
    canary = Path(tempfile.mkdtemp(prefix="canary-")) / "canary"
    name = f"probe-{secrets.token_hex(8)}"
    places = [Path(one) for one in ("/tmp", "/var/tmp", "/dev/shm", "/dev", "/", "/run", workers.base)]
    places += [PACKAGE, canary.parent]
    try:
        canary.write_text("canary")
        judges = [str(one) for one in _within(world().hidden)]
        return [
            *_ask(workers, "files", str(canary), judges, [str(one) for one in places], name),
            *(f"left a file in {place}" for place in places if (place / name).exists()),
        ]
    finally:
        shutil.rmtree(canary.parent)
        for place in places:
            (place / name).unlink(missing_ok=True)


def _within(paths: Iterable[Path], but: Iterable[Path] = ()) -> Iterator[Path]:
    # What lies in a folder can be readable though the folder cannot be listed.
    found = (one for path in paths for one in below(path, DEEPEST, {*but}) if one.is_file() and not one.is_symlink())
    return itertools.islice(found, TRIED)


def _network(workers: Pool) -> list[str]:
    return _ask(workers, "network")


def _processes(workers: Pool) -> list[str]:
    return _ask(workers, "processes")


def _memory(workers: Pool) -> list[str]:
    found = list(_ask(workers, "memory", bound(workers.sandbox)))
    try:
        got = _ask(workers, "fill", LIMITS["FSIZE"] - 1, FILES)
        found += [f"files of {got} bytes"] if isinstance(got, int) and got > FILES else []
    except Gone:
        pass
    return found


def _time(workers: Pool) -> list[str]:
    found = [f"no limit {name}" for name, bound in _ask(workers, "limits").items() if bound < 0]
    worker = workers.take()
    pid = worker.process.pid
    try:
        worker.ask(("define", "the probes", ATTEMPTS.read_text("utf-8") + "\nstop()", []), 0.3)
    except Gone as gone:
        alive = Path(f"/proc/{pid}/stat")
        running = alive.exists() and alive.read_text().rpartition(")")[2].split()[0] not in "ZX"
        return found + ["it went on after its deadline"] * running + [gone.why] * (gone.kind != "timeout")
    return [*found, "it did not stop"]


def _neighbours(workers: Pool) -> list[str]:
    other = workers.take()
    try:
        return _ask(workers, "neighbours", [other.process.pid, os.getpid(), os.getppid()])
    finally:
        other.close()


PROBES = {
    "files": _files,
    "network": _network,
    "processes": _processes,
    "memory": _memory,
    "time": _time,
    "neighbours": _neighbours,
}


def probe(sandbox: Sandbox, names: tuple[str, ...] = tuple(GUARANTEES)) -> Probe:
    """Try out the guarantees; `GraderError` if no worker can be had in this sandbox at all."""
    result = Probe(sandbox)
    with scratch.folder(scratch.GRADING) as home:
        workers = Pool(sandbox, ahead=0, home=str(home))
        try:
            for name in names:
                try:
                    result.broken[name] = PROBES[name](workers)
                except Gone as gone:
                    result.broken[name] = [f"the probe gave no answer: {gone.why}"]
        finally:
            workers.close()
    return result


def prove_private(workers: Pool) -> None:
    """Raise `GraderError` if a worker can read the folders of the batch that it must not; at level C it may."""
    # Of this package's own folders the probes have tried what is hidden, and the rest is for all.
    private = [path for one in workers.private if not (path := one.resolve()).is_relative_to(PACKAGE)]
    if workers.sandbox.level == "C" or not private:
        return
    # A class may be graded in the folder where Python lies.
    trees = [root for root in world().roots if any(map(root.is_relative_to, private))]
    # A name that is no text cannot be sent; the other files of its folder stand for it.
    tried = [str(one) for one in _within(private, trees) if str(one).isprintable()]
    try:
        found = _ask(workers, "readable", tried)
    except Gone as gone:
        raise GraderError(f"a worker did not say what it can read: {gone.why}") from None
    if found:
        folders = " ".join(map(str, private))
        raise GraderError(
            f"at level {workers.sandbox.level} a submission could read {found[0]}, which is not for students. "
            f"Remedy: close these to other users: chmod -R go-rwx {folders}"
        )


@functools.cache
def level(name: str) -> Sandbox:
    """The sandbox of a level, tried out; `GraderError` says why it cannot be had here, and the remedy."""
    if name == "C":
        return SELF_CHECK
    enough()
    reasons = []
    for sandbox in CANDIDATES[name]:
        if name == "B" and not sandbox.landlock and os.geteuid():
            continue
        try:
            shown = probe(sandbox)
        except Starved:
            raise
        except GraderError as error:
            reasons.append(str(error))
            continue
        if shown.held:
            return sandbox
        reasons.append(str(shown))
    why = " | ".join(dict.fromkeys(reasons)) or "there is no Landlock"
    raise GraderError(f"level {name} cannot be had here ({why}). {remedy(name)}")


def strongest(self_check: bool = False) -> Sandbox:
    """Level A, or B where that cannot be had, or, for a self-check, C; otherwise `GraderError` with the remedies."""
    errors = []
    for name in ("A", "B"):
        try:
            return level(name)
        except GraderError as error:
            errors.append(str(error))
    if self_check:
        return SELF_CHECK
    raise GraderError("\n".join(dict.fromkeys(errors)))


def describe(sandbox: Sandbox) -> str:
    """The level, for people."""
    if sandbox.level == "C":
        return "C: limits only; a submission can read files, use the network and signal processes of the same user"
    how = "namespaces" if sandbox.namespaces else "Landlock" if sandbox.landlock else "a user of its own"
    kind = "workers are forked ready" if sandbox.warm else "each worker starts anew"
    return f"{sandbox.level}: {', '.join(GUARANTEES)} are bounded, by {how} and seccomp; {kind}"
