"""Generation replaces and deletes only what nobody has changed: in a clone, in a fork, without git."""

import json
import shutil
import subprocess

import pytest
from myst import ANSWER, CHECK, HEADER, TITLE

from fullstack_llm.lessons import safety
from fullstack_llm.lessons.__main__ import main

MINE = "def double(x):\n    return 2 * x  # my own"


def git(folder, *arguments):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(root):
    git(root, "add", "-A")
    git(root, "commit", "-qm", "course")


def git_has(folder):
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=False, capture_output=True)
    return found.returncode == 0


def generate(root, *options):
    return main(["--root", str(root), *options])


def without_git(root):
    return root


def clone(root):
    git(root, "init", "-q")
    commit(root)
    return root


def committed_answers(root):
    """A hub's pull commits what a student has written, so HEAD may hold the student's version."""
    clone(root)
    write_answer(root / "labs" / "00_demo.ipynb")
    commit(root)
    return root


def worktree(root):
    clone(root)
    git(root, "worktree", "add", "-q", str(root / "_build" / "other"))
    return root / "_build" / "other"


def submodule(root):
    clone(root)
    above = root.parent / "above"
    above.mkdir()
    git(above, "init", "-q")
    git(above, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(root), "course")
    return above / "course"


def inside_another_repository(root):
    git(root.parent, "init", "-q")
    commit(root.parent)
    return root


PLACES = [without_git, clone, committed_answers, worktree, submodule, inside_another_repository]


@pytest.fixture
def course(root, tmp_path, request):
    """The course as the place that the test names has it: generated once, and a new version of every source waiting."""
    inner = tmp_path / "parent" / "course"
    inner.parent.mkdir()
    inner.mkdir()
    for path in ("notebooks", "solutions", "labs", "_config.yml"):
        shutil.move(root / path, inner / path)
    assert generate(inner) == 0
    place = request.param(inner) if hasattr(request, "param") else clone(inner)
    change_sources(place, "second")
    return place


def change_sources(root, word):
    (root / "notebooks" / "00_demo.md").write_text(HEADER + f"# The {word} version\n")
    (root / "solutions" / "00_demo.md").write_text(TITLE + f"The {word} version.\n\n" + ANSWER + CHECK)


