"""A release holds no answer, its labs check all the same, and nothing that a class must not have gets into it."""

from __future__ import annotations

import io
import json
import posixpath
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fullstack_llm.checks import declared, draws
from fullstack_llm.checks.exercise import source_of
from fullstack_llm.checks.judge import judge_exercise
from fullstack_llm.checks.notebook import _InProcess
from fullstack_llm.lessons import branches, generate, release, safety
from fullstack_llm.lessons.markers import blocks

ROOT = Path(__file__).resolve().parents[2]
LABS = sorted(declared.labs())
BINARY = (".safetensors", ".woff2", ".png")
# Shorter lines, such as `return out`, say nothing.
LONG = 12
pytestmark = pytest.mark.xdist_group("release")


def plain(text: str) -> str:
    return "".join(text.split())


def lines(sources: list[str]) -> set[str]:
    return {line for source in sources for line in map(plain, source.splitlines()) if len(line) >= LONG}


def bodies(functions: list[Any]) -> list[str]:
    """The functions without the line that names them and their arguments, which a lab shows."""
    return [source_of(function).partition("\n")[2] for function in functions]


def answers() -> set[str]:
    """Every line of every solution, right answer, oracle and mistake."""
    sources = []
    for slug in LABS:
        for cell in generate.read(ROOT / "solutions" / f"{slug}.md"):
            if "answer" in cell["metadata"].get("tags", []):
                rows = cell["source"].split("\n")
                sources += ["\n".join(rows[block.start + 1 : block.stop]) for block in blocks(cell["source"])]
        for one in declared.find(slug).declarations:
            mistakes = [edit for _, edit in one.table if callable(edit)]
            sources += bodies([one.oracle, *one.uses, *one.others, *mistakes])
    return lines(sources)


def strings(value: Any) -> Iterator[str]:
    """Every string of a notebook or another JSON value, keys and metadata included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in strings(one))
    elif isinstance(value, list):
        yield "".join(one for one in value if isinstance(one, str))
        yield from (text for one in value for text in strings(one))


def texts(name: str, content: bytes) -> Iterator[str]:
    """What can be read in a file: its text, that of a notebook's cells, that of a zip's members."""
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from texts(member, archive.read(member))
    elif not name.endswith(BINARY):
        text = content.decode("utf-8", "replace")
        yield text
        if name.endswith((".ipynb", ".json")):
            yield from strings(json.loads(text))


def leaks(files: dict[str, bytes], secret: set[str]) -> list[str]:
    found = []
    for name, content in files.items():
        text = "\n".join(map(plain, texts(name, content)))
        found += [f"{name}: {line}" for line in sorted(secret) if line in text]
    return found


def in_folder(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=check, capture_output=True)
    return done.stdout.decode("utf-8", "replace")


def in_branch(folder: Path, branch: str) -> dict[str, bytes]:
    """All that whoever gets the branch has: every object of its history, by the path or the hash."""
    found = {}
    for line in git(folder, "rev-list", "--objects", branch).splitlines():
        sha, _, path = line.partition(" ")
        kind = git(folder, "cat-file", "-t", sha).strip()
        if kind != "tree":
            command = ["git", "cat-file", kind, sha]
            content = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout
            found[path or f"{kind} {sha}"] = content
    return found


@pytest.fixture(scope="module")
def files() -> release.Files:
    """The release of the course as it is."""
    return release.collected(ROOT)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a solution in its history."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", "-b", "main")
    for name, value in {"user.name": "Ada", "user.email": "ada@example.org", "commit.gpgsign": "false"}.items():
        git(folder, "config", name, value)
    (folder / "solutions").mkdir()
    (folder / "solutions" / "03_tokenization.md").write_text((ROOT / "solutions" / "03_tokenization.md").read_text())
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "course")
    return folder


@pytest.fixture(scope="module")
def handed_out(files: release.Files, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release as a folder, as a zip beside it, and as a branch of the repository."""
    place = tmp_path_factory.mktemp("handed out")
    release.to_folder(place, "course", files)
    release.to_zip(place, "course.zip", files)
    branches.commit(repository, "release", files)
    return place / "course"


@pytest.fixture(scope="module")
def taught(files: release.Files) -> str:
    """What the course itself shows: chapters, notebooks, the package without the checks, and the labs' own text."""
    shown = {
        name: path.read_bytes()
        for name in files
        if (path := ROOT / name).is_file() and not name.startswith(f"{release.LABS}/m")
    }
    return "\n".join(plain(text) for name, content in shown.items() for text in texts(name, content))


@pytest.fixture(scope="module")
def secret(taught: str) -> set[str]:
    """Lines of answers that no page, notebook or package teaches."""
    return {line for line in answers() if line not in taught}


