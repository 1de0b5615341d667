"""Canvas: one column of an exported gradebook is filled, and no other cell changes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from classes import grade, grading, score
from submissions import COUNT, RIGHT, save

from fullstack_llm.grading.gradebooks import canvas
from fullstack_llm.grading.intake import spreadsheet
from fullstack_llm.grading.intake.spreadsheet import SheetError

# As Canvas's exporter writes it: a name that could be a formula in its own quotation, a hidden assignment, totals.
EXPORTED = '''\
Student,ID,SIS User ID,SIS Login ID,Section,Lab 03 (55),"Essay, long (56)",Lab 03 (57),Final Score
,,,,,Manual Posting,,,
    Points Possible,,,,,100.00,20.00,10.00,(read only)
"Lovelace, Ada",101,s-1,ada@x.org,"A and B",,18.00,,90.00
"=""=1+1""",102,s-2,102b,A,12.00,7.5,,10.00
"Hopper, Grace",103,s-3,grace,A,EX,,,
"Noether, Emmy",104,s-4,101,A,N/A,,,
"Student, Test",9,,x,A,,,,
'''


def exported(tmp_path: Path, text: str = EXPORTED) -> Path:
    path = tmp_path / "exported.csv"
    path.write_text(text, "utf-8", newline="")
    return path


def test_one_column_is_filled_and_everything_else_stays(tmp_path: Path) -> None:
    scores = [score("101", 84), score("102", 0), score("103", 50), score("104", 50), score("nobody", 1)]
    scores.append(score("s-3", 10, error="the file is empty"))
    before = spreadsheet.read(exported(tmp_path))
    sheet, filled = canvas.enter(tmp_path / "exported.csv", scores, "55")
    changed = {
        (r, c): cell for r, row in enumerate(sheet.rows) for c, cell in enumerate(row) if before.rows[r][c] != cell
    }
    assert changed == {(3, 5): "84", (4, 5): "0"}
    assert filled.rows == 2
    wanted = ("103: is excused", "104: does not have", "nobody: is in no row", "s-3: left as it is")
    assert [note[: len(part)] for part, note in zip(wanted, filled.notes, strict=True)] == list(wanted)
    spreadsheet.write(tmp_path / "import.csv", sheet)
    assert list(csv.reader(io.StringIO((tmp_path / "import.csv").read_text("utf-8")))) == sheet.rows


def test_a_login_that_is_another_students_number_takes_no_row(tmp_path: Path) -> None:
    sheet, _ = canvas.enter(exported(tmp_path, EXPORTED.replace("N/A", "")), [score("101", 84)], "Lab 03 (55)")
    assert sheet.rows[3][5] == "84"
    assert sheet.rows[6][5] == ""
    # The login alone, in any case, is enough where no id is meant.
    sheet, _ = canvas.enter(exported(tmp_path), [score("none", 7, email="ADA@x.org")], "Lab 03 (55)")
    assert sheet.rows[3][5] == "7"


@pytest.mark.attack(93)
def test_of_two_scores_that_meet_in_one_row_neither_is_entered(tmp_path: Path) -> None:
    before = exported(tmp_path).read_text()
    sheet, filled = canvas.enter(exported(tmp_path), [score("101", 84), score("s-1", 0), score("102", 5)], "55")
    assert sheet.rows[3][5] == spreadsheet.read(exported(tmp_path, before)).rows[3][5], "the cell is as it was"
    meets = "meets another submission in one row of the gradebook; neither is entered"
    assert filled.notes == [f"101: {meets} (84 points here)", f"s-1: {meets} (0 points here)"]
    assert filled.rows == 1 and sheet.rows[4][5] == "5"


@pytest.mark.control(93)
def test_the_last_of_two_scores_would_count(tmp_path: Path) -> None:
    # A table that is filled row by row, as most programs do it.
    sheet = spreadsheet.read(exported(tmp_path))
    rows = {row[1]: row for row in sheet.rows} | {row[2]: row for row in sheet.rows}
    for one in (score("101", 84), score("s-1", 0)):
        rows[one.person.id][5] = str(one.earned)
    assert sheet.rows[3][5] == "0"


def test_a_check_that_failed_by_itself_is_no_score(tmp_path: Path) -> None:
    broken = score("101", 0)
    broken.report["exercises"][0]["checks"][0]["kind"] = "check failed"
    sheet, filled = canvas.enter(exported(tmp_path), [broken], "55")
    assert sheet.rows[3][5] == ""
    assert "by a fault of its own" in filled.notes[0]


def test_the_file_keeps_its_form(tmp_path: Path) -> None:
    text = "\ufeff" + EXPORTED.replace(",", ";").replace("Lovelace; Ada", "Lovelace, Ada").replace("\n", "\r\n")
    path = exported(tmp_path, text)
    sheet, _ = canvas.enter(path, [score("101", 84)], "55")
    spreadsheet.write(path, sheet)
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbfStudent;ID;")
    assert data.count(b"\r\n") == data.count(b"\n") == 8


@pytest.mark.parametrize(
    ("wanted", "text", "sentence"),
    [
        ("Lab 03", EXPORTED, r"2 assignments 'Lab 03'; it has: Lab 03 \(55\), Essay, long \(56\), Lab 03 \(57\)"),
        ("Lab 3", EXPORTED, "no assignment 'Lab 3'"),
        ("57", EXPORTED, "at most 10 points, and the lab has 100"),
        ("55", EXPORTED.replace("100.00", ""), "gives no maximum of points"),
        ("55", EXPORTED.replace("Section", "Group"), "no column ID and Section .* export it from Canvas"),
    ],
)
def test_what_cannot_be_filled_is_a_sentence(tmp_path: Path, wanted: str, text: str, sentence: str) -> None:
    with pytest.raises(SheetError, match=sentence):
        canvas.enter(exported(tmp_path, text), [score("101", 84)], wanted)


def test_points_are_converted_only_if_asked(tmp_path: Path) -> None:
    sheet, _ = canvas.enter(exported(tmp_path), [score("101", 84)], "57", scale=True)
    assert sheet.rows[3][7] == "8.4"


def test_from_submissions_to_the_import(tmp_path: Path, labs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "submissions", tmp_path / "grades"
    folder.mkdir()
    save(folder / "lovelaceada_101_9001_lab.ipynb", RIGHT)
    save(folder / "x_LATE_102_9002_lab.ipynb", [COUNT])
    assert grade(folder, out, labs, "--names", "canvas", "--roster", exported(tmp_path)) == 0
    assert "no submission: 103 Hopper, Grace\n" in capsys.readouterr().out
    into = ("--canvas", tmp_path / "exported.csv", "--assignment", "55")
    assert grading("scores", out, "--out", tmp_path / "exported.csv", *into) == 2
    assert "is the exported file itself" in capsys.readouterr().err
    assert grading("scores", out, "--out", tmp_path / "import.csv", *into[:2]) == 2
    assert "go together" in capsys.readouterr().err
    assert grading("scores", out, "--out", tmp_path / "import.csv", *into) == 0
    assert "2 of 2 scores of 00_toy" in capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "import.csv").open(newline="")))
    assert [row[5] for row in rows[3:5]] == ["100", "60"]
    assert (tmp_path / "exported.csv").read_text("utf-8") == EXPORTED
