"""Short renderings of values for a verdict: one line or a few, whatever the size of the value.

>>> show(list(range(100)))
'[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...] (100 items)'
"""

from __future__ import annotations

import reprlib
import sys
import unicodedata
from typing import Any

LIMIT = 400
ITEMS = 12


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxlong, self.maxother = 5, 160, 60, 120
        self.maxlist = self.maxtuple = self.maxdict = ITEMS

    def repr_bytes(self, value: bytes, level: int) -> str:
        return repr(value) if len(value) <= 80 else f"{value[:80]!r}..."

    def repr_dict(self, value: dict[Any, Any], level: int) -> str:
        # The parent class sorts keys, which hides the order that the student wrote.
        pairs = [f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in list(value.items())[:ITEMS]]
        return "{" + ", ".join(pairs + ["..."] * (len(value) > ITEMS)) + "}"

    def repr_instance(self, value: Any, level: int) -> str:
        torch = sys.modules.get("torch")
        is_tensor = torch is not None and isinstance(value, torch.Tensor)
        if is_tensor or hasattr(value, "dtype"):
            dtype = str(value.dtype).removeprefix("torch.")
            flat = value.reshape(-1)[:ITEMS].tolist()
            dots = ", ..." if (value.numel() if is_tensor else value.size) > ITEMS else ""
            name = "tensor" if is_tensor else "array"
            return f"{name}(shape={tuple(value.shape)}, dtype={dtype}, [{', '.join(f'{x:.6g}' for x in flat)}{dots}])"
        return super().repr_instance(value, level)

    repr_ndarray = repr_Tensor = repr_instance  # noqa: N815 (reprlib looks methods up by type name)


def show(value: Any) -> str:
    """Return a rendering of at most about 400 characters.

    >>> show({"text": "Ada", "ids": (1, 2)})
    "{'text': 'Ada', 'ids': (1, 2)}"
    """
    text = _Short().repr(value)
    if len(text) > LIMIT:
        text = text[: LIMIT - 3] + "..."
    if isinstance(value, (list, tuple, dict)) and len(value) > ITEMS:
        text += f" ({len(value)} items)"
    return text


def plain(text: str, limit: int = 4000) -> str:
    """Make control and direction characters of a text visible, and cut it in the middle: safe for terminals and pages.

    >>> plain("red \\x1b[31m alert")
    'red \\\\x1b[31m alert'
    """
    if len(text) > limit:
        text = f"{text[: limit // 4]}\n[... {len(text) - limit:,} characters left out ...]\n{text[-limit * 3 // 4 :]}"
    return "".join(
        c if c in "\n\t" or not _acts(unicodedata.category(c)) else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def _acts(category: str) -> bool:
    # Control and format characters, and the separators of lines and paragraphs.
    return category[0] == "C" or category in ("Zl", "Zp")


def one_line(text: str, limit: int = 500) -> str:
    """Return a text as one printable line, so that nobody's text begins a line of its own on a terminal.

    >>> one_line("lab 3\\n100 of 100 points")
    'lab 3\\\\n100 of 100 points'
    """
    return plain(text, limit).replace("\n", "\\n")
