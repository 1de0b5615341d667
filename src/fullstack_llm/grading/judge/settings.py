"""What decides a score besides the submission: a run's reports carry it, and two runs can be compared by it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fullstack_llm.checks import declared
from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.grading.intake.submissions import digest


def made_with(lab: LabChecks, checks: Path, labs: Path, level: str, seeds: Mapping[str, str]) -> dict[str, Any]:
    """All that decides a score, besides the submission; `draws` are seeds, never the key."""
    own = labs / f"{lab.slug}.ipynb"
    return {
        "lab": lab.slug,
        "checks": _digest(sources(declared.labs(checks)[lab.slug])),
        "own_cells": _digest([own] if own.is_file() else []),
        "version": version("fullstack_llm"),
        "isolation": level,
        "draws": dict(seeds),
    }


def sources(module: Path) -> list[Path]:
    """A check module, the modules that judge by it, and what these import from the folders of checks."""
    found: list[Path] = []
    waiting = [module, declared.FOLDER / "judging.py"]
    while waiting:
        path = waiting.pop()
        found.append(path)
        names = {piece for node in ast.walk(ast.parse(path.read_bytes())) for piece in _imported(node)}
        beside = [folder / f"{name}.py" for folder in {module.parent, declared.FOLDER} for name in names]
        waiting += sorted(one for one in beside if one.is_file() and one not in found + waiting)
    return sorted(found)


def _imported(node: ast.AST) -> list[str]:
    names = [one.name for one in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
    if isinstance(node, ast.ImportFrom) and node.module:
        names.append(node.module)
    return [piece for name in names for piece in name.split(".")]


def _digest(paths: list[Path]) -> str:
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(f"{path.name} {digest(path)}\n".encode())
    return hashed.hexdigest()
