"""The course's grader on the same submissions, on lab 03, and where its time goes."""

import functools
import io
import itertools
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from fullstack_llm.checks import declared, draws
from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.grading.intake.submissions import Submission, opened
from fullstack_llm.grading.isolation.sandbox import Sandbox
from fullstack_llm.grading.judge import batch, lab_cells
from fullstack_llm.grading.judge import grade as judging
from fullstack_llm.grading.judge.batch import Batch, Graded, Grader
from fullstack_llm.grading.judge.session import Session
from fullstack_llm.grading.pool.pool import Pool
from fullstack_llm.grading.pool.proxy import WorkerProxy
from fullstack_llm.grading.probing.levels import level
from fullstack_llm.grading.reports import report, runs

from .others import FOLDER, cell, notebook
from .questions import SETUP, TORCH, checks

HOME = FOLDER / "ours"
COPIES = 5
# What one function's time holds of another's is taken off.
STAGES: dict[str, tuple[tuple[Any, str], ...]] = {
    "start of the worker": ((Pool, "take"),),
    "reading the file": ((judging, "open_submission"),),
    "looking through it": ((judging, "_review"),),
    "cells": ((Session, "run_cells"),),
    "calls": ((Session, "call"), (Session, "_drop_ended_worker")),
    "judging": ((judging, "judge_exercise"),),
    "end of the worker": ((Pool, "dismiss"), (WorkerProxy, "close")),
    "reports": ((report, "write_student"),),
}


def prepare(class_: dict[str, list[str]]) -> Path:
    """The folder of the class; beside it the lab's package, the lab, and the lab with torch in its set-up."""
    shutil.rmtree(HOME, ignore_errors=True)
    for name in ("checks", "labs", "torch", "class"):
        (HOME / name).mkdir(parents=True)
    (HOME / "checks" / "mfive").mkdir()
    for name, text in checks().items():
        (HOME / "checks" / "mfive" / name).write_text(text, "utf-8")
    own = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
    for name, setup in (("labs", SETUP), ("torch", TORCH)):
        book = nbformat.from_dict(own | {"cells": [cell(setup, "setup", tags=["setup"])]})
        nbformat.write(book, HOME / name / "five.ipynb")
    for student, answers in class_.items():
        (HOME / "class" / f"{student}.ipynb").write_text(notebook(answers), "utf-8")
    return HOME / "class"


def five(sandbox: Sandbox, own: str = "labs") -> Batch:
    """A batch of the five questions; `own` is the folder of the lab's notebook."""
    lab = declared.find("five", HOME / "checks")
    return Batch("five", draws.seeds(lab), HOME / "checks", HOME / own, sandbox)


def lab_03(sandbox: Sandbox) -> tuple[Batch, Path]:
    """A batch of lab 03, and a folder with its solutions as the one submission."""
    folder = HOME / "03"
    folder.mkdir(exist_ok=True)
    book = jupytext.read("solutions/03_tokenization.md")
    book.metadata["fullstack_llm"] = {"lab": "03_tokenization", "version": "1"}
    nbformat.write(book, folder / "student.ipynb")
    lab = declared.find("03_tokenization")
    return Batch("03_tokenization", draws.seeds(lab), declared.FOLDER, lab_cells.FOLDER, sandbox), folder


def finish(one: Graded, lab: LabChecks) -> int:
    """Write the report, as a run does; the points."""
    report.write_student(HOME / "out", lab, one, runs.file_digests(one.submission), "")
    return one.result.earned


def grade(kind: Batch, folder: Path, copies: int = 1) -> tuple[dict[str, int], list[float]]:
    """Scores by student, and the seconds of each submission with its report, after a first that does not count."""
    scores, seconds = {}, []
    with opened(folder) as found, batch.open_grader(kind) as grader:
        finish(grader.grade_student(found.submissions[0]), grader.lab)
        for one in found.submissions * copies:
            begin = time.perf_counter()
            scores[one.owner] = finish(grader.grade_student(one), grader.lab)
            seconds.append(time.perf_counter() - begin)
    return scores, seconds


def two_jobs(kind: Batch, folder: Path) -> float:
    """Seconds a submission with `--jobs 2`, from the time when both graders have begun."""
    with opened(folder) as found:
        many: list[Submission] = found.submissions * COPIES
        times, lab = [], declared.find(kind.lab, kind.checks)
        for one in batch.results(kind, many, 2):
            finish(one, lab)
            times.append(time.perf_counter())
    # Both have loaded once one has graded what the other could have.
    skipped = len(times) // 4
    return (times[-1] - times[skipped]) / (len(times) - 1 - skipped)


def command(folder: Path) -> float:
    """Seconds of `grade` for the whole folder: start, probes of the sandbox, and reports."""
    shutil.rmtree(HOME / "grades", ignore_errors=True)
    line = [sys.executable, "-m", "fullstack_llm.grading", "grade", str(folder), "--lab", "five"]
    line += ["--checks", str(HOME / "checks"), "--labs", str(HOME / "labs"), "--out", str(HOME / "grades")]
    begin = time.perf_counter()
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(line)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - begin


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Seconds by stage of what is graded meanwhile, each without the stages within it."""
    spent = dict.fromkeys(STAGES, 0.0)
    running: list[float] = []
    kept = [(owner, name, getattr(owner, name)) for places in STAGES.values() for owner, name in places]

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*values: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            running.append(0.0)
            try:
                return function(*values, **options)
            finally:
                took, within = time.perf_counter() - begin, running.pop()
                spent[stage] += took - within
                if running:
                    running[-1] += took

        return wrapper

    for stage, places in STAGES.items():
        for owner, name in places:
            setattr(owner, name, timed(stage, getattr(owner, name)))
    try:
        yield spent
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def stages(kind: Batch, folder: Path, rounds: int) -> dict[str, float]:
    """Median milliseconds by stage."""
    found: dict[str, list[float]] = {name: [] for name in STAGES}
    with opened(folder) as intake, batch.open_grader(kind) as grader:
        for one in itertools.chain(intake.submissions[:1] * 3, intake.submissions * rounds):
            with watched() as spent:
                finish(grader.grade_student(one), grader.lab)
            for name, seconds in spent.items():
                found[name].append(1000 * seconds)
    return {name: statistics.median(values[3:]) for name, values in found.items()}


def sandboxes() -> dict[str, tuple[Sandbox, str]]:
    """What is measured: a sandbox, and the lab's own notebook."""
    with redirect_stdout(io.StringIO()):
        a, b = level("A"), level("B")
    cold = replace(a, warm=False)
    return {
        "A, warm": (a, "labs"),
        "B, warm": (b, "labs"),
        "A, warm, torch": (a, "torch"),
        "A, cold, torch": (cold, "torch"),
    }


__all__ = ["COPIES", "Grader", "command", "five", "grade", "lab_03", "prepare", "sandboxes", "stages", "two_jobs"]
