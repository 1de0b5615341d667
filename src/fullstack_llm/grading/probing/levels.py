"""Choose the level of isolation: six guarantees, and for each a probe that tries to break it from inside a sandbox.

Level A keeps all six, by namespaces and seccomp. Level B keeps all six, by Landlock and seccomp; or, for root without
Landlock, by seccomp and a UID of its own that writes no file and reads what every user may read. Level C keeps time
alone, for a student's self-check. A level whose probes fail on this machine is an error with its remedy.
"""

from __future__ import annotations

import contextlib
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
from fullstack_llm.grading.machine.errors import GraderError, OutOfMemory, Unfair, WorkerLost, require_memory
from fullstack_llm.grading.machine.walk import below
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.pool.proxy import WorkerProxy, memory_limit
from fullstack_llm.worker import codec
from fullstack_llm.worker.confine.namespaces import TMPFS_FILES, TMPFS_SIZES

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
        # Any user may write in /tmp and /dev/shm, so without Landlock a worker writes nowhere.
        Sandbox("B", seccomp=True, user=True, writes=False, warm=True),
    ),
}
# rlimits only: a worker can read files, use the network and signal processes of the same user.
SELF_CHECK = Sandbox("C")
ATTEMPTS = Path(__file__).with_name("attempts.py")
SECONDS = 5.0
MAX_TRIED, MAX_DEPTH = 2000, 32


