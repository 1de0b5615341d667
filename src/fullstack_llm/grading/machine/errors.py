"""Name the errors: a lost worker gives a verdict; an error of the grader itself never becomes a zero."""

from __future__ import annotations

import errno
import os
import signal

from . import usage

# The grader and a worker of the largest lab, both with torch, take 0.35 GB.
MIN_MEMORY = 512 << 20


# What a full disk, or want of memory or of descriptors, raises: it may pass.
SHORT = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "ENOMEM", "EAGAIN", "EMFILE", "ENFILE")}


class WorkerLost(Exception):
    """Raised when the worker gave no reply and was ended; `kind` is "timeout" or "died"."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class GraderError(RuntimeError):
    """Raised when the grader itself cannot work; the students concerned get no zero."""


class RetryableError(GraderError):
    """Raised when a worker was lost and its submission is not the cause: it is graded again, and then left ungraded."""


class OutOfMemory(RetryableError):
    """Raised when memory does not suffice although the submission stays within its share."""


class ZygoteDied(RetryableError):
    """Raised when the fork server (zygote) has ended, and its workers with it."""


class DiskFull(RetryableError):
    """Raised when the disk fills up and nothing tells which process fills it."""


def disk_full(bound: int) -> DiskFull:
    """Return the error about more than `bound` bytes of the disk, with its remedy."""
    return DiskFull(
        f"more than {bound / (1 << 30):.2g} GB of the disk were taken while a submission ran, twice over the same one, "
        "and whose files those are cannot be seen. Remedy: grade it by itself on a machine that does nothing else, or "
        "at level A."
    )


class Unfair(RetryableError):
    """Raised when a worker had no CPU for most of its time, since others ran."""


def unfair() -> Unfair:
    """Return the error about a submission that was not given the time that it had, with its remedy."""
    return Unfair(
        "its time was over while other processes had the CPUs, twice, so it has no score. Remedy: grade it again when "
        "the machine does nothing else, or with fewer --jobs."
    )


def short_of(what: str) -> RetryableError:
    """Return the error about a machine on which no worker starts for want of disk or memory, with its remedy."""
    return RetryableError(f"no worker could be started, twice ({what}). Remedy: free some of it, and grade again.")


def memory_low() -> OutOfMemory:
    """Return the error about a machine with hardly any memory left, with its remedy."""
    return OutOfMemory(
        "this machine had hardly any memory left while it ran, twice, and whose that was cannot be seen. Remedy: grade "
        "it by itself on a machine that does nothing else."
    )


def out_of_memory() -> OutOfMemory:
    """Return the error about too little memory, with its remedy."""
    return OutOfMemory(
        f"memory does not suffice: this machine, or its container, has {usage.total_memory() >> 20} MB, and each of "
        "--jobs needs 1 GB (512 MB at the very least). Remedy: give it more memory, or grade with fewer --jobs."
    )


def zygote_died() -> ZygoteDied:
    """Return the error about a fork server that has ended, with its remedy."""
    return ZygoteDied(
        "the process that workers are forked from has ended, twice over one submission, and nothing in a submission "
        "can end it. Remedy: look in the machine's log for what did, and start the command again: it goes on."
    )


def require_memory(jobs: int = 1) -> None:
    """Raise `OutOfMemory` if this machine has less than the smallest amount of memory for each job."""
    if usage.total_memory() < jobs * MIN_MEMORY:
        raise out_of_memory()


def describe_exit(status: int) -> str:
    """Say how a process ended, from its wait status, as a sentence.

    >>> describe_exit(9), describe_exit(256)
    ('its process was ended by SIGKILL', 'its process ended itself (exit status 1)')
    >>> describe_exit(40), describe_exit(127)
    ('its process was ended by signal 40', 'its process ended')
    """
    try:
        code = os.waitstatus_to_exitcode(status)
    except ValueError:
        return "its process ended"
    if code >= 0:
        return f"its process ended itself (exit status {code})"
    names = {known.value: known.name for known in signal.Signals}
    return f"its process was ended by {names.get(-code, f'signal {-code}')}"


CLOSED = "its process closed the connection"
# Ends of a worker that may have a cause outside its submission.
UNEXPLAINED = (CLOSED, describe_exit(signal.SIGKILL))
