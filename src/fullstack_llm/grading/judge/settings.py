"""Collect what decides a score besides the submission; reports store it, so that two runs can be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fullstack_llm.checks import declared
from fullstack_llm.checks.declared import LabChecks
from fullstack_llm.grading.intake.files import digest


def run_settings(lab: LabChecks, checks: Path, labs: Path, level: str, seeds: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that decides a score besides the submission; `draws` holds seeds, never the class key."""
    notebook = labs / f"{lab.slug}.ipynb"
    settings = {
        "lab": lab.slug,
        "checks": _digest(sources(declared.labs(checks)[lab.slug])),
        "own_cells": _digest([notebook] if notebook.is_file() else []),
        "version": version("fullstack_llm"),
        "isolation": level,
        "draws": dict(seeds),
    }
    # Each report carries this, so that no report of another run is taken for one of this.
    whole = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return settings | {"made_with": whole}


def sources(package: Path) -> list[Path]:
    """Return the source files that decide a score: those of the lab's package, of the checks, and of the worker."""
    checks = Path(declared.__file__).parent
    return sorted(path for folder in (package, checks, checks.parent / "worker") for path in folder.rglob("*.py"))


def _digest(paths: list[Path]) -> str:
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(f"{path.name} {digest(path)}\n".encode())
    return hashed.hexdigest()
