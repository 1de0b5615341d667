"""Moodle: grades and feedback go into an assignment's grading worksheet, and no other cell changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from classes import grade, grading, score
from submissions import RIGHT, save

from fullstack_llm.grading.gradebooks import moodle
from fullstack_llm.grading.intake import spreadsheet
from fullstack_llm.grading.intake.spreadsheet import SheetError

HEADER = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
)
SHEET = HEADER + (
    'Participant 11,=Ada,ada@x.org,Submitted,,100.00,Yes,"Monday, 2 March 2026, 9:00 AM",-,\n'
    'Participant 12,Ada,twin@x.org,Submitted,3.00,100.00,Yes,-,-,"kept, by hand"\n'
    "Participant 13,Bo,bo@x.org,Submitted,5.00,100.00,No,-,-,\n"
)


def worksheet(tmp_path: Path, text: str = SHEET) -> Path:
    path = tmp_path / "worksheet.csv"
    path.write_text(text, "utf-8", newline="")
    return path


def test_grade_and_feedback_are_filled_and_everything_else_stays(tmp_path: Path) -> None:
    before = spreadsheet.read(worksheet(tmp_path))
    hint = "=cmd() <script>alert(1)</script>"
    scores = [score("11", 84, hint=hint), score("13", 90), score("14", 90), score("12", 0, error="the file is empty")]
    sheet, filled = moodle.enter(tmp_path / "worksheet.csv", scores)
    assert sheet.rows[2:] == before.rows[2:]
    assert [cell for c, cell in enumerate(sheet.rows[1]) if c not in (4, 9)] == [
        cell for c, cell in enumerate(before.rows[1]) if c not in (4, 9)
    ]
    assert sheet.rows[1][4] == "84"
    # Moodle takes feedback for HTML; a cell that begins with a word is no formula.
    assert sheet.rows[1][9].startswith("Lab 00_toy: 84 of 100 points.<br>")
    assert "&lt;script&gt;" in sheet.rows[1][9]
    assert "<script" not in sheet.rows[1][9]
    assert [note.partition(":")[0] for note in filled.notes] == ["13", "14", "12"]


def test_decimal_commas_are_kept(tmp_path: Path) -> None:
    text = SHEET.replace("100.00", '"10,00"')
    sheet, _ = moodle.enter(worksheet(tmp_path, text), [score("11", 84)], scale=True)
    assert sheet.rows[1][4] == "8,4"


def test_without_a_column_for_feedback_grades_are_entered_and_it_is_said(tmp_path: Path) -> None:
    text = SHEET.replace(",Feedback comments", "").replace(",-,\n", ",-\n").replace(',-,"kept, by hand"', ",-")
    sheet, filled = moodle.enter(worksheet(tmp_path, text), [score("x", 84, email="ADA@x.org")])
    assert sheet.rows[1][4] == "84"
    assert "no column Feedback comments" in filled.notes[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SHEET.replace("Identifier", "Kennung"), "no column Identifier .* download it in English"),
        (SHEET.replace("Last modified (grade)", "x"), r"no column Last modified \(grade\)"),
        (SHEET.replace("Maximum Grade", "Scale"), "no column Maximum Grade"),
        (SHEET.replace("100.00", "50.00"), "at most 50 points"),
        (HEADER, "lists no students"),
    ],
)
def test_a_wrong_worksheet_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SheetError, match=sentence):
        moodle.enter(worksheet(tmp_path, text), [score("11", 84)])


def test_two_students_of_one_name_from_the_download_to_the_worksheet(tmp_path: Path, labs: Path) -> None:
    folder, out = tmp_path / "submissions", tmp_path / "grades"
    for number, cells in ((11, RIGHT), (12, ["x = 1"])):
        (folder / f"Ada_{number}_assignsubmission_file_").mkdir(parents=True)
        save(folder / f"Ada_{number}_assignsubmission_file_" / "lab.ipynb", cells)
    assert grade(folder, out, labs, "--names", "moodle") == 0
    assert grading("scores", out, "--out", tmp_path / "import.csv", "--moodle", worksheet(tmp_path)) == 0
    rows = spreadsheet.read(tmp_path / "import.csv").rows
    assert [row[4] for row in rows[1:]] == ["100", "0", "5.00"]
    assert "double: 0 of 40.<br>" in rows[2][9]
