"""Whose a file is, by four systems' names; who is missing, who is unknown; and names that were chosen to mislead."""

from __future__ import annotations

import csv
import json
from pathlib import Path, PurePath

import pytest
from classes import grade, grading
from submissions import COUNT, RIGHT, save

from fullstack_llm.grading.intake import names, roster
from fullstack_llm.grading.intake.names import UnnamedError
from fullstack_llm.grading.intake.roster import Person, compare
from fullstack_llm.grading.intake.spreadsheet import SheetError

CANVAS = {
    "lovelaceada_101_9001_03_tokenization.ipynb": "101",
    "lovelaceada_LATE_101_9001_lab-1.ipynb": "101",
    "hopper_102_9002_5_6_lab.ipynb": "102",
    "submissions/hopper_102_9002_lab.ipynb": "102",
    "hopper_102_9002_work/deep/lab.ipynb": "102",
    "12345_103_9003_lab.py": "103",
    "_104_9004_lab.py": "104",
    "anon_aB3x9_9005_lab.ipynb": "anon_aB3x9",
    "LATE_anon_aB3x9_9005_lab.ipynb": "anon_aB3x9",
    # The file's own name, or what is in a zip, is the student's choice.
    "mallory_666_1_lovelaceada_101_9001_lab.ipynb": "666",
    "mallory_666_1_x/lovelaceada_101_9001_lab.ipynb": "666",
}
MOODLE = {
    "Ada Lovelace_4711_assignsubmission_file_/lab.ipynb": "4711",
    "Ada Lovelace_4711_assignsubmission_file/sub/lab.ipynb": "4711",
    "Ada Lovelace_4711_assignsubmission_file_lab.ipynb": "4711",
    "Mal_666_assignsubmission_file_Ada Lovelace_4711_assignsubmission_file_lab.ipynb": "666",
}


@pytest.mark.parametrize(("path", "owner"), CANVAS.items())
def test_canvas_names(path: str, owner: str) -> None:
    assert names.canvas().owner(PurePath(path)) == owner


@pytest.mark.parametrize(("path", "owner"), MOODLE.items())
def test_moodle_names(path: str, owner: str) -> None:
    assert names.moodle().owner(PurePath(path)) == owner


def test_a_file_that_is_nobodys_is_refused_with_the_form_that_was_expected() -> None:
    for by_name in (names.canvas(), names.moodle(), names.nbgrader("00_toy")):
        with pytest.raises(UnnamedError, match="no student, since"):
            by_name.owner(PurePath("lab.ipynb"))
    with pytest.raises(UnnamedError, match="assignment 01_other"):
        names.nbgrader("00_toy").owner(PurePath("ada/01_other/x.ipynb"))
    assert names.nbgrader("00_toy").owner(PurePath("submitted/ada/week3/00_toy.ipynb")) == "ada"


METADATA = """\
submission_7:
  :submitters:
  - :name: Ada Lovelace
    :sid: '0042'
    :email: ada@example.org
  - :name: Bo Bo
    :email: bo@example.org
  :score: 0.0
"""


def test_gradescope_names_are_in_its_metadata(tmp_path: Path) -> None:
    with pytest.raises(UnnamedError, match=r"no submission_metadata\.yml"):
        names.gradescope(tmp_path)
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / names.METADATA).write_text(METADATA)
    by_name = names.gradescope(tmp_path)
    assert by_name.owner(PurePath("export/submission_7/lab.ipynb")) == "submission_7"
    group = [Person("0042", "Ada Lovelace", "ada@example.org"), Person("bo@example.org", "Bo Bo", "bo@example.org")]
    assert by_name.people["submission_7"] == group
    # What a student calls so is not the export's.
    (tmp_path / "export" / "submission_7").mkdir()
    (tmp_path / "export" / "submission_7" / names.METADATA).write_text("{}")
    assert names.gradescope(tmp_path / "export").people["submission_7"] == group
    (tmp_path / "export" / names.METADATA).write_text("!!python/object/apply:os.system ['touch ran']")
    with pytest.raises(UnnamedError, match="export it again"):
        names.gradescope(tmp_path)


