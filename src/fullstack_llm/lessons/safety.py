"""Keep what people wrote: tell a notebook that only the generator has written from one that somebody has changed.

A generated notebook records its own name and a hash of its cells. While both still fit, nobody has written into the
file, and it may be replaced; a notebook with an answer, an output, or the name of a copy no longer fits. The test needs
neither git nor a list of what was written, so it works the same in a clone, in a fork and in an unpacked zip.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

KEY = "fullstack_llm"  # the part of a notebook's metadata in which it records its name and version


def version(cells: list[dict[str, Any]]) -> str:
    """Return a short hash of a notebook's cells: sources, outputs, ids and metadata.

    >>> version([{"source": ["1\\n"]}]) == version([{"source": ["2\\n"]}])
    False
    """
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:12]


def record(text: str | None) -> dict[str, str]:
    """Return what a notebook's text records about itself, or nothing if the text is no notebook of the course.

    >>> record('{"metadata": {"fullstack_llm": {"lab": "03_tokenization"}}}'), record("{}"), record("no notebook")
    ({'lab': '03_tokenization'}, {}, {})
    """
    try:
        own = json.loads(text or "")["metadata"][KEY]
    except (ValueError, LookupError, TypeError):
        return {}
    return own if isinstance(own, dict) else {}


def read(path: Path) -> str | None:
    """Return a file's text with plain line ends, or None if the path holds no UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def untouched(path: Path, name: str = "") -> bool:
    """Return whether a file holds exactly the cells that were generated for `name` (default: the file's own name)."""
    text = read(path)
    own = record(text)
    return (name or path.stem) in (own.get("lab"), own.get("notebook")) and own.get("version") == version(
        json.loads(text or "").get("cells", [])
    )


def removable(path: Path, source: Path) -> bool:
    """Return whether a generated file may be deleted now that its source is gone.

    The file must be untouched, and git must still hold its source in HEAD: then the source was removed or renamed just
    now, and git can bring both back. A lab that is handed out without its solution has no source in HEAD, and stays.
    """
    return untouched(path) and _committed(source)


def write(path: Path, content: str) -> None:
    """Write a file as a whole and keep its mode: an interruption leaves the old file, never half of the new one."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(content, encoding="utf-8", newline="\n")
    if path.exists():
        shutil.copymode(path, new)
    new.replace(path)


def _committed(path: Path) -> bool:
    try:
        found = subprocess.run(
            ["git", "cat-file", "-e", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True, check=False
        )
    except OSError:  # no git, or no such folder
        return False
    return found.returncode == 0
