"""The order of work in a pipeline, as data: for each rank a list of jobs, and what comes of it in time and memory.

A model is cut into stages; with `chunks` above 1 a rank has several, every `ranks`-th. The schedules are GPipe's (Huang
et al. 2018, arXiv 1811.06965), and 1F1B's, plain (PipeDream-Flush) and interleaved (Narayanan et al. 2021, arXiv
2104.04473, section 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Job:
    """One stage's pass over one micro-batch: forward, or backward."""

    stage: int
    micro: int
    forward: bool

    def __str__(self) -> str:
        return f"{'F' if self.forward else 'B'}{self.micro}"


Schedule = list[list[Job]]


def gpipe(ranks: int, micros: int) -> Schedule:
    """Return all forward passes, and then all backward passes.

    >>> [" ".join(map(str, jobs)) for jobs in gpipe(2, 2)]
    ['F0 F1 B0 B1', 'F0 F1 B0 B1']
    """
    return [[Job(rank, m, forward) for forward in (True, False) for m in range(micros)] for rank in range(ranks)]


def one_forward_one_backward(ranks: int, micros: int) -> Schedule:
    """Return 1F1B: a rank goes forward until its first backward pass may begin, and then takes turns.

    >>> [" ".join(map(str, jobs)) for jobs in one_forward_one_backward(2, 3)]
    ['F0 F1 B0 F2 B1 B2', 'F0 B0 F1 B1 F2 B2']
    """
    schedule = []
    for rank in range(ranks):
        first = min(ranks - rank, micros)
        jobs = [Job(rank, m, True) for m in range(first)]
        for m in range(micros):
            jobs.append(Job(rank, m, False))
            if first + m < micros:
                jobs.append(Job(rank, first + m, True))
        schedule.append(jobs)
    return schedule


def interleaved(ranks: int, micros: int, chunks: int = 2) -> Schedule:
    """Return interleaved 1F1B: each rank has several smaller stages, so that work reaches the last rank earlier.

    Raises ValueError if the micro-batches do not fill rounds of as many as there are ranks.
    """
    if micros % ranks:
        raise ValueError(f"{micros} micro-batches do not make whole rounds of {ranks}")
    schedule = []
    for rank in range(ranks):
        # In rounds of `ranks` micro-batches: each round passes through all chunks before the next begins.
        order = [(c, r + m) for r in range(0, micros, ranks) for c in range(chunks) for m in range(ranks)]
        ahead = [Job(c * ranks + rank, m, True) for c, m in order]
        back = [Job((chunks - 1 - c) * ranks + rank, m, False) for c, m in order]
        first = min(2 * (ranks - 1 - rank) + (chunks - 1) * ranks + 1, len(ahead))
        jobs = ahead[:first]
        for place, job in enumerate(back):
            jobs.append(job)
            jobs += ahead[first + place : first + place + 1]
        schedule.append(jobs)
    return schedule


def needs(job: Job, stages: int) -> list[Job]:
    """Return the jobs that must be done before this one.

    >>> needs(Job(1, 0, False), stages=2)
    [Job(stage=1, micro=0, forward=True)]
    """
    if job.forward:
        return [Job(job.stage - 1, job.micro, True)] if job.stage else []
    mine = Job(job.stage, job.micro, True)
    return [mine, Job(job.stage + 1, job.micro, False)] if job.stage + 1 < stages else [mine]


def timeline(schedule: Schedule, length: Callable[[Job], float] = lambda job: 1.0) -> dict[Job, tuple[float, float]]:
    """Return when each job begins and ends, if it begins as soon as its rank is free and what it needs is done.

    Raises ValueError for a schedule that waits for itself.
    """
    stages = 1 + max(job.stage for jobs in schedule for job in jobs)
    done: dict[Job, tuple[float, float]] = {}
    at, free = [0] * len(schedule), [0.0] * len(schedule)
    moved = True
    while moved:
        moved = False
        for rank, jobs in enumerate(schedule):
            while at[rank] < len(jobs) and all(one in done for one in needs(jobs[at[rank]], stages)):
                job = jobs[at[rank]]
                begin = max([free[rank], *(done[one][1] for one in needs(job, stages))])
                free[rank] = begin + length(job)
                done[job] = begin, free[rank]
                at[rank] += 1
                moved = True
    stuck = [str(jobs[place]) for jobs, place in zip(schedule, at, strict=True) if place < len(jobs)]
    if stuck:
        raise ValueError(f"this schedule waits for itself: {', '.join(stuck)} can never begin")
    return done


def idle(schedule: Schedule, done: dict[Job, tuple[float, float]]) -> float:
    """Return the share of all ranks' time, from the first job's begin to the last one's end, in which nothing runs.

    >>> plan = gpipe(4, 4)
    >>> round(idle(plan, timeline(plan)), 3), bubble(4, 4)
    (0.429, 0.42857142857142855)
    """
    span = max(end for _, end in done.values()) - min(begin for begin, _ in done.values())
    return 1 - sum(end - begin for begin, end in done.values()) / (span * len(schedule))


def bubble(ranks: int, micros: int, chunks: int = 1) -> float:
    """Return the idle share by formula: (p - 1) / (v m + p - 1)."""
    return (ranks - 1) / (chunks * micros + ranks - 1)


def in_flight(jobs: Sequence[Job]) -> int:
    """Return for how many passes a rank keeps what backward needs, at most.

    >>> [in_flight(jobs) for jobs in one_forward_one_backward(4, 8)], [in_flight(jobs) for jobs in gpipe(4, 8)]
    ([4, 3, 2, 1], [8, 8, 8, 8])
    """
    now = most = 0
    for job in jobs:
        now += 1 if job.forward else -1
        most = max(most, now)
    return most
