"""The same grading on a Ray cluster: graders on its machines, and submissions for whoever is free.

Every machine needs the course in the same version and, for `--checks` or `--labs`, the same folders; each tries out its
own sandbox. The submissions travel. A grader that is killed is started again, and grades again what it had.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from fullstack_llm.checks import declared
from fullstack_llm.grading.intake.submissions import Submission
from fullstack_llm.grading.machine import scratch
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.probing.levels import level

from . import settings
from .batch import Batch, Graded, Grader

RETRIES = 3


class Remote:
    """A grader on some machine of the cluster."""

    def __init__(self, batch: Batch, made_with: dict[str, Any]) -> None:
        self.batch, self.made_with = batch, made_with
        self.grader: Grader | None = None
        # Nobody tells a grader on a cluster that it is to end: its folder is left to the next.
        self.home = ExitStack()

    def _begin(self) -> Grader:
        batch = replace(self.batch, sandbox=level(self.batch.sandbox.level))
        lab = declared.find(batch.lab, batch.checks)
        here = settings.made_with(lab, batch.checks, batch.labs, batch.sandbox.level, batch.seeds)
        if other := [name for name, value in self.made_with.items() if here[name] != value]:
            differ = " and ".join(other)
            raise GraderError(f"a machine of the cluster has another {differ} than this one: install the same version")
        return Grader(batch, str(self.home.enter_context(scratch.folder(scratch.GRADING))))

    def grade(self, one: Submission, contents: list[bytes]) -> Graded:
        """The result of one student, whose files' contents come with the names."""
        if self.grader is None:
            self.grader = self._begin()
        with scratch.folder(scratch.SUBMISSIONS) as folder:
            files = []
            for number, (file, content) in enumerate(zip(one.files, contents, strict=True)):
                path = folder / f"{number}{file.path.suffix}"
                path.write_bytes(content)
                files.append(replace(file, path=path))
            graded = self.grader.grade_student(replace(one, files=tuple(files)))
        # The file as it is known where the command runs.
        return replace(graded, submission=one, file=one.files[files.index(graded.file)])


def _knock(address: str) -> None:
    # Ray itself would try for minutes.
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=5).close()


def results(batch: Batch, submissions: list[Submission], address: str, jobs: int) -> Iterator[Graded]:
    """Each student's result, as they get ready, from `jobs` graders on the cluster at this address."""
    try:
        import ray
    except ImportError:
        raise GraderError("Ray is not installed: pip install ray") from None
    batch = replace(batch, checks=batch.checks.resolve(), labs=batch.labs.resolve())
    lab = declared.find(batch.lab, batch.checks)
    made_with = settings.made_with(lab, batch.checks, batch.labs, batch.sandbox.level, batch.seeds)
    # Nothing is reported to anyone.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise GraderError(f"there is no Ray cluster at {address} ({error}): `ray start --head` starts one") from None
    try:
        actor: Any = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=RETRIES)(Remote)
        idle = [actor.remote(batch, made_with) for _ in range(min(jobs, len(submissions)))]
        waiting, busy = list(reversed(submissions)), dict[Any, Any]()
        while waiting or busy:
            while waiting and idle:
                one, grader = waiting.pop(), idle.pop()
                # Read only now: what waits takes no memory.
                busy[grader.grade.remote(one, [file.path.read_bytes() for file in one.files])] = grader
            done, _ = ray.wait(list(busy))
            for reference in done:
                idle.append(busy.pop(reference))
                yield ray.get(reference)
    except ray.exceptions.RayActorError as error:
        raise GraderError(f"a grader on the cluster ended {RETRIES + 1} times over one submission ({error})") from None
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    finally:
        ray.shutdown()
