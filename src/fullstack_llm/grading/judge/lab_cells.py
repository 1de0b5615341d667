"""What a lab gives to every submission: its set-up and its drivers, taken from the lab's own notebook."""

from __future__ import annotations

import ast
from pathlib import Path

from fullstack_llm.worker.reader import read

# In a checkout the labs lie beside the package; elsewhere `--labs` says where.
FOLDER = Path(__file__).parents[4] / "labs"
GIVEN = {"setup", "given"}


def given(slug: str, folder: Path = FOLDER) -> list[tuple[str, str]]:
    """The lab's own set-up and given cells, so that one that a student has deleted or changed is there all the same."""
    path = folder / f"{slug}.ipynb"
    if not path.is_file():
        return []
    book = read(path)
    return [
        (f"the lab's own {label}", source)
        for (label, source), tags in zip(book.cells, book.tags, strict=True)
        if GIVEN & set(tags)
    ]


def modules(cells: list[tuple[str, str]]) -> tuple[str, ...]:
    """Modules that a worker loads ahead: those that the lab's own cells import, and NumPy.

    >>> modules([("cell 1", "import torch.nn as nn\\nfrom fullstack_llm.checks import lab")])
    ('numpy', 'torch')
    """
    names = {"numpy"}
    for _, source in cells:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return tuple(sorted(names - {"fullstack_llm"}))
