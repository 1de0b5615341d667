"""The account of `make check`: it adds up, marks what is above its budget, and knows what belongs to which module."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import areas
import modules
import pytest
import seconds

ACCOUNT = {
    "stages": [
        {"name": "mypy", "cpu": 40.0, "seconds": 50.0},
        {"name": "pytest", "cpu": 300.0, "seconds": 150.0},
    ],
    "areas": [
        {"area": "labs", "module": "03", "cpu": 30.0},
        {"area": "labs", "module": "", "cpu": 5.0},
        {"area": "package tests", "module": "03", "cpu": 50.0},
        {"area": "browser", "module": "03", "cpu": 21.0},
        {"area": "browser", "module": "01", "cpu": 20.0},
        {"area": "grading", "module": "03", "cpu": 99.0},
        {"area": "house", "module": "", "cpu": 35.0},
    ],
}
RECORD = {
    "notebooks": {
        "notebooks/03a_x.md": {"cpu_seconds": 60.0},
        "notebooks/03b_x.md": {"cpu_seconds": 20.0},
        "notebooks/01_x.md": {"cpu_seconds": 160.0},
    }
}


ORPHAN = "import time; begin = time.process_time()\nwhile time.process_time() < begin + 0.3: pass"


def test_the_tables_add_up() -> None:
    stages, tests, of_modules = (rows for _, _, rows in seconds.tables(ACCOUNT, RECORD))
    assert stages == [["mypy", "40", "50"], ["pytest", "300", "150"], ["all", "340", "200"]]
    assert tests[:2] == [["grading", "99"], ["package tests", "50"]]
    assert tests[-1] == [seconds.ORPHANS, "40"]
    assert sum(float(row[1]) for row in tests) == 300
    assert of_modules == [
        ["01", "160", "0", "0", "20", "180", "180"],
        ["03", "80", "30", "50", "21", "181", "180: over"],
    ]


def test_a_module_on_serving_may_cost_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seconds, "LARGE_MODULES", {"03"})
    assert seconds.tables(ACCOUNT, RECORD)[2][2][1][-1] == "240"


def test_an_account_is_kept_by_stages_and_closed(tmp_path: Path) -> None:
    tool = Path(seconds.__file__)

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, tool, *arguments], cwd=tmp_path, capture_output=True, text=True)

    assert call("stage", "apart", "true").returncode == 0  # without an open account nothing is written
    assert not (tmp_path / seconds.OPEN).exists()
    call("begin")
    work = "sum(range(10**7))\nimport subprocess, sys\nsubprocess.run([sys.executable, '-c', 'sum(range(10**7))'])"
    assert call("stage", "work", sys.executable, "-c", work).returncode == 0
    assert call("stage", "fails", "false").returncode == 1
    assert not (tmp_path / seconds.DONE).exists()
    said = call("end").stdout
    account = json.loads((tmp_path / seconds.DONE).read_text())
    assert [row["name"] for row in account["stages"]] == ["work", "fails"]
    assert account["stages"][0]["cpu"] > account["stages"][1]["cpu"]
    call("begin")
    orphan = f"({sys.executable} -c '{ORPHAN}' & echo $! > pid)"
    call("stage", "orphan", "sh", "-c", f"{orphan}; while kill -0 $(cat pid) 2>&-; do sleep 0.1; done")
    assert json.loads((tmp_path / seconds.OPEN).read_text())["stages"][0]["cpu"] > 0.2
    (tmp_path / seconds.OPEN).unlink()
    assert "== Stages" in said and "work" in said
    assert not (tmp_path / seconds.OPEN).exists()


def test_what_tests_used_is_added_by_area_and_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        seconds.add_areas([{"area": "labs", "module": "03", "cpu": 1.5}, {"area": "labs", "module": "", "cpu": 1.0}])
    assert seconds.load(seconds.OPEN)["areas"] == [
        {"area": "labs", "module": "", "cpu": 2.0},
        {"area": "labs", "module": "03", "cpu": 3.0},
    ]


def test_the_account_of_a_process_counts_its_children() -> None:
    account = areas.Account()
    account.close(("start", ""))
    subprocess.run([sys.executable, "-c", "sum(range(3 * 10**7))"], check=True)
    account.close(("work", "03"))
    account.close(("nothing", ""))
    start, work, nothing = (row["cpu"] for row in account.rows())
    assert start > 0 and work > 0.1 and nothing < work


@pytest.mark.parametrize(
    ("test", "wanted"),
    {
        "tests/browser/test_pages.py::test_page[notebooks/04a_attention.html]": ("browser", "04"),
        "tests/browser/test_pages.py::test_page[book/intro.html]": ("browser", ""),
        "tests/labs/test_labs.py::test_x[03_tokenization-reference]": ("labs", "03"),
        "tests/transformer/test_transformer_fit.py::test_x": ("package tests", "04"),
        "src/fullstack_llm/transformer/masks.py::fullstack_llm.transformer.masks": ("package tests", "04"),
        "tests/grading/attacks/test_hostile.py::test_x[A-03_tokenization]": ("attacks", "03"),
        "tests/grading/reports/test_runs.py::test_x": ("grading", ""),
        "tests/experiments/test_m04_trials.py::test_x": ("package tests", "04"),
        "tests/labs/test_m03.py::test_x": ("labs", "03"),
        "tests/test_plotting.py::test_x": ("house", ""),
        "tests/test_x.py::test_x[77_none]": ("house", ""),
    }.items(),
)
def test_a_test_has_an_area_and_perhaps_a_module(test: str, wanted: tuple[str, str]) -> None:
    assert areas.key(test) == wanted


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Two modules; the second uses a subject of the first."""
    files = {
        "book/01_first.md": "",
        "book/02_second.md": "",
        "book/02a_part.md": "",
        "notebooks/01_first.md": "```{code-cell} python\n:tags: [x]\nfrom fullstack_llm import one, plotting\n```\n",
        "notebooks/02a_part.md": "```{code-cell} python\nfrom fullstack_llm.two import deep\n```\n",
        "src/fullstack_llm/__init__.py": "",
        "src/fullstack_llm/one.py": "",
        "src/fullstack_llm/plotting.py": "",
        "src/fullstack_llm/two/__init__.py": "",
        "src/fullstack_llm/two/deep.py": "from fullstack_llm import one",
        "src/fullstack_llm/experiments/m02_trial.py": "",
        "tests/test_one.py": "",
        "tests/two/test_deep.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_subject_belongs_to_the_first_module_that_uses_it(course: Path) -> None:
    assert modules.slugs(course) == {"01": "01_first", "02": "02_second"}
    assert modules.subjects(course) == {"one": "01", "two": "02"}
    assert modules.tests(course, "01") == ["tests/test_one.py", "src/fullstack_llm/one.py"]
    assert modules.tests(course, "02") == [
        "src/fullstack_llm/experiments/m02_trial.py",
        "tests/two",
        "src/fullstack_llm/two",
    ]


def test_one_module_is_checked_with_what_is_its_own(course: Path) -> None:
    told = [" ".join(command) for command in modules.steps(course, "02_second")]
    assert any(line.endswith("fullstack_llm.lessons.execute notebooks/02a_part.md") for line in told)
    assert any("tests/labs -k 02_second" in line for line in told)
    assert any("tests/two" in line and "tests/test_one.py" not in line for line in told)
    assert any("tests/browser/test_pages.py -k /02" in line for line in told)
    assert not any("01" in line for line in told)


def test_an_unknown_module_is_a_sentence_that_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert modules.main(["99_none"], call=lambda command: pytest.fail("nothing is to be run")) == 2
    said = capsys.readouterr().err
    assert "There is no module '99_none'; there are 01_frameworks, 02_sequence_models, 03_tokenization" in said


def test_the_first_failure_ends_the_check_of_a_module() -> None:
    calls: list[list[str]] = []
    assert modules.main(["03_tokenization"], call=lambda command: len(calls.append(command) or calls) // 3) == 1
    assert len(calls) == 3
