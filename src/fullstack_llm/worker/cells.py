"""Run a notebook's cells as plain Python; what fails costs itself, and the definitions behind it still count."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import linecache
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

from .calling import named
from .magics import cell_magic, without_magics

FEATURES = importlib.import_module("__future__")
FUTURE = sum(getattr(FEATURES, name).compiler_flag for name in FEATURES.all_feature_names)
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# A notebook stops where a statement fails. Behind it we still run what makes names, and nothing else.
DEFINING = (*DEFINITIONS, ast.Assign, ast.AnnAssign, ast.Try)


@dataclass
class Cells:
    """Hold what the cells of one notebook share: their module, the features that they asked for, what is missing.

    `place` is what the notebook knows as its own file. `missing` says of each name that a failed statement would have
    made which cell and which error that was.
    """

    module: ModuleType
    place: str = "submission"
    flags: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop | None = None

    def run(self, source: str, label: str, reduced: bool = False) -> None:
        """Run a cell, or only its imports and definitions; raise the first exception, after what still makes names."""
        if cell_magic(source) in ("writefile", "file"):
            return write_file(source)
        tree, plain = parse(source, label)
        self._quote(plain, label)
        if reduced:
            tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
        first: BaseException | None = None
        # A feature holds for the whole cell, wherever its line stands: magics may come before it.
        features: list[ast.stmt] = [node for node in tree.body if getattr(node, "module", "") == "__future__"]
        for nodes in (features, [node for node in tree.body if node not in features] if features else tree.body):
            while nodes:
                code = None
                try:
                    code = self._compile(nodes, label)
                    self._execute(code)
                    break
                except BaseException as error:
                    first = first or error
                    at = failing(nodes, error, label)
                    # Nothing before the statement has run either if the compiler refused it.
                    before = nodes[:at] if code is None else []
                    nodes = [*before, *self._leave_out(nodes[at:], f"{label}, {named(first)}")]
        if first is not None:
            raise first
        return None

    def _quote(self, plain: str, label: str) -> None:
        """Give the lines to tracebacks and to inspect.getsource, which looks for classes in the module's file."""
        linecache.cache[f"<{label}>"] = (len(plain), None, plain.splitlines(keepends=True), f"<{label}>")
        self.lines += f"{plain}\n".splitlines(keepends=True)
        linecache.cache[self.place] = (len(self.lines), None, self.lines, self.place)

    def _compile(self, nodes: list[ast.stmt], label: str) -> CodeType:
        flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return compile(ast.Module(nodes, []), f"<{label}>", "exec", flags, dont_inherit=True)

    def _execute(self, code: CodeType) -> None:
        self.flags |= code.co_flags & FUTURE
        if code.co_flags & inspect.CO_COROUTINE:
            # One loop for all cells, as in a notebook: a task may be awaited in a later cell.
            self.loop = self.loop or asyncio.new_event_loop()
            self.loop.run_until_complete(eval(code, vars(self.module)))
        else:
            exec(code, vars(self.module))

    def _leave_out(self, nodes: list[ast.stmt], why: str) -> list[ast.stmt]:
        """Return what still runs behind the first of these statements, and note the names that are not made."""
        rest: list[ast.stmt] = [node for node in nodes[1:] if isinstance(node, DEFINING)]
        for node in nodes:
            if node not in rest:
                for name in bound(node):
                    self.missing.setdefault(name, why)
        return rest


def parse(source: str, label: str) -> tuple[ast.Module, str]:
    """Parse a cell, and return the Python that was parsed; magics are removed only if it is no Python with them."""
    try:
        return ast.parse(source, f"<{label}>"), source
    except SyntaxError as error:
        plain = without_magics(source)
        if plain == source:
            raise
        try:
            return ast.parse(plain, f"<{label}>"), plain
        except SyntaxError:
            raise error from None


def failing(nodes: list[ast.stmt], error: BaseException, label: str) -> int:
    """Return which of the statements raised the exception, or was refused by the compiler."""
    line, frame = 0, error.__traceback__
    while frame:
        code = frame.tb_frame.f_code
        if (code.co_filename, code.co_name) == (f"<{label}>", "<module>"):
            line = frame.tb_lineno
        frame = frame.tb_next
    if not line and isinstance(error, SyntaxError):
        line = error.lineno or 0
    return next((at for at, node in enumerate(nodes) if node.lineno <= line <= (node.end_lineno or 0)), 0)


def bound(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement would make.

    >>> list(bound(ast.parse("from math import tau as turn, pi").body[0]))
    ['turn', 'pi']
    """
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
        return
    for each in ast.walk(node):
        if isinstance(each, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in each.names)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id


def write_file(source: str) -> None:
    """Write the body of a `%%writefile` cell into the folder of the process, where the next cell can import it."""
    head, _, body = source.lstrip().partition("\n")
    *options, name = shlex.split(head)[1:] or [""]
    with Path(name).open("a" if {"-a", "--append"} & {*options} else "w", encoding="utf-8") as file:
        file.write(body if body.endswith("\n") else f"{body}\n")
    importlib.invalidate_caches()
