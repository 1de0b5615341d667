"""Classes as each system lays them out, whose truth is known: every person is in one row, with every file."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullstack_llm.grading.intake import names, submissions
from fullstack_llm.grading.intake.roster import Person, compare
from fullstack_llm.grading.intake.submissions import opened

LAB = "00_toy"
# Names that look like numbers, like other students' files, and like the patterns themselves.
NAMES = ("Ada Lovelace", "Zoë Ko", "Zoe\u0308 Ko", "Bo 7", "Ann-Mary Smith", "李 小龙", "Ada Lovelace", "O'Neil - Tim")
# What people hand in, hostile names among it; each of these can be graded.
FILES = (
    "00_toy.ipynb",
    "Copy of 00_toy (2).ipynb",
    ".ipynb",
    ".00_toy.ipynb",
    "lab.ipynb.json",
    "lab.IPYNB.txt",
    "solution.py",
    "turingalan_102_9001_00_toy.ipynb",
    "Bo_11_assignsubmission_file_00_toy.ipynb",
    "x_adal_attempt_2026-01-01-01-01-01_00_toy.ipynb",
    "1-2 - Bo - Nov 1, 2026 100 PM - 00_toy.ipynb",
)
LOST = ("notes.docx", "", "data.csv")


@dataclass(frozen=True)
class Handed:
    """One student: the id of the system, the name, whether it was late, the files that count, and one that cannot."""

    number: int
    name: str
    late: bool
    files: tuple[str, ...]
    lost: str


def canvas(one: Handed, name: str, index: int) -> str:
    letters = "".join(filter(str.isalnum, one.name.casefold()))
    return f"{letters}_{'LATE_' * one.late}{one.number}_{9000 + index}_{name}"


def moodle(one: Handed, name: str, index: int) -> str:
    return f"{one.name}_{one.number}_assignsubmission_file/{name}"


def gradescope(one: Handed, name: str, index: int) -> str:
    return f"submission_{one.number}/{name}"


def nbgrader(one: Handed, name: str, index: int) -> str:
    return f"submitted/{one.number}/{LAB}/{name}"


def blackboard(one: Handed, name: str, index: int) -> str:
    return f"Lab_0 toy_{one.number}_attempt_2026-11-30-23-59-{index:02}_{name}"


def brightspace(one: Handed, name: str, index: int) -> str:
    return f"{one.number}-77 - {one.name} - Nov 30, 2026 1159 PM/{name}"


def plain(one: Handed, name: str, index: int) -> str:
    return f"{one.number}/hw 1/{name}"


LAYOUTS = {one.__name__: one for one in (canvas, moodle, gradescope, nbgrader, blackboard, brightspace, plain)}
CLASSES = st.lists(
    st.builds(
        Handed,
        number=st.integers(100, 140),
        name=st.sampled_from(NAMES),
        late=st.booleans(),
        files=st.lists(st.sampled_from(FILES), max_size=4, unique=True).map(tuple),
        lost=st.sampled_from(LOST),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.number,
)


def laid_out(root: Path, system: str, people: list[Handed]) -> dict[str, int]:
    """Write a class as a system does; return how many files each student has that can be graded."""
    truth = Counter[str]()
    for one in people:
        own = f"{one.number}-77" if system == "brightspace" else str(one.number)
        own = f"submission_{one.number}" if system == "gradescope" else own
        for index, name in enumerate(filter(None, (*one.files, one.lost))):
            path = root / LAYOUTS[system](one, name, index)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"{}")
            truth[own] += name in one.files
    if system == "gradescope":
        metadata = {
            f"submission_{one.number}": {":submitters": [{":name": one.name, ":sid": one.number}]} for one in people
        }
        (root / "submission_metadata.yml").write_text(json.dumps(metadata))
    return dict(truth)


@pytest.mark.parametrize("system", LAYOUTS)
@settings(max_examples=25, deadline=None)
@given(people=CLASSES, zipped=st.booleans())
def test_everybody_is_in_one_row_with_every_file(
    tmp_path_factory: pytest.TempPathFactory, system: str, people: list[Handed], zipped: bool
) -> None:
    root = tmp_path_factory.mktemp("class") / "x"
    root.mkdir()
    truth = laid_out(root, system, people)
    # Gradescope's export is read as a folder: its metadata lies beside the submissions. In a zip, a lone folder of
    # folders is a class's.
    place = root
    if zipped and system != "gradescope" and len(truth) > (system == "plain"):
        place = root.with_suffix(".zip")
        with zipfile.ZipFile(place, "w") as file:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    file.write(path, path.relative_to(root))
    found = names.Names(submissions.owner) if system == "plain" else names.named_by(system, place, LAB)
    with opened(place, None, found.owner, LAB) as intake:
        rows = {one.owner: len(one.files) for one in intake.submissions}
        assert rows == truth
        assert all(bool(one.files) != bool(one.why) for one in intake.submissions)
    # Whoever handed in is known to the class list by the number.
    listed = [Person(owner) for owner in truth]
    handed = [person for owner in rows for person in [Person(owner)]]
    assert compare(listed, handed).lines == []


def test_a_users_name_with_an_underscore_is_contested_in_blackboard(tmp_path: Path) -> None:
    found = names.blackboard()
    for name in ("Lab_0_ada_l_attempt_2026-11-30-23-59-00_a.ipynb", "Lab_0_bo_l_attempt_2026-11-30-23-59-00_a.ipynb"):
        found.owner(Path(name))
    assert found.contested == {"l"}


def test_a_name_with_two_spellings_is_shown_in_one(tmp_path: Path) -> None:
    spelled = unicodedata.normalize("NFD", "Zoë_101_assignsubmission_file/lab.ipynb")
    (tmp_path / spelled).parent.mkdir()
    (tmp_path / spelled).write_bytes(b"{}")
    found = names.moodle()
    with opened(tmp_path, None, found.owner, LAB) as intake:
        assert [one.owner for one in intake.submissions] == ["101"]
    assert found.people["101"] == [Person("101", "Zoë")]
