"""Submissions for the grader's tests: the toy lab's right answers, put into files of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOY = Path(__file__).parent / "toy"
SETUP = 'import numpy as np\nfrom fullstack_llm.checks import lab\n\ncheck = lab("00_toy")'
TWICE = "def twice(x):\n    return 2 * x"
DOUBLE = "def double(xs):\n    return [twice(x) for x in xs]"
COUNT = "def count(text, letter):\n    return text.count(letter)"
RIGHT = [SETUP, TWICE, DOUBLE, "check(double)", COUNT, "check(count)"]


def cell(source: str, kind: str = "code", **extra: Any) -> dict[str, Any]:
    more = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {
        "cell_type": kind,
        "id": "same",
        "metadata": {},
        "source": source.splitlines(keepends=True),
        **more,
        **extra,
    }


def notebook(sources: list[str | dict[str, Any]], **changes: Any) -> dict[str, Any]:
    cells = [cell(one) if isinstance(one, str) else one for one in sources]
    metadata = {"fullstack_llm": {"lab": "00_toy", "version": "1"}, "kernelspec": {"name": "python3"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells, **changes}


def save(path: Path, sources: list[str | dict[str, Any]] | dict[str, Any]) -> Path:
    data = sources if isinstance(sources, dict) else notebook(sources)
    path.write_text(json.dumps(data), "utf-8")
    return path
