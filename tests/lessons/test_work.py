"""Students write in copies: made by one command, never replaced once they have been changed."""

import json
import subprocess
from pathlib import Path

import pytest
from myst import ANSWER, CHECK, TITLE

from fullstack_llm.lessons import __main__ as lessons
from fullstack_llm.lessons import work

ROOT = Path(__file__).parents[2]
SECOND = TITLE + "The second version.\n\n" + ANSWER + CHECK


@pytest.fixture
def course(root):
    (root / "solutions" / "00_demo.md").rename(root / "solutions" / "00_lab.md")
    assert lessons.main(["--root", str(root)]) == 0
    return root


def copies(course, *names):
    assert work.main(["--root", str(course), *names]) == 0
    return {path.name for path in (course / "work").iterdir()}


def answer(path):
    nb = json.loads(path.read_text())
    next(cell for cell in nb["cells"] if cell["id"] == "answer-double")["source"] = ["def double(x): return 2 * x"]
    path.write_text(json.dumps(nb, indent=1))
    return path.read_bytes()


def renew(course):
    (course / "solutions" / "00_lab.md").write_text(SECOND)
    assert lessons.main(["--root", str(course)]) == 0


def test_labs_and_notebooks_are_copied_as_they_are(course, capsys):
    assert copies(course) == {"00_lab.ipynb", "00_demo.ipynb"}
    assert (course / "work" / "00_lab.ipynb").read_bytes() == (course / "labs" / "00_lab.ipynb").read_bytes()
    printed = capsys.readouterr().out
    assert "copied: work/00_lab.ipynb" in printed
    assert "fullstack_llm.grading check work/00_lab.ipynb" in printed


def test_a_name_chooses_by_its_beginning(course):
    assert copies(course, "00_l") == {"00_lab.ipynb"}
    assert copies(course, "00") == {"00_lab.ipynb", "00_demo.ipynb"}


def test_an_unknown_name_is_answered_with_those_there_are(course, capsys):
    assert work.main(["--root", str(course), "07"]) == 2
    assert "begins with '07': there are 00_lab, 00_demo." in capsys.readouterr().err
    assert not (course / "work").exists()


def test_a_notebook_named_like_a_lab_stands_beside_it(root):
    assert lessons.main(["--root", str(root)]) == 0
    assert copies(root) == {"00_demo.ipynb", "00_demo-notebook.ipynb"}
    told = json.loads((root / "work" / "00_demo.ipynb").read_text())["metadata"]["fullstack_llm"]
    assert told["lab"] == "00_demo"
    (root / "notebooks" / "00_demo.md").write_text(SECOND.replace("[answer]", "[given]").replace("[check]", "[given]"))
    assert lessons.main(["--root", str(root)]) == 0
    copies(root)
    assert "The second version" in (root / "work" / "00_demo-notebook.ipynb").read_text()


def test_a_changed_copy_is_never_touched(course, capsys):
    copies(course)
    mine = course / "work" / "00_lab.ipynb"
    before = answer(mine)
    copies(course)
    assert mine.read_bytes() == before
    assert "yours, kept: work/00_lab.ipynb\n" in capsys.readouterr().out
    renew(course)
    copies(course)
    assert mine.read_bytes() == before
    assert "labs/00_lab.ipynb has a new version. To get it, rename your file" in capsys.readouterr().out
    mine.rename(mine.with_name("00_lab-old.ipynb"))
    copies(course)
    assert "The second version" in mine.read_text()
    assert mine.with_name("00_lab-old.ipynb").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b"notes"])
def test_a_file_that_is_no_notebook_is_never_touched(course, content):
    (course / "work").mkdir()
    mine = course / "work" / "00_lab.ipynb"
    mine.write_bytes(content)
    copies(course)
    assert mine.read_bytes() == content


def test_control_an_unchanged_copy_is_renewed(course, capsys):
    copies(course)
    renew(course)
    copies(course)
    assert "The second version" in (course / "work" / "00_lab.ipynb").read_text()
    assert "new version: work/00_lab.ipynb" in capsys.readouterr().out


def test_answers_written_into_labs_come_along(course, capsys):
    answer(course / "labs" / "00_lab.ipynb")
    (course / "labs" / "00_lab-Copy1.ipynb").write_bytes((course / "labs" / "00_lab.ipynb").read_bytes())
    copies(course)
    assert "2 * x" in (course / "work" / "00_lab.ipynb").read_text()
    assert "2 * x" in (course / "work" / "00_lab-Copy1.ipynb").read_text()
    assert "grading check work/00_lab.ipynb" in capsys.readouterr().out


def test_the_command_finds_the_course_from_a_folder_below(course, monkeypatch, capsys):
    monkeypatch.chdir(course / "labs")
    assert work.main(["00"]) == 0
    assert (course / "work" / "00_lab.ipynb").is_file()
    monkeypatch.chdir(course.parent)
    assert work.main(["00"]) == 2
    assert "is not the course's repository" in capsys.readouterr().err


def test_generation_leaves_the_copies_alone(course):
    copies(course)
    before = answer(course / "work" / "00_lab.ipynb")
    renew(course)
    assert (course / "work" / "00_lab.ipynb").read_bytes() == before


@pytest.mark.parametrize(
    "name", ["work/03_tokenization.ipynb", "spring.key", "grades/index.html", "submissions.zip", "submissions/a.ipynb"]
)
def test_what_a_class_writes_is_ignored_by_git(tmp_path, name):
    assert ignored(tmp_path, name)


@pytest.mark.parametrize("name", ["labs/03_tokenization.ipynb", "src/work/a.py", "tests/submissions/a.py"])
def test_control_what_belongs_to_the_course_is_not_ignored(tmp_path, name):
    assert not ignored(tmp_path, name)


def ignored(folder, name):
    (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return subprocess.run(["git", "check-ignore", "-q", name], cwd=folder, check=False).returncode == 0
