"""What goes wrong in a worker, which has a verdict, and what goes wrong in the grader, which is nobody's zero."""

from __future__ import annotations

import os
import signal

from . import usage

# What the largest lab takes, its grader with torch included, is 0.35 GB.
LEAST = 512 << 20


class Gone(Exception):
    """The worker gave no reply and is no more; `kind` is "timeout" or "died"."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class GraderError(RuntimeError):
    """The grader itself cannot work; never a zero for a student."""


class Unfair(GraderError):
    """A worker was lost by no doing of its submission, which is graded once more, and then left ungraded."""


class Starved(Unfair):
    """Memory does not suffice, and no submission has used up its share."""


class Broken(Unfair):
    """The process that workers are forked from has ended, and its workers with it."""


class Crowded(Unfair):
    """The disk fills up, and it cannot be seen by whose doing."""


def crowded(bound: int) -> Crowded:
    """The error about so many bytes of the disk, with what to do."""
    return Crowded(
        f"more than {bound / (1 << 30):.2g} GB of the disk were taken while a submission ran, twice over the same one, "
        "and whose files those are cannot be seen. Remedy: grade it by itself on a machine that does nothing else, or "
        "at level A."
    )


def starved() -> Starved:
    """The error, with what to do."""
    return Starved(
        f"memory does not suffice: this machine, or its container, has {usage.installed() >> 20} MB, and each of "
        "--jobs needs 1 GB (512 MB at the very least). Remedy: give it more memory, or grade with fewer --jobs."
    )


def broken() -> Broken:
    """The error, with what to do."""
    return Broken(
        "the process that workers are forked from has ended, twice over one submission, and nothing in a submission "
        "can end it. Remedy: look in the machine's log for what did, and start the command again: it goes on."
    )


def enough(jobs: int = 1) -> None:
    """Raise `Starved` if there is so little memory that labs could not be graded with so many jobs."""
    if usage.installed() < jobs * LEAST:
        raise starved()


def ended(status: int) -> str:
    """How a process ended, from its wait status, as a sentence.

    >>> ended(9), ended(256)
    ('its process was ended by SIGKILL', 'its process ended itself (exit status 1)')
    >>> ended(40), ended(127)
    ('its process was ended by signal 40', 'its process ended')
    """
    try:
        code = os.waitstatus_to_exitcode(status)
    except ValueError:
        return "its process ended"
    if code >= 0:
        return f"its process ended itself (exit status {code})"
    known = {one.value: one.name for one in signal.Signals}
    return f"its process was ended by {known.get(-code, f'signal {-code}')}"


CLOSED = "its process closed the connection"
# How workers end that something else has ended.
UNEXPLAINED = (CLOSED, ended(signal.SIGKILL))
