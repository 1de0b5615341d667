"""Cells are read as IPython reads them, in a time that grows with their length; what fails costs itself."""

from __future__ import annotations

import ast
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from fullstack_llm.worker import places
from fullstack_llm.worker.cells import Cells, parse
from fullstack_llm.worker.magics import without_magics

ROOT = Path(__file__).parents[2]


def run(source: str) -> dict[str, Any]:
    """Run one cell in a module of its own, and return its names."""
    module = ModuleType("__main__")
    Cells(module).run(source, "cell 1")
    return vars(module)


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("if x:\n    !ls\n    y = 1", "if x:\n    pass\n    y = 1"),
        ("%%capture out\nx = 1", "\nx = 1"),
        ("\n%%timeit\nx = 1", "\n\nx = 1"),
        ("%%writefile a.py\nx = 1", ""),
        ("%%\nx", ""),
        ("files = !ls *.py", "files = []"),
        ('d["x"] = !ls', 'd["x"] = []'),
        ("(a, b) = %timeit f()", "(a, b) = None"),
        ("x = %timeit -o f()", "x = None"),
        ("x = %time f(2)", "x = f(2)"),
        ("%time x = f()", "x = f()"),
        ("%timeit f()", "pass"),
        ("?f", "pass"),
        ("f??", "pass"),
        ("np.dot?", "pass"),
        ("x[0]?", "pass"),
        ("x = f?  ", "pass"),
        ("x = 1  # why?", "x = 1  # why?"),
        ("!a \\\n b \\\n c\nx = 1", "pass\n\n\nx = 1"),
        ("x = y % z\ny = a != b", "x = y % z\ny = a != b"),
        ("    x = 1\n    !ls", "x = 1\npass"),
        (">>> x = 1\n>>> if x:\n...     y = 2\n", "x = 1\nif x:\n    y = 2\n"),
        ("In [3]: x = 1\n   ...: y = 2", "x = 1\ny = 2"),
        ('s = """\n%(name)s\n!x\n? y\n"""\n!ls', 's = """\n%(name)s\n!x\n? y\n"""\npass'),
        ("ok = (a\n!= b)\n!ls", "ok = (a\n!= b)\npass"),
        ("r = a \\\n% b\n!ls", "r = a \\\n% b\npass"),
        ("!echo \"it's (\nx = 1", "pass\nx = 1"),
        ("", ""),
    ],
)
def test_rules(source: str, plain: str) -> None:
    assert without_magics(source) == plain


def test_python_is_left_alone() -> None:
    namespace = run('text = """\n%time x\n!ls\n"""\nrest = 7 \\\n% 4')
    assert namespace["text"] == "\n%time x\n!ls\n"
    assert namespace["rest"] == 3


@pytest.mark.attack(70)
@pytest.mark.parametrize(
    "text",
    [
        "%time x = 1\n" * 100_000 + "x = !ls\n" * 10_000 + "a" * 100_000,
        "a" * 100_000 + "!?",
        "x = '\\\n" * 50_000,
        "(" * 100_000 + "\n!ls" * 10_000,
        "[1]" * 50_000 + "?",
        '"""' * 66_667,
    ],
)
def test_thousands_of_magics_take_no_time(text: str) -> None:
    begin = time.process_time()
    without_magics(text)
    assert time.process_time() - begin < 5


def test_a_syntax_error_is_the_students_own() -> None:
    with pytest.raises(SyntaxError) as caught:
        run("!ls\nx = (")
    assert caught.value.lineno in (1, 2)


# ---- against IPython

PIECES = [
    "%matplotlib inline", "!pip install x", "!echo \\\n  a", "?len", "len?", "a.b??", "%time t = 1", "%timeit 1 + 1",
    "x = 1", "files = !ls", "d['k'] = !ls *.py", "a, b = %timeit -o 1", "v = %time 2 + 3", "x = len?",
    's = """\n%time\n!ls\n"""', "s = '''a\n? b''' % ()", "t = 'it\\'s' # !no?", "y = (1\n% 3)", "z = 7 \\\n% 4",
    "ok = (1\n!= 2)", "if True:\n    !ls\n    w = 1", "def f():\n    %time q = 1\n    return q", "# %time", "", "   ",
    'u = f"{1}" # "', "k = {'a': '#'}", "m = r'\\\\'", "x = y = 5", "assert x != 2, 'no?'", "print('%d' % 3)",
]  # fmt: skip


class Inner(ast.NodeTransformer):
    """Put what the course runs in place of IPython's calls."""

    def command(self, node: ast.expr) -> tuple[str, str] | None:
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("get_ipython()."):
            values = [each.value for each in node.args if isinstance(each, ast.Constant)]
            return ast.unparse(node.func).split(".")[-1], " ".join(map(str, values))
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if found := self.command(node.value):
            name, _, rest = found[1].partition(" ")
            return ast.parse(rest).body[0] if found[0] == "run_line_magic" and name == "time" else ast.Pass()
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if found := self.command(node.value):
            name, _, rest = found[1].partition(" ")
            timed = found[0] == "run_line_magic" and name == "time"
            value = rest if timed else "[]" if found[0] == "getoutput" else "None"
            node.value = ast.parse(value, mode="eval").body
        return node


