"""Runs that go on, that are killed, and that are made again: nothing is graded twice, and nothing is lost."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from submissions import COUNT, DOUBLE, RIGHT, TOY, TWICE, save

from fullstack_llm.grading.cli.commands import main
from fullstack_llm.grading.judge import batch
from fullstack_llm.grading.judge import grade as judging
from fullstack_llm.grading.machine.errors import GraderError
from fullstack_llm.grading.reports import runs

HTML = "=1+1 <img src=x onerror=alert(1)>"


@pytest.fixture
def checks(tmp_path: Path) -> Path:
    """The toy lab's checks, where they may be changed."""
    shutil.copytree(TOY / "m00_toy", tmp_path / "checks" / "m00_toy", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "checks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for name, cells in {"ada": RIGHT, "bo": [TWICE, DOUBLE], HTML: [COUNT]}.items():
        (folder / name).mkdir(parents=True)
        save(folder / name / "lab.ipynb", cells)
    return folder


@pytest.fixture
def grade(tmp_path: Path, checks: Path, folder: Path, labs: Path) -> Callable[..., int]:
    """The command, at the level that starts fastest: what is held here does not depend on isolation."""

    def run(*more: str) -> int:
        where = ["--lab", "00_toy", "--checks", str(checks), "--labs", str(labs), "--out", str(tmp_path / "out")]
        return main(["grade", str(folder), "--level", "C", *where, *more])

    return run


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the students that are graded from now on."""
    graded: list[str] = []
    before = batch.Grader.grade_student

    def grade_student(self: batch.Grader, one: Any) -> batch.Graded:
        graded.append(one.student)
        return before(self, one)

    monkeypatch.setattr(batch.Grader, "grade_student", grade_student)
    return graded


def earned(out: Path) -> dict[str, int]:
    return {one["student"]: one["earned"] for one in json.loads((out / "class.json").read_text())["students"]}


ALL = {"ada": 100, "bo": 40, HTML: 60}


def test_a_second_run_grades_what_is_new_or_changed(
    grade: Callable[..., int], counted: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert grade() == 0
    assert earned(out) == ALL
    counted.clear()
    assert grade() == 0
    assert counted == []
    assert "3 of 3 students are graded already" in capsys.readouterr().out
    save(folder / "bo" / "lab.ipynb", RIGHT)
    save(folder / "cy.ipynb", RIGHT)
    (folder / "ada" / "lab.ipynb").touch()
    assert grade() == 0
    assert counted == ["bo", "cy"]
    assert earned(out) == {**ALL, "bo": 100, "cy": 100}
    # A file that is gone keeps its report, and the page says so.
    (folder / "cy.ipynb").unlink()
    assert grade() == 0
    assert earned(out)["cy"] == 100
    assert "No longer among the submissions" in (out / "index.html").read_text()


def test_what_a_check_stumbled_over_is_graded_again(
    grade: Callable[..., int], counted: list[str], tmp_path: Path
) -> None:
    assert grade() == 0
    (one,) = [
        path for path in (tmp_path / "out/students").glob("*.json") if json.loads(path.read_text())["student"] == "bo"
    ]
    one.write_text(one.read_text().replace('"kind": "missing"', '"kind": "check failed"', 1))
    counted.clear()
    assert grade() == 0
    assert counted == ["bo"]


def test_an_error_of_the_grader_costs_only_what_it_stopped(
    grade: Callable[..., int], counted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = batch.Grader.grade

    def fail(self: batch.Grader, path: Path) -> Any:
        if len(counted) == 2:
            raise GraderError("no memory")
        return whole(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(batch.Grader, "grade", fail)
        assert grade() == 2
    assert "not finished" in (tmp_path / "out/index.html").read_text()
    counted.clear()
    assert grade() == 0
    assert len(counted) == 2
    assert earned(tmp_path / "out") == ALL
    assert "not finished" not in (tmp_path / "out/index.html").read_text()


def test_a_fault_is_no_change_and_keeps_what_was_before(
    grade: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grade() == 0
    whole = batch.Grader.grade

    def stumble(self: batch.Grader, path: Path) -> Any:
        result = whole(self, path)
        return judging.Result(error="it stumbled", fault=True) if "bo" in str(path) else result

    with monkeypatch.context() as patch:
        patch.setattr(batch.Grader, "grade", stumble)
        assert grade("--again") == 2
    assert "0 gained points in an exercise, and 0 lost some" in capsys.readouterr().out
    assert (tmp_path / "out/previous").is_dir()
    assert grade() == 0
    assert earned(tmp_path / "out") == ALL
    assert not (tmp_path / "out/previous").exists()


@pytest.mark.attack(84)
def test_what_the_grader_stumbles_over_costs_one_and_is_no_zero(
    grade: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened = judging.open_submission

    def stumble(path: Path, *more: Any) -> Any:
        if "bo" in str(path):
            raise IndexError("list index out of range")
        return opened(path, *more)

    with monkeypatch.context() as patch:
        patch.setattr(judging, "open_submission", stumble)
        assert grade() == 2
    said = capsys.readouterr().out
    assert "the grader itself failed (IndexError" in said and "nobody's zero" in said
    data = json.loads((tmp_path / "out/class.json").read_text())
    assert {one["student"]: one["fault"] for one in data["students"]} == {"ada": False, "bo": True, HTML: False}
    assert data["complete"] and earned(tmp_path / "out") == ALL | {"bo": 0}
    assert main(["scores", str(tmp_path / "out"), "--out", str(tmp_path / "scores.csv")]) == 1
    assert "bo,,,,100" in (tmp_path / "scores.csv").read_text()
    # The same command tries it again, and nothing else.
    assert grade() == 0
    assert "2 of 3 students are graded already" in capsys.readouterr().out
    assert earned(tmp_path / "out") == ALL


def spoil(checks: Path) -> None:
    """Checks in which nobody doubles rightly, and everybody counts."""
    path = checks / "m00_toy" / "double.py"
    path.write_text(path.read_text().replace("[x + x for x in xs]", "[x + x + 1 for x in xs]"))


DIFFERENT: dict[str, tuple[list[str], str]] = {
    "another key": (["--key", "spring"], "another key"),
    "another package": ([], "version 0.0.1 .now "),
    "other checks": ([], "other checks"),
    "another level": ([], "isolation level A .now C"),
}


@pytest.mark.parametrize(("more", "sentence"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_run_of_another_kind_is_refused(
    more: list[str],
    sentence: str,
    grade: Callable[..., int],
    checks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert grade() == 0
    path = tmp_path / "out/run.json"
    then = json.loads(path.read_text())
    if "package" in sentence or "version" in sentence:
        path.write_text(json.dumps(then | {"version": "0.0.1"}))
    elif "level" in sentence:
        path.write_text(json.dumps(then | {"isolation": "A"}))
    elif "checks" in sentence:
        spoil(checks)
    before = {one.name: one.read_bytes() for one in (tmp_path / "out").rglob("*") if one.is_file()}
    assert grade(*more) == 2
    said = capsys.readouterr().err
    assert re.search(f"holds a run with .*{sentence}", said), said
    assert "--again" in said
    assert before == {one.name: one.read_bytes() for one in (tmp_path / "out").rglob("*") if one.is_file()}


def test_again_says_who_gained_and_who_lost_and_why(
    grade: Callable[..., int], checks: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert grade() == 0
    spoil(checks)
    save(folder / "bo" / "lab.ipynb", RIGHT)
    (folder / HTML / "lab.ipynb").rename(folder / HTML / "new.ipynb")
    assert grade("--again") == 0
    said = capsys.readouterr().out
    assert "1 gained points in an exercise, and 2 lost some" in said
    assert "changed: ada, double: 40 to 0" in said
    with (out / "changes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    changed = {(row["student"], row["exercise"]): row for row in rows}
    assert changed.keys() == {("ada", "double"), ("bo", "double"), ("bo", "count")}
    one = changed["ada", "double"]
    assert (one["before"], one["after"], one["outcome_before"]) == ("40", "0", "right")
    assert "not right yet" in one["outcome_after"]
    assert changed["bo", "count"]["remark"] == "the files are not those of before"
    page = (out / "index.html").read_text()
    assert "Changed since the grading before" in page
    assert "<img" not in page
    assert not (out / runs.PREVIOUS).exists()
    # It stays on the page when a late file is graded.
    save(folder / "late.ipynb", RIGHT)
    assert grade() == 0
    assert "Changed since the grading before" in (out / "index.html").read_text()
    assert "changed: ada" not in capsys.readouterr().out


@pytest.mark.parametrize("finish", [[], ["--again"]], ids=["goes on", "again"])
def test_old_reports_are_kept_until_the_new_ones_are_complete(
    finish: list[str],
    grade: Callable[..., int],
    checks: Path,
    counted: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    assert grade() == 0
    spoil(checks)
    whole = batch.Grader.grade

    def stop(self: batch.Grader, path: Path) -> Any:
        if len(counted) == 2:
            raise KeyboardInterrupt
        return whole(self, path)

    counted.clear()
    with monkeypatch.context() as patch:
        patch.setattr(batch.Grader, "grade", stop)
        assert grade("--again") == 130
    assert len(runs.reports(out / runs.PREVIOUS)) == 3
    assert len(runs.reports(out / runs.STUDENTS)) == 1
    counted.clear()
    assert grade(*finish) == 0
    assert len(counted) == (3 if finish else 2)
    assert {row["student"] for row in json.loads((out / "class.json").read_text())["changes"]} == {"ada", "bo"}
    assert not (out / runs.PREVIOUS).exists()


def test_one_run_at_a_time(grade: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with runs.locked(tmp_path / "out"):
        assert grade() == 2
    assert "another run is writing" in capsys.readouterr().err
    assert grade() == 0


def test_a_damaged_report_is_made_again(grade: Callable[..., int], counted: list[str], tmp_path: Path) -> None:
    assert grade() == 0
    for number, path in enumerate(sorted((tmp_path / "out/students").glob("*.json"))):
        path.write_text(["", "{", '{"id": "x"}'][number])
    counted.clear()
    assert grade() == 0
    assert len(counted) == 3
    assert earned(tmp_path / "out") == ALL


def test_writing_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.write(tmp_path / "a.json", "old")

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        runs.write(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "old"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on(jobs: int, tmp_path: Path, labs: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in range(6):
        save(folder / f"{number}.ipynb", [*RIGHT, "import time\ntime.sleep(0.5)", f"# {number}"])
    command = [sys.executable, "-P", "-s", "-m", "fullstack_llm.grading", "grade", folder, "--lab", "00_toy"]
    command += ["--checks", TOY, "--labs", labs, "--out", out, "--level", "C", "--jobs", jobs]
    line = [str(part) for part in command]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, env=environment, start_new_session=True)
    deadline = time.monotonic() + 600
    while len(list(out.glob("students/s-*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while (alive := _alive(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert not alive, "its processes live on"
    before = {path: path.stat().st_mtime_ns for path in out.glob("students/s-*.json")}
    assert 2 <= len(before) < 6
    assert "not finished" in (out / "index.html").read_text()
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} of 6 students are graded already" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert set(earned(out).values()) == {100}
    assert len(earned(out)) == 6


def _alive(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def test_a_zip_of_a_class_is_graded_like_its_folder(
    grade: Callable[..., int], folder: Path, tmp_path: Path, labs: Path, checks: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as file:
        for path in folder.rglob("*.ipynb"):
            file.write(path, str(path.relative_to(tmp_path)))
        file.writestr("../evil.ipynb", "{}")
    arguments = ["--lab", "00_toy", "--checks", str(checks), "--labs", str(labs), "--out", str(tmp_path / "zip")]
    assert main(["grade", str(tmp_path / "class.zip"), "--level", "C", *arguments]) == 0
    assert earned(tmp_path / "zip") == ALL
    assert not list(tmp_path.rglob("evil*"))
    # The same reports as from the folder: a student's identifier owes nothing to the way that the files came.
    assert grade() == 0
    names = [{path.name for path in (tmp_path / one / "students").iterdir()} for one in ("zip", "out")]
    assert names[0] == names[1]
