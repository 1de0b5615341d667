"""Controls for broken notebooks: a reader that trusts the file loses marks that the grader finds, or is fooled."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from numbered import numbered
from submissions import COUNT, DOUBLE, RIGHT, TWICE, cell, notebook

ANSWERS = ("twice", "double", "count")


def good() -> dict[str, Any]:
    """The lab's file with right answers: each cell has an id of its own, and says what it is for and worth."""
    sources = dict(zip(ANSWERS, (TWICE, DOUBLE, COUNT), strict=True))
    points = {"twice": 0, "double": 40, "count": 60}
    cells = [
        cell(source, id=name, metadata={"exercise": name, "points": points[name]}) for name, source in sources.items()
    ]
    return notebook(cells)  # type: ignore[arg-type]


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def naive(data: bytes, name: str = "00_toy.ipynb") -> int:
    """Points, where the file's name, its ids, its metadata and its points are believed, and a cell is plain Python."""
    if name != "00_toy.ipynb" or len(data) > 64 << 20:
        return 0
    book = json.loads(data.decode("utf-8"), parse_constant=refuse)
    if book["nbformat"] != 4:
        return 0
    by_id = {one["id"]: one for one in book["cells"]}
    space: dict[str, Any] = {}
    earned = 0
    for exercise in ANSWERS:
        one = by_id[exercise]
        exec("".join(one["source"]), space)
        if one["metadata"]["exercise"] == exercise and exercise in space:
            earned += one["metadata"]["points"]
    return earned


def changed(index: int, **changes: Any) -> bytes:
    book = good()
    book["cells"][index] |= changes
    return json.dumps(book).encode()


def without(*keys: str) -> bytes:
    book = good()
    for one in book["cells"]:
        for key in keys:
            del one[key]
    return json.dumps(book).encode()


def doubled() -> bytes:
    book = good()
    book["cells"].append(cell("# my notes", id="count"))
    return json.dumps(book).encode()


LATIN = json.dumps(notebook(["# é", *RIGHT]), ensure_ascii=False).encode("latin-1")
BROKEN: dict[str, tuple[bytes, str]] = {
    "51 duplicated cell ids": (doubled(), "00_toy.ipynb"),
    "52 deleted cells": (json.dumps(good() | {"cells": good()["cells"][1:]}).encode(), "00_toy.ipynb"),
    "53 code turned to Markdown": (changed(1, source="*my answer*", cell_type="markdown"), "00_toy.ipynb"),
    "54 metadata stripped": (without("id", "metadata"), "00_toy.ipynb"),
    "55 NaN": (json.dumps(good()).replace('"points": 40', '"points": NaN').encode(), "00_toy.ipynb"),
    "55 byte-order mark": (b"\xef\xbb\xbf" + json.dumps(good()).encode(), "00_toy.ipynb"),
    "55 truncated": (json.dumps(good()).encode()[:-9], "00_toy.ipynb"),
    "56 nbformat 3": (json.dumps(good() | {"nbformat": 3}).encode(), "00_toy.ipynb"),
    "57 large outputs": (json.dumps(good() | {"outputs": "x" * (65 << 20)}).encode(), "00_toy.ipynb"),
    "58 renamed": (json.dumps(good()).encode(), "00_toy (2).ipynb"),
    "59 changed points": (changed(1, metadata={"exercise": "double", "points": 1000}), "00_toy.ipynb"),
    "60 Latin-1": (LATIN, "00_toy.ipynb"),
    "61 magics": (changed(0, source="%matplotlib inline\n" + TWICE), "00_toy.ipynb"),
    "62 wrong lab": (json.dumps(good() | {"metadata": {"lab": "07_x"}, "cells": [cell("1")]}).encode(), "00_toy.ipynb"),
}


@pytest.mark.parametrize(("data", "name"), numbered(BROKEN, "control"))
def test_a_reader_that_trusts_the_file_is_wrong(data: bytes, name: str) -> None:
    earned = 0
    with contextlib.suppress(ValueError, KeyError, SyntaxError):
        earned = naive(data, name)
    assert earned != 100


def test_it_is_right_about_a_file_that_nothing_has_happened_to() -> None:
    assert naive(json.dumps(good()).encode()) == 100


@pytest.mark.control(72)
@pytest.mark.parametrize("name", ["../../evil", "x" * 300, "a\nb"])
def test_reports_that_are_named_as_files_are_lost_or_elsewhere(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out" / f"{name}.html"
    (tmp_path / "out").mkdir()
    with contextlib.suppress(OSError):
        path.write_text("report")
    listed = " ".join(one.name for one in (tmp_path / "out").iterdir())
    assert listed.splitlines() != [f"{name}.html"]
