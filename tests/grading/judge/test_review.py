"""What a person should look at: found through aliases and helpers, before anything runs, and worth nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from submissions import COUNT, DOUBLE, SETUP, TWICE, save

from fullstack_llm.grading.judge.batch import Grader
from fullstack_llm.worker import review

TABLE = {"f": ["torch.autograd", "F.softmax", "tokenizers", ".backward"]}
USED: dict[str, tuple[str, str]] = {
    "a chain as the table has it": ("def f(x):\n    return F.softmax(x)", "f uses F.softmax (cell 1, line 2)"),
    "an alias of the module": ("import torch.autograd as a\ndef f(x):\n    return a.grad(x)", "uses a.grad"),
    "a longer chain": ("import torch\ndef f(x):\n    return torch.autograd.functional.vjp(x)", "torch.autograd"),
    "an alias of the name": (
        "from tokenizers import Tokenizer as T\ndef f(x):\n    return T(x)",
        "uses T (cell 1, line 3)",
    ),
    "an import inside": ("def f(x):\n    import tokenizers.models", "uses tokenizers.models"),
    "an import from inside": ("def f(x):\n    from tokenizers import models", "uses tokenizers.models"),
    "an import by a call": ("def f(x):\n    return __import__('tokenizers').Tokenizer", "uses tokenizers"),
    "an import by importlib": (
        "import importlib as i\ndef f(x):\n    i.import_module('tokenizers')",
        "uses tokenizers",
    ),
    "a method of anything": ("def f(x):\n    (x * x).sum().backward()", "uses .backward"),
    "a helper": (
        "def g(x):\n    return h(x)\ndef h(x):\n    return F.softmax(x)\ndef f(x):\n    return g(x)",
        "way of h",
    ),
    "a helper that is handed on": (
        "def g(x):\n    return F.softmax(x)\ndef f(x):\n    return list(map(g, x))",
        "way of g",
    ),
    "a class": ("class C:\n    def m(self):\n        return F.softmax(1)\ndef f(x):\n    return C().m()", "way of C"),
    "a variable": ("g = F.softmax\ndef f(x):\n    return g(x)", "by way of g"),
    "a lambda": ("f = lambda x: F.softmax(x)", "f uses F.softmax"),
    "a decorator": ("@F.softmax\ndef f(x):\n    return x", "f uses F.softmax"),
    "under an if": ("if True:\n    def f(x):\n        return F.softmax(x)", "f uses F.softmax"),
    "an asynchronous function": ("async def f(x):\n    return F.softmax(x)", "f uses F.softmax"),
    "with magics": ("%matplotlib inline\ndef f(x):\n    return F.softmax(x)", "f uses F.softmax (cell 1, line 3)"),
}
NOT_USED = {
    "elsewhere": "def g(x):\n    return F.softmax(x)\ndef f(x):\n    return x",
    "imported and not used": "import tokenizers\ndef f(x):\n    return x",
    "in a string": "def f(x):\n    'F.softmax'\n    return x",
    "another name with the same beginning": "import tokenizers_2 as t\ndef f(x):\n    return t.x(F.softmax_2)",
    "its own variable": "def g(x):\n    return F.softmax(x)\ndef f(g, tokenizers):\n    return g + tokenizers.x",
    "an earlier definition": "def f(x):\n    return F.softmax(x)\ndef f(x):\n    return x",
    "no function of this name": "F.softmax(1)",
    "no Python": "def f(x):\n    return F.softmax(x",
    "calls in a circle": "def g(x):\n    return f(x)\ndef f(x):\n    return g(x)",
}


@pytest.mark.parametrize(("source", "sentence"), USED.values(), ids=USED.keys())
def test_used(source: str, sentence: str) -> None:
    (found,) = review.find([("cell 1", source)], TABLE)
    assert sentence in found


@pytest.mark.parametrize("source", NOT_USED.values(), ids=NOT_USED.keys())
def test_not_used(source: str) -> None:
    assert review.find([("cell 1", source)], TABLE) == []


def test_cells_are_one_file() -> None:
    cells = [("cell 1", "import tokenizers as t"), ("cell 2", "def g(): return t.x"), ("cell 3", "def f(): g()")]
    assert review.find(cells, TABLE) == ["f uses t.x by way of g (cell 2, line 1), and is not meant to use tokenizers"]


@pytest.fixture
def strict(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grader]:
    lab = replace(grader.lab, review={"double": ("collections", "twice")})
    monkeypatch.setattr(grader, "lab", lab)
    yield grader


FLAGGED = [SETUP, TWICE, DOUBLE.replace("return", "import collections\n    return"), COUNT]


def test_flags_change_no_points(grader: Grader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.ipynb", FLAGGED)
    without = grader.grade(path)
    monkeypatch.setattr(grader, "lab", replace(grader.lab, review={"double": ("collections", "twice")}))
    found = grader.grade(path)
    assert (without.review, len(found.review)) == ([], 2)
    assert (found.earned, found.verdicts) == (100, without.verdicts)
    assert found.problems == without.problems


HOSTILE: dict[str, str] = {
    "nested": "x = " + "-" * 90_000 + "1",
    "a chain": "x" + ".y" * 60_000,
    "a million nodes": "[" + "0," * 90_000 + "]",
    "parentheses": "(" * 190_000,
    "NUL": "x = '\0'",
    "forging": "import fullstack_llm.worker.review as r\nr.find = lambda *_: []",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_graded_all_the_same(source: str, strict: Grader, tmp_path: Path) -> None:
    result = strict.grade(save(tmp_path / "a.ipynb", [source, *FLAGGED]))
    assert result.earned == 100
    assert result.review


def test_a_worker_that_is_lost_to_the_review_costs_nothing(
    strict: Grader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fullstack_llm.grading.judge.grade.REVIEW_SECONDS", 0.0)
    result = strict.grade(save(tmp_path / "a.ipynb", FLAGGED))
    assert result.earned == 100
    assert "could not be looked through" in result.review[0]


def test_both_are_shown(strict: Grader, tmp_path: Path, graded: Callable[..., object]) -> None:
    from fullstack_llm.grading.intake.submissions import opened
    from fullstack_llm.grading.reports import report
    from fullstack_llm.grading.reports.runs import file_digests

    save(tmp_path / "<b>.ipynb", FLAGGED)
    with opened(tmp_path) as found:
        (one,) = found.submissions
        data = report.write_student(tmp_path / "out", strict.lab, strict.grade_student(one), file_digests(one), "")
    report.write_class(tmp_path / "out", strict.lab, report.ClassRun("C", 1, []), [data])
    for page in (f"students/{one.id}.html", "index.html"):
        text = (tmp_path / "out" / page).read_text()
        assert "For review" in text
        assert "double uses collections" in text
        assert "<b>" not in text
