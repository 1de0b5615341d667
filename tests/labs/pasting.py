"""What a student could paste into a lab: the functions and classes of the module's notebooks and of the package."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from judged import ROOT, LabUnderTest, earned, quiet

import fullstack_llm
from fullstack_llm.checks.limits import limit
from fullstack_llm.lessons import generate

Pastes = dict[str, Any]
CHEAP = {*dir(builtins), "math", "random", "re", "string", "np", "numpy", "torch", "nn", "F", "Counter"}


def of_package(answers: tuple[str, ...]) -> Pastes:
    """Return the functions and classes of modules of this package, those of a package's modules included."""
    pastes: Pastes = {}
    for name in answers:
        top = importlib.import_module(f"{fullstack_llm.__name__}.{name}")
        below = pkgutil.walk_packages(getattr(top, "__path__", ()), f"{top.__name__}.")
        for module in (top, *(importlib.import_module(one.name) for one in below if "__main__" not in one.name)):
            for label, value in vars(module).items():
                if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module.__name__:
                    pastes[f"{module.__name__}.{label}"] = value
    return pastes


def of_notebooks(paths: list[Path]) -> Pastes:
    """Return the functions and classes of notebooks, in whose cells only these run, imports, and what they need."""
    pastes: Pastes = {}
    for path in paths:
        sources = [cell["source"] for cell in generate.read(path) if cell["cell_type"] == "code"]
        names: dict[str, Any] = {"__name__": path.stem}
        for node in needed(sources):
            # What raises, or takes long, is not there for those that need it.
            with quiet(), limit(60.0, 360.0):
                try:
                    exec(compile(ast.Module([node], []), f"<{path.name}>", "exec"), names)
                except Exception:
                    continue
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                pastes[f"{path.name}: {node.name}"] = names[node.name]
    return pastes


def needed(sources: list[str]) -> Iterator[ast.stmt]:
    """Yield the definitions and imports of cells, and the assignments of names that a definition reads."""
    nodes = [node for source in sources for node in _parsed(source)]
    reads = {
        name.id
        for node in nodes
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for name in ast.walk(node)
        if isinstance(name, ast.Name)
    }
    # From the last to the first: what a needed assignment reads is needed as well.
    kept = []
    for node in reversed(nodes):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            kept.append(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and is_cheap(node):
            found = [name for name in ast.walk(node) if isinstance(name, ast.Name)]
            if any(isinstance(name.ctx, ast.Store) and name.id in reads for name in found):
                reads |= {name.id for name in found}
                kept.append(node)
    yield from reversed(kept)


def is_cheap(node: ast.stmt) -> bool:
    """Say whether an assignment calls nothing but builtins and plain libraries: no model is loaded or trained."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            root: ast.AST = call.func
            while isinstance(root, (ast.Attribute, ast.Call, ast.Subscript)):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name) and root.id not in CHEAP:
                return False
    return True


def _parsed(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def pasted(lab: LabUnderTest, pastes: Pastes) -> dict[str, tuple[int, str]]:
    """Return for each exercise the most points that a paste earns, and which one it is."""
    best: dict[str, tuple[int, str]] = {}
    for exercise in lab.checks.declarations:
        for label, paste in pastes.items():
            if _takes(paste, len(exercise.arguments)):
                points = earned(lab, exercise.name, paste)
                best[exercise.name] = max(best.get(exercise.name, (0, "")), (points, label))
    return best


def _takes(paste: Any, count: int) -> bool:
    try:
        inspect.signature(paste).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def module_of(slug: str) -> list[Path]:
    """Return the notebooks of a lab's module."""
    return sorted((ROOT / "notebooks").glob(f"{slug[:2]}*.md"))
