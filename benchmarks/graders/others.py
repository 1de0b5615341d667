"""nbgrader and otter-grader, each in an environment of its own under `_build/`, run as their manuals have it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .questions import POINTS, QUESTIONS, SETUP, asserts

FOLDER = Path("_build/graders")
LOCKS = {"nbgrader": Path("requirements-nbgrader.lock"), "otter": Path("requirements-otter.lock")}
SCORES = """
import json, sys
from nbgrader.api import Gradebook
with Gradebook(sys.argv[1]) as book:
    print(json.dumps({one.student.id: one.score for one in book.assignment_submissions("five")}))
"""


def environment(name: str) -> Path:
    """The folder of programs of an environment that has this grader; made at the first call."""
    place = (FOLDER / f"venv-{name}").resolve()
    lock = LOCKS[name]
    pins = Path("requirements.lock").read_text("utf-8").splitlines()
    numpy, torch = (next(line for line in pins if line.startswith(f"{one}==")) for one in ("numpy", "torch"))
    ready, wanted = place / ".ready", "\n".join([lock.read_text("utf-8"), numpy, torch])
    if not ready.exists() or ready.read_text("utf-8") != wanted:
        print(f"installing {name} from {lock} into {place} (once)", flush=True)
        python = str(place / "bin" / "python")
        steps = [
            [sys.executable, "-m", "venv", "--clear", str(place)],
            [python, "-m", "pip", "install", "-q", "--no-deps", "-r", str(lock), numpy],
            [python, "-m", "pip", "install", "-q", torch],
        ]
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                why = (done.stdout + done.stderr).strip().splitlines()[-1:]
                sys.exit(
                    f"{name} could not be installed ({' '.join(why)}): is there a network, or a mirror set for pip?"
                )
        ready.write_text(wanted, "utf-8")
    return place / "bin"


def version(name: str) -> str:
    """The version of a grader that its lock file pins."""
    lines = LOCKS[name].read_text("utf-8").splitlines()
    return next(line for line in lines if line.startswith(name)).partition("==")[2]


def cell(source: str, name: str, **metadata: Any) -> dict[str, Any]:
    common = {"cell_type": "code", "id": name.replace("_", "-"), "execution_count": None, "outputs": []}
    return common | {"metadata": metadata, "source": source}


def notebook(answers: list[str], kept: bool = False, setup: str = SETUP) -> str:
    """The set-up and the answers, and with `kept` the tests as nbgrader's grade cells."""
    cells = [cell(setup, "setup", tags=["setup"])]
    for one, answer in zip(QUESTIONS, answers, strict=True):
        common = {"schema_version": 3, "task": False, "grade_id": one.name}
        marked = {"nbgrader": common | {"grade": False, "solution": True, "locked": False}} if kept else {}
        cells.append(cell(answer, one.name, **marked))
    for one in QUESTIONS if kept else ():
        for part, _ in one.tests:
            name = f"{one.name}_{part}"
            common = {"schema_version": 3, "task": False, "grade_id": name, "points": POINTS}
            test = {"nbgrader": common | {"grade": True, "solution": False, "locked": True}}
            cells.append(cell("\n".join(asserts(one, part)), name, **test))
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "fullstack_llm": {"lab": "five", "version": "1"},
    }
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells})


def run(command: list[str], folder: Path, bin_: Path) -> float:
    """The seconds of a command, which must succeed."""
    variables = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}", "HOME": str(folder.resolve())}
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return seconds


def nbgrader(class_: dict[str, list[str]], setup: str = SETUP) -> tuple[dict[str, float], float]:
    """Scores, and seconds of `nbgrader autograde` for all of them."""
    bin_, course = environment("nbgrader"), FOLDER / "nbgrader"
    shutil.rmtree(course, ignore_errors=True)
    source = course / "source" / "five" / "five.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(notebook([one.answers[0] for one in QUESTIONS], kept=True, setup=setup), "utf-8")
    (course / "exchange").mkdir()
    (course / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.Exchange.root = {str((course / 'exchange').resolve())!r}\n"
        'c.CourseDirectory.course_id = "five"\n'
    )
    nbgrader = str(bin_ / "nbgrader")
    run([nbgrader, "generate_assignment", "five"], course, bin_)
    for student, answers in class_.items():
        path = course / "submitted" / student / "five" / "five.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(notebook(answers, kept=True, setup=setup), "utf-8")
    seconds = run([nbgrader, "autograde", "five"], course, bin_)
    asked = [str(bin_ / "python"), "-c", SCORES, f"sqlite:///{course.resolve()}/gradebook.db"]
    return json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout), seconds


def otter(class_: dict[str, list[str]]) -> tuple[dict[str, float], list[float]]:
    """Scores, and the seconds of each `otter run`."""
    bin_, folder = environment("otter"), FOLDER / "otter"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tests").mkdir(parents=True)
    for one in QUESTIONS:
        cases = [{"code": "\n".join(f">>> {line}" for line in asserts(one, part))} for part, _ in one.tests]
        suite = {"cases": cases, "scored": True, "setup": "", "teardown": "", "type": "doctest"}
        test = {"name": one.name, "points": [POINTS] * len(cases), "suites": [suite]}
        (folder / "tests" / f"{one.name}.py").write_text(f"OK_FORMAT = True\n\ntest = {test!r}\n", "utf-8")
    otter = str(bin_ / "otter")
    run([otter, "generate", "-t", "tests", "-o", "autograder.zip", "--no-environment"], folder, bin_)
    scores, seconds = {}, []
    for student, answers in class_.items():
        (folder / student).mkdir()
        (folder / f"{student}.ipynb").write_text(notebook(answers), "utf-8")
        command = [otter, "run", "-a", "autograder.zip", "-o", student, "--no-logo", f"{student}.ipynb"]
        seconds.append(run(command, folder, bin_))
        results = json.loads((folder / student / "results.json").read_bytes())
        scores[student] = sum(one.get("score", 0.0) for one in results["tests"])
    return scores, seconds
