"""Broken notebooks: what the untouched answers earn, with the cause in the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numbered import numbered
from submissions import COUNT, DOUBLE, RIGHT, SETUP, TWICE, cell, notebook

from fullstack_llm.grading.judge import grade
from fullstack_llm.grading.judge.grade import Result
from fullstack_llm.worker import reader

Graded = Callable[..., Result]


def text(data: Any) -> bytes:
    return json.dumps(data).encode()


def format_3() -> dict[str, Any]:
    cells = [{"cell_type": "code", "input": source, "language": "python", "outputs": []} for source in RIGHT]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


def colab() -> dict[str, Any]:
    cells = [cell(source, metadata={"id": f"x{i}", "colab": {}}) for i, source in enumerate(RIGHT)]
    for one in cells:
        del one["id"]
    metadata = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 0}


NAN = notebook([cell(source, metadata={"score": float("nan")}) for source in RIGHT])
FULL = {
    "as saved by Jupyter": text(notebook(RIGHT)),
    "51 duplicated cell ids": text(notebook([*RIGHT, *RIGHT])),
    "52 deleted set-up, driver and check cells": text(notebook([DOUBLE, COUNT])),
    "54 metadata stripped": text(notebook([{"cell_type": "code", "source": one} for one in RIGHT], metadata={})),
    "54 Colab": text(colab()),
    "55 NaN": text(NAN),
    "55 byte-order mark": b"\xef\xbb\xbf" + text(notebook(RIGHT)),
    "56 nbformat 3": text(format_3()),
    "59 changed points": text(notebook([cell(one, metadata={"points": 1000, "exercise": "x"}) for one in RIGHT])),
    "60 UTF-16": json.dumps(notebook(RIGHT)).encode("utf-16"),
    "60 Latin-1": json.dumps(notebook([*RIGHT, "# é"]), ensure_ascii=False).encode("latin-1"),
    "61 magics": text(notebook(["%matplotlib inline\n!pip install x \\\n  y\nx = !ls\n%time z = 1\ntwice?", *RIGHT])),
    "61 cell magics": text(notebook(["%%bash\nrm -rf .", "%%html\n<b>", f"%%time\n{DOUBLE}", *RIGHT])),
    "61 top-level await": text(notebook(["import asyncio\nawait asyncio.sleep(0)", *RIGHT])),
    "reordered": text(notebook([COUNT, DOUBLE, TWICE, SETUP])),
    "last definition wins": text(notebook(["def count(text, letter):\n    return 0", *RIGHT])),
    "source as one string": text(notebook([{"cell_type": "code", "source": one} for one in RIGHT])),
    "odd cells": text(notebook([*RIGHT, 3, None, {}, {"cell_type": "code", "source": [1, None]}])),  # type: ignore[list-item]
    "huge integer": text(notebook(RIGHT)).replace(b'"nbformat_minor": 5', b'"nbformat_minor": ' + b"9" * 9999),
    "future flag": text(notebook(["from __future__ import annotations", *RIGHT, "def f(x: Nowhere): pass"])),
    "notebook's own names": text(notebook(["display(1)\nget_ipython().run_line_magic('x', 'y')", *RIGHT])),
    "a string that looks like a magic": text(notebook([*RIGHT, 's = """\n%time\n!ls\n"""\nassert "!ls" in s'])),
}


@pytest.mark.parametrize("data", numbered(FULL))
def test_untouched_answers_earn_everything(graded: Graded, data: bytes) -> None:
    result = graded(data)
    assert (result.earned, result.error) == (100, ""), result
    assert not [problem for problem in result.problems if "UTF" not in problem]


@pytest.mark.attack(57)
def test_outputs_of_100_megabytes(graded: Graded) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "x" * (100 << 20)}
    result = graded(text(notebook([*RIGHT, cell("1", outputs=[output])])))
    assert result.earned == 100


@pytest.mark.attack(58)
def test_renamed_file_and_script(graded: Graded) -> None:
    assert graded(text(notebook(RIGHT)), "Kopie (2) von ../=x é.IPYNB".replace("/", "_")).earned == 100
    assert graded("\n\n".join(RIGHT).encode(), "answers.py").earned == 100
    assert graded("\n# %%\n".join([*RIGHT, "1/0"]).encode(), "answers.py").earned == 100


PARTIAL: dict[str, tuple[bytes, int, str]] = {
    "52 deleted answer": (text(notebook([SETUP, TWICE, COUNT])), 60, "defines no function double"),
    "53 code turned to Markdown": (text(notebook([SETUP, cell(DOUBLE, "markdown"), COUNT])), 60, "text cell"),
    "a cell that fails": (text(notebook([f"{DOUBLE}\n1/0", COUNT])), 100, "cell 1: ZeroDivisionError"),
    "a cell that is no Python": (text(notebook([f"{DOUBLE}\n(", COUNT])), 60, "cell 1 failed: SyntaxError"),
    "62 wrong lab": (text(notebook(RIGHT, metadata={"fullstack_llm": {"lab": "07_x"}})), 100, "lab 07_x"),
    "stub": (text(notebook([f"{DOUBLE}", "def count(t, c):\n    raise NotImplementedError('count: use')"])), 40, "use"),
    "too long a cell": (text(notebook([*RIGHT, "#" * 300_000])), 100, "too long"),
    "no UTF-8": (b'{"cells": [{"cell_type": "code", "source": "# \xff"}]}', 0, "not UTF-8"),
}


@pytest.mark.parametrize(("data", "earned", "cause"), numbered(PARTIAL))
def test_the_rest_is_graded_and_the_cause_is_named(graded: Graded, data: bytes, earned: int, cause: str) -> None:
    result = graded(data)
    hints = [outcome.hint for verdict in result.verdicts for outcome in verdict.failures]
    assert result.earned == earned
    assert cause in "\n".join(result.problems + hints)


UNREADABLE = {
    "55 truncated JSON": (text(notebook(RIGHT))[:500], "cut off"),
    "truncated after a value": (text(notebook(RIGHT))[:-1], "cut off"),
    "empty file": (b"", "empty"),
    "white space": (b" \n", "empty"),
    "empty notebook": (text(notebook([])), "no code cells"),
    "not JSON": (b"PK\x03\x04 a zip", "no JSON"),
    "another JSON": (b'{"a": 1}', "no list of cells"),
    "a list": (b"[1, 2]", "no list of cells"),
    "28 deep JSON": (b"[" * 300_000, "nested too deeply"),
}


@pytest.mark.parametrize(("data", "cause"), numbered(UNREADABLE))
def test_an_unreadable_file_is_a_sentence(graded: Graded, data: bytes, cause: str) -> None:
    result = graded(data)
    assert cause in result.error
    assert not result.verdicts


def test_size_comes_first(tmp_path: Path, graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fullstack_llm.grading.judge.grade.MAX_FILE", 100)
    assert "clear its outputs" in graded(text(notebook(RIGHT))).error
    monkeypatch.setattr(reader, "MAX_FILE", 100)
    with pytest.raises(reader.UnreadableError, match="MB"):
        reader.read(tmp_path / "any.ipynb")


def test_blank_lines_in_a_text_cell_take_no_time() -> None:
    book = notebook([*RIGHT, cell("\n" * 100_000 + "def late(x): ...", "markdown")])
    assert "late" in reader.parse(json.dumps(book).encode(), ".ipynb").in_text


def test_a_notebook_of_empty_cells_is_no_flood(graded: Graded) -> None:
    book = notebook([*RIGHT, *[""] * 5_000])
    result = graded(book)
    assert result.earned == 100
    assert f"only the first 2,000 of {5_000 + len(RIGHT):,} code cells were run" in result.problems
    long = graded(notebook([*RIGHT, *["x = 1\n" * 40_000] * 30]))
    assert len(long.problems) == grade.MAX_PROBLEMS + 1 and long.problems[-1].startswith("and ")
