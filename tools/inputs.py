"""Write a digest of files and folders, but only when it changes, so that make follows content and not dates.

    python tools/inputs.py OUT [--value TEXT] PATH...

Generated files, caches and outputs of the build are left out by name. Standard library only.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

SKIP = {"__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache", "_build"}


def digest(paths: list[Path], value: str = "") -> str:
    """Hash names and contents, in order of name.

    >>> digest([], "a") == digest([], "a"), digest([], "a") == digest([], "b")
    (True, False)
    """
    total = hashlib.sha256(value.encode())
    for top in paths:
        files = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in files:
            if SKIP.isdisjoint(path.parts) and not any(part.endswith(".egg-info") for part in path.parts):
                total.update(f"\0{path.as_posix()}\0".encode())
                total.update(path.read_bytes() if path.exists() else b"absent")
    return total.hexdigest()


def main(argv: list[str]) -> int:
    """Update the digest file named first; return the exit status: 0 done, 2 an argument is missing or no file."""
    target, *rest = argv or [""]
    value = ""
    if rest[:1] == ["--value"]:
        value, rest = "".join(rest[1:2]), rest[2:]
    if not target or not rest:
        print("usage: python tools/inputs.py OUT [--value TEXT] PATH...", file=sys.stderr)
        return 2
    try:
        update(target, value, rest)
    except OSError as error:
        print(f"{error.strerror}: {str(error.filename)[:200]}", file=sys.stderr)
        return 2
    return 0


def update(target: str, value: str, rest: list[str]) -> None:
    """Write the digest of files and folders, unless the file holds it already."""
    out, text = Path(target), digest([Path(name) for name in rest], value) + "\n"
    if not out.exists() or out.read_text(encoding="utf-8") != text:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
