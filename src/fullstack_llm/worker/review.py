"""Find names that an exercise's answer is not meant to use, by walking the syntax tree: for a person to look at.

Runs in the worker, before any cell, and decides no points: code can always hide a name from a syntax tree.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .magics import without_magics

MAX_PIECES = 12
IMPORTERS = {"__import__", "import_module"}


@dataclass
class Uses:
    """Hold the dotted names in a top-level definition, each with its line, and the plain names that may be helpers."""

    where: str
    names: dict[str, int] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


def find(cells: list[tuple[str, str]], table: dict[str, list[str]]) -> list[str]:
    """Return one sentence for each exercise and each unwanted name that the exercise, or a helper of it, uses.

    >>> find([("cell 1", "import torch.nn as nn\\ndef f(x): return nn.ReLU()(x)")], {"f": ["torch"]})
    ['f uses nn.ReLU (cell 1, line 2), and is not meant to use torch']
    """
    trees = [(label, tree) for label, source in cells if (tree := _tree(source))]
    aliases = dict(pair for _, tree in trees for pair in _aliases(tree))
    defined = {name: (node, label) for label, tree in trees for node in _statements(tree.body) for name in _names(node)}

    # Definitions that no exercise reaches are not walked, and the others once.
    @functools.cache
    def uses(name: str) -> Uses | None:
        return _uses(*defined[name]) if name in defined else None

    return [
        sentence
        for exercise, unwanted in table.items()
        for name in unwanted
        for sentence in _first_use(exercise, name, uses, aliases)
    ]


def _tree(source: str) -> ast.Module | None:
    for text in (source, without_magics(source) if source.strip() else ""):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(text)
            except (SyntaxError, ValueError):
                continue
    return None


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds, with the dotted name that it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, including those under `if`, `try` and `with`."""
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            stack += reversed(list(ast.iter_child_nodes(node)))


def _names(node: ast.stmt) -> list[str]:
    """Return the names that a statement defines: of a function, a class, or variables."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name) and _stored(node)]


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _pieces(node: ast.AST) -> list[str]:
    """Return the names in a chain such as `a.b.c`; an empty list for a chain that does not begin with a name."""
    pieces: list[str] = []
    while isinstance(node, ast.Attribute) and len(pieces) < MAX_PIECES:
        pieces.append(node.attr)
        node = node.value
    return [node.id, *reversed(pieces)] if isinstance(node, ast.Name) else []


def _uses(definition: ast.stmt, label: str) -> Uses:
    uses = Uses(label)
    nodes = list(ast.walk(definition))
    local: set[str] = set()
    if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        local = {node.arg for node in nodes if isinstance(node, ast.arg)}
        local |= {node.id for node in nodes if isinstance(node, ast.Name) and _stored(node)}
    for node in nodes:
        line = getattr(node, "lineno", 0)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            uses.names |= {f"{start}{alias.name}": line for alias in node.names}
        if isinstance(node, ast.Attribute):
            uses.names.setdefault(f".{node.attr}", line)
        if isinstance(node, ast.Call) and node.args and IMPORTERS.intersection(_pieces(node.func)[-1:]):
            module = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if isinstance(module, str):
                uses.names.setdefault(module, line)
        if (pieces := _pieces(node)) and pieces[0] not in local:
            uses.names.setdefault(".".join(pieces), line)
            uses.others.add(pieces[0])
    return uses


def _first_use(
    exercise: str, unwanted: str, find_uses: Callable[[str], Uses | None], aliases: dict[str, str]
) -> list[str]:
    """Return a sentence about the first use of the unwanted name in the exercise or, breadth first, in its helpers."""
    queue, seen = [exercise], {exercise}
    while queue:
        name = queue.pop(0)
        if not (uses := find_uses(name)):
            continue
        for written, line in uses.names.items():
            root, dot, rest = written.partition(".")
            meant = aliases.get(root, root) + dot + rest
            if any(used == unwanted or used.startswith(f"{unwanted}.") for used in (written, meant)):
                how = f" by way of {name}" if name != exercise else ""
                place = f"{uses.where}, line {line}"
                return [f"{exercise} uses {written}{how} ({place}), and is not meant to use {unwanted}"]
        queue += sorted(uses.others - seen)
        seen |= uses.others
    return []
