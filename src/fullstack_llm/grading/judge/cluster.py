"""Grade on a Ray cluster: start graders on its machines, and send each submission to a grader that is idle.

Every machine needs the same version of the course and, for `--checks` or `--labs`, folders with the same contents; each
machine tests its own sandbox. The contents of submissions are sent along. Ray restarts a grader that was killed, and
the restarted grader grades the same submission again.
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
from fullstack_llm.grading.intake.kinds import kind
from fullstack_llm.grading.intake.submissions import Submission
from fullstack_llm.grading.machine import scratch
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.probing.levels import level

from . import settings
from .batch import NO_FILE, Batch, Graded, Grader

RETRIES = 3


class RemoteGrader:
    """A Ray actor that grades on a machine of the cluster; `expected` are the run settings of the command's machine."""

    def __init__(self, batch: Batch, expected: dict[str, Any]) -> None:
        self.batch, self.expected = batch, expected
        self.grader: Grader | None = None
        # Ray ends an actor without notice: the next run on that machine removes the actor's folder.
        self.home = ExitStack()

    def _start(self) -> Grader:
        batch = replace(self.batch, sandbox=level(self.batch.sandbox.level))
        lab = declared.find(batch.lab, batch.checks)
        here = settings.run_settings(lab, batch.checks, batch.labs, batch.sandbox.level, batch.seeds)
        if differ := [name for name, value in self.expected.items() if here[name] != value]:
            names = " and ".join(differ)
            raise GraderError(f"a machine of the cluster has another {names} than this one: install the same version")
        return Grader(batch, str(self.home.enter_context(scratch.folder(scratch.GRADING))))

    def grade(self, submission: Submission, contents: list[bytes]) -> Graded:
        """Return the result of one student; `contents` are those of the submission's files, in the same order."""
        if self.grader is None:
            self.grader = self._start()
        with scratch.folder(scratch.SUBMISSIONS) as folder:
            files = []
            for number, (file, content) in enumerate(zip(submission.files, contents, strict=True)):
                path = folder / f"{number}{kind(file.path.name)}"
                path.write_bytes(content)
                files.append(replace(file, path=path))
            graded = self.grader.grade_student(replace(submission, files=tuple(files)))
        # Return the paths on the command's machine in place of those on this one.
        return replace(
            graded, submission=submission, file=submission.files[files.index(graded.file)] if files else NO_FILE
        )


def _require_reachable(address: str) -> None:
    # A TCP connection fails after seconds; Ray would retry for minutes.
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=5).close()


def results(batch: Batch, submissions: list[Submission], address: str, jobs: int) -> Iterator[Graded]:
    """Yield each student's result when it is ready, from `jobs` graders on the cluster at this address."""
    try:
        import ray
    except ImportError:
        raise GraderError("Ray is not installed: pip install ray") from None
    batch = replace(batch, checks=batch.checks.resolve(), labs=batch.labs.resolve())
    lab = declared.find(batch.lab, batch.checks)
    expected = settings.run_settings(lab, batch.checks, batch.labs, batch.sandbox.level, batch.seeds)
    # Ray sends no usage statistics.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _require_reachable(address)
        ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise GraderError(f"there is no Ray cluster at {address} ({error}): `ray start --head` starts one") from None
    try:
        actor: Any = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=RETRIES)(RemoteGrader)
        idle = [actor.remote(batch, expected) for _ in range(min(jobs, len(submissions)))]
        waiting, busy = list(reversed(submissions)), dict[Any, Any]()
        while waiting or busy:
            while waiting and idle:
                submission, grader = waiting.pop(), idle.pop()
                # Files are read only when a grader is idle, so that waiting submissions take no memory.
                contents = [file.path.read_bytes() for file in submission.files]
                busy[grader.grade.remote(submission, contents)] = grader
            ready, _ = ray.wait(list(busy))
            for reference in ready:
                idle.append(busy.pop(reference))
                yield ray.get(reference)
    except ray.exceptions.RayActorError as error:
        raise GraderError(f"a grader on the cluster ended {RETRIES + 1} times over one submission ({error})") from None
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    finally:
        ray.shutdown()
