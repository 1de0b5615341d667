"""An exercise is declared once: its source is a complete answer, and mistakes are edits of it."""

from __future__ import annotations

from pathlib import Path

import planted
import pytest
import torch

from fullstack_llm.checks import declared, outline
from fullstack_llm.checks.__main__ import main
from fullstack_llm.checks.exercise import Exercise, exercise, source_of

TOY = Path(__file__).parents[1] / "grading" / "toy"


def test_the_source_is_a_complete_answer() -> None:
    source = planted.scaled.source
    assert "import torch" in source and "fullstack_llm" not in source and "@" not in source
    names: dict = {}
    exec(source, names)
    assert names["scaled"](torch.ones(2), 3)[1] == 6.0


def test_decorators_are_left_out_whatever_they_say() -> None:
    def named(hint):
        return lambda function: function

    @named("a hint with def in it")
    def f(x):
        return x

    assert source_of(f) == "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    ("edit", "message"),
    [("nothing => 1", "stands 0 times"), ("x * factor => x", "stands 2 times"), ("x * factor", "reads `old => new`")],
)
def test_an_edit_that_cannot_be_made_is_named(edit: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planted.scaled.edited(edit)


def test_declarations_are_checked() -> None:
    def f(x):
        return x

    with pytest.raises(ValueError, match="difficulty is 1 to 5"):
        exercise(minutes=5, difficulty=6)(f)
    one = exercise(minutes=5, difficulty=1)(f)
    one.part(1, "hint")(lambda draw: ())
    with pytest.raises(ValueError, match="name each"):
        one.part(1, "hint")


PACKAGE = '"""A lab."""\n\nANSWERS: tuple[str, ...] = ("bpe",)\nEXERCISES = ("f",)\n'
MODULE = """
from fullstack_llm.checks.exercise import exercise
from .inputs import one


@exercise(minutes=5, difficulty=1, review=("torch",))
def f(x):
    return x


@f.part(2, "two", "second")
@f.part(1, name="first", hint="one")
def cases(draw):
    yield (one,)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "m98_planted"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    (package / "inputs.py").write_text("one = 1\n")
    (package / "f.py").write_text(MODULE)
    return tmp_path


def test_a_lab_is_found_in_any_folder(folder: Path) -> None:
    lab = declared.find("98_planted", folder)
    assert (lab.exercises, lab.points(), lab.answers, lab.review) == (("f",), 3, ("bpe",), {"f": ("torch",)})
    assert [check.label for check in lab.checks] == ["f, first", "f, second"]
    # What has changed is read again.
    (folder / "m98_planted/f.py").write_text(MODULE.replace("2, ", "7, "))
    assert declared.find("98_planted", folder).points() == 8


def test_what_it_is_worth_is_read_without_running_it(folder: Path) -> None:
    (folder / "m98_planted/inputs.py").write_text("raise SystemExit\n")
    (row,) = outline.outlines(folder)["98_planted"]
    assert (row.exercise, row.parts, row.points) == ("f", (("first", 1), ("second", 2)), 3)
    (folder / "m98_planted/f.py").write_text(MODULE.replace("minutes=5", "minutes=TIME"))
    with pytest.raises(ValueError, match="m98_planted/f.py must write out its numbers"):
        outline.outlines(folder)


def test_a_module_without_its_exercise_is_named(folder: Path) -> None:
    (folder / "m98_planted/f.py").write_text("f = 1\n")
    with pytest.raises(ValueError, match="m98_planted/f.py declares no exercise 'f'"):
        declared.find("98_planted", folder)


def test_a_catalogue_names_every_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mistakes", "00_toy", "--checks", str(TOY)]) == 0
    text = capsys.readouterr().out
    assert "## 2. `count(text, letter)`" in text and "| absent | 20 |" in text
    assert "**That squares.**\n\n```diff\n-    return [x + x for x in xs]\n+    return [x * x for x in xs]" in text


def test_an_unknown_lab_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mistakes", "97_none", "--checks", str(TOY)]) == 2
    assert capsys.readouterr().err == "There is no lab '97_none'; the labs are: 00_toy.\n"


def test_an_exercise_is_itself() -> None:
    assert isinstance(planted.scaled, Exercise) and len({planted.scaled, planted.scaled}) == 1
