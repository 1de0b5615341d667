"""The class at a glance: scores, the hardest exercises, oddities; for a class of any size, whatever names it brings."""

from __future__ import annotations

import csv
import html.parser
from pathlib import Path
from typing import Any

from fullstack_llm.checks.declared import Check, LabChecks
from fullstack_llm.checks.exercise import Exercise, Part
from fullstack_llm.grading.reports import report, summary
from fullstack_llm.grading.reports.changes import COLUMNS, changes, outcome


def f() -> None: ...


def g() -> None: ...


LAB = LabChecks(
    "00_x",
    tuple(Check(Exercise(of, 1, 1), Part("", points, "", lambda draw: ())) for of, points in ((f, 60), (g, 40))),
)
EVIL = "=1+1\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;\u202e"


def exercise(name: str, points: int, kind: str, hint: str = "") -> dict[str, Any]:
    earned = points if kind == "right" else 0
    check = {"part": "", "points": points, "earned": earned, "kind": kind, "hint": hint}
    return {"exercise": name, "earned": earned, "points": points, "checks": [check]}


def student(number: int, f: str = "right", g: str = "right", **more: Any) -> dict[str, Any]:
    exercises = [exercise("f", 60, f, "Hint of f."), exercise("g", 40, g, "Hint of g.")]
    data = {
        "lab": "00_x", "id": f"s-{number:012}", "owner": str(number), "student": f"student {number}",
        "submission": f"student {number}/lab.ipynb", "digest": str(number), "files": [], "others": [],
        "earned": sum(one["earned"] for one in exercises), "points": 100, "error": "", "problems": [], "review": [],
        "lab_named": "00_x", "exercises": exercises, "gone": False,
    }  # fmt: skip
    return data | more


def test_scores() -> None:
    found = summary.distribution([student(1), student(2, g="wrong"), student(3, error="cut off", earned=0)], 100)
    assert [count for *_, count in found["bins"]] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert (found["median"], found["most"]) == (80, 1)
    # Every score falls into one bin, whatever the number of points.
    for points in (1, 3, 7, 10, 99, 100):
        everyone = [student(0, earned=earned) for earned in range(points + 1)]
        bins = summary.distribution(everyone, points)["bins"]
        assert sum(count for *_, count in bins) == points + 1
        for first, last, count in bins:
            assert count == sum(first <= earned <= last for earned in range(points + 1))


def test_scores_of_nobody() -> None:
    assert summary.distribution([], 100)["most"] == 0
    assert summary.distribution([student(1, earned=0)], 0)["bins"][0][2] == 0


def test_hardest() -> None:
    rows = summary.hardest_exercises(
        [student(1), student(2, g="wrong"), student(3, g="not written"), student(4, f="missing", g="wrong")]
    )
    assert [row["exercise"] for row in rows] == ["g", "f"]
    assert rows[0] == {"exercise": "g", "students": 4, "full": 1, "unwritten": 1, "hint": "Hint of g.", "count": 2}
    assert rows[1] == {"exercise": "f", "students": 4, "full": 3, "unwritten": 1, "hint": "", "count": 0}


def test_oddities() -> None:
    class_ = [
        student(1, digest="same"),
        student(2, digest="same", lab_named=""),
        student(3, lab_named="07_y", review=["f uses torch"]),
        student(4, error="the file is empty", lab_named=""),
        student(5, others=[["lab.ipynb", "a later name counts"]], gone=True),
        student(6, lab_named="", submission="x.py"),
    ]
    found = dict(summary.oddities(class_, ["no submission: Cy"], ["notes.docx: no .ipynb or .py file"], "00_x"))
    numbers = {heading.split(":")[0]: [int(id[2:] or 0) for id, *_ in cases] for heading, cases in found.items()}
    assert list(numbers.values()) == [[3], [4], [3], [2], [5], [1], [5], [0], [0]]
    assert "and student 2/lab.ipynb" in str(found)
    assert summary.oddities([student(1)], [], [], "00_x") == []


def test_changes() -> None:
    before = {"s-1": student(1), "s-2": student(2, g="wrong"), "s-3": student(3), "s-4": student(4)}
    after = {"s-1": student(1), "s-2": student(2), "s-3": student(3, f="wrong"), "s-5": student(5)}
    rows = [(row["student"], row["exercise"], row["before"], row["after"]) for row in changes(before, after)]
    assert rows == [
        ("student 2", "g", 0, 40),
        ("student 3", "f", 60, 0),
        *[("student 4", name, points, 0) for name, points in (("f", 60), ("g", 40))],
        *[("student 5", name, 0, points) for name, points in (("f", 60), ("g", 40))],
    ]
    assert outcome(student(1, error="cut off", exercises=[]), "f") == (0, "cut off")


class Tags(html.parser.HTMLParser):
    """What a browser would make of a page: its elements, its text, and elements that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(out: Path, class_: list[dict[str, Any]], **more: Any) -> Tags:
    run = report.ClassRun(**{"isolation": "A", "submissions": len(class_), "left_out": [], "complete": True} | more)
    report.write_class(out, LAB, run, class_)
    tags = Tags()
    tags.feed((out / "index.html").read_text("utf-8"))
    assert tags.open == []
    return tags


def test_everything_from_a_submission_is_escaped(tmp_path: Path) -> None:
    mine: dict[str, Any] = {"student": EVIL, "submission": f"{EVIL}.ipynb", "problems": [EVIL], "review": [EVIL]}
    class_ = [
        student(1, **mine, others=[[EVIL, EVIL]], lab_named=EVIL, digest="same"),
        student(2, **mine, error=EVIL, digest="same", gone=True),
    ]
    class_[0]["exercises"][0]["checks"][0] |= {"kind": "wrong", "hint": EVIL}
    rows = [dict.fromkeys(COLUMNS, EVIL) | {"before": 1, "after": 2}]
    tags = page(tmp_path, class_, left_out=[EVIL], changes=rows, isolation=EVIL)
    assert tags.seen.isdisjoint({"img", "script", "b"})
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert "{{ 7 * 7 }}" in tags.text
    for name in ("class.csv", "changes.csv"):
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            table = list(csv.reader(file))
        assert len({len(row) for row in table}) == 1
        assert not [field for row in table for field in row if field.lstrip()[:1] in tuple("=+-@|%") and field]


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    assert "not finished" in page(tmp_path, [student(1)], complete=False, submissions=3).text
    assert "not finished" not in page(tmp_path, [student(1)]).text
    assert "Changed since" not in page(tmp_path, [student(1)]).text
    assert "Everybody has the points of before" in page(tmp_path, [student(1)], changes=[]).text


def test_a_class_of_nobody_has_a_page(tmp_path: Path) -> None:
    assert "0 of 5 submissions graded" in page(tmp_path, [], submissions=5, complete=False).text


def test_a_large_class_is_one_page_without_scripts_or_requests(tmp_path: Path) -> None:
    long = [
        student(one, g="wrong", review=["f uses torch (cell 1, line 1)"], problems=["x" * 900]) for one in range(2_000)
    ]
    tags = page(tmp_path, long, left_out=["x.docx: no .ipynb or .py file"] * 20_000)
    assert tags.seen.isdisjoint({"script", "link", "img", "iframe"})
    assert "src" not in tags.attributes
    assert (tmp_path / "index.html").stat().st_size < 3_000_000
    assert "and 19500 more" in tags.text
