"""What a folder or a zip holds: whose each file is, what is left out and why, and that nothing stays behind."""

from __future__ import annotations

import os
import unicodedata
import zipfile
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullstack_llm.grading.intake import names, quotas, submissions
from fullstack_llm.grading.intake.submissions import natural, opened
from fullstack_llm.grading.machine.errors import GraderError


def made(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"{}")
    return root


def zipped(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"{}")
    return path


def students(root: Path, **more: object) -> dict[str, list[str]]:
    with opened(root, **more) as found:  # type: ignore[arg-type]
        return {one.student: [file.name for file in one.files] for one in found.submissions}


def test_the_first_folder_is_a_student_and_so_is_a_file_in_the_root(tmp_path: Path) -> None:
    made(tmp_path, "ada/lab.ipynb", "ada/deep/er/lab (10).ipynb", "ada/deep/er/lab (9).ipynb", "bo.ipynb", "bo.py")
    assert students(tmp_path) == {
        "ada": ["ada/deep/er/lab (9).ipynb", "ada/deep/er/lab (10).ipynb", "ada/lab.ipynb"],
        "bo": ["bo.ipynb", "bo.py"],
    }


def test_a_zip_of_a_student_is_a_folder_of_that_name(tmp_path: Path) -> None:
    zipped(tmp_path / "ada.zip", "hw/lab.ipynb")
    zipped(tmp_path / "bo" / "HW.ZIP", "lab.ipynb", "more/lab.py")
    made(tmp_path, "ada/late.ipynb")
    assert students(tmp_path) == {
        "ada": ["ada.zip/hw/lab.ipynb", "ada/late.ipynb"],
        "bo": ["bo/HW.ZIP/lab.ipynb", "bo/HW.ZIP/more/lab.py"],
    }


def test_a_zip_of_a_class(tmp_path: Path) -> None:
    path = zipped(tmp_path / "class.zip", "ada/lab.ipynb", "bo/lab.ipynb", "cy.py")
    assert students(path) == {"ada": ["ada/lab.ipynb"], "bo": ["bo/lab.ipynb"], "cy": ["cy.py"]}
    # The folder that a zip was made from is no student, unless a rule of one's own says otherwise.
    path = zipped(tmp_path / "class.zip", "week 3/ada/lab.ipynb", "week 3/bo.ipynb")
    assert list(students(path)) == ["ada", "bo"]
    assert list(students(path, owner_of=lambda name: name.parts[0])) == ["week 3"]
    # Whether a folder is the class's is told by all that it holds.
    path = zipped(tmp_path / "class.zip", "ada/lab.ipynb", "ada/notes.ipynb", "bo/lab.docx", "__MACOSX/x/y.py")
    assert students(path) == {"ada": ["ada/lab.ipynb", "ada/notes.ipynb"], "bo": []}


def test_the_folder_of_one_student_alone_is_no_class(tmp_path: Path) -> None:
    path = zipped(tmp_path / "class.zip", "ada/00_toy.ipynb", "ada/notes.ipynb")
    assert list(students(path, lab="00_toy")) == ["ada"]
    assert list(students(path)) == ["00_toy", "notes"], "the control: without the lab's name it may be a class"
    assert list(students(zipped(tmp_path / "one.zip", "ada/my.ipynb"))) == ["ada"]
    path = zipped(tmp_path / "two.zip", "week 3/ada_00_toy.ipynb", "week 3/bo_00_toy.ipynb")
    assert list(students(path, lab="00_toy")) == ["ada_00_toy", "bo_00_toy"]


