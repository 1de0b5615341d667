"""Print a lab's catalogue for teachers: each exercise with its parts, and each mistake that the checks can name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from .declared import LabChecks
from .exercise import Exercise, source_of


def catalogue(lab: LabChecks) -> str:
    """Return the catalogue of a lab in Markdown."""
    minutes = sum(one.minutes for one in lab.declarations)
    lines = [
        f"# Lab {lab.slug}: what is wanted, and what goes wrong",
        "",
        f"{len(lab.exercises)} exercises, {lab.points()} points, about {minutes} minutes.",
        "A wrong answer gets the hint of the first mistake below that gives the same value on the same input. "
        "Where none does, it gets a fact about its value, or the neutral hint of the part.",
    ]
    for number, one in enumerate(lab.declarations, 1):
        lines += ["", *_exercise(number, one)]
    return "\n".join(lines) + "\n"


def _exercise(number: int, one: Exercise) -> Iterator[str]:
    yield f"## {number}. `{one.name}({', '.join(one.arguments)})`"
    yield ""
    rights = f"{len(one.others)} other right answers prove the oracle"
    yield f"{one.points} points, {one.minutes} minutes, difficulty {one.difficulty} of 5; {rights}."
    if one.review:
        names = ", ".join(f"`{name}`" for name in one.review)
        yield f"For review, and without effect on points, where an answer uses {names}."
    yield ""
    yield "| part | points | neutral hint |"
    yield "| --- | ---: | --- |"
    for part in one.parts:
        hint = part.hint.replace("|", "\\|")
        yield f"| {part.name or one.name} | {part.points} | {hint} |"
    yield ""
    yield f"### Mistakes in `{one.name}` ({len(one.table)})"
    before = ""
    for hint, edits in one.table:
        yield ""
        if hint != before:
            yield f"**{hint}**"
            yield ""
        before = hint
        yield "```diff" if isinstance(edits, str) else "```python"
        yield from _changes(one, edits) if isinstance(edits, str) else source_of(edits).rstrip().splitlines()
        yield "```"


def _changes(one: Exercise, edits: str) -> Iterator[str]:
    """Yield the lines of the oracle that an edit takes away, and what stands in their place."""
    lines = difflib.unified_diff(one.source.splitlines(), one.edited(edits).splitlines(), lineterm="", n=0)
    yield from (line for line in lines if not line.startswith(("---", "+++", "@@")))
