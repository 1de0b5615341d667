"""The tests of labs find what they are for: faults that are planted in small exercises, each with its twin without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faults
import pytest
from judged import LabUnderTest
from pasting import of_notebooks, pasted

from fullstack_llm.checks import Draw
from fullstack_llm.checks.declared import lab_of
from fullstack_llm.checks.exercise import Exercise, exercise


def made(mistakes: str = "", right: str = "sum(xs)", points: int = 100) -> LabUnderTest:
    """Make a lab of one exercise."""

    @exercise(minutes=60, difficulty=1)
    def total(xs):
        result = 0
        for x in xs:
            result += x
        return result

    @total.part(points, "Add them all up.")
    def cases(draw: Draw) -> Iterator[tuple[list[int]]]:
        yield ([3, 4],)
        yield ([draw.randrange(2, 9) for _ in range(5)],)

    names: dict[str, object] = {}
    exec(f"def other(xs):\n    return {right}", names)
    total.others.append(names["other"])  # type: ignore[arg-type]
    total.mistakes(mistakes)
    return lab(total, "def total(xs):\n    return sum(x for x in xs)")


def lab(one: Exercise, reference: str) -> LabUnderTest:
    return LabUnderTest(lab_of("98_planted", one), Path("98_planted.md"), (), {one.name: reference})


LAST = "The last one is missing.\n    in xs => in xs[:-1]\n"


def test_a_sound_lab_has_no_faults() -> None:
    one = made(LAST)
    for find in (faults.of_mistakes, faults.of_workless_answers):
        assert not list(find(one))


@pytest.mark.parametrize(
    ("mistakes", "said"),
    [
        (LAST + "It is shadowed.\n    in xs => in list(xs)[:-1]\n", "It is shadowed.): is shown 'The last one"),
        ("It is none.\n    in xs => in list(xs)\n", "loses no points"),
        ("It raises.\n    result += x => result += y\n", "is a slip of the edit"),
    ],
)
def test_a_mistake_with_a_fault_is_found(mistakes: str, said: str) -> None:
    assert any(said in fault for fault in faults.of_mistakes(made(mistakes)))


def test_a_right_answer_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "source_of", lambda answer: f"def {answer.__name__}(xs):\n    return {id(answer)}")
    assert not list(faults.of_right_answers(made()))
    assert any("other:\n" in fault for fault in faults.of_right_answers(made(right="sum(xs[:9]) + (xs[0] == 3)")))


def test_answers_that_are_written_alike_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "source_of", lambda answer: "def total(xs):\n    return sum(x for x in xs)")
    assert any("written differently" in fault for fault in faults.of_right_answers(made()))


def test_an_exercise_that_pays_for_no_work_is_found() -> None:
    @exercise(minutes=5, difficulty=1)
    def same(xs):
        return xs

    same.part(100, "As it came in.")(lambda draw: [([1],), ([2, draw.randrange(9)],)])
    found = list(faults.of_workless_answers(lab(same, "def same(xs): return xs")))
    assert [fault for fault in found if "identity of xs: 100 points" in fault]


NOTEBOOK = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

```{code-cell} python
import math
START = 0
unused = 1 / 0


def summed(numbers):
    return math.floor(sum(numbers, START))


def endless(numbers):
    while True:
        pass


class Total:
    def __new__(cls, numbers):
        return summed(numbers)
```
"""


def test_a_lab_that_can_be_pasted_is_found(tmp_path: Path) -> None:
    (tmp_path / "98_planted.md").write_text(NOTEBOOK)
    pastes = of_notebooks([tmp_path / "98_planted.md"])
    assert sorted(label.rpartition(" ")[2] for label in pastes) == ["Total", "endless", "summed"]
    points, label = pasted(made(), pastes)["total"]
    assert points == 100 and label.endswith(("summed", "Total"))
    del pastes["98_planted.md: summed"], pastes["98_planted.md: Total"]
    assert pasted(made(), pastes)["total"][0] == 0


def test_wrong_numbers_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "labs", lambda folder: {"98_planted": tmp_path})
    (tmp_path / "__init__.py").write_text('EXERCISES = ("total",)')
    head = "@exercise(minutes=60, difficulty=1)\ndef total(xs): ...\n\n"
    (tmp_path / "total.py").write_text(f"{head}@total.part(100, 'hint')\ndef cases(draw): ...\n")
    assert not list(faults.of_numbers(made()))
    assert any("99 points, not 100" in fault for fault in faults.of_numbers(made(points=99)))
    assert any("without being run" in fault for fault in faults.of_numbers(made(points=99)))