def test_zips_in_the_zip_of_a_class_are_opened_and_those_in_them_are_not(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", "hw/lab.ipynb").read_bytes()
    with zipfile.ZipFile(tmp_path / "in-two.zip", "w") as file:
        file.writestr("deep.zip", inner)
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as file:
        file.writestr("lovelaceada_101_9001_lab.zip", inner)
        file.writestr("bobo_102_9002_lab.zip", (tmp_path / "in-two.zip").read_bytes())
    with opened(tmp_path / "class.zip", owner_of=names.canvas().owner) as found:
        by_owner = {one.owner: one for one in found.submissions}
        assert [file.name for file in by_owner["101"].files] == ["lovelaceada_101_9001_lab.zip/hw/lab.ipynb"]
        assert by_owner["102"].files == () and "not opened" in by_owner["102"].why


ENDINGS = ["lab.ipynb", ".ipynb", ".lab.ipynb", "lab.ipynb.txt", "lab.ipynb.json", "lab.py", "LAB.IPYNB", "hw.zip"]
LOST = ["essay.pdf", "lab.ipynb.bak", "data.csv"]
PROGRAM = [".venv/lib/x.py", "env/site-packages/y.py", ".ipynb_checkpoints/lab-checkpoint.ipynb", "__pycache__/x.py"]
PEOPLE = ["ada", ".Di Maria", "zo\u00eb", "zoe\u0308", "\u674e \u96f7", "o'neill", "a b c", "venv"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(PEOPLE), st.tuples(st.sets(st.sampled_from(ENDINGS)), st.sampled_from(LOST)), min_size=2
    ),
    st.booleans(),
    st.booleans(),
)
def test_everybody_is_in_one_row(
    tmp_path_factory: pytest.TempPathFactory, people: dict[str, tuple[set[str], str]], zipped_up: bool, top: bool
) -> None:
    root = tmp_path_factory.mktemp("class")
    truth: dict[str, int] = {}
    for person, (handed, lost) in people.items():
        for name in handed:
            (zipped if name.endswith(".zip") else lambda path, _: made(path.parent, path.name))(
                root / "x" / person / "hw 1" / name, "in/lab.ipynb"
            )
        made(root / "x" / person, lost, *PROGRAM)
        one = unicodedata.normalize("NFC", person)
        truth[one] = truth.get(one, 0) + len(handed)
    place = root / "x"
    if zipped_up:
        place = root / "class.zip"
        with zipfile.ZipFile(place, "w") as file:
            for path in (root / "x").rglob("*"):
                if path.is_file():
                    file.write(path, ("top/" if top and len(truth) > 1 else "") + str(path.relative_to(root / "x")))
    with opened(place, lab="00_toy") as found:
        rows = [one.owner for one in found.submissions]
        assert sorted(rows) == sorted(truth)
        for one in found.submissions:
            assert len(one.files) == truth[one.owner]
            assert bool(one.files) != bool(one.why)
        assert sum("environment" in line for line in found.left_out) >= len(people)


def test_names_in_utf_8_that_do_not_say_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "class.zip", "zoXX/lab.ipynb", "bo/lab.ipynb")
    path.write_bytes(path.read_bytes().replace(b"zoXX", "zoë".encode()))
    assert list(students(path)) == ["bo", "zoë"]


def test_two_students_with_one_name_to_show_stay_two(tmp_path: Path) -> None:
    made(tmp_path, "a\n/lab.ipynb", "a\\n/lab.ipynb")
    with opened(tmp_path) as found:
        assert len({one.id for one in found.submissions}) == 2
        assert len({one.student for one in found.submissions}) == 1
        assert all(one.id.isascii() and len(one.id) == 26 for one in found.submissions)


def test_two_spellings_of_one_name_are_one_student(tmp_path: Path) -> None:
    made(tmp_path, "zo\u00eb/lab.ipynb", "zoe\u0308/lab (2).ipynb")
    assert {name: len(files) for name, files in students(tmp_path).items()} == {"zo\u00eb": 2}


def test_an_owner_may_refuse_a_file(tmp_path: Path) -> None:
    def refuse(path: PurePath) -> str:
        raise ValueError("no student, since its name has no number")

    made(tmp_path, "lab.ipynb")
    with opened(tmp_path, owner_of=refuse) as found:
        assert (found.submissions, found.left_out) == ([], ["lab.ipynb: no student, since its name has no number"])


def test_walks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "/".join("abcdefghijklmnopqrst") + "/lab.ipynb", "ada/lab.ipynb")
    with opened(tmp_path) as found:
        assert [(one.student, len(one.files)) for one in found.submissions] == [("ada", 1), ("a", 0)]
        assert "deeper than 16 folders" in found.left_out[0] and "deeper than 16" in found.submissions[1].why
    monkeypatch.setattr(submissions, "MAX_DEPTH", 99)
    assert list(students(tmp_path)) == ["a", "ada"]


