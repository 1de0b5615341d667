"""Generate the `.ipynb` files that Colab, JupyterHub and students open from `.md` sources, always the same bytes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fullstack_llm.checks.outline import Row, outlines
from fullstack_llm.lessons import nbgrader, safety
from fullstack_llm.lessons.markers import MarkerError, blocks, to_stub
from fullstack_llm.lessons.needs import needs
from fullstack_llm.lessons.points import COMMANDS, HAND_IN, annotated

TAGS = {"setup", "given", "answer", "check"}
PAGE = "page:"  # the cell is shown on the chapter's page, under the name that follows
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
}
INSTALL = """\
# A fresh kernel (Colab, say) installs the course once; elsewhere this cell does nothing.
import importlib.util

if importlib.util.find_spec("fullstack_llm") is None:
    %pip install -qqq --no-deps "fullstack_llm @ git+{url}@{branch}"
    importlib.invalidate_caches()
    if importlib.util.find_spec("fullstack_llm") is None:
        raise SystemExit(
            "The course is not installed, since {url} cannot be reached from here: "
            "check the connection and the address, then run this cell again."
        )"""
Cell = dict[str, Any]


class LessonError(ValueError):
    """Raised for a source that cannot be turned into a notebook; the message names the file and the cell."""


def generated(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path of each generated file of the repository at `root`, with the text that the file must have."""
    url, branch = repository(root)
    for source in sorted((root / "notebooks").glob("*.md")):
        yield source.with_suffix(".ipynb"), notebook(source, url, branch)
    rows = outlines(root / "src/fullstack_llm/labs")
    for source in sorted((root / "solutions").glob("*.md")):
        yield root / "labs" / f"{source.stem}.ipynb", lab(source, url, branch, rows.get(source.stem, []))