@pytest.mark.parametrize("other", ["a_101_777_5555_lab.ipynb", "x_101_777_5555_lab.ipynb"])
def test_a_name_that_ends_like_a_number_takes_nobodys_points(
    tmp_path: Path, labs: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "canvas"
    folder.mkdir()
    save(folder / "lovelaceada_101_9001_lab.ipynb", [COUNT])
    save(folder / "bo_102_9002_lab.ipynb", [COUNT])
    save(folder / other, RIGHT)
    assert grade(folder, tmp_path / "grades", labs, "--names", "canvas") == 0
    assert "left out: 101: two names stand before this number" in capsys.readouterr().out
    data = json.loads((tmp_path / "grades" / "class.json").read_text())
    assert [one["owner"] for one in data["students"]] == ["102"]


def listed(tmp_path: Path, text: str, name: str = "class.csv") -> list[Person]:
    (tmp_path / name).write_text(text, "utf-8")
    return roster.read(tmp_path / name)


def test_class_lists_of_three_kinds(tmp_path: Path) -> None:
    ada = Person("101", "Lovelace, Ada", "ada@x.org")
    assert listed(tmp_path, 'id,name,email\n101,"Lovelace, Ada",ada@x.org\n') == [ada]
    canvas = (
        "\ufeffStudent,ID,SIS Login ID,Section,Lab 0 (5)\n    Points Possible,,,,100\n"
        '"Lovelace, Ada",101,ada@x.org,A,\n"Student, Test",9,,A,\n'
    )
    assert listed(tmp_path, canvas) == [ada]
    moodle = "Identifier;Full name;Email address;Grade\r\nTeilnehmer/in101;Lovelace, Ada;ada@x.org;\r\n"
    assert listed(tmp_path, moodle) == [ada]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("name,phone\nAda,7\n", "no column `id` .its columns: name, phone"),
        ("id,name\n", "lists no students"),
        ("id,name\n1,Ada\n1,Bo\n", "has 1 twice, for 1 Ada and for 1 Bo"),
        ("id,email\n1,a@x\n2,A@X\n", "has a@x twice"),
        ('id,name\n1,"Ada\n', "not a CSV file"),
    ],
)
def test_a_wrong_class_list_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SheetError, match=sentence):
        listed(tmp_path, text)


def test_not_utf_8_and_not_there(tmp_path: Path) -> None:
    (tmp_path / "class.csv").write_bytes("id,name\n1,Zoë\n".encode("latin-1"))
    with pytest.raises(SheetError, match="not UTF-8 .byte 12"):
        roster.read(tmp_path / "class.csv")
    with pytest.raises(SheetError, match="there is no file"):
        roster.read(tmp_path / "none.csv")


def test_people_are_compared_by_id_or_address_and_never_by_name() -> None:
    ada, twin, bo = Person("1", "Ada", "ada@x.org"), Person("2", "Ada", "twin@x.org"), Person("3", "Bo")
    seen = compare([ada, twin, bo], [Person("ADA@x.org", "Ada", "ADA@x.org"), Person("9", "Bo")])
    assert seen.missing == [twin, bo]
    assert seen.strangers == [Person("9", "Bo")]


def test_a_canvas_class_from_the_download_to_a_table(
    tmp_path: Path, labs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "submissions", tmp_path / "grades"
    folder.mkdir()
    save(folder / "lovelaceada_101_9001_lab.ipynb", RIGHT)
    save(folder / "lovelaceada_LATE_102_9002_lab-1.ipynb", [COUNT])
    save(folder / "evil_103_9003_lab.ipynb", [COUNT])
    save(folder / "notes.ipynb", RIGHT)
    (folder / "cut_105_9005_lab.ipynb").write_text("{")
    people = '101,"=HYPERLINK(1)",a@x\n102,"Lovelace, Ada",b@x\n104,Nobody,n@x\n105,Cut,c@x\n'
    (tmp_path / "class.csv").write_text(f"id,name,email\n{people}")
    code = grade(folder, out, labs, "--names", "canvas", "--roster", tmp_path / "class.csv")
    said = capsys.readouterr().out
    assert code == 1
    for line in (
        "no submission: 104 Nobody <n@x>",
        "not in the class list: 103 evil",
        "left out: notes.ipynb: no student",
    ):
        assert line in said
    assert "no submission: 104 Nobody" in (out / "index.html").read_text()
    assert grading("scores", out, "--out", tmp_path / "scores.csv") == 1
    said = capsys.readouterr().out
    assert "not entered: 105 Cut <c@x>: the file could not be graded" in said
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert {name: row["points"] for name, row in rows.items()} == {
        "101": "100",
        "102": "60",
        "103": "60",
        "104": "",
        "105": "",
    }
    assert rows["101"]["name"] == "'=HYPERLINK(1)"
    assert rows["102"]["name"] == "Lovelace, Ada"
    assert rows["104"]["remark"] == "no submission"
    data = json.loads((out / "class.json").read_text())
    assert "102 Lovelace, Ada <b@x>" in [one["student"] for one in data["students"]]


def test_a_group_of_gradescope_has_one_score_each(tmp_path: Path, labs: Path) -> None:
    folder, out = tmp_path / "export", tmp_path / "grades"
    (folder / "submission_7").mkdir(parents=True)
    (folder / names.METADATA).write_text(METADATA)
    save(folder / "submission_7" / "lab.ipynb", [COUNT])
    assert grade(folder, out, labs, "--names", "gradescope") == 0
    assert grading("scores", out, "--out", tmp_path / "scores.csv") == 0
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[1:] == ["0042,Ada Lovelace,ada@example.org,60,100,", "bo@example.org,Bo Bo,bo@example.org,60,100,"]


def test_an_unfinished_run_is_not_entered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grading("scores", tmp_path, "--out", tmp_path / "x.csv") == 2
    assert "no reports" in capsys.readouterr().err
    (tmp_path / "class.json").write_text(json.dumps({"lab": "00_toy", "complete": False, "students": []}))
    assert grading("scores", tmp_path, "--out", tmp_path / "x.csv") == 2
    assert "was interrupted" in capsys.readouterr().err
    (tmp_path / "class.json").write_text("{")
    assert grading("scores", tmp_path, "--out", tmp_path / "x.csv") == 2
    assert "is damaged" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()
