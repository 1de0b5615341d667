"""What is handed back: under a student's name, and as Canvas and Moodle take it back."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from classes import grade, grading
from submissions import COUNT, RIGHT, save

from fullstack_llm.grading.gradebooks import handback
from fullstack_llm.grading.intake.roster import Person

NAMES = ("lovelaceada_101_9001_lab.ipynb", "hopper_LATE_102_9002_lab.py")


@pytest.fixture(scope="module")
def class_(tmp_path_factory: pytest.TempPathFactory, labs: Path) -> Path:
    """A class of two on Canvas, one of them late and with a script; graded."""
    folder = tmp_path_factory.mktemp("class")
    (folder / "in").mkdir()
    save(folder / "in" / NAMES[0], RIGHT)
    (folder / "in" / NAMES[1]).write_text(COUNT)
    (folder / "class.csv").write_text('ID,Name,E-Mail\n101,"Lovelace, Ada",ada@x.org\n102,Ada: Hopper/.,\n103,Bo,\n')
    assert grade(folder / "in", folder / "grades", labs, "--names", "canvas", "--roster", folder / "class.csv") == 0
    return folder


def members(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_each_student_has_a_zip_under_the_name(class_: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grading("feedback", class_ / "grades", "--out", class_ / "back") == 0
    assert {path.name for path in (class_ / "back").iterdir()} == {"Lovelace Ada 101.zip", "Ada Hopper . 102.zip"}
    inside = members(class_ / "back" / "Lovelace Ada 101.zip")
    assert set(inside) == {"00_toy.html", "00_toy.json"}
    assert "100 of 100 points" in inside["00_toy.html"]
    assert "for 2 students" in capsys.readouterr().out


def test_canvas_gets_files_that_its_upload_knows(class_: Path) -> None:
    assert grading("feedback", class_ / "grades", "--for", "canvas", "--out", class_ / "canvas.zip") == 0
    inside = members(class_ / "canvas.zip")
    assert set(inside) == set(NAMES)
    # Canvas's own rule for the name of an uploaded file: the first two parts that are numbers.
    assert [part for part in NAMES[1].split("_") if part.isdigit()][:2] == ["102", "9002"]
    (cell,) = json.loads(inside[NAMES[0]])["cells"]
    assert "    double: 40 of 40 points\n" in cell["source"]
    compile(inside[NAMES[1]], "feedback", "exec")
    assert "# Note: handed in late." in inside[NAMES[1]]


def test_moodle_gets_a_folder_for_each_participant(class_: Path) -> None:
    assert grading("feedback", class_ / "grades", "--for", "moodle", "--out", class_ / "moodle.zip") == 0
    assert set(members(class_ / "moodle.zip")) == {
        "Lovelace Ada_101_assignfeedback_file/00_toy.html",
        "Ada Hopper_102_assignfeedback_file/00_toy.html",
    }


def test_a_late_file_is_marked_and_keeps_its_points(class_: Path) -> None:
    data = json.loads((class_ / "grades" / "class.json").read_text())
    late = {one["owner"]: (one["late"], one["earned"]) for one in data["students"]}
    assert late == {"101": (False, 100), "102": (True, 60)}
    page = (class_ / "grades" / "index.html").read_text("utf-8")
    assert "Handed in late, as the system that named the files says" in page
    assert grading("scores", class_ / "grades", "--out", class_ / "scores.csv") == 0
    rows = (class_ / "scores.csv").read_text().splitlines()
    assert [row.rpartition(",")[2] for row in rows[1:]] == ["", "handed in late", "no submission"]


def test_who_cannot_be_told_is_named(tmp_path: Path, labs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "ada.ipynb", RIGHT)
    assert grade(tmp_path / "in", tmp_path / "grades", labs) == 0
    for system in ("canvas", "moodle"):
        out = tmp_path / f"{system}.zip"
        assert grading("feedback", tmp_path / "grades", "--for", system, "--out", out) == 2
        assert f"--names {system}" in capsys.readouterr().err
        assert not out.exists()
    assert grading("feedback", tmp_path / "grades", "--for", "canvas", "--out", tmp_path / "x.csv") == 2


def test_names_are_names_of_files_and_of_one_student(tmp_path: Path) -> None:
    assert handback.for_person(Person("../../etc", "")) == "etc"
    assert handback.for_person(Person("\udcff", "")) == "student"
    assert len(handback.for_person(Person("7", "x" * 500))) <= handback.MAX_NAME
    assert handback.for_canvas({"submission": "hopper_102_9002_work.zip/lab.ipynb"}) == "hopper_102_9002_work.ipynb"
    assert handback.for_canvas({"submission": "lab.ipynb"}) is None