def repository(root: Path) -> tuple[str, str]:
    """Return the address and the branch of the course, which `_config.yml` sets."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]
    return config["url"], config["branch"]


def notebook(source: Path, url: str, branch: str) -> str:
    """Return the `.ipynb` text of a runnable notebook."""
    cells = [_numbered(cell, index) for index, cell in enumerate(read(source))]
    return _dump(_with_install(cells, source, url, branch), {"notebook": source.stem})


def lab(source: Path, url: str, branch: str, rows: list[Row] | None = None) -> str:
    """Return the `.ipynb` text of a solution's lab: the same cells, each answer replaced by its stub.

    `rows` are its exercises as they are declared: their points go into the text, and into nbgrader's metadata.

    Raises LessonError for an answer without its check, a check without its answer, or a marker that could leak.
    """
    cells: list[Cell] = []
    waiting: str | None = None
    points = {row.exercise: row.points for row in rows or []}
    for index, cell in enumerate(read(source, rows)):
        cell = _numbered(cell, index)
        tags, exercise = cell["metadata"].get("tags", []), cell["metadata"].get("exercise")
        where = f"{source.name}, cell {index + 1}"
        try:
            if cell["cell_type"] == "code" and waiting and "check" not in tags:
                raise MarkerError(f"the answer of {waiting!r} must be followed by its check cell.")
            if "answer" in tags:
                if not exercise:
                    raise MarkerError("an answer cell needs ':exercise: name'.")
                cell["source"] = to_stub(cell["source"], exercise)
                waiting = exercise
            elif "check" in tags:
                if exercise != waiting or cell["source"].strip() != f"check({exercise})":
                    wanted = f"check({exercise or waiting})"
                    raise MarkerError(f"a check cell follows its answer and reads exactly {wanted}.")
                waiting = None
            elif cell["cell_type"] == "code" and blocks(cell["source"]):
                raise MarkerError("solution markers belong in a cell tagged 'answer'.")
        except MarkerError as error:
            raise LessonError(f"{where}: {error}") from None
        if exercise in points:
            cell["metadata"] |= {"nbgrader": nbgrader.metadata(cell["id"], points[exercise])}
        cells.append(cell)
    if waiting:
        raise LessonError(f"{source.name}: the answer of {waiting!r} has no check cell.")
    _tell_commands(cells, source.stem)
    return _dump(_with_install(cells, source, url, branch, lab=source.stem), {"lab": source.stem})


def _tell_commands(cells: list[Cell], slug: str) -> None:
    """Put the commands of the pre-check under *Before you hand in*, or last where there is no such heading."""
    last = next((cell for cell in cells if HAND_IN in cell["source"].splitlines()), None)
    if last is None:
        last = {"cell_type": "markdown", "metadata": {}, "source": HAND_IN, "id": "hand-in"}
        cells.append(last)
    last["source"] += "\n\n" + COMMANDS.format(slug=slug)


def read(source: Path, rows: list[Row] | None = None) -> list[Cell]:
    """Return the cells of a MyST notebook, of a lab with its points: type, source and metadata.

    Raises LessonError on an unknown tag or option.
    """
    import jupytext

    try:
        text = annotated(source.read_text(encoding="utf-8"), rows or [])
    except ValueError as error:
        raise LessonError(f"{source.name}, {error}.") from None
    nb = jupytext.reads(text, fmt={"extension": ".md", "format_name": "myst"})
    if nb.metadata.get("kernelspec", {}).get("name") != "python3":
        raise LessonError(f"{source.name}: the header must name the kernel python3 and the format myst.")
    cells = []
    for index, cell in enumerate(nb.cells):
        metadata = dict(cell.metadata)
        tags = {tag for tag in metadata.get("tags", []) if not tag.startswith(PAGE)}
        unknown = tags - TAGS | metadata.keys() - {"tags", "exercise"}
        if unknown:
            raise LessonError(f"{source.name}, cell {index + 1}: unknown tag or option {', '.join(sorted(unknown))}.")
        cells.append({"cell_type": cell.cell_type, "metadata": metadata, "source": cell.source})
    return cells


def _numbered(cell: Cell, index: int) -> Cell:
    """Return a cell with its id. Ids of answers and checks name the exercise, so they survive edits of other cells."""
    exercise = cell["metadata"].get("exercise")
    kind = next((tag for tag in ("answer", "check") if tag in cell["metadata"].get("tags", [])), None)
    name = f"{kind}-{exercise}" if kind and exercise else f"cell-{index:03d}"
    return {**cell, "id": re.sub(r"[^a-zA-Z0-9_-]", "-", name)}


def _with_install(cells: list[Cell], source: Path, url: str, branch: str, lab: str = "") -> list[Cell]:
    """Return the cells with a cell that installs the course, where it is missing, before the first code cell.

    It asks for what this notebook uses and for nothing else, in ranges that Colab's own packages meet: a package that
    is replaced while a kernel runs may be loaded already, or belong with another.
    """
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    try:
        wanted = " ".join(f'"{line}"' for line in needs(source.parents[1], code, lab))
    except SyntaxError as error:
        raise LessonError(f"{source.name}: a code cell is no Python ({error.msg}): {error.text}") from None
    text = INSTALL.format(url=url, branch=branch)
    if wanted:
        text = text.replace("    %pip", f"    %pip install -qqq {wanted}\n    %pip", 1)
    if any("vocabularies" in cell for cell in code):
        # Only its bundled vocabulary files are used, so none of its dependencies are wanted.
        text = text.replace("--no-deps", "--no-deps litellm", 1)
    install = {"cell_type": "code", "metadata": {"tags": ["install"]}, "source": text, "id": "install"}
    first = next((i for i, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    return [*cells[:first], install, *cells[first:]]


def _dump(cells: list[Cell], name: dict[str, str]) -> str:
    for cell in cells:
        cell["source"] = cell["source"].splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    duplicate = len(cells) - len({cell["id"] for cell in cells})
    if duplicate:
        raise LessonError(f"{duplicate} cells share an id: is an exercise named twice?")
    metadata = KERNEL | {safety.KEY: name | {"version": safety.version(cells)}}
    nb = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(nb, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