def test_few_lines_of_answers_are_taught(secret: set[str]) -> None:
    every = answers()
    assert len(every) > 600
    assert len(secret) > 0.94 * len(every), sorted(every - secret)


def test_no_kind_of_release_holds_a_line_of_an_answer(
    handed_out: Path, repository: Path, files: release.Files, secret: set[str]
) -> None:
    folder = in_folder(handed_out)
    assert folder == {name: content for name, (content, _) in files.items()}
    assert folder == in_zip(handed_out.parent / "course.zip")
    branch = in_branch(repository, "release")
    assert git(repository, "ls-tree", "-r", "-z", "--name-only", "release").strip("\0").split("\0") == sorted(folder)
    # Of equal files there is one object, under one of their names; beside the files there is the commit.
    assert {content for name, content in branch.items() if name in folder} == {*folder.values()}
    assert set(branch) - set(folder) == {f"commit {git(repository, 'rev-parse', 'release').strip()}"}
    assert leaks(branch, secret) == []
    assert not [name for name in branch if name.startswith(("solutions/", "tests/"))]


def notebook(source: str, **metadata: str) -> bytes:
    cell = {"cell_type": "code", "metadata": metadata, "source": source.splitlines(keepends=True)}
    return json.dumps({"cells": [cell]}).encode()