@pytest.mark.attack(82)
def test_one_student_takes_no_room_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, *(f"ada/{number}.{kind}" for number in range(20) for kind in ("py", "txt")), "bo.ipynb", "cy/x.py")
    zipped(tmp_path / "dee.zip", *(f"{number}.py" for number in range(20)))
    zipped(tmp_path / "eve.zip", "lab.ipynb")
    for name, value in {"STUDENT_FILES": 10, "STUDENT_UNPACKED": 15, "STUDENT_LINES": 5}.items():
        monkeypatch.setattr(quotas, name, value)
    with opened(tmp_path) as found:
        assert {one.student: len(one.files) for one in found.submissions} == {
            "ada": 10,
            "bo": 1,
            "cy": 1,
            "dee": 7,
            "eve": 1,
        }
        assert len(found.left_out) == 5 + 5 + 2
        assert sorted(found.left_out[-2:]) == ["ada: and 25 files more", "dee: and 8 files more"]
        assert any("larger than 0 MB unpacked" in line for line in found.left_out)
    # In the zip of a class, too.
    path = zipped(tmp_path / "class.zip", *(f"ada/{number}.py" for number in range(20)), "bo.ipynb")
    with opened(path) as found:
        assert {one.student: len(one.files) for one in found.submissions} == {"ada": 7, "bo": 1}


@pytest.mark.control(82)
def test_what_is_too_much_of_all_is_an_error_and_leaves_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, *(f"ada/{number}.py" for number in range(9)), "bo.ipynb")
    monkeypatch.setattr(quotas, "MAX_FILES", 9)
    with pytest.raises(GraderError, match="most of it by ada.*in parts"), opened(tmp_path):
        pass
    (tmp_path / "ada" / "8.py").unlink()
    zipped(tmp_path / "cy.zip", "lab.ipynb")
    monkeypatch.setattr(quotas, "MAX_FILES", 99)
    monkeypatch.setattr(quotas, "MAX_UNPACKED", 1)
    with pytest.raises(GraderError, match="most of it by"), opened(tmp_path):
        pass


@pytest.mark.parametrize("inside", ["turingalan_102_9002_lab.ipynb", "a/turingalan_102_9002_lab.ipynb"])
@pytest.mark.attack(83)
def test_what_is_in_a_students_zip_is_that_students(tmp_path: Path, inside: str) -> None:
    made(tmp_path, "turingalan_102_9001_lab.ipynb")
    zipped(tmp_path / "zusekonrad_103_9003_.zip", inside)
    with opened(tmp_path, owner_of=names.canvas().owner) as found:
        assert {one.owner: len(one.files) for one in found.submissions} == {"102": 1, "103": 1}


def test_what_cannot_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "ada/lab.ipynb", "bo.ipynb", "cy.ipynb")
    zipped(tmp_path / "dee.zip", "lab.ipynb")
    access = os.access
    closed = {str(tmp_path / name) for name in ("bo.ipynb", "dee.zip")}
    # Root may read everything.
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in closed and access(path, mode))
    with opened(tmp_path) as found:
        assert [one.student for one in found.submissions if one.files] == ["ada", "cy"]
        assert [one.student for one in found.submissions if one.why] == ["bo", "dee"]
        assert sorted(line.partition(":")[0] for line in found.left_out) == ["bo.ipynb", "dee.zip"]


def test_links_pipes_and_names_of_bytes_do_no_harm(tmp_path: Path) -> None:
    made(tmp_path, "ada/lab.ipynb")
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "class.zip").symlink_to("/etc/passwd")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.ipynb"))).touch()
    with opened(tmp_path) as found:
        assert sorted(one.student for one in found.submissions if one.files) == ["\\udcff", "ada"]
        assert len(found.left_out) == 3


@pytest.mark.parametrize("how", [None, KeyboardInterrupt, ValueError])
def test_what_was_unpacked_goes(
    how: type[BaseException] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    path = zipped(tmp_path / "class.zip", "ada/lab.ipynb")
    try:
        with opened(path) as found:
            (home,) = private.iterdir()
            assert home.stat().st_mode & 0o077 == 0
            assert found.submissions[0].files[0].path.is_relative_to(home)
            if how:
                raise how
    except (KeyboardInterrupt, ValueError):
        pass
    assert list(private.iterdir()) == []


def test_natural_order() -> None:
    right = ["lab.ipynb", "lab (1).ipynb", "lab (2).ipynb", "LAB (10).ipynb", "lab_3/a.ipynb", "lab_20/a.ipynb"]
    shuffled = right[::-1]
    assert sorted(shuffled, key=natural) == right
    huge = [f"lab {'9' * 6_000}.py", f"lab 1{'0' * 6_000}.py", "lab ².py", "lab ٣.py", ".py", "", "007.py"]
    assert sorted(huge[:2], key=natural) == huge[:2]
    assert len(sorted(huge, key=natural)) == 7
