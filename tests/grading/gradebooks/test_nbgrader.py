"""nbgrader, the real one in an environment of its own: it takes the labs, and shows the scores that were entered."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from classes import grade, grading
from submissions import COUNT, RIGHT, TOY, save

from fullstack_llm.checks.outline import outlines
from fullstack_llm.lessons import generate

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".venv-nbgrader" / "bin"
SLUG = "00_toy"


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python that has nbgrader."""
    if not (ENVIRONMENT.parent / ".ready").exists():
        pytest.skip("nbgrader is not set up: make nbgrader-env")
    return ENVIRONMENT / "python"


@pytest.fixture
def course(tmp_path: Path, python: Path) -> Path:
    """A course whose gradebook knows nothing yet, with the toy lab as its source."""
    course = tmp_path / "course"
    (course / "source" / SLUG).mkdir(parents=True)
    (tmp_path / "exchange").mkdir()
    (course / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.ClearSolutions.enabled = False\nc.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
        'c.CourseDirectory.course_id = "spring"\n'
    )
    rows = outlines(TOY)[SLUG]
    text = generate.lab(TOY / f"{SLUG}.md", "https://example.org/course", "main", rows)
    (course / "source" / SLUG / f"{SLUG}.ipynb").write_text(text, "utf-8")
    return course


