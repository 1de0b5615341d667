"""Walk a folder whose content is not trusted: links are not followed, and the depth is bounded."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path


def below(path: Path, max_depth: int, skip: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the path and everything below it except `skip`; a folder that cannot be listed counts as empty.

    Before a folder is yielded, its entries are listed. `os.walk` recurses, and fails at a thousand nested folders.
    """
    queue = [path]
    for entry in queue:
        if entry.is_dir() and not entry.is_symlink() and len(entry.parts) - len(path.parts) < max_depth:
            with contextlib.suppress(OSError):
                queue += [child for child in entry.iterdir() if child not in skip]
        yield entry
