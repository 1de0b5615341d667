"""The command line: a folder of everything, sentences for what is wrong, and what an interrupt leaves."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from submissions import COUNT, DOUBLE, RIGHT, TOY, TWICE, notebook, save
from submissions import cell as code_cell

from fullstack_llm.grading.cli.commands import main
from fullstack_llm.grading.intake.roster import Person
from fullstack_llm.grading.reports.report import safe_cell


def command(*arguments: object, cwd: Path, safe: bool = False) -> list[str]:
    assert cwd.is_dir()
    return [sys.executable, *(["-P", "-s"] if safe else []), "-m", "fullstack_llm.grading", *map(str, arguments)]


def grading(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, cwd=cwd), cwd=cwd, capture_output=True, text=True, timeout=600)


def toy(labs: Path) -> list[object]:
    return ["--checks", TOY, "--labs", labs]


HOSTILE = """
def double(xs):
    return '<script>alert(1)</script>\\x1b[31m=1+1'
def count(text, letter):
    raise ValueError('<img src=x onerror=alert(1)>')
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submissions of every kind, and modules that must not be imported, in the folder where the command runs."""
    folder = tmp_path_factory.mktemp("class")
    for name in ("ada", "bo"):
        (folder / name).mkdir()
        save(folder / name / "lab.ipynb", RIGHT)
    save(folder / "cy\n<b>.ipynb", [TWICE, DOUBLE, "def count(text, letter):\n    import os; os._exit(0)"])
    save(folder / "=cmd.ipynb", [HOSTILE])
    save(folder / ("x" * 240 + ".ipynb"), [COUNT])
    (folder / "cut.ipynb").write_text(json.dumps(notebook(RIGHT))[:300])
    (folder / "empty.ipynb").touch()
    save(folder / os.fsdecode(b"\xff.ipynb"), RIGHT)
    (folder / "archive.zip").write_bytes(b"PK")
    (folder / "link.ipynb").symlink_to("/etc/passwd")
    (folder / "outside").symlink_to("/etc")
    for name in ("torch.py", "json.py", "numpy.py", "conftest.py"):
        (folder / name).write_text("import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n")
    return folder


@pytest.fixture(scope="module")
def done(
    folder: Path, labs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    out = tmp_path_factory.mktemp("out") / "grades"
    return grading("grade", ".", "--lab", "00_toy", "--out", out, "--jobs", 2, *toy(labs), cwd=folder), out


def test_everything_is_graded_and_named(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    run, out = done
    assert run.returncode == 1, run.stderr
    data = json.loads((out / "class.json").read_text())
    earned = {one["submission"]: one["earned"] for one in data["students"]}
    assert earned["ada/lab.ipynb"] == earned["bo/lab.ipynb"] == 100
    assert earned["\\udcff.ipynb"] == 100
    assert earned["cy\\n<b>.ipynb"] == 40
    assert 60 in earned.values()
    assert earned["=cmd.ipynb"] == earned["cut.ipynb"] == earned["empty.ipynb"] == 0
    # Whoever handed in nothing that can be graded has a row of their own, without a file.
    failed = {one["student"]: one["submission"] for one in data["students"] if one["error"]}
    assert failed == {"cut": "cut.ipynb", "empty": "empty.ipynb", "archive": "", "link": "", "outside": ""}
    assert len(data["left_out"]) == 3
    assert "archive.zip" in run.stdout
    assert "cut off" in run.stdout
    assert data["complete"]
    assert data["isolation"] in run.stdout


@pytest.mark.attack(69)
def test_nothing_of_the_working_folder_runs(done: tuple[subprocess.CompletedProcess[str], Path], folder: Path) -> None:
    # The scripts are submissions too; they may run in a worker, where they have another name and another folder.
    assert not list(folder.glob("*.ran"))


@pytest.mark.attack(72)
def test_report_names_are_generated(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = done
    names = sorted(path.name for path in (out / "students").iterdir())
    assert len(names) == 2 * 15
    assert all(name.startswith("s-") and len(name.partition(".")[0]) == 26 for name in names)


@pytest.mark.attack(49)
def test_pages_and_tables_are_safe(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = done
    for page in [*out.glob("students/*.html"), out / "index.html"]:
        text = page.read_text("utf-8")
        assert "<script" not in text
        assert "<img" not in text
        assert "<b>" not in text
        assert "\x1b" not in text
    with (out / "class.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {7}
    assert "'=cmd.ipynb" in [row[2] for row in rows]
    # What could not be graded is no zero.
    assert {row[2]: row[3:6] for row in rows if row[2] in ("cut.ipynb", "empty.ipynb")} == {
        "cut.ipynb": [""] * 3,
        "empty.ipynb": [""] * 3,
    }
    page = (out / "index.html").read_text("utf-8")
    assert page.count('<td class="number"></td>') == 5
    assert all(field[:1] not in "=+-@" for row in rows for field in row if field)


def test_scores_take_a_name_that_is_no_text(
    done: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scores", str(done[1]), "--out", str(tmp_path / "scores.csv")]) == 1
    assert "\\udcff" in (tmp_path / "scores.csv").read_text("utf-8")
    assert "10 of 15 scores" in capsys.readouterr().out
    assert str(Person("\udcff")).encode()


def test_a_page_shows_input_values_hint_and_traceback(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = done
    data = json.loads((out / "class.json").read_text())
    (one,) = [one for one in data["students"] if one["submission"] == "=cmd.ipynb"]
    text = (out / "students" / f"{one['id']}.html").read_text("utf-8")
    for part in ("xs = []", "&lt;script&gt;", "Twice each.", "ValueError", "raise ValueError", "wanted"):
        assert part in text


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", " =1", "\t=1", "%x", "|x"])
def test_formulas_are_texts(text: str) -> None:
    assert safe_cell(text).startswith("'")
    assert safe_cell("ada") == "ada"
    # A program that ends cells at semicolons begins another one behind each.
    assert safe_cell(f"ada;{text}") == f"ada;{text[: len(text) - len(text.lstrip())]}'{text.lstrip()}"
    assert safe_cell("ada; lab 03") == "ada; lab 03"


WRONG: dict[str, tuple[list[object], str]] = {
    "no folder": (["grade", "nowhere", "--lab", "00_toy"], "no folder nowhere"),
    "unknown lab": (["grade", ".", "--lab", "99_x"], "no lab '99_x'; the labs are: 00_toy"),
    "no submissions": (["grade", "none", "--lab", "00_toy"], "no submissions"),
    "jobs": (["grade", ".", "--lab", "00_toy", "--jobs", "0"], "--jobs"),
    "out is a file": (["grade", ".", "--lab", "00_toy", "--out", "file"], "needs? a folder"),
    "no lab": (["grade", "."], "--lab"),
    "broken checks": (["grade", "class", "--lab", "00_toy", "--checks", "broken"], "cannot be loaded .SyntaxError"),
    "out cannot be made": (["grade", "class", "--lab", "00_toy", "--out", "/proc/none/x"], "error: .*/proc/none"),
    "no file": (["check", "nowhere.ipynb"], "no file nowhere.ipynb"),
    "no notebook": (["check", "file"], "no .ipynb or .py"),
    "lab not named": (["check", "a.py"], "give it with --lab"),
    "unreadable": (["check", "cut.ipynb"], "cannot be read"),
}


@pytest.mark.parametrize(("arguments", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_argument_is_a_sentence(
    arguments: list[object],
    sentence: str,
    tmp_path: Path,
    labs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from fullstack_llm.grading.cli.commands import main

    for name in ("none", "class", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "class" / "a.py").write_text(COUNT)
    (tmp_path / "broken" / "m00_toy").mkdir()
    (tmp_path / "broken" / "m00_toy" / "__init__.py").write_text("EXERCISES = (")
    (tmp_path / "file").touch()
    (tmp_path / "a.py").write_text(COUNT)
    (tmp_path / "cut.ipynb").write_text("{")
    monkeypatch.chdir(tmp_path)
    try:
        code = main([str(part) for part in [arguments[0], *toy(labs), *arguments[1:]]])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    said = capsys.readouterr().err
    import re

    assert re.search(sentence, said), said
    assert "Traceback" not in said


def test_check_prints_the_verdicts(tmp_path: Path, labs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fullstack_llm.grading.cli.commands import main

    path = save(tmp_path / "my.ipynb", [TWICE, DOUBLE, "def count(text, letter):\n    return 1", "1/0"])
    assert main(["check", str(path), *map(str, toy(labs))]) == 0
    said = capsys.readouterr().out
    for part in (
        "double: 40 of 40",
        "count: 0 of 60",
        "finds only the first",
        "ZeroDivisionError",
        "00_toy: 40 of 100 points",
    ):
        assert part in said


def test_a_lab_that_does_not_run_here_is_the_graders_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fullstack_llm.grading.cli.commands import main

    save(tmp_path / "00_toy.ipynb", [cell_of("import numpy, nowhere_to_be_found")])
    save(tmp_path / "a.ipynb", RIGHT)
    assert (
        main(["grade", str(tmp_path), "--lab", "00_toy", "--out", str(tmp_path / "o"), *map(str, toy(tmp_path))]) == 2
    )
    said = capsys.readouterr().err
    assert "no submission's fault" in said
    assert "nowhere_to_be_found" in said


def cell_of(source: str) -> dict[str, object]:
    return code_cell(source, metadata={"tags": ["setup"]})


def test_the_reports_of_an_earlier_run_are_not_taken_for_submissions(tmp_path: Path) -> None:
    from fullstack_llm.grading.intake.submissions import opened

    (tmp_path / "grades" / "students").mkdir(parents=True)
    (tmp_path / "grades" / "index.html").touch()
    save(tmp_path / "a.ipynb", RIGHT)
    with opened(tmp_path) as found:
        assert found.left_out
    with opened(tmp_path, tmp_path / "grades") as found:
        assert ([one.student for one in found.submissions], found.left_out) == (["a"], [])


def test_help_says_the_exit_codes() -> None:
    from fullstack_llm.grading.cli.commands import parser

    assert "130  interrupted" in parser().format_help()


@pytest.mark.attack(78)
def test_equal_code_gets_equal_marks_and_the_key_decides_the_draw(tmp_path: Path, labs: Path) -> None:
    from fullstack_llm.checks.declared import find
    from fullstack_llm.checks.draws import seeds
    from fullstack_llm.grading.intake.submissions import opened
    from fullstack_llm.grading.judge.batch import Batch, results

    for name in ("a.ipynb", "b.ipynb"):
        save(tmp_path / name, ["def double(xs):\n    return [6, 6] if xs == [3, 3] else []\n"])
    cases = []
    for key in (b"one", b"one", b"two"):
        with opened(tmp_path) as found:
            batch = Batch("00_toy", seeds(find("00_toy", TOY), key), TOY, labs)
            runs = [one.result for one in results(batch, found.submissions)]
        first, second = (run.verdicts for run in runs)
        assert first == second
        cases.append(first[0].outcomes[0].inputs)
    assert cases[0] == cases[1] != cases[2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_leaves_what_was_graded(tmp_path: Path, labs: Path, jobs: int) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    save(folder / "a.ipynb", RIGHT)
    for number in range(20):
        save(folder / f"b{number}.ipynb", ["import time\ntime.sleep(9)"])
    line = command("grade", folder, "--lab", "00_toy", "--out", out, "--jobs", jobs, *toy(labs), cwd=tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    process = subprocess.Popen(
        line,
        cwd=tmp_path,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(home)},
        # A shell has its jobs in the background ignore an interrupt, and they their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 600
    while not list(out.glob("students/*.html")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)  # the page is written a moment before its result counts
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert time.monotonic() - begin < 75, "twenty sleepers were waited for, in two at a time 90 s"
    assert not [path.name for path in home.glob("grading-*")]
    data = json.loads((out / "class.json").read_text())
    assert (data["complete"], data["graded"], data["submissions"]) == (False, 1, 21)
    assert data["students"][0]["earned"] == 100
