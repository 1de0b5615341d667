"""Keep a folder of reports: the settings of its run, the reports that are finished, and those of an earlier grading.

Every file is written under a temporary name and then renamed, so that a run that is killed leaves complete files only,
and the next run continues from them. `previous/` holds the reports that a run with `--again` replaces; it is removed
when that run is complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fullstack_llm.grading.intake.files import digest
from fullstack_llm.grading.intake.submissions import Submission
from fullstack_llm.grading.machine.errors import SHORT

STUDENTS, PREVIOUS, TRASH = "students", "previous", ".gone"
WAITS = (1, 2, 4, 8, 16)  # seconds


class RunError(Exception):
    """This run cannot write to its folder of reports; the message is a sentence."""


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each setting of the run `then` that differs from the run `now`, for a message."""
    phrases = [
        f"{what} {then.get(name)} (now {now[name]})"
        for name, what in (("lab", "lab"), ("version", "version"), ("isolation", "isolation level"))
        if then.get(name) != now[name]
    ]
    phrases += ["other checks"] if then.get("checks") != now["checks"] else []
    phrases += ["another notebook of the lab"] if then.get("own_cells") != now["own_cells"] else []
    seeds = then.get("draws", {})
    if any(seeds.get(name, seed) != seed for name, seed in now["draws"].items()):
        phrases.append("another key")
    return phrases


def write(path: Path, text: str) -> None:
    """Write a file completely or not at all; while the disk is full, wait half a minute, and then raise `OSError`."""
    # A text of a submission may hold what is no character.
    data, part = text.encode("utf-8", "backslashreplace"), path.with_name(f".{path.name}.new")
    for seconds in (*WAITS, 0):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
            return
        except OSError as error:
            part.unlink(missing_ok=True)
            if error.errno not in SHORT or not seconds:
                raise
            time.sleep(seconds)


def load(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file that a run wrote; it is empty if the file is missing or damaged."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


CHECK = {"kind": str, "hint": str, "part": str, "earned": int}
EXERCISE = {"exercise": str, "earned": int, "points": int, "checks": [CHECK]}
# What the settings of a run have, as `run_settings` makes them, and what every report has, as `student_data` makes it.
RUN = {**dict.fromkeys(("lab", "checks", "own_cells", "version", "isolation", "made_with"), str), "draws": dict}
REPORT: dict[str, Any] = {
    **dict.fromkeys(("lab", "id", "owner", "student", "submission", "digest", "error", "lab_named", "made_with"), str),
    **dict.fromkeys(("earned", "points"), int),
    "files": [[str]],
    "others": [[str]],
    "problems": [str],
    "review": [str],
    "exercises": [EXERCISE],
}
# `class.json`, as `write_class` makes it.
CLASS = {"lab": str, "complete": bool, "students": [REPORT | {"gone": bool}]}


def has_form(data: Any, form: Any) -> bool:
    """Return whether data from a file has a form: a type, a list of one form, or a dictionary of forms, or more.

    >>> has_form({"a": [1, 2], "b": None}, {"a": [int]}), has_form({"a": "1"}, {"a": int})
    (True, False)
    """
    if isinstance(form, list):
        return isinstance(data, list) and all(has_form(item, form[0]) for item in data)
    if isinstance(form, dict):
        return isinstance(data, dict) and all(name in data and has_form(data[name], form[name]) for name in form)
    return isinstance(data, form)


def reports(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the students' reports in a folder, by identifier; a damaged one is as if it were not there."""
    loaded = ((path.stem, load(path)) for path in sorted(folder.glob("s-*.json")))
    return {id_: data for id_, data in loaded if has_form(data, REPORT) and data["id"] == id_}


def file_digests(submission: Submission) -> list[list[str]]:
    """Return name and digest of each file of a student; names matter, since they decide which of the files counts."""
    return [[file.name, digest(file.path)] for file in submission.files]


def is_finished(report: Mapping[str, Any] | None, current: list[list[str]]) -> bool:
    """Return whether there is a report of exactly the current files, without a fault of the grader or of a check."""
    return report is not None and report["files"] == current and not has_grader_fault(report)


def is_late(report: Mapping[str, Any]) -> bool:
    """Return whether the graded file was handed in late, as the system says in its name."""
    return bool(report.get("late"))


def has_failed_check(exercise: Mapping[str, Any]) -> bool:
    """Return whether a check of the exercise failed by itself, which says nothing about the answer."""
    return any(check["kind"] == "check failed" for check in exercise["checks"])


def has_grader_fault(report: Mapping[str, Any]) -> bool:
    """Return whether the grader or a check failed by itself, so that the report has no valid score."""
    return bool(report.get("fault")) or any(map(has_failed_check, report["exercises"]))


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Lock the folder of reports for the block; raise `RunError` if another run holds the lock."""
    out.mkdir(parents=True, exist_ok=True)
    fd = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RunError(f"another run is writing to {out}: wait for it, or give another --out") from None
    finally:
        os.close(fd)


def prepare(out: Path, now: Mapping[str, Any], again: bool) -> None:
    """Prepare the folder for a run with the settings `now`: keep its reports, or with `again` move them to `previous/`.

    Without `again`, raise `RunError` if the reports in the folder are of a run with other settings.
    """
    shutil.rmtree(out / TRASH, ignore_errors=True)
    then = load(out / "run.json")
    if has_form(then, RUN) and not again and (differ := differences(then, now)):
        raise RunError(
            f"{out} holds a run with {', '.join(differ)}: --again grades everything again and says what has changed; "
            "or give another --out"
        )
    if again and (out / STUDENTS).is_dir():
        # If an earlier run with --again was not finished, its reports are removed, and `previous/` stays as it is.
        (out / STUDENTS).replace(out / (TRASH if (out / PREVIOUS).is_dir() else PREVIOUS))
        shutil.rmtree(out / TRASH, ignore_errors=True)
    write(out / "run.json", json.dumps(now, indent=1) + "\n")


def discard_previous(out: Path) -> None:
    """Remove `previous/`, once everything is graded again and the changes are written."""
    if (out / PREVIOUS).is_dir():
        # Renamed first, in one step: a partly removed `previous/` would be taken for a complete one.
        (out / PREVIOUS).replace(out / TRASH)
        shutil.rmtree(out / TRASH, ignore_errors=True)
