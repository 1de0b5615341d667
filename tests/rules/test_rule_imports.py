"""Who imports whom in the package: no circles, and nothing of the judge's on the worker's side."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from fullstack_llm.lessons import closure

PACKAGE = closure.NAME
# What a worker cannot read, and so must not need.
JUDGES = (f"{PACKAGE}.checks", f"{PACKAGE}.labs", f"{PACKAGE}.grading")
# Folders of the grader from the machine up to the command line: each may use those before it.
FLOW = ("machine", "intake", "isolation", "pool", "probing", "judge", "reports", "gradebooks", "cli")


def modules(source: Path) -> dict[str, Path]:
    """Every module of the package under `source`, by its dotted name."""
    return {closure.dotted(source / PACKAGE, path): path for path in sorted((source / PACKAGE).rglob("*.py"))}


def imports(name: str, path: Path, known: set[str]) -> set[str]:
    """The package's modules that this one imports, at any depth of the file; a package counts only by its names."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {full if (full := f"{base}.{alias.name}") in known else base for alias in node.names}
    return (found & known) - {name}


def graph(source: Path) -> dict[str, set[str]]:
    """The import graph of the package."""
    known = modules(source)
    return {name: imports(name, path, set(known)) for name, path in known.items()}


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A circle of the graph, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def floor(name: str) -> int:
    """The place of a grader's module in the flow; -1 outside the folders."""
    parts = name.split(".")
    return FLOW.index(parts[2]) if parts[1:2] == ["grading"] and len(parts) > 2 and parts[2] in FLOW else -1


def backwards(edges: dict[str, set[str]]) -> list[str]:
    """Imports within the grader that go against the flow."""
    return [f"{a} imports {b}" for a in edges for b in sorted(edges[a]) if -1 < floor(a) < floor(b)]


def across(edges: dict[str, set[str]]) -> list[str]:
    """Imports of the worker's side from the judge's."""
    worker = [name for name in edges if name.startswith(f"{PACKAGE}.worker")]
    return [f"{a} imports {b}" for a in worker for b in sorted(edges[a]) if b.startswith(JUDGES)]


def test_the_package_has_no_circles(root: Path) -> None:
    assert circle(graph(root / "src")) == []


def test_the_grader_flows_one_way(root: Path) -> None:
    edges = graph(root / "src")
    assert backwards(edges) == []
    assert {name.split(".")[2] for name in edges if name.startswith(f"{PACKAGE}.grading.")} - {"__main__"} == set(FLOW)


def test_a_worker_needs_nothing_of_the_judges(root: Path) -> None:
    assert across(graph(root / "src")) == []


def test_control_imports(tmp_path: Path) -> None:
    package = tmp_path / PACKAGE
    for name, text in {
        "__init__.py": "",
        "worker/__init__.py": "",
        "worker/serve.py": "from . import zygote\n",
        "worker/zygote.py": "def f():\n    from .serve import x\n    import fullstack_llm.checks.codec\n",
        "checks/__init__.py": "",
        "checks/codec.py": "",
        "grading/__init__.py": "",
        "grading/pool/__init__.py": "",
        "grading/pool/pool.py": "from fullstack_llm.grading.cli import check\n",
        "grading/cli/__init__.py": "",
        "grading/cli/check.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    edges = graph(tmp_path)
    assert set(circle(edges)) == {f"{PACKAGE}.worker.serve", f"{PACKAGE}.worker.zygote"}
    assert across(edges) == [f"{PACKAGE}.worker.zygote imports {PACKAGE}.checks.codec"]
    assert backwards(edges) == [f"{PACKAGE}.grading.pool.pool imports {PACKAGE}.grading.cli.check"]
