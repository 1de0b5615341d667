"""The page for instructors is followed line by line: every command on it, in order, for a class of three."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fullstack_llm.lessons import generate

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "teaching.md").read_text("utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.M | re.S)
SLUG = "03_tokenization"
# A stand-in, since a test installs nothing: the environment's Python is that of the course which is tested.
MAKE = """#!/bin/sh
mkdir -p .venv/bin && touch .venv/.ready
printf '#!/bin/sh\\nexec {python} "$@"\\n' > .venv/bin/python && chmod +x .venv/bin/python
case "$1" in env | nbgrader-env) exit 0 ;; esac
exec {make} -o .venv/.ready "$@"
"""
pytestmark = pytest.mark.xdist_group("teaching page")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def answered(path: Path, exercises: set[str]) -> bytes:
    """The lab with the solution's answers to some exercises."""
    answers = {
        cell["metadata"]["exercise"]: cell["source"]
        for cell in generate.read(ROOT / "solutions" / f"{SLUG}.md")
        if "answer" in cell["metadata"].get("tags", [])
    }
    book = json.loads(path.read_text("utf-8"))
    for cell in book["cells"]:
        exercise = cell["metadata"].get("exercise")
        if exercise in exercises and cell["id"].startswith("answer-"):
            cell["source"] = answers[exercise]
    return json.dumps(book).encode()


