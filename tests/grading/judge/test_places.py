"""A graded file finds what a notebook has: a module named __main__, silent widgets, files; and is told what differs."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from numbered import numbered
from submissions import COUNT, DOUBLE, RIGHT, TWICE, notebook

from fullstack_llm.grading.judge.grade import Result

Graded = Callable[..., Result]

# Each cell stands before the right answers, and must end without an exception.
QUIET = {
    "pickle": "import pickle\nclass A:\n    pass\nassert type(pickle.loads(pickle.dumps(A()))) is A",
    "import __main__": "import __main__\nx = 3\nassert __main__.x == 3",
    "dataclass with string annotations": "from __future__ import annotations\n"
    "from dataclasses import dataclass, fields\nfrom typing import ClassVar\n"
    "@dataclass\nclass A:\n    x: int = 1\n    y: ClassVar[int] = 2\nassert len(fields(A)) == 1",
    "forward references": "import typing\ndef f(x: 'Later'): ...\nclass Later: ...\n"
    "assert typing.get_type_hints(f)['x'] is Later",
    "source of a function": "import inspect\ndef f():\n    return 1  # one\nassert '# one' in inspect.getsource(f)",
    "source of a class": "import inspect\nclass Named:\n    '''a doc'''\nassert 'a doc' in inspect.getsource(Named)",
    "doctest": "import doctest\ndef f():\n    '''\n    >>> f()\n    2\n    '''\n    return 1\n"
    "assert doctest.testmod(verbose=False).failed == 1",
    "own file": "from pathlib import Path\nassert Path(__file__).parent == Path.cwd()",
    "arguments": "import argparse\nassert argparse.ArgumentParser().parse_args() == argparse.Namespace()",
    "colab": "from google.colab import drive\ndrive.mount('/content/drive')\nimport math\nmath.pi",
    "widgets": "import ipywidgets as widgets\nwidgets.IntSlider(3).observe(print)",
    "a function for a compiler": "import torch\n@torch.compile\ndef f(x):\n    return x.sin() + 1\n"
    "assert f(torch.zeros(3)).sum() == 3",
    "a helper that a cell writes": "%%writefile helper_of_mine.py\nx = 7",
    "prompts": ">>> x = 1\n>>> x\n1",
    "an indented cell": "    x = 1\n    y = 2",
    "a string with signs": 'text = """\n%(name)s\n!x\n"""\n!pip install x\nassert text == "\\n%(name)s\\n!x\\n"',
}


@pytest.mark.parametrize("source", numbered(QUIET))
def test_as_in_a_notebook(graded: Graded, source: str) -> None:
    more = ["from helper_of_mine import x\nassert x == 7"] if "helper" in source else []
    result = graded(notebook([source, *more, *RIGHT]))
    assert (result.earned, result.problems) == (100, [])


def test_one_failing_import_leaves_the_rest_of_its_cell(graded: Graded) -> None:
    source = f"import einops_of_nowhere as e\nimport numpy as np\n{TWICE}\n{DOUBLE}\nprint(e)\n{COUNT}"
    result = graded(notebook([source]))
    assert result.earned == 100
    assert any(
        "cell 1: ModuleNotFoundError" in problem and "packages of the course" in problem for problem in result.problems
    )


def test_a_missing_name_leads_to_its_first_cause(graded: Graded) -> None:
    result = graded(
        notebook(["import einops_of_nowhere as e", TWICE, "def double(xs):\n    return e.double(xs)", COUNT])
    )
    hints = "\n".join(outcome.hint for verdict in result.verdicts for outcome in verdict.failures)
    assert result.earned == 60
    assert "e is missing since cell 1, ModuleNotFoundError" in hints, hints


def test_a_newer_pythons_syntax_is_named(graded: Graded) -> None:
    book = notebook(["type X = = int", *RIGHT])
    book["metadata"]["language_info"] = {"name": "python", "version": "99.1.2"}
    assert any("written with Python 99.1.2" in problem for problem in graded(book).problems)


def test_processes_are_named(graded: Graded) -> None:
    result = graded(notebook(["import subprocess\nsubprocess.run(['true'])", *RIGHT]))
    assert result.earned == 100
    assert any("a graded file starts no processes" in problem for problem in result.problems)


def test_lines_that_were_stored_without_ends(graded: Graded) -> None:
    book = notebook([{"cell_type": "code", "source": source.split("\n")} for source in RIGHT])
    assert graded(json.dumps(book).encode()).earned == 100


@pytest.mark.parametrize(
    "border", ["# In[3]:", "# In[ ]:", "# %%", "#%% [code]", "# COMMAND ----------", "# +", "# <codecell>"]
)
def test_an_exported_script_has_its_cells_back(graded: Graded, border: str) -> None:
    result = graded(f"\n\n{border}\n\n".join(["# a script", *RIGHT[:3], "1 / 0", *RIGHT[3:]]).encode(), "answers.py")
    assert result.earned == 100
    assert [problem for problem in result.problems if "part 5: ZeroDivisionError" in problem]
