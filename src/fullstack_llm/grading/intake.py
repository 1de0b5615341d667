"""Find the submissions in a folder, and give each an identifier that owes nothing to its name."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ..checks.show import plain

SUFFIXES = {".ipynb", ".py"}


@dataclass(frozen=True)
class Submission:
    """A file to grade: `name` is its path in the folder, made printable; `id` names its reports."""

    id: str
    name: str
    path: Path


@dataclass(frozen=True)
class Intake:
    """What a folder holds: submissions in order, and what was left out, as sentences."""

    submissions: list[Submission]
    left_out: list[str]


def submission(path: Path, name: str) -> Submission:
    """The submission with an identifier from the hash of its name: the same in every run, and safe in any path."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()
    return Submission(f"s-{digest[:12]}", plain(name, 200).replace("\n", "\\n"), path)


def find(folder: Path, reports: Path | None = None) -> Intake:
    """All `.ipynb` and `.py` files under the folder; links, hidden files and the folder of `reports` are left alone."""
    submissions, left_out = [], []
    for root, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not reports or (Path(root) / name).resolve() != reports.resolve()]
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in links)
        for name in sorted(files) + links:
            path = Path(root) / name
            one = submission(path, os.path.relpath(path, folder))
            if name.startswith("."):
                continue
            if path.is_symlink() or not path.is_file():
                left_out.append(f"{one.name}: a link or a special file, which is not followed")
            elif path.suffix.lower() not in SUFFIXES:
                left_out.append(f"{one.name}: no .ipynb or .py file")
            else:
                submissions.append(one)
    return Intake(submissions, left_out)
