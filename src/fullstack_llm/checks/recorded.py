"""Read the recorded cases of a lab's checks, in a copy of the course that was released without answers.

A notebook always draws the same inputs. So their right values can be written down, with what each declared mistake
replies to them, and a copy that is handed out needs no function that computes either (`lessons.stubs` writes the file).
It can judge no other inputs: a class is graded with its own key, by the copy that has the answers.
"""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path
from typing import Any

from fullstack_llm.worker import codec

# Beside a lab's exercises: a zip with a frame of the codec for each check, under its label.
FILE = "recorded.zip"
# A case as it is recorded: the request, the reply, and of each mistake the reply and the hint.
Fields = tuple[bytes, bytes, tuple[tuple[bytes, str], ...]]


class NotRecordedError(LookupError):
    """Raised for inputs of which a copy without answers does not know the right values."""


def read(path: Path, label: str, seed: str) -> tuple[Fields, ...]:
    """Return the recorded cases of a check; raise `NotRecordedError` if they are of another draw."""
    found = _members(path).get(label)
    if not found or found["seed"] != seed:
        raise NotRecordedError(
            "this copy of the course was released without answers, and knows the right values of the inputs that "
            "notebooks show, and no others: leave the class key out, or grade with the copy that has the answers"
        )
    frames, hints = found["frames"], found["hints"]
    return tuple(
        (request, reply, tuple((frames[frame], hints[hint]) for frame, hint in mistakes))
        for request, reply, mistakes in found["cases"]
    )


@functools.cache
def _members(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return {name: codec.decode(archive.read(name)) for name in archive.namelist()}
