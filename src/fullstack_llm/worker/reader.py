"""Read a submission: return the code cells of a notebook or a script, in order, whichever program saved the file.

The worker reads the file, before it runs any cell: the file is as untrusted as the code in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_FILE = 256 << 20
MAX_CELLS = 2_000
MAX_CELL = 200_000
MAX_SOURCE = 2_000_000
DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\(", re.MULTILINE)
# Where a script that was a notebook has its cells: as Spyder, VS Code and jupytext, nbconvert, or Databricks write it.
CELL_BORDER = re.compile(r"(?m)^# ?(?:%%.*|In ?\[[ \d]*\]:?|<codecell>|COMMAND -{5,}) *$|^# \+(?: \{.*\})?$")


class UnreadableError(ValueError):
    """Raised for a file that holds no submission; the message is a sentence for the report."""


@dataclass
class Notebook:
    """Hold what was read: `cells` are the code cells as `(label, source)`, `tags` the tags of each.

    `lab` and `version` are what the file says of itself; `in_text` names functions that are defined in text cells;
    `notes` are remarks for the report; `python` is the version with which the notebook was written, if it says so.
    """

    cells: list[tuple[str, str]]
    lab: str = ""
    version: str = ""
    python: str = ""
    in_text: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)


def read(path: Path) -> Notebook:
    """Read the cells of a `.ipynb` (format 3 or 4, as Jupyter or Colab saves it) or of a `.py`."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise UnreadableError(f"the file has {size >> 20} MB; at most {MAX_FILE >> 20} MB are read: clear its outputs")
    return parse(path.read_bytes(), path.suffix.lower())


def parse(data: bytes, suffix: str) -> Notebook:
    """Parse the bytes of a file with this suffix into cells."""
    notes: list[str] = []
    text = _text(data, notes)
    if not text.strip():
        raise UnreadableError("the file is empty")
    book = _script(text) if suffix == ".py" else _notebook(text)
    book.notes[:0] = notes
    _apply_limits(book)
    return book


def _text(data: bytes, notes: list[str]) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes.append("the file is UTF-16, not UTF-8")
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # JSON and Python syntax is ASCII, so the code survives a wrong guess about the other characters.
        notes.append(f"the file is not UTF-8 (byte {error.start}); it was read as Windows-1252")
        return data.decode("cp1252", "replace")


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 100 else 0


def _notebook(text: str) -> Notebook:
    try:
        data = json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        cut = ": it seems to be cut off" if error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg else ""
        raise UnreadableError(f"the file is not a notebook (no JSON, line {error.lineno}){cut}") from None
    except RecursionError:
        raise UnreadableError("the file is not a notebook (JSON nested too deeply)") from None
    cells = _cells(data)
    metadata = _dict(_dict(_dict(data).get("metadata")).get("fullstack_llm"))
    python = _dict(_dict(_dict(data).get("metadata")).get("language_info")).get("version", "")
    lab, version, python = (
        _valid(str(each)[:80]) for each in (metadata.get("lab", ""), metadata.get("version", ""), python)
    )
    book = Notebook([], lab, version, python)
    for number, cell in enumerate(cells, start=1):
        source = _source(cell)
        if _dict(cell).get("cell_type") == "code":
            book.cells.append((f"cell {number}", source))
            tags = _dict(_dict(cell).get("metadata")).get("tags")
            book.tags.append([_valid(t) for t in tags if isinstance(t, str)] if isinstance(tags, list) else [])
        else:
            book.in_text += DEFINITION.findall(source[:MAX_CELL])
    if not book.cells:
        raise UnreadableError("the notebook has no code cells")
    return book


def _valid(text: str) -> str:
    # A lone surrogate from a JSON string is not valid Unicode: the codec refuses it, and so does the Python compiler.
    return text.encode("utf-8", "replace").decode()


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _cells(data: Any) -> list[Any]:
    cells = _dict(data).get("cells")
    if cells is None and isinstance(_dict(data).get("worksheets"), list):
        sheets = [_dict(sheet).get("cells") for sheet in data["worksheets"]]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list):
        raise UnreadableError("the file is JSON, but not a notebook: it has no list of cells")
    return cells


def _source(cell: Any) -> str:
    # Format 3 calls the source of a code cell `input`.
    source = _dict(cell).get("source", _dict(cell).get("input", ""))
    if isinstance(source, list):
        # Some programs leave the line ends out; a line without one, before the last, has no other meaning.
        lines = [line for line in source if isinstance(line, str)]
        source = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines[:-1]) + "".join(lines[-1:])
    return source if isinstance(source, str) else ""


def _script(text: str) -> Notebook:
    parts = CELL_BORDER.split(text)
    return Notebook([(f"part {n}" if len(parts) > 1 else "the script", part) for n, part in enumerate(parts, start=1)])


def _apply_limits(book: Notebook) -> None:
    if len(book.cells) > MAX_CELLS:
        book.notes.append(f"only the first {MAX_CELLS:,} of {len(book.cells):,} code cells were run")
        del book.cells[MAX_CELLS:], book.tags[MAX_CELLS:]
    total = 0
    for number, (label, source) in enumerate(book.cells):
        total += len(source)
        if len(source) > MAX_CELL or total > MAX_SOURCE:
            book.notes.append(f"{label} was not run: it is too long, or the notebook is")
            book.cells[number] = (label, "")
    book.in_text = sorted(set(book.in_text))[:100]
    book.cells = [(label, _valid(source)) for label, source in book.cells]
