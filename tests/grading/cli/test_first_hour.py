"""An instructor's first hour: what is suggested, what is silent, and what is blamed on whom."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from classes import grade, grading
from submissions import RIGHT, TOY, TWICE, save

from fullstack_llm.grading.cli import nbgrader
from fullstack_llm.grading.intake import kinds, roster
from fullstack_llm.grading.intake.roster import Person
from fullstack_llm.grading.isolation.world import require_reachable
from fullstack_llm.grading.machine.errors import GraderError

SUGGESTED = {
    "canvas": ["lovelaceada_101_9001_lab.ipynb", "bo_102_9002_lab.ipynb", "readme.py"],
    "moodle": ["Ada Lovelace_4711_assignsubmission_file/lab.ipynb", "Bo_12_assignsubmission_file/x.ipynb"],
    "gradescope": ["export/submission_7/lab.ipynb"],
    "nbgrader": ["submitted/ada/00_toy/00_toy.ipynb", "submitted/bo/00_toy/00_toy.ipynb"],
    "": ["ada/lab.ipynb", "bo.ipynb", "x/y/z.py"],
}


@pytest.mark.parametrize(("system", "files"), SUGGESTED.items())
def test_the_system_that_named_the_files_is_suggested(
    tmp_path: Path, system: str, files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in files:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("1")
    # What is suggested is said before anything is graded.
    monkeypatch.setattr("fullstack_llm.grading.cli.grade.strongest", lambda: sys.exit(7))
    assert grade(tmp_path / "in", tmp_path / "grades", tmp_path) == 7
    assert (f"--names {system} would tell" in capsys.readouterr().out) == bool(system)
    assert grade(tmp_path / "in", tmp_path / "grades", tmp_path, "--names", "canvas") in (2, 7)
    assert "would tell" not in capsys.readouterr().out


def test_what_a_system_adds_is_not_told_of(tmp_path: Path) -> None:
    from fullstack_llm.grading.intake.submissions import opened

    home = tmp_path / "submitted" / "ada" / "00_toy"
    home.mkdir(parents=True)
    for name in (*kinds.ADDED, "notes.txt"):
        (home / name).write_text("x")
    save(home / "00_toy.ipynb", RIGHT)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in home.iterdir():
            archive.write(path, f"ada/{path.name}")
    for root in (tmp_path / "submitted", tmp_path / "all.zip"):
        with opened(root) as found:
            assert [line.rpartition("/")[2] for line in found.left_out] == ["notes.txt: no .ipynb or .py file"]
            assert len(found.submissions) == 1


HEADERS = {
    "Name,Email": [Person("ada@x.org", "Ada", "ada@x.org")],
    "id ,name": [Person("7", "Ada")],
    "ID,NAME,E-Mail": [Person("7", "Ada", "ada@x.org")],
    " Id , Full Name ,EMAIL ADDRESS": [Person("7", "Ada", "ada@x.org")],
    "sis_login_id,student,i-d": [Person("7", "Ada", "ada@x.org")],
}
VALUES = {"id": "7", "email": "ada@x.org", "name": "Ada"}
KINDS = {"name": "name", "fullname": "name", "student": "name", "id": "id"}


@pytest.mark.parametrize(("header", "people"), HEADERS.items())
def test_a_roster_is_read_as_people_write_it(tmp_path: Path, header: str, people: list[Person]) -> None:
    keys = [name.casefold().strip().replace(" ", "").replace("-", "").replace("_", "") for name in header.split(",")]
    row = ",".join(VALUES[KINDS.get(key, "email")] for key in keys)
    (tmp_path / "class.csv").write_text(f"{header}\n{row}\n")
    assert roster.read(tmp_path / "class.csv") == people


@pytest.fixture
def zipped(tmp_path: Path, labs: Path) -> Path:
    """A class in a zip, graded: one right, two with one file, none of them unpacked anywhere."""
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, cells in (
            ("lovelaceada_101_9001_lab", RIGHT),
            ("bo_102_9002_lab", [TWICE]),
            ("bob_103_9003_lab", [TWICE]),
        ):
            archive.write(save(tmp_path / "one.ipynb", cells), f"{name}.ipynb")
    assert grade(tmp_path / "all.zip", tmp_path / "grades", labs, "--names", "canvas") == 0
    return tmp_path


REPLAYED = {
    "lovelace": (0, "The verdicts are those of the report."),
    "101": (0, "double: 40 of 40 points"),
    "bo_102": (0, "double: 0 of 40 points"),
    # Both handed in the same file.
    "bo": (0, "2 students handed in this file"),
    "nobody": (2, "fits nobody"),
    "": (2, "name the student with --student"),
    "_": (2, "name one student"),
}


def test_a_submission_is_replayed_out_of_the_zip(zipped: Path, labs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for student, (status, sentence) in REPLAYED.items():
        more = ("--student", student, "--checks", TOY, "--labs", labs)
        assert grading("replay", zipped / "grades", zipped / "all.zip", *more) == status, student
        assert sentence in "".join(capsys.readouterr()), student


def test_nbgrader_is_found_where_make_puts_it(
    tmp_path: Path, zipped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nbgrader.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(nbgrader, "OWN", tmp_path / "none")
    (tmp_path / "course").mkdir()
    assert grading("nbgrader", zipped / "grades", tmp_path / "course") == 2
    assert "run `make nbgrader-env`" in capsys.readouterr().err
    found = tmp_path / "python"
    found.write_text('#!/bin/sh\necho \'{"untimed": [], "failed": {}}\'\n')
    found.chmod(0o755)
    monkeypatch.setattr(nbgrader, "OWN", found)
    assert grading("nbgrader", zipped / "grades", tmp_path / "course") == 0


def test_a_package_of_pythonpath_is_named_and_not_the_machine_blamed(tmp_path: Path, labs: Path) -> None:
    (tmp_path / "place" / "borrowed").mkdir(parents=True)
    (tmp_path / "place" / "borrowed" / "__init__.py").touch()
    shutil.copytree(labs, tmp_path / "labs")
    book = (tmp_path / "labs" / "00_toy.ipynb").read_text()
    assert "import numpy as np" in book
    (tmp_path / "labs" / "00_toy.ipynb").write_text(book.replace("import numpy as np", "import numpy as np, borrowed"))
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "ada.ipynb", RIGHT)
    command = [sys.executable, "-m", "fullstack_llm.grading", "grade", "in", "--lab", "00_toy", "--checks", TOY]
    done = subprocess.run(
        [*map(str, command), "--labs", "labs"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "place")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"borrowed is found in {tmp_path / 'place'}, through PYTHONPATH" in done.stderr
    assert "container" not in done.stderr
    require_reachable(["numpy", "sys", "json", "torch"])
    with pytest.raises(GraderError, match="no_such_module is not installed here"):
        require_reachable(["no_such_module"])
