"""Which of several files of one student is graded: the rule, step by step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from submissions import COUNT, DOUBLE, RIGHT, TWICE, notebook, save

from fullstack_llm.grading.intake.choose import IN_DOUBT, Look, choose
from fullstack_llm.grading.intake.submissions import File, opened
from fullstack_llm.grading.judge.batch import Grader

STUB, HELPER = Look(written=0), Look(defined=0, written=0)
A, OTHER = Look(), Look("01_x")
# Files with what a look at them finds (None: not to be read), the graded one, and how the reasons of the others begin.
RULES: dict[str, tuple[dict[str, Look | None], str, dict[str, str]]] = {
    "one file": ({"x.py": None}, "x.py", {}),
    "the last in natural order": (
        {"a (9).ipynb": A, "a (10).ipynb": A, "a.ipynb": A},
        "a (10).ipynb",
        {"a (9).ipynb": "a later", "a.ipynb": "a later"},
    ),
    "named like the lab": (
        {"00_toy.ipynb": A, "Copy of 00_Toy (1).ipynb": A, "zz.ipynb": Look("00_toy")},
        "Copy of 00_Toy (1).ipynb",
        {"00_toy.ipynb": "a later", "zz.ipynb": "another file is named like"},
    ),
    "another lab drops out first": (
        {"00_toy.ipynb": OTHER, "b.ipynb": A},
        "b.ipynb",
        {"00_toy.ipynb": "it says that it is lab 01_x"},
    ),
    "only other labs": ({"a.ipynb": OTHER, "b.ipynb": OTHER}, "b.ipynb", {"a.ipynb": "a later"}),
    "cannot be read": ({"a.ipynb": A, "b.ipynb": None}, "a.ipynb", {"b.ipynb": "it cannot be read"}),
    "none can be read": ({"a.ipynb": None, "b.ipynb": None}, "b.ipynb", {"a.ipynb": "a later"}),
    "a notebook before a script": ({"a.ipynb": A, "b.py": A}, "a.ipynb", {"b.py": "a notebook goes"}),
    "a script that is named like the lab": ({"a.ipynb": A, "00_toy.py": A}, "00_toy.py", {"a.ipynb": "another"}),
    "a helper": ({"answers.py": A, "utils.py": HELPER}, "answers.py", {"utils.py": "it defines none"}),
    "a stub of a later name": ({"a.ipynb": A, "a-Copy1.ipynb": STUB}, "a.ipynb", {"a-Copy1.ipynb": "it has no answer"}),
    "a script with answers before a stub": ({"00_toy.ipynb": STUB, "my.py": A}, "my.py", {"00_toy.ipynb": "it has no"}),
    "only stubs": ({"a.ipynb": STUB, "b.ipynb": STUB}, "b.ipynb", {"a.ipynb": "a later"}),
    "shallow before deep": (
        {"ada/lab.ipynb": A, "ada/zz/lab.ipynb": A},
        "ada/lab.ipynb",
        {"ada/zz/lab.ipynb": "another file does not lie as deep"},
    ),
    "put away": (
        {"ada/lab.ipynb": A, "ada/lab_original.ipynb": A},
        "ada/lab.ipynb",
        {"ada/lab_original.ipynb": "its name says"},
    ),
}


@pytest.mark.parametrize(("found", "graded", "reasons"), RULES.values(), ids=RULES.keys())
def test_rule(found: dict[str, Look | None], graded: str, reasons: dict[str, str]) -> None:
    files = tuple(File(name, Path(name)) for name in found)
    chosen, others = choose(files, "00_toy", lambda file: found[file.name])
    assert chosen.name == graded
    assert {name for name, _ in others} == reasons.keys()
    assert all(why.startswith(reasons[name]) for name, why in others)
    doubtful = {name for name, why in others if why.endswith(IN_DOUBT)}
    assert doubtful == {name for name in reasons if (seen := found[name]) and seen.written and seen.lab != "01_x"}


def test_a_whole_environment_of_scripts_is_not_read_and_the_notebook_is() -> None:
    scripts = tuple(File(f"{number}.py", Path(f"{number}.py")) for number in range(5_000))
    read: list[File] = []

    def look(file: File) -> Look:
        read.append(file)
        return A if file.name == "0.ipynb" else HELPER

    chosen, others = choose((*scripts, File("0.ipynb", Path("0.ipynb"))), "00_toy", look)
    assert (chosen.name, len(read)) == ("0.ipynb", 20)
    assert len(others) == 51 and others[-1] == ("", "and 4950 files more, of which none counts")


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
        "ada/lab.ipynb": f"a later name counts{IN_DOUBT}",
        "ada/lab (3).ipynb": "it says that it is lab 01_other",
        "ada/lab (4).ipynb": "it cannot be read",
    }