@dataclass
class Probe:
    """Hold the results of the probes: for each guarantee what broke it, an empty list if it held."""

    sandbox: Sandbox
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether all guarantees held."""
        return not any(self.broken.values())

    def __str__(self) -> str:
        broken = [f"{name} ({', '.join(map(str, what[:3]))})" for name, what in self.broken.items() if what]
        return "; ".join(broken) or "all guarantees hold"


def _ask(pool: Pool, name: str, *values: Any) -> Any:
    worker = pool.take()
    try:
        return _call(worker, name, *values)
    finally:
        worker.close()


def _call(worker: WorkerProxy, name: str, *values: Any) -> Any:
    worker.ask(("define", "the probes", ATTEMPTS.read_text("utf-8"), [name]), SECONDS)
    reply = codec.decode(worker.ask(("call", name, codec.encode(values)), SECONDS))
    return reply[1] if reply[0] == "value" else [f"the probe failed: {reply[1]}"]


def _files(pool: Pool) -> list[str]:
    canary = Path(tempfile.mkdtemp(prefix="canary-")) / "canary"
    name = f"probe-{secrets.token_hex(8)}"
    places = [Path(name) for name in ("/tmp", "/var/tmp", "/dev/shm", "/dev", "/", "/run", pool.base)]
    places += [PACKAGE, canary.parent]
    try:
        canary.write_text("canary")
        judges = [str(path) for path in _files_below(world().hidden)]
        return [
            *_ask(pool, "files", str(canary), judges, [str(place) for place in places], name),
            *(f"left a file in {place}" for place in places if (place / name).exists()),
        ]
    finally:
        shutil.rmtree(canary.parent)
        for place in places:
            (place / name).unlink(missing_ok=True)


def _files_below(paths: Iterable[Path], skip: Iterable[Path] = ()) -> Iterator[Path]:
    # Every file is tried: a file can be readable although its folder cannot be listed.
    files = (
        file for path in paths for file in below(path, MAX_DEPTH, {*skip}) if file.is_file() and not file.is_symlink()
    )
    return itertools.islice(files, MAX_TRIED)


def _network(pool: Pool) -> list[str]:
    return _ask(pool, "network")


def _processes(pool: Pool) -> list[str]:
    return _ask(pool, "processes")


def _memory(pool: Pool) -> list[str]:
    broken = list(_ask(pool, "memory", memory_limit(pool.sandbox)))
    with contextlib.suppress(WorkerLost):
        written = _ask(pool, "fill", LIMITS["FSIZE"] - 1, FILES)
        broken += [f"files of {written} bytes"] if isinstance(written, int) and written > FILES else []
    with contextlib.suppress(WorkerLost):
        made = _ask(pool, "crowd", len(TMPFS_SIZES) * TMPFS_FILES + 1)
        broken += [f"{made} files"] if isinstance(made, int) and made > TMPFS_FILES else []
    return broken


def _time(pool: Pool) -> list[str]:
    broken = [f"no limit {name}" for name, bound in _ask(pool, "limits").items() if bound < 0]
    worker = pool.take()
    pid = worker.process.pid
    try:
        worker.ask(("define", "the probes", ATTEMPTS.read_text("utf-8") + "\nstop()", []), 0.3)
    except (WorkerLost, Unfair) as lost:
        stat = Path(f"/proc/{pid}/stat")
        running = stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
        died = isinstance(lost, WorkerLost) and lost.kind != "timeout"
        return broken + ["it went on after its deadline"] * running + [str(lost)] * died
    return [*broken, "it did not stop"]


def _neighbours(pool: Pool) -> list[str]:
    other = pool.take()
    try:
        return _ask(pool, "neighbours", [other.process.pid, os.getpid(), os.getppid()])
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
    """Run the probes of these guarantees; raise `GraderError` if no worker starts in this sandbox."""
    result = Probe(sandbox)
    with scratch.folder(scratch.GRADING) as home, contextlib.closing(Pool(sandbox, ahead=0, home=str(home))) as pool:
        for name in names:
            try:
                result.broken[name] = PROBES[name](pool)
            except (WorkerLost, Unfair) as lost:
                result.broken[name] = [f"the probe gave no answer: {lost}"]
    return result


def prove_private(pool: Pool) -> None:
    """Raise `GraderError` if a worker can read what the lab or the batch hides; level C promises no such thing.

    The lab hides the modules that would answer it, and the batch its private folders.
    """
    # The probe of files has tried the other hidden folders of this package. Answers first: not all files are tried.
    hidden = world().hidden
    private = [path for path in world(pool.answers).hidden if path not in hidden]
    private += [path for folder in pool.private if not (path := folder.resolve()).is_relative_to(PACKAGE)]
    if pool.sandbox.level == "C" or not private:
        return
    # A private folder may contain Python itself, which workers must read.
    trees = [root for root in world().roots if any(map(root.is_relative_to, private))]
    # A frame cannot carry a path that is not valid Unicode: the other files of its folder stand for it.
    tried = [str(path) for path in _files_below(private, trees) if str(path).isprintable()]
    try:
        readable = _ask(pool, "readable", tried)
    except WorkerLost as lost:
        raise GraderError(f"a worker did not say what it can read: {lost.why}") from None
    if readable:
        folders = " ".join(map(str, private))
        raise GraderError(
            f"at level {pool.sandbox.level} a submission could read {readable[0]}, which is not for students. "
            f"Remedy: close these to other users: chmod -R go-rwx {folders}"
        )


@functools.cache
def level(name: str) -> Sandbox:
    """Return the sandbox of a level after its probes; raise `GraderError` with reason and remedy if they fail."""
    if name == "C":
        return SELF_CHECK
    require_memory()
    reasons = []
    for sandbox in CANDIDATES[name]:
        if name == "B" and not sandbox.landlock and os.geteuid():
            continue
        try:
            if (result := probe(sandbox)).held:
                return sandbox
            reasons.append(str(result))
        except OutOfMemory:
            raise
        except GraderError as error:
            reasons.append(str(error))
    why = " | ".join(dict.fromkeys(reasons)) or "there is no Landlock"
    # A reason that brings its remedy needs no guess at another.
    raise GraderError(f"level {name} cannot be had here ({why}). {'' if 'Remedy:' in why else remedy(name)}".strip())


def strongest(self_check: bool = False) -> Sandbox:
    """Return level A, or else B, or else, for a self-check, C; otherwise raise `GraderError` with the remedies."""
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
    """Say in a sentence what a sandbox guarantees, and by what."""
    if sandbox.level == "C":
        return "C: limits only; a submission can read files, use the network and signal processes of the same user"
    how = "namespaces" if sandbox.namespaces else "Landlock" if sandbox.landlock else "a user of its own"
    kind = "workers are forked ready" if sandbox.warm else "each worker starts anew"
    return f"{sandbox.level}: {', '.join(GUARANTEES)} are bounded, by {how} and seccomp; {kind}"
