"""Read the cells that a lab's own notebook gives to every submission: its set-up, and the code around the answers."""

from __future__ import annotations

import ast
from pathlib import Path

from fullstack_llm.worker.reader import read

# The labs' notebooks in a checkout of the course; where the package is installed without them, `--labs` names a folder.
FOLDER = Path(__file__).parents[4] / "labs"
GIVEN_TAGS = {"setup", "given"}


def given_cells(slug: str, folder: Path = FOLDER) -> list[tuple[str, str]]:
    """Return label and source of the lab's set-up and given cells, which run even if a student deleted or changed them.

    The list is empty if the folder has no notebook of the lab.
    """
    path = folder / f"{slug}.ipynb"
    if not path.is_file():
        return []
    book = read(path)
    return [
        (f"the lab's own {label}", source)
        for (label, source), tags in zip(book.cells, book.tags, strict=True)
        if GIVEN_TAGS & set(tags)
    ]


def imported_modules(cells: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return the top-level modules that the cells import, and NumPy: workers load them before a submission arrives.

    >>> imported_modules([("cell 1", "import torch.nn as nn\\nfrom fullstack_llm.checks import lab")])
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
