"""Generation is one way, deterministic, and never lets an answer through."""

import json
from pathlib import Path

import pytest
from myst import ANSWER, CHECK, TITLE

from fullstack_llm.checks import declared
from fullstack_llm.checks.outline import Row, outlines
from fullstack_llm.lessons import generate
from fullstack_llm.lessons.__main__ import main
from fullstack_llm.lessons.generate import LessonError, lab, notebook
from fullstack_llm.lessons.markers import blocks
from fullstack_llm.lessons.points import COMMANDS

ROOT = Path(__file__).parents[2]


def make_lab(root, text):
    source = root / "solutions" / "00_demo.md"
    source.write_text(TITLE + text)
    return json.loads(lab(source, "https://example.org/course", "main"))


def test_a_lab_keeps_everything_but_the_answer(root):
    nb = make_lab(root, ANSWER + CHECK)
    assert [cell["id"] for cell in nb["cells"]] == ["cell-000", "install", "answer-double", "check-double", "hand-in"]
    text = json.dumps(nb)
    assert "secret" not in text
    assert "double: add it to itself" in text
    assert nb["metadata"]["fullstack_llm"]["lab"] == "00_demo"
    assert nb["metadata"]["language_info"]["name"] == "python"


def test_cells_with_known_points_tell_them_to_nbgrader(root):
    source = root / "solutions" / "00_demo.md"
    text = lab(source, "https://example.org/course", "main", [Row("double", (("", 7),), 5, 1)])
    told = {cell["id"]: cell["metadata"].get("nbgrader") for cell in json.loads(text)["cells"]}
    assert told["cell-000"] is told["install"] is None
    answer, check = told["answer-double"], told["check-double"]
    assert (answer["points"], answer["solution"], answer["grade"], answer["locked"]) == (7, True, True, False)
    assert (check["solution"], check["grade"], check["locked"]) == (False, False, True)
    assert "points" not in check
    assert answer["grade_id"] != check["grade_id"]
    assert not any("nbgrader" in cell["metadata"] for cell in make_lab(root, ANSWER + CHECK)["cells"])


def test_points_are_those_of_the_checks():
    for slug, rows in outlines(declared.FOLDER).items():
        points = {row.exercise: row.points for row in rows}
        told = [cell["metadata"]["nbgrader"] for cell in shipped_cells(slug) if "nbgrader" in cell["metadata"]]
        assert {one["grade_id"]: one["points"] for one in told if one["grade"]} == {
            f"answer-{name}": worth for name, worth in points.items()
        }
        assert len(told) == 2 * len(points)


def shipped_cells(slug):
    return json.loads((ROOT / "labs" / f"{slug}.ipynb").read_text(encoding="utf-8"))["cells"]


def test_the_version_of_a_lab_follows_its_text(root):
    first = make_lab(root, ANSWER + CHECK)["metadata"]["fullstack_llm"]["version"]
    assert make_lab(root, ANSWER + CHECK)["metadata"]["fullstack_llm"]["version"] == first
    assert make_lab(root, "Read this.\n\n" + ANSWER + CHECK)["metadata"]["fullstack_llm"]["version"] != first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ANSWER, "has no check cell"),
        (CHECK, "follows its answer"),
        (ANSWER + ANSWER + CHECK, "must be followed by its check"),
        (ANSWER + CHECK.replace("check(double)", "check(double); print(1)"), "reads exactly check"),
        (ANSWER.replace(":exercise: double\n", "") + CHECK, "needs ':exercise: name'"),
        (ANSWER.replace("[answer]", "[setup]") + CHECK, "belong in a cell tagged 'answer'"),
        (ANSWER.replace("[answer]", "[anwser]") + CHECK, "unknown tag or option anwser"),
        (ANSWER + CHECK + ANSWER + CHECK, "share an id"),
        (ANSWER.replace("    # END SOLUTION\n", "") + CHECK, "never closed"),
    ],
)
def test_a_source_that_is_not_a_lab_is_refused_with_its_place(root, text, message):
    with pytest.raises(LessonError, match=message):
        make_lab(root, text)


def test_only_a_notebook_that_uses_vocabularies_downloads_them(root):
    source = root / "notebooks" / "00_demo.md"
    assert "litellm" not in notebook(source, "u", "main")
    source.write_text(source.read_text().replace("print(1)", "from fullstack_llm import vocabularies"))
    assert "litellm" in notebook(source, "u", "main")


def test_check_finds_drift_orphans_and_missing_files(root, capsys):
    assert main(["--root", str(root), "--check"]) == 1
    assert main(["--root", str(root)]) == 0
    before = {path: path.read_bytes() for path in root.rglob("*.ipynb")}
    assert main(["--root", str(root)]) == 0
    assert main(["--root", str(root), "--check"]) == 0
    assert {path: path.read_bytes() for path in root.rglob("*.ipynb")} == before
    (root / "labs" / "00_demo.ipynb").write_text("{}")
    (root / "labs" / "99_gone.ipynb").write_text("{}")
    capsys.readouterr()
    assert main(["--root", str(root), "--check"]) == 1
    printed = capsys.readouterr().out
    assert "differs from its source: labs/00_demo.ipynb" in printed
    assert "has no source: labs/99_gone.ipynb" in printed