def zipped(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", text)
    return out.getvalue()


PLANTS: dict[str, Callable[[str], tuple[str, bytes]]] = {
    "a text": lambda line: ("book/x.md", f"See\n\n    {line}\n".encode()),
    "a notebook's cell": lambda line: ("labs/x.ipynb", notebook(f"def f():\n    {line}\n")),
    "a notebook's metadata": lambda line: ("labs/x.ipynb", notebook("1", hint=line)),
    "a zip": lambda line: ("src/recorded.zip", zipped(line)),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_control_a_planted_line_is_found(plant: Callable[[str], tuple[str, bytes]], secret: set[str]) -> None:
    line = 'merged, quoted = "a \\" b", [pair for pair in pairs]'
    assert leaks(dict([plant(line)]), secret) == []
    assert leaks(dict([plant(line)]), secret | {plain(line)}) == [f"{plant(line)[0]}: {plain(line)}"]


def test_control_the_course_itself_and_its_history_hold_answers(repository: Path, secret: set[str]) -> None:
    assert len(leaks(in_branch(repository, "main"), secret)) > 50
    package = {path.name: path.read_bytes() for path in (declared.FOLDER / "m03_tokenization").glob("*.py")}
    assert len(leaks(package, secret)) > 100


def test_a_branch_has_no_history_but_releases(handed_out: Path, repository: Path, files: release.Files) -> None:
    first = git(repository, "rev-parse", "release")
    assert "up to date" in branches.commit(repository, "release", files)
    assert git(repository, "rev-parse", "release") == first
    branches.commit(repository, "release", files | {"book/new.md": (b"new", False)})
    assert git(repository, "rev-parse", "release^") == first
    assert git(repository, "rev-list", "release").split()[-1] == first.strip()
    assert git(repository, "status", "--porcelain") == ""
    for name in ("main", "..", "-x", "refs/heads/x"):
        with pytest.raises(branches.BranchError, match=r"OUT="):
            branches.commit(repository, name, files)


def test_every_name_at_the_top_is_taken_or_left() -> None:
    known = {path.parts[0] for path in release._known(ROOT)}
    assert known - release.TAKEN - release.LEFT == set()
    assert not release.TAKEN & release.LEFT


def test_what_pages_and_hubs_read_is_in_the_release(files: release.Files) -> None:
    pages = {name: content.decode() for name, (content, _) in files.items() if re.fullmatch(r"book/\w+\.md", name)}
    read = {
        posixpath.normpath(f"book/{path}")
        for text in pages.values()
        for path in re.findall(r"^```\{(?:literal)?include\} (\S+)", text, flags=re.M)
    }
    hub = "".join(files[name][0].decode() for name in ("environment.yml", "postBuild"))
    read |= set(re.findall(r"requirements[\w-]*\.lock", hub))
    assert read > {"deploy/jupyterhub/values.yaml", "requirements.lock"}
    assert read - set(files) == set()


RUN = """
import contextlib, io, json, sys
import fullstack_llm
book = json.load(open(sys.argv[1]))
names = {"__name__": "__main__"}
shown = []
for cell in book["cells"]:
    if cell["cell_type"] == "code" and cell["id"] != "install":
        source = "".join(cell["source"])
        if cell["id"] == "answer-merge_pair":
            source = sys.argv[2]
        if cell["id"] == "check-merge_pair":
            source = f"shown = str({source})"
        elif cell["id"].startswith("check-"):
            continue
        exec(compile(source, cell["id"], "exec"), names)
print(json.dumps([fullstack_llm.__file__, names["shown"]]))
"""
WRONG = "def merge_pair(ids, pair, new_id, skip):\n    return ids"
RIGHT = """
def merge_pair(ids, pair, new_id, skip):
    out = []
    for place, one in enumerate(ids):
        if out and out[-1] is None:
            out[-1] = new_id
        elif place + 1 < len(ids) and (one, ids[place + 1]) == tuple(pair) and place not in set(skip):
            out.append(None)
        else:
            out.append(one)
    return out
"""


def in_release(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    from os import environ

    there = environ | {"PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=there, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize(("answer", "said"), [(RIGHT, "10 of 10 points"), (WRONG, "0 of 10 points")])
def test_a_released_lab_opens_and_checks(handed_out: Path, answer: str, said: str) -> None:
    done = in_release(handed_out, "-c", RUN, "labs/03_tokenization.ipynb", answer)
    assert done.returncode == 0, done.stderr
    where, shown = json.loads(done.stdout.splitlines()[-1])
    assert Path(where).is_relative_to(handed_out)
    assert said in shown
    if answer == WRONG:
        assert "This is `ids`, as it came in." in shown or "The list comes back as it was" in shown


COMMANDS = {
    "a class needs the answers": (
        ["fullstack_llm.grading", "grade", "labs", "--lab", "03_tokenization", "--key", "x", "--out", "grades"],
        "without answers",
    ),
    "there is no catalogue": (["fullstack_llm.checks", "mistakes", "03_tokenization"], "without answers"),
    "a release makes no release": (["fullstack_llm.lessons.release"], "nothing to leave out"),
}


@pytest.mark.parametrize(("command", "sentence"), COMMANDS.values(), ids=COMMANDS.keys())
def test_what_a_release_cannot_do_is_a_sentence(handed_out: Path, command: list[str], sentence: str) -> None:
    # The grader starts itself again without PYTHONPATH's folder in front only for what lies in the working folder.
    done = in_release(handed_out, "-P", "-s", "-m", *command)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert sentence in done.stderr


@pytest.mark.parametrize(
    "slug", [slug if slug == "03_tokenization" else pytest.param(slug, marks=pytest.mark.full) for slug in LABS]
)
def test_a_release_gives_the_verdicts_and_hints_of_the_course(handed_out: Path, slug: str) -> None:
    ours, theirs = declared.find(slug), declared.find(slug, handed_out / release.LABS)
    assert all(one.recorded for one in theirs.declarations)
    seeds = draws.seeds(ours)
    assert seeds == draws.seeds(theirs)
    assert [one.arguments for one in ours.declarations] == [one.arguments for one in theirs.declarations]
    hints = 0
    for one in ours.declarations:
        for function in [one.oracle, *one.others, *(function for function, _ in one.mistaken)]:
            said, here = (judge_exercise(lab, one.name, _InProcess(function), seeds) for lab in (ours, theirs))
            assert str(said) == str(here)
            assert said == here
            hints += said.earned < one.points
    assert hints > 40


def course(root: Path) -> Path:
    """A small course in git, generated."""
    from fullstack_llm.lessons.__main__ import main

    assert main(["--root", str(root)]) == 0
    (root / "README.md").write_text("The course.")
    (root / ".gitignore").write_text("_build/\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "course")
    return root


def test_what_git_does_not_know_stays_here(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    course(root)
    (root / "labs" / "spring.key").write_text("secret")
    (root / "src").mkdir()
    (root / "src" / "grades.csv").write_text("ada,100")
    assert release.main(["--root", str(root)]) == 0
    assert set(in_folder(root / "_build" / "release")) == {
        *("README.md", "RELEASED.md", "_config.yml", ".gitignore", "labs/00_demo.ipynb"),
        *("notebooks/00_demo.md", "notebooks/00_demo.ipynb"),
    }
    assert "https://example.org/course at main" in capsys.readouterr().out
    # A second release replaces the first, and nothing else.
    assert release.main(["--root", str(root)]) == 0
    assert release.main(["--root", str(root), "--out", "labs"]) == 2
    assert release.main(["--root", str(root), "--out", "."]) == 2
    assert "is no release" in capsys.readouterr().err
    assert (root / "labs" / "00_demo.ipynb").is_file()


def test_an_answer_in_a_lab_stops_the_release(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    course(root)
    lab = root / "labs" / "00_demo.ipynb"
    text = lab.read_text()
    lab.write_text(text.replace("raise NotImplementedError", "return 2 * x  # "))
    assert lab.read_text() != text and not safety.untouched(lab)
    assert release.main(["--root", str(root), "--kind", "zip"]) == 2
    assert "labs/00_demo.ipynb differs from its source" in capsys.readouterr().err
    assert not (root / "_build").exists()
