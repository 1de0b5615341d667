"""A folder of reports: what its run was made with, what is finished in it, and how a stopped run goes on.

Every file is written beside its name and renamed, so that a run that is killed leaves whole files or none. `previous/`
holds the reports that a run with `--again` will replace; it goes when that run is complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fullstack_llm.grading.intake.submissions import Submission, digest

STUDENTS, PREVIOUS, GONE = "students", "previous", ".gone"


class RunError(Exception):
    """A folder that this run cannot write to; the message is a sentence."""


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two runs were not both made with, for people."""
    found = [
        f"{what} {then.get(name)} (now {now[name]})"
        for name, what in (("lab", "lab"), ("version", "version"), ("isolation", "isolation level"))
        if then.get(name) != now[name]
    ]
    found += ["other checks"] if then.get("checks") != now["checks"] else []
    found += ["another notebook of the lab"] if then.get("own_cells") != now["own_cells"] else []
    seeds = then.get("draws", {})
    if any(seeds.get(name, seed) != seed for name, seed in now["draws"].items()):
        found.append("another key")
    return found


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, "utf-8", newline="")
    beside.replace(path)


def load(path: Path) -> dict[str, Any]:
    """A JSON file that a run wrote, empty if there is none or it is damaged."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def reports(folder: Path) -> dict[str, dict[str, Any]]:
    """The students' reports in a folder, by identifier."""
    found = (load(path) for path in sorted(folder.glob("s-*.json")))
    return {data["id"]: data for data in found if {"id", "files", "exercises"} <= set(data)}


def files(one: Submission) -> list[list[str]]:
    """Name and digest of each file of a student: another name may change which of them counts."""
    return [[file.name, digest(file.path)] for file in one.files]


def finished(report: Mapping[str, Any] | None, current: list[list[str]]) -> bool:
    """Whether there is a report of these very files, and neither grader nor check has failed in it by its own fault."""
    return report is not None and report["files"] == current and not open_still(report)


def stumbled(exercise: Mapping[str, Any]) -> bool:
    """Whether a check of the exercise failed by its own fault."""
    return any(check["kind"] == "check failed" for check in exercise["checks"])


def open_still(report: Mapping[str, Any]) -> bool:
    """Whether grader or check failed over it by their own fault, so that it has no score yet."""
    return bool(report.get("fault")) or any(map(stumbled, report["exercises"]))


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold the folder of reports; a second run into it at the same time is refused."""
    out.mkdir(parents=True, exist_ok=True)
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RunError(f"another run is writing to {out}: wait for it, or give another --out") from None
    finally:
        os.close(handle)


def begin(out: Path, now: Mapping[str, Any], again: bool) -> None:
    """Make the folder ready for this run: go on with an earlier one of the same kind, or set its reports aside."""
    shutil.rmtree(out / GONE, ignore_errors=True)
    then = load(out / "run.json")
    if then and not again and (differ := differences(then, now)):
        raise RunError(
            f"{out} holds a run with {', '.join(differ)}: --again grades everything again and says what has changed; "
            "or give another --out"
        )
    if again and (out / STUDENTS).is_dir():
        # Where an earlier --again was not finished, what it has done is of no use, and what it set aside still is.
        (out / STUDENTS).replace(out / (GONE if (out / PREVIOUS).is_dir() else PREVIOUS))
        shutil.rmtree(out / GONE, ignore_errors=True)
    write(out / "run.json", json.dumps(now, indent=1) + "\n")


def end(out: Path) -> None:
    """Remove what was set aside, once everything is graded anew and the changes are written."""
    if (out / PREVIOUS).is_dir():
        # In one step: half of it would be taken for all of it.
        (out / PREVIOUS).replace(out / GONE)
        shutil.rmtree(out / GONE, ignore_errors=True)