def hand_in(folder: Path) -> None:
    """Put into the folder what an instructor downloads: the gradebooks of a class of three, and what two handed in."""
    lab = folder / "labs" / f"{SLUG}.ipynb"
    with zipfile.ZipFile(folder / "submissions.zip", "w") as archive:
        archive.writestr(f"lovelaceada_101_9001_{SLUG}.ipynb", answered(lab, {"encode_prompt", "count_pairs"}))
        archive.writestr(f"hoppergrace_LATE_102_9002_{SLUG}-1.ipynb", answered(lab, {"count_pairs"}))
    people = {101: "Lovelace, Ada", 102: "Hopper, Grace", 103: "Noether, Emmy"}
    rows = ["Student,ID,SIS Login ID,Section,Lab 03 (7)", "    Points Possible,,,,100"]
    rows += [f'"{name}",{number},s{number}@example.org,A,' for number, name in people.items()]
    (folder / "canvas_export.csv").write_text("\n".join(rows) + "\n")
    head = "Identifier,Full name,Email address,Grade,Maximum Grade,Last modified (grade),Feedback comments"
    rows = [f'Participant {number},"{name}",s{number}@example.org,,100,-,' for number, name in people.items()]
    (folder / "worksheet.csv").write_text("\n".join([head, *rows]) + "\n")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[subprocess.CompletedProcess[str]]]]:
    """The course's folder at the page's end, and what each block of commands said."""
    home = tmp_path_factory.mktemp("instructor")
    url, branch = generate.repository(ROOT)
    origin, students, programs = home / "origin", home / "students.git", home / "programs"
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (origin / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, origin / name)
    (home / ".gitconfig").write_text(
        "[user]\nname = Ida\nemail = ida@example.org\n[commit]\ngpgsign = false\n[init]\ndefaultBranch = main\n"
        f'[url "{origin}"]\ninsteadOf = {url}\n[url "{students}"]\ninsteadOf = https://github.com/YOUR-CLASS/labs\n'
    )
    programs.mkdir()
    (programs / "make").write_text(MAKE.format(python=sys.executable, make=shutil.which("make")))
    (programs / "sudo").write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    (home / "nbgrader-course").mkdir()
    environment = os.environ | {
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "PY": ".venv/bin/python",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", environment["GIT_CONFIG_GLOBAL"])
        git(origin.parent, "init", "-q", "--bare", str(students))
        git(origin, "init", "-q", "-b", branch)
        git(origin, "add", "-A")
        git(origin, "commit", "-q", "-m", "course")
        course, done = home / url.rsplit("/", 1)[-1], []
        for block in BLOCKS:
            text = block.replace("%repository%", url).replace("%folder%", course.name)
            where = course if course.is_dir() else home
            command = ["bash", "-e", "-o", "pipefail", "-c", text]
            done.append(
                subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
            )
            if len(done) == 1:
                hand_in(course)
        yield course, done


Followed = tuple[Path, list[subprocess.CompletedProcess[str]]]


def said(followed: Followed, words: str) -> subprocess.CompletedProcess[str]:
    """What the block with these words said."""
    (number,) = (number for number, block in enumerate(BLOCKS) if words in block)
    return followed[1][number]


def test_every_block_of_commands_ends_well(followed: Followed) -> None:
    assert len(BLOCKS) >= 10
    for block, done in zip(BLOCKS, followed[1], strict=True):
        if "nbgrader-env" in block and not (ROOT / ".venv-nbgrader" / ".ready").exists():
            # Not set up on this machine: then the command names what sets it up.
            assert done.returncode == 2 and "make nbgrader-env" in done.stderr
        else:
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_what_the_page_names_is_there(followed: Followed) -> None:
    course, _ = followed
    section = PAGE.partition("In `grades/lab03` you find")[2].partition("\n## ")[0]
    names = [name for line in re.findall(r"^- (.*?), ", section, flags=re.M) for name in re.findall(r"`([^`]+)`", line)]
    names += re.findall(r"^- `[^`]+` and `([^`]+)`", section, flags=re.M)
    assert {"index.html", "students/", "class.csv", "class.json", "run.json"} <= set(names)
    for name in names:
        assert (course / "grades" / "lab03" / name).exists(), name
    for written in ("import.csv", "import_moodle.csv", "scores.csv", "feedback/canvas.zip", "spring.key"):
        assert written in PAGE and (course / written).is_file(), written


def test_a_release_is_in_the_students_repository_and_nothing_else(followed: Followed) -> None:
    course, _ = followed
    students = course.parent / "students.git"
    names = git(students, "ls-tree", "-r", "--name-only", "main").splitlines()
    assert f"labs/{SLUG}.ipynb" in names and not any(name.startswith(("solutions", "tests")) for name in names)
    assert git(students, "rev-list", "--count", "--all").strip() == "1"
    lab = git(students, "show", f"main:labs/{SLUG}.ipynb")
    assert "https://github.com/YOUR-CLASS/labs@main" in lab


def test_students_are_told_by_their_names(followed: Followed) -> None:
    course, _ = followed
    graded = said(followed, "--names canvas").stdout
    assert "no submission: 103 Noether, Emmy" in graded
    assert "Handed in late" in (course / "grades/lab03/index.html").read_text("utf-8")
    assert "handed in late" in (course / "scores.csv").read_text("utf-8")
    assert {path.name for path in (course / "feedback/lab03").iterdir()} == {
        "Lovelace Ada 101.zip",
        "Hopper Grace 102.zip",
    }
    with zipfile.ZipFile(course / "feedback/lab03/Lovelace Ada 101.zip") as archive:
        assert archive.namelist() == [f"{SLUG}.html", f"{SLUG}.json"]
    with zipfile.ZipFile(course / "feedback/canvas.zip") as archive:
        names = [f"hoppergrace_LATE_102_9002_{SLUG}-1.ipynb", f"lovelaceada_101_9001_{SLUG}.ipynb"]
        assert sorted(archive.namelist()) == names
        shown = json.loads(archive.read(names[1]))["cells"][0]["source"]
    assert any("encode_prompt: " in line for line in shown)
    assert "The verdicts are those of the report." in said(followed, "replay").stdout


def test_nothing_of_a_class_can_be_committed_by_accident(followed: Followed) -> None:
    course, _ = followed
    assert git(course, "status", "--porcelain") == ""
    ignored = git(course, "status", "--porcelain", "--ignored").splitlines()
    names = (
        "spring.key",
        "submissions.zip",
        "canvas_export.csv",
        "worksheet.csv",
        "import.csv",
        "grades/",
        "feedback/",
    )
    for name in names:
        assert f"!! {name}" in ignored


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("spring.key", True),
        ("keys/autumn.key", True),
        ("submissions.zip", True),
        ("submissions/ada/lab.ipynb", True),
        ("submissions_lab03/ada.ipynb", True),
        ("scores.csv", True),
        ("grades/lab03/index.html", True),
        ("feedback/canvas.zip", True),
        ("course/gradebook.db", True),
        ("labs/03_tokenization.ipynb", False),
        ("src/fullstack_llm/labs/m03_tokenization/recorded.zip", False),
        ("book/_data/attacks.yml", False),
    ],
)
def test_git_ignores_what_a_class_leaves(name: str, ignored: bool) -> None:
    done = subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=ROOT, check=False)
    assert (done.returncode == 0) == ignored
