"""Which of several files of one student is graded: the rule, step by step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from submissions import COUNT, DOUBLE, RIGHT, TWICE, notebook, save

from fullstack_llm.grading.intake.choose import choose
from fullstack_llm.grading.intake.submissions import File, opened
from fullstack_llm.grading.judge.batch import Grader

# Files with the labs that they name (None: not to be read), the graded one, and of the others how the reason begins.
RULES: dict[str, tuple[dict[str, str | None], str, dict[str, str]]] = {
    "one file": ({"x.py": None}, "x.py", {}),
    "the last in natural order": (
        {"a (9).ipynb": "", "a (10).ipynb": "", "a.ipynb": ""},
        "a (10).ipynb",
        {"a (9).ipynb": "a later", "a.ipynb": "a later"},
    ),
    "named like the lab": (
        {"00_toy.ipynb": "", "Copy of 00_Toy (1).ipynb": "", "zz.ipynb": "00_toy"},
        "Copy of 00_Toy (1).ipynb",
        {"00_toy.ipynb": "a later", "zz.ipynb": "another file is named like"},
    ),
    "another lab drops out first": (
        {"00_toy.ipynb": "01_x", "b.ipynb": ""},
        "b.ipynb",
        {"00_toy.ipynb": "it says that it is lab 01_x"},
    ),
    "only other labs": ({"a.ipynb": "01_x", "b.ipynb": "01_x"}, "b.ipynb", {"a.ipynb": "a later"}),
    "cannot be read": ({"a.ipynb": "", "b.ipynb": None}, "a.ipynb", {"b.ipynb": "it cannot be read"}),
    "none can be read": ({"a.ipynb": None, "b.ipynb": None}, "b.ipynb", {"a.ipynb": "a later"}),
    "a notebook before a script": ({"a.ipynb": "", "b.py": ""}, "a.ipynb", {"b.py": "a notebook goes"}),
    "a script that is named like the lab": ({"a.ipynb": "", "00_toy.py": ""}, "00_toy.py", {"a.ipynb": "another"}),
}


@pytest.mark.parametrize(("labs", "graded", "reasons"), RULES.values(), ids=RULES.keys())
def test_rule(labs: dict[str, str | None], graded: str, reasons: dict[str, str]) -> None:
    files = tuple(File(name, Path(name)) for name in labs)
    chosen, others = choose(files, "00_toy", lambda file: labs[file.name])
    assert chosen.name == graded
    assert {name for name, _ in others} == reasons.keys()
    assert all(why.startswith(reasons[name]) for name, why in others)


def test_a_whole_environment_of_scripts_is_not_read() -> None:
    files = tuple(File(f"{number}.py", Path(f"{number}.py")) for number in range(5_000))
    read: list[File] = []
    chosen, others = choose(files, "00_toy", lambda file: read.append(file) or "")
    assert (chosen.name, len(others), len(read)) == ("4999.py", 4_999, 20)


def test_the_time_of_a_file_decides_nothing(grader: Grader, tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    newest = save(tmp_path / "ada" / "lab.ipynb", RIGHT)
    save(tmp_path / "ada" / "lab (2).ipynb", [TWICE, DOUBLE])
    save(tmp_path / "ada" / "lab (3).ipynb", notebook([COUNT], metadata={"fullstack_llm": {"lab": "01_other"}}))
    (tmp_path / "ada" / "lab (4).ipynb").write_text("{")
    os.utime(newest, (2e9, 2e9))
    with opened(tmp_path) as found:
        done = grader.grade_student(found.submissions[0])
    assert (done.file.name, done.result.earned) == ("ada/lab (2).ipynb", 40)
    assert dict(done.others) == {
        "ada/lab.ipynb": "a later name counts",
        "ada/lab (3).ipynb": "it says that it is lab 01_other",
        "ada/lab (4).ipynb": "it cannot be read",
    }
