"""Read what a lab's exercises are worth from their declarations, without importing them.

The declarations import what the labs are about, and a lab's notebook is generated without PyTorch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .declared import constant, labs


@dataclass(frozen=True)
class Row:
    """An exercise of a lab in numbers; `parts` are the points of each part by its name."""

    exercise: str
    parts: tuple[tuple[str, int], ...]
    minutes: int
    difficulty: int

    @property
    def points(self) -> int:
        """Return the points of all parts."""
        return sum(points for _, points in self.parts)

    @property
    def line(self) -> str:
        """Return the row as it stands beside a heading.

        >>> Row("merge", (("", 6), ("overlaps", 4)), 10, 2).line
        '10 points, 10 minutes, difficulty 2'
        """
        return f"{self.points} points, {self.minutes} minutes, difficulty {self.difficulty}"


def rows(package: Path) -> list[Row]:
    """Return the exercises of a lab's package, in order; a `ValueError` names the declaration that cannot be read."""
    return [_row(package / f"{exercise}.py", exercise) for exercise in constant(package, "EXERCISES")]


def outlines(folder: Path) -> dict[str, list[Row]]:
    """Return the rows of every lab in a folder, by slug."""
    return {slug: rows(package) for slug, package in labs(folder).items()}


def _row(path: Path, exercise: str) -> Row:
    tree = ast.parse(path.read_text("utf-8"))
    try:
        (declared,) = (call for call in _calls(tree, "exercise", exercise))
        numbers = {word.arg: ast.literal_eval(word.value) for word in declared.keywords if word.arg in NUMBERS}
        parts = [_part(call) for call in _calls(tree, "part", exercise)]
        # Decorators of one function take effect from the last to the first.
        return Row(exercise, tuple(parts), *(numbers[name] for name in NUMBERS))
    except (ValueError, KeyError) as error:
        why = f"{path.parent.name}/{path.name} must write out its numbers, as in @exercise(minutes=5, difficulty=1)"
        raise ValueError(f"{why} and @{exercise}.part(8, ...) ({error})") from None


NUMBERS = ("minutes", "difficulty")


def _calls(tree: ast.Module, what: str, exercise: str) -> Iterator[ast.Call]:
    """Yield the calls `@exercise(...)` above the function of that name, or `@name.part(...)` above any, in order."""
    for node in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for decorator in reversed(node.decorator_list):
            match decorator:
                case ast.Call(func=ast.Name("exercise")) if what == "exercise" and node.name == exercise:
                    yield decorator
                case ast.Call(func=ast.Attribute(ast.Name(str(name)), "part")) if (name, what) == (exercise, "part"):
                    yield decorator


def _part(call: ast.Call) -> tuple[str, int]:
    words = {word.arg: word.value for word in call.keywords}
    given = dict(zip(("points", "hint", "name"), call.args, strict=False)) | words
    name = ast.literal_eval(given["name"]) if "name" in given else ""
    return str(name), int(ast.literal_eval(given["points"]))
