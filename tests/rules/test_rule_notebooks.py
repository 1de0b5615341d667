"""What a notebook may look like: short cells, plain prose, imports at the top, figures that can be heard."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import repository as repo
from repository import Cell

LIMIT_CELL, LIMIT_DEFINITION = 25, 40
LIMIT_SECONDS, LIMIT_GIB = 90.0, 3.0
ROOM = 1.25  # two runs on one machine differ by less
SITE_TOOLS = {"myst_nb", "sphinx", "jupyter_book", "jupyter_cache", "jupytext"}
MYST = re.compile(r"^\s*(?:```+|~~~+|:::+)\s*\{|(?<!`)\{[a-zA-Z][\w:+-]*\}`[^`]|^\([\w-]+\)=\s*$|^\+\+\+", flags=re.M)
EMITTERS = {"expect", "note", "keep"}
DRAWS = {"subplots", "figure", "subplot_mosaic"}
SHOWS = {"show", "keep"}


def call_name(node: ast.AST) -> str:
    """The last part of what a call calls: `plt.subplots(...)` gives subplots."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def find_long(cell: Cell) -> list[str]:
    """A cell over the limit; one that is a single class or function may be longer."""
    lines = len(cell.source.splitlines())
    body = cell.tree.body
    single = len(body) == 1 and isinstance(body[0], ast.FunctionDef | ast.ClassDef)
    limit = LIMIT_DEFINITION if single else LIMIT_CELL
    return [f"{cell.where}: {lines} lines, over {limit}"] if lines > limit else []


def find_myst(cell: Cell) -> list[str]:
    """Directives, roles and labels, which only the site would understand."""
    return [f"{cell.where}: {match[0].strip()!r} is MyST" for match in MYST.finditer(cell.source)]


def find_late_imports(all_cells: Iterable[Cell]) -> list[str]:
    """An import anywhere but in the first code cell, or in a cell of set-up that the lesson gives."""
    codes = [cell for cell in all_cells if cell.kind == "code"]
    late = [cell for cell in codes[1:] if not {"setup", "given"} & set(cell.tags)]
    found = [cell for cell in late if any(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(cell.tree))]
    return [f"{cell.where}: imports" for cell in found]


def find_site_tools(cell: Cell) -> list[str]:
    """An import of what only the site's build has."""
    found = []
    for node in ast.walk(cell.tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"{cell.where}: imports {name}" for name in names if name.partition(".")[0] in SITE_TOOLS]
    return found


def find_silent_figures(cell: Cell) -> list[str]:
    """A figure that is drawn outside a function and not shown with a sentence for those who cannot see it."""
    own = [node for node in cell.tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    calls = [node for statement in own for node in ast.walk(statement) if isinstance(node, ast.Call)]
    drawn = sum(call_name(call) in DRAWS for call in calls)
    shown = [call for call in calls if call_name(call) in SHOWS and not is_pyplot(call)]
    found = [
        f"{cell.where}: plt.show() has no alt text; use plotting.show"
        for call in calls
        if is_pyplot(call) and call_name(call) == "show"
    ]
    found += [
        f"{cell.where}: {call_name(call)} without alt="
        for call in shown
        if not any(k.arg == "alt" for k in call.keywords)
    ]
    image = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
    if drawn and not shown and not image:
        found.append(f"{cell.where}: draws a figure and does not show it with plotting.show or plotting.keep")
    return found


def is_pyplot(call: ast.Call) -> bool:
    """Whether a call goes to matplotlib's own pyplot."""
    return (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"plt", "pyplot"}
    )


def emitted(cell: Cell) -> list[str]:
    """The literal names that a cell records."""
    calls = [
        node for node in ast.walk(cell.tree) if isinstance(node, ast.Call) and call_name(node) in EMITTERS and node.args
    ]
    return [
        call.args[0].value
        for call in calls
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    ]


def find_repeated(all_cells: Iterable[Cell]) -> list[str]:
    """Names that are recorded in two places."""
    counts = Counter(name for cell in all_cells if cell.kind == "code" for name in emitted(cell))
    return [f"{name}: recorded in {count} places" for name, count in counts.items() if count > 1]