def write_answer(path):
    nb = json.loads(path.read_text())
    next(cell for cell in nb["cells"] if cell["id"] == "answer-double")["source"] = MINE.splitlines(keepends=True)
    path.write_text(json.dumps(nb, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("course", PLACES, indirect=True)
def test_an_answer_survives_and_the_file_beside_it_is_renewed(course, capsys):
    lab, notebook = course / "labs" / "00_demo.ipynb", course / "notebooks" / "00_demo.ipynb"
    write_answer(lab)
    before = lab.read_bytes()
    assert generate(course) == generate(course) == 0
    assert lab.read_bytes() == before
    assert "The second version" in notebook.read_text()
    printed = capsys.readouterr().out
    assert "kept: labs/00_demo.ipynb differs" in printed
    assert "move your file to another folder and run this command again" in printed
    lab.rename(course / "mine.ipynb")
    assert generate(course) == 0
    assert "The second version" in lab.read_text()


@pytest.mark.parametrize("course", [place for place in PLACES if place is not committed_answers], indirect=True)
def test_control_an_untouched_lab_is_renewed(course):
    assert generate(course) == 0
    assert "The second version" in (course / "labs" / "00_demo.ipynb").read_text()
    assert generate(course, "--check") == 0


def test_a_maintainer_overwrites_what_generation_wrote_before(course):
    lab = course / "labs" / "00_demo.ipynb"
    for word in ("second", "third", "fourth"):
        change_sources(course, word)
        assert generate(course) == 0
        assert f"The {word} version" in lab.read_text()


@pytest.mark.parametrize("change", ["output", "own cell", "run", "no notebook", "empty", "other bytes"])
def test_whatever_was_changed_is_kept(course, change):
    lab = course / "labs" / "00_demo.ipynb"
    nb = json.loads(lab.read_text())
    if change == "output":
        nb["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["6\n"]}]
    elif change == "own cell":
        nb["cells"].append({"cell_type": "markdown", "id": "mine", "metadata": {}, "source": ["a thought"]})
    elif change == "run":
        nb["cells"][2]["execution_count"] = 1
    content = {"no notebook": b"[1]", "empty": b"", "other bytes": b"\xff\x00"}.get(change, json.dumps(nb).encode())
    lab.write_bytes(content)
    assert generate(course) == 0
    assert lab.read_bytes() == content
    assert generate(course, "--check") == 1


@pytest.mark.parametrize("change", ["line ends", "indentation", "kernel"])
def test_control_what_no_person_wrote_does_not_protect_a_file(course, change):
    lab = course / "labs" / "00_demo.ipynb"
    text = lab.read_text()
    if change == "line ends":  # as git writes them on Windows
        lab.write_bytes(text.replace("\n", "\r\n").encode())
    else:  # as an editor writes a file that was opened and saved
        nb = json.loads(text)
        nb["metadata"]["language_info"]["version"] = "3.11.2"
        lab.write_text(json.dumps(nb, indent=None if change == "indentation" else 1))
    assert generate(course) == 0
    assert "The second version" in lab.read_text()


def test_line_ends_alone_are_no_drift(root):
    generate(root)
    lab = root / "labs" / "00_demo.ipynb"
    lab.write_bytes(lab.read_bytes().replace(b"\n", b"\r\n"))
    assert generate(root, "--check") == 0


@pytest.mark.parametrize("course", PLACES, indirect=True)
@pytest.mark.parametrize("name", ["00_demo-Copy1.ipynb", "Untitled.ipynb", "98_other.ipynb"])
@pytest.mark.parametrize("folder", ["labs", "notebooks"])
def test_a_notebook_that_generation_did_not_write_survives(course, folder, name, capsys):
    path = course / folder / name
    shutil.copy(course / folder / "00_demo.ipynb", path)  # a copy has the cells, and another name
    assert generate(course) == 0
    assert path.is_file()
    assert f"kept: {folder}/{name} was not generated here. If it is your own work, keep it in work/" in (
        capsys.readouterr().out
    )
    assert generate(course, "--check") == 1


@pytest.mark.parametrize("folder", ["labs", "notebooks"])
@pytest.mark.parametrize("course", [clone, worktree, submodule, inside_another_repository], indirect=True)
def test_an_orphan_of_the_generator_is_removed_when_its_source_was_renamed(course, folder, capsys):
    generate(course)
    sources = course / ("solutions" if folder == "labs" else folder)
    (sources / "00_demo.md").rename(sources / "01_demo.md")
    assert generate(course) == 0
    assert not (course / folder / "00_demo.ipynb").exists()
    assert (course / folder / "01_demo.ipynb").is_file()
    assert f"removed: {folder}/00_demo.ipynb" in capsys.readouterr().out
    assert generate(course, "--check") == 0


def test_control_an_orphan_with_an_answer_stays(course):
    lab = course / "labs" / "00_demo.ipynb"
    write_answer(lab)
    (course / "solutions" / "00_demo.md").rename(course / "solutions" / "01_demo.md")
    assert generate(course) == 0
    assert MINE.splitlines()[1] in lab.read_text()


def test_without_git_an_orphan_stays_and_is_named(root, capsys):
    generate(root)
    (root / "solutions" / "00_demo.md").rename(root / "solutions" / "01_demo.md")
    assert generate(root) == 0
    assert (root / "labs" / "00_demo.ipynb").is_file()
    assert "kept: labs/00_demo.ipynb has no source here; delete it yourself" in capsys.readouterr().out
    assert generate(root, "--check") == 1


def test_a_machine_without_git_deletes_nothing(course, monkeypatch):
    generate(course)
    (course / "solutions" / "00_demo.md").rename(course / "solutions" / "01_demo.md")
    monkeypatch.setenv("PATH", "")
    assert generate(course) == 0
    assert (course / "labs" / "00_demo.ipynb").is_file()
    monkeypatch.undo()
    assert generate(course) == 0
    assert not (course / "labs" / "00_demo.ipynb").exists()


@pytest.mark.parametrize("course", PLACES, indirect=True)
@pytest.mark.parametrize("left", ["no folder", "an empty folder", "no solution of this lab, committed"])
def test_a_fork_without_solutions_keeps_its_labs(course, left):
    lab, solutions = course / "labs" / "00_demo.ipynb", course / "solutions"
    before = lab.read_bytes()
    shutil.rmtree(solutions)
    if left != "no folder":
        solutions.mkdir()
    if "committed" in left:
        (solutions / "01_demo.md").write_text(TITLE + ANSWER + CHECK)
        if git_has(course):
            commit(course)
    assert generate(course) == 0
    assert lab.read_bytes() == before
    assert "The second version" in (course / "notebooks" / "00_demo.ipynb").read_text()
    assert generate(course, "--check") == 1


def test_an_interrupted_write_leaves_the_old_file(course, monkeypatch):
    lab = course / "labs" / "00_demo.ipynb"
    lab.chmod(0o640)
    before = lab.read_bytes()
    monkeypatch.setattr(safety.Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        generate(course)
    assert lab.read_bytes() == before
    monkeypatch.undo()
    assert generate(course) == 0
    assert "The second version" in lab.read_text()
    assert lab.stat().st_mode & 0o777 == 0o640
    assert not [path.name for path in lab.parent.iterdir() if path.suffix != ".ipynb"]