def test_another_folder_is_refused_with_advice(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 2
    assert "no _config.yml" in capsys.readouterr().err


@pytest.mark.parametrize("source", sorted((ROOT / "solutions").glob("*.md")), ids=lambda path: path.stem)
def test_no_answer_line_survives_in_a_shipped_lab(source):
    shipped = json.loads((ROOT / "labs" / f"{source.stem}.ipynb").read_text())
    cells = {cell["id"]: "".join(cell["source"]) for cell in shipped["cells"]}
    given = [cell for cell in generate.read(source) if "answer" in cell["metadata"].get("tags", [])]
    assert given
    for cell in given:
        exercise, lines = cell["metadata"]["exercise"], cell["source"].split("\n")
        stub = cells[f"answer-{exercise}"]
        for block in blocks(cell["source"]):
            for line in lines[block.start : block.stop + 1]:
                assert not line.strip() or line not in stub.split("\n"), f"{exercise}: {line}"
        assert f'raise NotImplementedError("{exercise}: ' in stub
        compile(stub, exercise, "exec", dont_inherit=True)


@pytest.mark.parametrize("source", sorted((ROOT / "solutions").glob("*.md")), ids=lambda path: path.stem)
def test_a_shipped_lab_otherwise_equals_its_solution(source):
    shipped = json.loads((ROOT / "labs" / f"{source.stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    cells = [cell for cell in shipped if cell["id"] not in ("install", "hand-in")]
    for mine, theirs in zip(cells, generate.read(source, outlines(declared.FOLDER).get(source.stem)), strict=True):
        lines = theirs["source"].split("\n")
        for block in reversed(blocks(theirs["source"])):
            lines[block.start : block.stop + 1] = []
        text = "".join(mine["source"]).removesuffix("\n\n" + COMMANDS.format(slug=source.stem)).split("\n")
        assert [line for line in text if "raise NotImplementedError(" not in line] == lines, mine["id"]


WORTH = [Row("double", (("", 4), ("large numbers", 3)), 5, 1), Row("unused", (("", 93),), 10, 2)]


def test_points_are_written_from_the_declarations(root):
    source = root / "solutions" / "00_demo.md"
    source.write_text(TITLE + "<!-- points -->\n\n## 1. Double\n\nTwice.\n\n" + ANSWER + CHECK + "\n## 2. Other\n")
    text = "\n".join("".join(cell["source"]) for cell in json.loads(lab(source, "u", "main", WORTH))["cells"])
    assert "| 1 `double` | 7 | 5 | 1 |\n| 2 `unused` | 93 | 10 | 2 |\n| together | 100 | 15 | |" in text
    assert "## 1. Double\n\n*7 points (large numbers: 3), 5 minutes, difficulty 1 of 5.*\n\nTwice." in text
    assert "## 2. Other\n\n*" not in text


def test_a_comment_in_code_is_no_heading(root):
    source = root / "solutions" / "00_demo.md"
    given = "```{code-cell} python\n:tags: [given]\n## not a heading\nx = 1\n```\n\n"
    source.write_text(TITLE + "## Double\n\n" + given + ANSWER + CHECK)
    text = "\n".join("".join(cell["source"]) for cell in json.loads(lab(source, "u", "main", WORTH))["cells"])
    assert "## Double\n\n*7 points" in text and "## not a heading\nx = 1" in text


def test_points_by_hand_are_refused_with_their_line(root):
    source = root / "solutions" / "00_demo.md"
    source.write_text(TITLE + "## Double\n\n*7 points, difficulty 1 of 5.*\n\n" + ANSWER + CHECK)
    with pytest.raises(LessonError, match="00_demo.md, line .*points stand in the exercise's declaration"):
        lab(source, "u", "main", WORTH)
    assert lab(source, "u", "main")


def test_the_pre_check_stands_under_its_heading(root):
    plain = make_lab(root, ANSWER + CHECK)["cells"]
    assert "work/00_demo.ipynb" in "".join(plain[-1]["source"]) and plain[-1]["id"] == "hand-in"
    own = make_lab(root, ANSWER + CHECK + "\n## Before you hand in\n\nRun all cells.\n")["cells"]
    assert "".join(own[-1]["source"]).startswith("## Before you hand in\n\nRun all cells.\n\n**The pre-check.**")
    assert "!python -m fullstack_llm.grading check 00_demo.ipynb" in "".join(own[-1]["source"])
    assert len(own) == len(plain)


def test_a_cell_that_is_no_python_is_named(root):
    with pytest.raises(LessonError, match="00_demo.md: a code cell is no Python .*x = = 1"):
        make_lab(root, "```{code-cell} python\nx = = 1\n```\n")