def find_slow(record: dict) -> list[str]:
    """Notebooks over the limits of time and memory in the build's record.

    The limit is one of CPU seconds, on a quiet server; a slow or a busy machine has as many more as a calibration loop
    took more of them in the same run.
    """
    found = []
    for name, run in sorted(record.items()):
        seconds, gib = run["cpu_seconds"] / max(run["pace"], 1.0), run["peak_mib"] / 1024
        if seconds > LIMIT_SECONDS * ROOM:
            found.append(f"{name}: {seconds:.0f} s, over {LIMIT_SECONDS:.0f} s")
        if gib > LIMIT_GIB:
            found.append(f"{name}: {gib:.1f} GiB, over {LIMIT_GIB:.0f} GiB")
    return found


@pytest.fixture(scope="module")
def lessons(root: Path) -> list[Cell]:
    return [cell for path in repo.notebooks(root, "notebooks", "solutions") for cell in repo.cells(path)]


@pytest.mark.parametrize("rule", [find_long, find_site_tools, find_silent_figures])
def test_code_cells(rule, lessons: list[Cell]) -> None:
    assert repo.flat(rule(cell) for cell in lessons if cell.kind == "code") == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (find_long, "x = 1\n" * 26),
        (find_long, "def f():\n" + "    x = 1\n" * 40),
        (find_long, "def f():\n" + "    x = 1\n" * 25 + "f()"),
        (find_site_tools, "import myst_nb"),
        (find_site_tools, "from sphinx.application import Sphinx"),
        (find_silent_figures, "fig, ax = plt.subplots()\nax.plot(x)"),
        (find_silent_figures, "fig = plt.figure()\nplotting.keep('a', fig)"),
        (find_silent_figures, "plt.show()"),
    ],
)
def test_control_code_cells(rule, source: str) -> None:
    assert rule(repo.code("code", source))


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (find_long, "def f():\n" + "    x = 1\n" * 39),
        (find_silent_figures, "fig, ax = plt.subplots()\nplotting.show(fig, alt='A line.')"),
        (find_silent_figures, "def draw():\n    return plt.subplots()"),
    ],
)
def test_control_code_cells_allows(rule, source: str) -> None:
    assert not rule(repo.code("code", source))


def test_prose_is_plain_markdown(lessons: list[Cell]) -> None:
    assert repo.flat(find_myst(cell) for cell in lessons if cell.kind == "markdown") == []


@pytest.mark.parametrize(
    "text", ["```{note}\nx\n```", ":::{tip}\n:::", "see {ref}`x`", "{cite:p}`a`", "(label)=", "{glue:text}`a`"]
)
def test_control_prose(text: str) -> None:
    assert find_myst(repo.code("markdown", text))
    assert not find_myst(repo.code("markdown", "```python\nx = {1}\n```\n$f_{a}$ and `{a}`"))


def test_imports_come_first(root: Path) -> None:
    for path in repo.notebooks(root, "notebooks", "solutions"):
        assert find_late_imports(repo.cells(path)) == []


def test_control_imports() -> None:
    first, late = repo.code("code", "import torch"), repo.code("code", "def f():\n    import os")
    assert find_late_imports([first, late]) and not find_late_imports([first])


def test_recorded_names_are_unique(lessons: list[Cell]) -> None:
    assert find_repeated(lessons) == []


def test_control_repeated() -> None:
    cells = [
        repo.code("code", "expect('a', 1, 0, 2)"),
        repo.code("code", "plotting.keep('a', fig, alt='x')\nnote('b', 1)"),
    ]
    assert find_repeated(cells) == ["a: recorded in 2 places"]


@pytest.mark.site
def test_notebooks_are_quick_and_small(root: Path) -> None:
    record = json.loads((root / "_build/record.json").read_text(encoding="utf-8"))
    assert set(record["notebooks"]) == {f"notebooks/{path.name}" for path in repo.notebooks(root, "notebooks")}
    assert find_slow(record["notebooks"]) == []


@pytest.mark.site
def test_measured_names_are_unique(root: Path) -> None:
    record = json.loads((root / "_build/record.json").read_text(encoding="utf-8"))
    names = Counter(measured["name"] for run in record["notebooks"].values() for measured in run["expectations"])
    assert [name for name, count in names.items() if count > 1] == []


def test_control_slow() -> None:
    slow = {"cpu_seconds": 120, "pace": 1.0, "peak_mib": 0}
    assert len(find_slow({"a": slow, "b": {"cpu_seconds": 1, "pace": 1.0, "peak_mib": 4000}})) == 2
    assert find_slow({"a": slow | {"pace": 0.5}})
    assert not find_slow({"on a busy machine": slow | {"pace": 2.0}})