def run(course: Path, *arguments: str) -> str:
    """What an nbgrader command says."""
    environment = os.environ | {"PATH": f"{ENVIRONMENT}:{os.environ['PATH']}", "HOME": str(course)}
    done = subprocess.run(
        [ENVIRONMENT / "nbgrader", *arguments],
        cwd=course,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def ask(python: Path, code: str, *arguments: object) -> Any:
    """What code says, as JSON, in nbgrader's environment."""
    command = [python, "-c", f"import json, sys\n{code}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def hand_in(course: Path, student: str, cells: list[str] | str) -> None:
    folder = course / "submitted" / student / SLUG
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timestamp.txt").write_text("2026-03-02 09:00:00.000000 UTC")
    (folder / "submission_secret.txt").write_text(f"secret of {student}")
    if isinstance(cells, str):
        (folder / f"{SLUG}.ipynb").write_text(cells)
    else:
        save(folder / f"{SLUG}.ipynb", cells)


def exported(course: Path) -> dict[str, dict[str, str]]:
    """The gradebook as `nbgrader export` writes it, by student."""
    run(course, "export", "--to", "grades.csv")
    with (course / "grades.csv").open(newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def test_nbgrader_takes_the_lab_and_changes_no_cell(course: Path) -> None:
    said = run(course, "generate_assignment", SLUG)
    assert "ERROR" not in said
    source, release = (
        json.loads((course / place / SLUG / f"{SLUG}.ipynb").read_text("utf-8"))["cells"]
        for place in ("source", "release")
    )
    assert ["".join(cell["source"]) for cell in release] == ["".join(cell["source"]) for cell in source]
    locked = {cell["id"] for cell in release if cell["metadata"].get("editable") is False}
    assert locked == {"check-double", "check-count"}


def test_control_without_the_setting_nbgrader_replaces_whole_answers(course: Path) -> None:
    (course / "nbgrader_config.py").write_text("c = get_config()\n")
    run(course, "generate_assignment", SLUG)
    released = (course / "release" / SLUG / f"{SLUG}.ipynb").read_text("utf-8")
    assert "def double" not in released


CHECK = """
from nbgrader.nbgraderformat import MetadataValidator
import nbformat
for path in sys.argv[1:]:
    MetadataValidator().validate_nb(nbformat.read(path, 4))
print(json.dumps(len(sys.argv) - 1))
"""


def test_every_shipped_lab_has_valid_metadata(python: Path) -> None:
    labs = sorted((ROOT / "labs").glob("*.ipynb"))
    assert ask(python, CHECK, *labs) == len(labs) >= 2


def test_control_metadata_that_is_wrong_is_found(python: Path, course: Path) -> None:
    path = course / "source" / SLUG / f"{SLUG}.ipynb"
    path.write_text(path.read_text("utf-8").replace('"points": 40,', ""), "utf-8")
    with pytest.raises(AssertionError, match="does not have points"):
        ask(python, CHECK, path)


GRADE = """
import nbformat
from nbgrader.utils import determine_grade, is_grade
found = {}
for points_on in ("answers", "checks"):
    book = nbformat.read(sys.argv[1], 4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            if points_on == "checks":
                told = cell.metadata.get("nbgrader", {})
                told.update(grade=told.get("locked", False), points=1)
    found[points_on] = {c.id: determine_grade(c)[0] for c in book.cells if is_grade(c)}
print(json.dumps(found))
"""


def test_nbgraders_own_autograding_gives_nothing_for_nothing(python: Path, course: Path) -> None:
    found = ask(python, GRADE, course / "source" / SLUG / f"{SLUG}.ipynb")
    assert found["answers"] == {"answer-double": None, "answer-count": None}
    # The control: points on checks would be given to anyone.
    assert found["checks"]["check-double"] == found["checks"]["check-count"] == 1


def test_scores_and_feedback_are_where_nbgrader_looks(
    course: Path, python: Path, labs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(course, "ada", RIGHT)
    hand_in(course, "bo", [COUNT])
    hand_in(course, "cy", "{")
    (course / "submitted" / "ada" / "99_other").mkdir()
    save(course / "submitted" / "ada" / "99_other" / "x.ipynb", RIGHT)
    out = tmp_path / "grades"
    assert grade(course / "submitted", out, labs, "--names", "nbgrader") == 1
    assert "99_other/x.ipynb: of the assignment 99_other" in capsys.readouterr().out
    more = ("--python", python, "--course-id", "spring")
    assert grading("nbgrader", out, course, *more) == 1
    said = capsys.readouterr().out
    assert "no score: cy: the file could not be graded" in said
    assert "2 of 3 scores of 00_toy" in said
    rows = exported(course)
    assert {name: (row["score"], row["max_score"]) for name, row in rows.items()} == {
        "ada": ("100.0", "100.0"),
        "bo": ("60.0", "100.0"),
    }
    assert rows["ada"]["timestamp"].startswith("2026-03-02 09:00")
    for name in ("ada", "bo", "cy"):
        page = (course / "feedback" / name / SLUG / f"{SLUG}.html").read_text("utf-8")
        assert f"{SLUG}: " in page
    run(course, "release_feedback", SLUG)
    assert len(list((tmp_path / "exchange" / "spring" / "feedback").glob("*.html"))) == 3


ADD = """
from nbgrader.api import Gradebook
with Gradebook("sqlite:///" + sys.argv[1], "spring") as book:
    print(json.dumps(book.add_student("bo", last_name="Bo", email="bo@x.org").id))
"""
LOOK = """
from nbgrader.api import Gradebook
with Gradebook("sqlite:///" + sys.argv[1], "spring") as book:
    student, mine = book.find_student("bo"), book.find_submission_notebook("00_toy", "00_toy", "bo")
    print(json.dumps({
        "who": [student.last_name, student.email],
        "score": book.find_submission("00_toy", "bo").score,
        "grades": {one.name: [one.score, one.needs_manual_grade] for one in mine.grades},
        "comments": {one.name: one.comment for one in mine.comments},
    }))
"""


def test_a_second_run_replaces_scores_and_keeps_what_is_there(
    course: Path, python: Path, labs: Path, tmp_path: Path
) -> None:
    run(course, "generate_assignment", SLUG)
    assert ask(python, ADD, course / "gradebook.db") == "bo"
    hand_in(course, "bo", [COUNT])
    more = ("--python", python, "--course-id", "spring")
    for number, cells in enumerate(([COUNT], RIGHT)):
        hand_in(course, "bo", cells)
        out = tmp_path / f"grades{number}"
        assert grade(course / "submitted", out, labs, "--names", "nbgrader") == 0
        assert grading("nbgrader", out, course, *more) == 0
        found = ask(python, LOOK, course / "gradebook.db")
        assert found["grades"] == {"answer-double": [[0.0, 40.0][number], False], "answer-count": [60.0, False]}
        assert found["comments"]["answer-double"] == ["the submission defines no function double", None][number]
        assert found["score"] == [60.0, 100.0][number]
    assert found["who"] == ["Bo", "bo@x.org"]


NO_TIMES = {"ada": b"see you", "cy": b"\xff\xfe", "dot": b"9" * 40 + b"h"}


def test_a_time_that_is_none_costs_nobody_a_score(
    course: Path, python: Path, labs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(course, "bo", [COUNT])
    for student, time in NO_TIMES.items():
        hand_in(course, student, RIGHT)
        (course / "submitted" / student / SLUG / "timestamp.txt").write_bytes(time)
    secret = course / "submitted" / "ada" / SLUG / "submission_secret.txt"
    secret.unlink()
    secret.symlink_to(course / "nbgrader_config.py")
    assert grade(course / "submitted", tmp_path / "grades", labs, "--names", "nbgrader") == 0
    assert grading("nbgrader", tmp_path / "grades", course, "--python", python, "--course-id", "spring") == 0
    said = capsys.readouterr().out
    assert "no time: ada" in said and "no time: bo" not in said
    scores = {name: row["score"] for name, row in exported(course).items()}
    assert scores == {**dict.fromkeys(NO_TIMES, "100.0"), "bo": "60.0"}
    assert not (course / "feedback" / "ada" / SLUG / "submission_secret.txt").exists()
    assert (course / "feedback" / "bo" / SLUG / "submission_secret.txt").read_text() == "secret of bo"


def test_what_is_missing_is_a_sentence(
    course: Path, labs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grading("nbgrader", tmp_path / "grades", tmp_path / "none") == 2
    assert "there is no folder" in capsys.readouterr().err
    # The Python that `make nbgrader-env` has set up is found; what it is to enter is not there yet.
    assert grading("nbgrader", tmp_path / "grades", course) == 2
    assert "holds no reports" in capsys.readouterr().err
    hand_in(course, "ada", RIGHT)
    grade(course / "submitted", tmp_path / "grades", labs, "--names", "nbgrader")
    capsys.readouterr()
    assert grading("nbgrader", tmp_path / "grades", course, "--python", ROOT / ".venv/bin/python") == 2
    assert "No module named 'nbgrader'" in capsys.readouterr().err
    assert grading("nbgrader", tmp_path / "grades", course, "--python", tmp_path / "x") == 2
    assert "cannot be started" in capsys.readouterr().err
    data = json.loads((tmp_path / "grades" / "people.json").read_text())
    data["people"]["ada"][0]["id"] = "../../ada"
    (tmp_path / "grades" / "people.json").write_text(json.dumps(data))
    assert grading("nbgrader", tmp_path / "grades", course, "--python", ENVIRONMENT / "python") == 2
    assert "cannot be the name of a student" in capsys.readouterr().err
    assert not (course / "feedback").exists()


def test_the_lock_holds_pins_only() -> None:
    lines = (ROOT / "requirements-nbgrader.lock").read_text("utf-8").splitlines()[1:]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line) for line in lines)
    assert lines == sorted(lines)
    assert not [line for line in lines if line.startswith(("torch", "jupyterlab=="))]
