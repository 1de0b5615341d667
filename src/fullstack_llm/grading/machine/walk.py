"""Walk through folders that somebody else has made: links are not followed, and depth has an end."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path


def below(path: Path, deepest: int, but: Collection[Path] = ()) -> Iterator[Path]:
    """The path and all that is in it, each folder after its entries were listed; what cannot be listed holds nothing.

    `os.walk` recurses, and gives up with an error at a thousand folders within each other.
    """
    waiting = [path]
    for one in waiting:
        if one.is_dir() and not one.is_symlink() and len(one.parts) - len(path.parts) < deepest:
            with contextlib.suppress(OSError):
                waiting += [child for child in one.iterdir() if child not in but]
        yield one