def both(source: str) -> tuple[str, str] | None:
    """Return what we run of a cell and what IPython would, or nothing if IPython takes it for no Python."""
    try:
        theirs = ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return None
    return ast.dump(parse(source, "cell")[0]), ast.dump(Inner().visit(theirs))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8), st.sampled_from(["", "    ", "  "]), st.booleans())
def test_generated_cells_are_read_as_by_ipython(pieces: list[str], indent: str, prompts: bool) -> None:
    lines = "\n".join(pieces).split("\n")
    if prompts and not any("'''" in piece or '"""' in piece or "\\\n" in piece for piece in pieces):
        lines = [("... " if line.startswith("    ") else ">>> ") + line for line in lines]
    found = both("\n".join(indent + line if line.strip() else line for line in lines))
    if found:
        assert found[0] == found[1]


def test_most_generated_cells_are_python_to_ipython() -> None:
    """Otherwise the property above would hold of nothing."""
    assert sum(both(f"{first}\n{second}") is not None for first in PIECES for second in PIECES) > 0.9 * len(PIECES) ** 2


def test_the_courses_own_cells_are_read_as_by_ipython() -> None:
    sources = [
        "".join(cell["source"])
        for path in sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "labs").glob("*.ipynb")])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    assert len(sources) > 300
    assert all(found[0] == found[1] for source in sources if (found := both(source)))


# ---- what fails costs itself


def test_definitions_behind_a_failure_are_made_and_the_rest_is_not() -> None:
    module = ModuleType("__main__")
    cells = Cells(module)
    source = "a = 1\nimport nowhere_of_all as n\nimport math\nb = 2\nn\ndef f(): return math.pi\nfor c in [1]: pass"
    with pytest.raises(ModuleNotFoundError, match="nowhere_of_all"):
        cells.run(source, "cell 4")
    assert (module.a, module.b, module.f()) == (1, 2, module.math.pi)
    assert "c" not in vars(module)
    assert set(cells.missing) == {"n", "c"} and cells.missing["n"].startswith("cell 4, ModuleNotFoundError")


def test_what_the_compiler_refuses_costs_itself() -> None:
    module = ModuleType("__main__")
    with pytest.raises(SyntaxError, match="outside function"):
        Cells(module).run("a = 1\nreturn a\nb = 2", "cell 1")
    assert (module.a, module.b) == (1, 2)


def test_each_statement_before_a_failure_runs_once() -> None:
    module = ModuleType("__main__")
    vars(module)["log"] = log = []
    with pytest.raises(ZeroDivisionError):
        Cells(module).run("log.append(1)\nx = 1 / 0\ny = log.append(2)\nlog.append(3)", "cell 1")
    assert log == [1, 2]


@pytest.mark.parametrize("head", ["", "x = 1\n", "%matplotlib inline\n", '"""doc"""\n'])
def test_a_feature_may_stand_anywhere_in_its_cell_and_holds_for_later_ones(head: str) -> None:
    module = ModuleType("__main__")
    cells = Cells(module)
    cells.run(f"{head}from __future__ import annotations\ndef f(x: Nowhere): ...", "cell 1")
    cells.run("def g(x: Nowhere): ...", "cell 2")
    assert module.g.__annotations__ == {"x": "Nowhere"}
    with pytest.raises(NameError):
        Cells(ModuleType("other")).run("def g(x: Nowhere): ...", "cell 1")


def test_a_task_is_awaited_in_a_later_cell() -> None:
    module = ModuleType("__main__")
    cells = Cells(module)
    cells.run(
        "import asyncio\ntask = asyncio.ensure_future(asyncio.sleep(0, 'done'))\nawait asyncio.sleep(0)", "cell 1"
    )
    cells.run("got = await task", "cell 2")
    assert module.got == "done"


def test_a_file_that_a_cell_writes_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("%%writefile helper.py\nx = 7")
    run("%%writefile -a helper.py\ny = 8")
    assert (tmp_path / "helper.py").read_text() == "x = 7\ny = 8\n"


def test_modules_of_a_browser_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, places.Finder()])
    names = run(
        "from google.colab import drive, userdata\ndrive.mount('/content/drive')\nimport ipywidgets as w\n"
        "@w.interact(x=3)\ndef f(x): return x\nimport os"
    )
    assert names["f"](5) == 5 and "os" in names
    with pytest.raises(ModuleNotFoundError):
        run("import einops_of_nowhere")
    for name in ("google.colab", "google", "ipywidgets"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("error", "python", "wanted"),
    [
        (NameError("name 'e' is not defined", name="e"), "", "e is missing since cell 1, ImportError: e"),
        (SyntaxError("invalid syntax"), "99.1.0", "written with Python 99.1.0"),
        (SyntaxError("invalid syntax"), "3.8", ""),
        (ModuleNotFoundError("No module named 'einops'"), "", "packages of the course"),
        (ValueError("no"), "99.1", ""),
        (SyntaxError("no"), "x.y", ""),
    ],
)
def test_differences_of_place_are_named(error: BaseException, python: str, wanted: str) -> None:
    remark = places.difference(error, {"e": "cell 1, ImportError: e"}, python)
    assert wanted in remark and bool(remark) == bool(wanted)
