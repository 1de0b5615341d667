"""What the rules read: the repository's own files, its notebooks' cells, its table of contents."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

TEXT = {
    ".md",
    ".py",
    ".yml",
    ".yaml",
    ".toml",
    ".lock",
    ".ipynb",
    ".bib",
    ".css",
    ".js",
    ".svg",
    ".html",
    ".json",
    ".txt",
}


@dataclass(frozen=True)
class Cell:
    """One cell of a MyST notebook; `where` names it in messages."""

    where: str
    kind: str
    source: str
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def tree(self) -> ast.Module:
        """The syntax tree, with the lines that only IPython understands blanked out."""
        return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", self.source, flags=re.M))


@cache
def files(root: Path) -> tuple[Path, ...]:
    """Every file that is committed, or would be: git's list, or without git all but what is built."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
        return tuple(sorted(root / name for name in names if name and (root / name).is_file()))
    built = {"_build", ".venv", ".git", "__pycache__"}
    return tuple(sorted(path for path in root.rglob("*") if path.is_file() and built.isdisjoint(path.parts)))


def texts(root: Path) -> list[tuple[str, str]]:
    """Name and content of every text file."""
    return [
        (path.relative_to(root).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
        for path in files(root)
        if path.suffix in TEXT or path.suffix == ""
    ]


def flat(found: Iterable[list[str]]) -> list[str]:
    """The findings of a rule over many files, as one list."""
    return list(chain.from_iterable(found))


@cache
def cells(path: Path) -> tuple[Cell, ...]:
    """The cells of a MyST notebook."""
    import jupytext

    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt={"extension": ".md", "format_name": "myst"})
    return tuple(
        Cell(
            f"{path.parent.name}/{path.name}, cell {number}",
            cell.cell_type,
            cell.source,
            tuple(cell.metadata.get("tags", ())),
            dict(cell.metadata),
        )
        for number, cell in enumerate(notebook.cells, start=1)
    )


def code(kind: str, source: str, tags: tuple[str, ...] = ()) -> Cell:
    """A planted cell, for the controls."""
    return Cell("planted, cell 1", kind, source, tags)


def notebooks(root: Path, *folders: str) -> list[Path]:
    """The MyST notebooks of these folders."""
    return [path for folder in folders for path in sorted((root / folder).glob("*.md"))]


def toc_entries(root: Path) -> list[str]:
    """Every file that the table of contents names, as it names it."""
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(str(node[key]) for key in ("file", "root") if key in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))
    return found
