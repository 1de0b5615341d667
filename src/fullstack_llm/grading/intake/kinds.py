"""Say by a file's name what it is: a notebook, a script, a zip, added by a computer, or of an environment."""

from __future__ import annotations

import re
from pathlib import PurePath

# Browsers and mail programs append an ending of their own to one that they do not know.
KIND = re.compile(r"\.(ipynb|py|zip)(?:\.(?:json|txt|download))?$", re.IGNORECASE)
# Files that a system or a computer puts beside submissions: nobody handed them in, so nobody is told of them.
METADATA = "submission_metadata.yml"
ADDED = frozenset({METADATA, "timestamp.txt", "submission_secret.txt", "Thumbs.db", "desktop.ini", ".DS_Store"})
ADDED_FOLDER = "__MACOSX"
# Folders of programs. Those without a dot may be a student's, so at the top they are taken for one.
PROGRAMS = frozenset(
    {
        ".ipynb_checkpoints",
        ".git",
        ".venv",
        ".vscode",
        ".idea",
        ".cache",
        ".config",
        ".local",
        ".jupyter",
        ".mypy_cache",
    }
)
PLAIN_PROGRAMS = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__"})
# Names by which people put work away.
AWAY = re.compile(r"(?<![a-z])(?:old|older|orig|original|archived?|backup|bak|template|stub|unfinished)(?![a-z])")


def kind(name: str) -> str:
    """Return ".ipynb", ".py" or ".zip", or an empty string for another file.

    >>> [kind(name) for name in ("lab.ipynb", "lab.IPYNB.txt", ".ipynb", "lab.py.json", "notes.txt")]
    ['.ipynb', '.ipynb', '.ipynb', '.py', '']
    """
    found = KIND.search(name)
    return f".{found[1].lower()}" if found else ""


def can_be_graded(name: str) -> bool:
    """Return whether a file is a notebook or a script.

    >>> can_be_graded("lab.ipynb.json"), can_be_graded("hw.zip")
    (True, False)
    """
    return kind(name) in (".ipynb", ".py")


def is_added(path: PurePath) -> bool:
    """Return whether a computer or a system added the file: nobody handed it in."""
    return path.name in ADDED or path.name.startswith("._") or ADDED_FOLDER in path.parts


def of_programs(path: PurePath) -> PurePath | None:
    """Return the folder of a program that a path lies in or names: an environment, a repository, checkpoints.

    >>> str(of_programs(PurePath("ada/hw/.venv/lib/x.py"))), of_programs(PurePath("ada/hw/x.py"))
    ('ada/hw/.venv', None)
    """
    for number, part in enumerate(path.parts):
        if part in PROGRAMS or (number and part in PLAIN_PROGRAMS):
            return PurePath(*path.parts[: number + 1])
    return None


def named_like(name: str, slug: str) -> bool:
    """Return whether a file's name contains the lab's, whatever case and punctuation it has.

    >>> named_like("ada/Copy of 03-Tokenization (2).ipynb", "03_tokenization")
    True
    """
    letters, wanted = ("".join(filter(str.isalnum, text.casefold())) for text in (name.rpartition("/")[2], slug))
    return wanted in letters


def is_away(name: str) -> bool:
    """Return whether a path says that its file was put away.

    >>> is_away("ada/archive/lab.ipynb"), is_away("ada/lab_original.ipynb"), is_away("ada/gold/lab.ipynb")
    (True, True, False)
    """
    return AWAY.search(name.casefold()) is not None
