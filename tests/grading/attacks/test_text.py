"""Hidden names, formulas, lines for a terminal, files that change, and reports of another run."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from submissions import COUNT, DOUBLE, RIGHT, TOY, TWICE, notebook, save

from fullstack_llm.checks.show import one_line, plain
from fullstack_llm.grading.cli import console
from fullstack_llm.grading.cli.commands import main
from fullstack_llm.grading.gradebooks import moodle
from fullstack_llm.grading.intake import files
from fullstack_llm.grading.intake.submissions import opened
from fullstack_llm.grading.judge import grade as judging
from fullstack_llm.grading.reports import runs
from fullstack_llm.grading.reports.report import safe_cell

Grade = Callable[..., int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def grade(tmp_path: Path, folder: Path, labs: Path) -> Grade:
    """The command, at the level that starts fastest: what is held here does not depend on isolation."""

    def run(*more: str) -> int:
        where = ["--lab", "00_toy", "--checks", str(TOY), "--labs", str(labs), "--out", str(tmp_path / "out")]
        return main(["grade", str(folder), "--level", "C", *where, *more])

    return run


HIDDEN = (".ipynb", ".lab.ipynb", ".Di/lab.ipynb", "..ipynb")


@pytest.mark.attack(91)
@pytest.mark.control(91)
@pytest.mark.parametrize("packed", [False, True])
def test_a_hidden_name_is_in_a_row(tmp_path: Path, packed: bool) -> None:
    for number, name in enumerate(HIDDEN):
        path = tmp_path / "in" / f"s{number}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    (tmp_path / "in" / ".hidden").mkdir()
    (tmp_path / "in" / ".hidden" / "lab.ipynb").write_bytes(b"{}")
    place = tmp_path / "in"
    if packed:
        place = tmp_path / "in.zip"
        with zipfile.ZipFile(place, "w") as file:
            for path in (tmp_path / "in").rglob("*"):
                file.write(path, path.relative_to(tmp_path / "in"))
    with opened(place) as found:
        assert {one.owner: len(one.files) for one in found.submissions} == {
            ".hidden": 1,
            **{f"s{number}": 1 for number in range(len(HIDDEN))},
        }
        assert found.left_out == []
    # The control: a pattern as people write it finds none of them.
    assert list((tmp_path / "in").glob("[!.]*/[!.]*.ipynb")) == []


FORMULAS = (
    '=cmd|"/c calc"!A0',
    'x;"=1+cmd|calc!A0;"',
    "x\t=1",
    "x; @SUM(1)",
    ' \t "-1;+1',
    "\uff1d1+1",
    "x;\u00a0=1",
    'a,"=1',
)


def cells(text: str) -> list[str]:
    """Every cell that some program may read in a table's line: separated by commas, semicolons or tabs."""
    found = []
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            found += row
            # A program that drops the quotes that it did not expect.
            found += [cell.replace('"', "") for cell in row]
    return found


def is_formula(cell: str) -> bool:
    return unicodedata.normalize("NFKC", cell).lstrip()[:1] in tuple("=+-@|%")


@pytest.mark.attack(92)
@pytest.mark.control(92)
@pytest.mark.parametrize("text", FORMULAS)
def test_no_program_reads_a_formula(text: str) -> None:
    written = io.StringIO()
    csv.writer(written).writerow(["s-1", safe_cell(text), "84"])
    assert not [cell for cell in cells(written.getvalue()) if is_formula(cell)]
    # The control: as it was handed in, one of them does, but for the comma, which is quoted.
    written = io.StringIO()
    csv.writer(written).writerow(["s-1", text, "84"])
    assert [cell for cell in cells(written.getvalue()) if is_formula(cell)] or text == 'a,"=1'


