"""Find what code depends on: the modules of the package that it imports, by any path, and the data files they read."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

NAME = "fullstack_llm"
# A program in a string, which a process of its own runs, imports as well, or names what it runs: "-m fullstack_llm.x".
WRITTEN = re.compile(rf"\bfrom\s+({NAME}[\w.]*)\s+import\s+([\w, ]+)|\b({NAME}(?:\.\w+)+)")
RECORDED = "recorded"  # the folder of data whose files are asked for one by one, by name


def imported(tree: ast.AST, name: str = "", is_package: bool = False) -> set[str]:
    """Return the dotted names that code imports anywhere, in a function as well; `name` resolves relative imports.

    `from a import b` gives a and a.b: whether b is a module is known where the files are.

    >>> sorted(imported(ast.parse("import numpy as np\\ndef f():\\n    from ..b import c"), name="p.a.x"))
    ['numpy', 'p.b', 'p.b.c']
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")[: len(name.split(".")) - node.level + is_package]
                base = ".".join([*above, *([base] if base else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the string constants of code, those of f-strings included, docstrings left out."""
    documents = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


def written(text: str) -> set[str]:
    """Return the dotted names that a program in a string imports or runs.

    >>> sorted(written("from fullstack_llm import bpe"))
    ['fullstack_llm', 'fullstack_llm.bpe']
    >>> sorted(written("python -m fullstack_llm.models"))
    ['fullstack_llm.models', 'fullstack_llm.models.__main__']
    """
    found = set()
    for base, names, alone in WRITTEN.findall(text):
        found |= (
            {base, *(f"{base}.{name.split()[0]}" for name in names.split(",") if name.strip())} if base else {alone}
        )
        found |= {f"{alone}.__main__"} if alone and f"-m {alone}" in text else set()
    return found


@cache
def _read(path: Path, _changed: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def read(path: Path) -> ast.Module:
    """Return a module's syntax tree, parsed once for each state of its file."""
    return _read(path, path.stat().st_mtime_ns)


def located(package: Path, name: str) -> list[Path]:
    """Return the files that importing a dotted name runs: each package's `__init__` on the way, and the module's own.

    A name outside the package, or of something that is no module, gives the files of its longest prefix that is one.
    """
    first, *parts = name.split(".")
    if first != NAME:
        return []
    files, folder = [package / "__init__.py"], package
    for part in parts:
        if (folder / f"{part}.py").is_file():
            return [*files, folder / f"{part}.py"]
        folder /= part
        if not (folder / "__init__.py").is_file():
            break
        files.append(folder / "__init__.py")
    return [path for path in files if path.is_file()]


def dotted(package: Path, path: Path) -> str:
    """Return the dotted name of a module's file, that of the package for an `__init__`."""
    return ".".join([NAME, *path.relative_to(package).with_suffix("").parts]).removesuffix(".__init__")


def modules(package: Path, sources: Iterable[ast.AST]) -> dict[Path, ast.AST]:
    """Return the package's files that code depends on, directly or by other modules, each with its syntax tree."""
    waiting = [name for tree in sources for name in names(tree)]
    found: dict[Path, ast.AST] = {}
    while waiting:
        for path in located(package, waiting.pop()):
            if path not in found:
                found[path] = read(path)
                waiting += names(found[path], dotted(package, path), path.name == "__init__.py")
    return found


def names(tree: ast.AST, name: str = "", is_package: bool = False) -> set[str]:
    """Return the dotted names that code imports, by itself or as a program in a string."""
    return imported(tree, name, is_package).union(*map(written, texts(tree)))


def data(package: Path, trees: Iterable[ast.AST], files: dict[Path, ast.AST]) -> set[Path]:
    """Return the data files that code reads: those of its packages, and those under `data/` that a string names.

    A folder `data/x` belongs to all code that has "data" and "x" among its strings; of `data/recorded` only the runs
    that some string names do. A file beside the modules of the whole package belongs to what names it.
    """
    spoken = set()
    for tree in [*trees, *files.values()]:
        spoken |= set(texts(tree))
    found = set()
    for path in package.rglob("*"):
        if path.suffix in (".py", ".pyc") or not path.is_file():
            continue
        owner = next(folder for folder in path.parents if (folder / "__init__.py").is_file() or folder == package)
        top, *rest = path.relative_to(package).parts
        if owner != package:
            wanted = owner / "__init__.py" in files
        elif not rest:
            wanted = top in spoken
        else:
            wanted = {top, rest[0]} <= spoken and (rest[0] != RECORDED or path.stem in spoken)
        if wanted:
            found.add(path)
    return found


def closure(package: Path, sources: Iterable[str]) -> list[Path]:
    """Return every file of the package that these pieces of code depend on, sorted: modules and data."""
    trees = [ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)) for source in sources]
    files = modules(package, trees)
    return sorted({*files, *data(package, trees, files)})