@pytest.mark.attack(92)
def test_feedback_for_moodle_is_no_formula_either(tmp_path: Path) -> None:
    header = "Identifier,Grade,Maximum Grade,Last modified (grade),Feedback comments\n"
    (tmp_path / "sheet.csv").write_text(f"{header}Participant 7,,100,-,\n")
    check = {"kind": "wrong", "part": "", "earned": 0, "hint": 'x;"=1+1;<b>', "advice": ""}
    exercise = {"exercise": "twice", "earned": 0, "points": 100, "checks": [check]}
    report = {"lab": "00_toy", "earned": 0, "points": 100, "error": "", "exercises": [exercise]}
    from fullstack_llm.grading.gradebooks.scores import Score
    from fullstack_llm.grading.intake.roster import Person

    sheet, _ = moodle.enter(tmp_path / "sheet.csv", [Score(Person("7"), 0, 100, report)])
    cell = sheet.rows[1][4]
    assert "<b>" not in cell and not [part for part in cells(cell) if is_formula(part)]


LINES = ("lab\n100 of 100 submissions graded", "lab\r\x1b[2K100 of 100", "lab\u2028100 of 100", "lab\x85100 of 100")


@pytest.mark.attack(94)
@pytest.mark.control(94)
@pytest.mark.parametrize("text", LINES)
def test_the_lab_that_a_file_names_is_one_line(
    text: str, folder: Path, grade: Grade, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit() -> list[str]:
        book = notebook(RIGHT, metadata={"fullstack_llm": {"lab": text}})  # type: ignore[arg-type]
        (folder / "ada").mkdir(exist_ok=True)
        (folder / "ada" / "00_toy.ipynb").write_text(json.dumps(book))
        save(folder / "ada" / "00_toy (2).ipynb", RIGHT)
        assert grade("--again") == 0
        return capsys.readouterr().out.splitlines()

    assert not [line for line in submit() if line.startswith("100 of 100")]
    # The control: without the one function, the text is a line of its own.
    for module in (console, judging):
        monkeypatch.setattr(module, "one_line", lambda text, limit=0: text)
    monkeypatch.setattr("fullstack_llm.grading.judge.batch.one_line", lambda text, limit=0: text)
    assert [line for line in submit() if line.lstrip("\x1b[2K").startswith("100 of 100")]


@pytest.mark.attack(94)
def test_an_error_of_several_lines_stays_in_its_column(graded: Callable[..., Any]) -> None:
    forged = "def double(xs):\n    raise ValueError('x\\n00_toy: 100 of 100 points')"
    shown = str(graded([TWICE, forged, COUNT]).verdicts[0])
    assert "100 of 100" in shown
    assert not [line for line in shown.splitlines() if line.startswith("00_toy")]


def test_one_line_is_one_whatever_it_holds() -> None:
    every = "".join(map(chr, range(0x11_0000)))
    for start in range(0, len(every), 4_000):
        assert len(one_line(every[start : start + 4_000], 10**9).splitlines()) <= 1
    assert plain("a\nb") == "a\nb"


@pytest.mark.attack(95)
@pytest.mark.control(95)
def test_a_file_that_becomes_a_pipe_holds_up_nobody(
    folder: Path, grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ada", "bo"):
        (folder / name).mkdir()
        save(folder / name / "lab.ipynb", RIGHT)
    looked = runs.file_digests

    def then_swapped(submission: Any) -> Any:
        found = looked(submission)
        if submission.owner == "ada":
            (folder / "ada" / "lab.ipynb").unlink()
            os.mkfifo(folder / "ada" / "lab.ipynb")
        return found

    monkeypatch.setattr(runs, "file_digests", then_swapped)
    assert grade() == 1
    out = capsys.readouterr().out
    assert "1 of 2 submissions graded" in out and "has become something else than a file" in out
    # The control: an ordinary `open` waits for somebody who writes, for ever.
    code = "import sys; open(sys.argv[1], 'rb').read()"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", code, str(folder / "ada" / "lab.ipynb")], timeout=3)


@pytest.mark.attack(95)
@pytest.mark.parametrize("kind", ["link", "folder", "device"])
def test_what_is_no_file_any_more_is_a_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "lab.ipynb"
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/null")
    with pytest.raises(ValueError, match="cannot be read|something else than a file"), files.open_file(path):
        pass
    assert "the file" in files.digest(path)


@pytest.mark.attack(95)
def test_the_digest_is_of_the_bytes_that_were_graded(
    folder: Path, grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "ada").mkdir()
    path = save(folder / "ada" / "lab.ipynb", [TWICE])
    looked = runs.file_digests

    def then_swapped(submission: Any) -> Any:
        found = looked(submission)
        save(path, RIGHT)
        return found

    monkeypatch.setattr(runs, "file_digests", then_swapped)
    assert grade() == 0
    (report,) = runs.reports(tmp_path / "out" / "students").values()
    assert report["earned"] == 100
    assert report["digest"] == report["files"][0][1] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def two(folder: Path) -> Path:
    for name, answers in {"ada": RIGHT, "bo": [TWICE, DOUBLE]}.items():
        (folder / name).mkdir()
        save(folder / name / "lab.ipynb", answers)
    return folder


def points(out: Path) -> dict[str, Any]:
    with (out / "class.csv").open(newline="") as file:
        return {row["student"]: row["points"] for row in csv.DictReader(file)}


@pytest.mark.attack(96)
@pytest.mark.control(96)
@pytest.mark.parametrize("what", ["lost", "foreign", "damaged"])
def test_reports_of_another_run_are_not_this_runs(
    what: str, two: Path, grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert grade() == 0
    assert points(out) == {"ada": "100", "bo": "40"}
    # A report as another run would have made it: of this file, with more points.
    forged = next(path for path in (out / "students").glob("*.json") if '"bo"' in path.read_text())
    data = json.loads(forged.read_text())
    forged.write_text(json.dumps(data | {"earned": 99, "made_with": "another run's", "lab": "07_x"}))
    if what == "lost":
        (out / "run.json").unlink()
    elif what == "damaged":
        (out / "run.json").write_text('{"lab": 7, "draws": []}')
    assert grade() == 0
    assert points(out) == {"ada": "100", "bo": "40"}
    # The control: where a report is believed because its files are the same, it counts.
    data = json.loads(forged.read_text())
    forged.write_text(json.dumps(data | {"earned": 99}))
    assert grade() == 0
    assert points(out)["bo"] == "99"


@pytest.mark.attack(96)
@pytest.mark.parametrize(
    "change",
    [{"earned": "100"}, {"files": 3}, {"exercises": [7]}, {"exercises": [{"exercise": "twice"}]}, {"id": "s-another"}],
)
def test_wrong_types_in_a_report_have_it_made_again(
    change: dict[str, Any], two: Path, grade: Grade, tmp_path: Path
) -> None:
    assert grade() == 0
    path = next((tmp_path / "out" / "students").glob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert grade() == 0
    assert points(tmp_path / "out") == {"ada": "100", "bo": "40"}
    (tmp_path / "out" / "class.json").write_text(json.dumps({"complete": True, "students": [change]}))
    assert main(["scores", str(tmp_path / "out"), "--out", str(tmp_path / "x.csv")]) == 2


@pytest.mark.attack(97)
@pytest.mark.control(97)
def test_half_a_character_in_the_metadata_stops_nobodys_run(
    folder: Path, grade: Grade, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ada").mkdir()
    text = json.dumps(notebook(RIGHT) | {"metadata": {"fullstack_llm": {"lab": "L", "version": "V"}}})
    (folder / "ada" / "lab.ipynb").write_text(text.replace('"L"', '"\\ud800"').replace('"V"', '"\\udfff"'))
    assert grade() == 0
    assert points(tmp_path / "out") == {"ada": "100"}
    # The control: as text that is written as it is, it is an error.
    with pytest.raises(UnicodeEncodeError):
        (tmp_path / "x").write_text(json.loads('"\\ud800"'))
    runs.write(tmp_path / "x", "\ud800")
    assert (tmp_path / "x").read_bytes() == b"\\ud800"
